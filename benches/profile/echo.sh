#!/usr/bin/env bash
# Where the time of an echo goes: samples the server of the example coroutine_vs_thread under load, and sorts
# the samples by the system call that they stand in. Needs Linux, perf, and strace for the calls.
#
#   benches/profile/echo.sh [async|green|thread] [CONNECTIONS] [THINK_MS]
set -euo pipefail
cd "$(dirname "$0")/../.."
model=${1:-async} connections=${2:-50} think=${3:-0}
program=${CARGO_TARGET_DIR:-target}/release/examples/coroutine_vs_thread
cargo build --quiet --release --example coroutine_vs_thread
work=$(mktemp -d)
last=$(($(nproc) - 1))

coproc SERVER { exec "$program" serve "$model" --cpus=0; }
server=$SERVER_PID
# Whatever happens, nothing is left behind.
trap 'kill "$server" ${load:-} 2>/dev/null || true; rm -r "$work"' EXIT
read -r -u "${SERVER[0]}" line
port=$(sed 's/.*"port":\([0-9]*\).*/\1/' <<<"$line")

# Two slices of work: perf samples the first one, and strace, which makes everything slow, counts in the other.
{ echo; sleep 7; echo; sleep 6; } | "$program" load --port="$port" --servers="$server" --cpu="$last" \
    --connections="$connections" --think="$think" --lead-in=500 --slice=4000 >"$work/load" &
load=$!
sleep 1
perf record -q -F 4000 -g -p "$server" -o "$work/perf" -- sleep 3 >/dev/null 2>&1
sleep 5
strace -q -c -f -p "$server" -o "$work/strace" & tracer=$!
sleep 1
kill -INT "$tracer" && wait "$tracer" || true
wait "$load"

echo "model $model, $connections connections, think time $think ms"
sed -n "2s/^/unobserved but for perf: /p" "$work/load"
echo
echo "share of the samples"
perf script -i "$work/perf" -F ip,sym,dso 2>/dev/null | awk '
    function end() {
        if (!frames) return
        all++
        if (call != "") kind = "kernel: " call
        else if (kernel) kind = "kernel: entry, exit, interrupts"
        else kind = "program: " where
        count[kind]++
        frames = kernel = 0; call = where = ""
    }
    /^$/ { end(); next }
    {
        frames++
        symbol = $2; object = $NF
        if (object ~ /kernel|\[.*\]/ && object !~ /vdso/) {
            kernel = 1
            # The outermost one is the call; what an interrupt does on top of it is not told apart.
            if (symbol ~ /^__(x64|do|se)_sys_/) { call = symbol; sub(/^__(x64|do|se)_sys_/, "", call) }
        } else if (where == "") {
            if (object ~ /vdso/) where = "clock"
            else if (object ~ /libc/) where = "libc"
            else if ($0 ~ /mio/) where = "mio"
            else if ($0 ~ /greenloop/) where = "greenloop"
            else where = "handler and std"
        }
    }
    END {
        end()
        for (kind in count) printf "  %5.1f %%  %s\n", 100 * count[kind] / all, kind
        printf "  (%d samples)\n", all
    }' | sort -rn
echo
echo "system calls"
head -12 "$work/strace"
