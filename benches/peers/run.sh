#!/usr/bin/env bash
# Compares with all peers that build here, whatever happens to the others: `benches/peers/run.sh [COMMAND] [OPTIONS]`.
# Which were left out is said in the report, beside those that are not installed.
set -euo pipefail
package=$(dirname "$0")/Cargo.toml
if cargo build --quiet --release --manifest-path "$package"; then
    exec cargo run --quiet --release --manifest-path "$package" -- "$@"
fi
echo "Not all peers build; trying them one by one." >&2
features=greenloop
for peer in tokio smol monoio compio glommio may corosensei; do
    if cargo check --quiet --release --manifest-path "$package" --no-default-features --features "$peer" 2>/dev/null; then
        features+=,$peer
    else
        echo "$peer does not build here" >&2
    fi
done
exec cargo run --quiet --release --manifest-path "$package" --no-default-features --features "$features" -- "$@"
