#!/usr/bin/env bash
# Brings docs/performance.md and its pictures up to date: measures all that it shows, on this machine, which
# should have nothing else to do for some twenty minutes. PYTHON may name an interpreter that has uvloop and gevent.
set -euo pipefail
cd "$(dirname "$0")/../.."
document=docs/performance.md
peers=benches/peers/Cargo.toml
# Nothing is compiled while something is measured.
cargo build --release --example coroutine_vs_thread
cargo build --release --manifest-path "$peers"
cargo run --quiet --release --example coroutine_vs_thread -- --markdown "$document"
benches/profile/echo.sh --markdown "$document"
for part in echo syscalls micro sync; do
    cargo run --quiet --release --manifest-path "$peers" -- "$part" --out "target/peers/$part" --markdown "$document"
done
