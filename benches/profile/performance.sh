#!/usr/bin/env bash
# Brings docs/performance.md and its pictures up to date: measures all that it shows, on this machine, which
# should have nothing else to do for some thirty-five minutes. PYTHON may name an interpreter that has uvloop and gevent.
set -euo pipefail
cd "$(dirname "$0")/../.."
document=docs/performance.md
# Nothing is compiled while something is measured.
cargo build --release --example coroutine_vs_thread
benches/peers/run.sh --help >/dev/null
cargo run --quiet --release --example coroutine_vs_thread -- --markdown "$document"
benches/profile/echo.sh --markdown "$document"
for part in echo syscalls micro sync; do
    benches/peers/run.sh "$part" --out "target/peers/$part" --markdown "$document"
done
