#!/usr/bin/env bash
# Where the time of an echo goes: samples the server of the example coroutine_vs_thread under load, and sorts
# the samples by the system call that they stand in. Needs Linux, perf, and strace for the calls.
#
#   benches/profile/echo.sh [async|green|thread] [CONNECTIONS] [THINK_MS]
#   benches/profile/echo.sh --markdown FILE      # all three, and a single connection, as a table in FILE
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${CARGO_TARGET_DIR:-target}/release/examples/coroutine_vs_thread
work=$(mktemp -d)
last=$(($(nproc) - 1))
server='' load=''
# Whatever happens, nothing is left behind.
trap 'kill $server $load 2>/dev/null || true; rm -r "$work"' EXIT

# Profiles a server: the client's figures in $work/load, the shares of the samples, as "PER CENT, TAB, WHERE",
# in $work/shares, and the table of strace in $work/strace.
profile() {
    local model=$1 connections=$2 think=$3 line port tracer
    coproc SERVER { exec "$program" serve "$model" --cpus=0; }
    server=$SERVER_PID
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
    kill "$server" && wait "$server" 2>/dev/null || true
    server='' load=''
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
                if (symbol ~ /^__(x64|do|se)_sys_/) {
                    call = symbol; sub(/^__(x64|do|se)_sys_/, "", call)
                }
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
            for (kind in count) printf "%.1f\t%s\n", 100 * count[kind] / all, kind
        }' | sort -rn >"$work/shares"
}

# The calls that strace has counted, per message: each echo is one that sends.
calls() {
    awk '$NF ~ /^(sendto|write)$/ && !messages { messages = $4 }
        $4 ~ /^[0-9]+$/ && $NF != "total" { count[$NF] = $4 }
        END { for (call in count) if (count[call] / messages >= 0.005)
            printf "%.2f %s\n", count[call] / messages, call }' "$work/strace" |
        sort -rn | paste -sd, | sed 's/,/, /g'
}

cargo build --quiet --release --example coroutine_vs_thread
if [ "${1:-}" != --markdown ]; then
    model=${1:-async} connections=${2:-50} think=${3:-0}
    profile "$model" "$connections" "$think"
    echo "model $model, $connections connections, think time $think ms"
    sed -n "2s/^/unobserved but for perf: /p" "$work/load"
    echo
    echo "share of the samples"
    sed 's/\t/ %  /; s/^/  /' "$work/shares"
    echo
    echo "system calls per message: $(calls)"
    head -12 "$work/strace"
    exit
fi

document=${2:?which document?}
grep -q '^<!-- begin: profile -->$' "$document" || { echo "$document has no line <!-- begin: profile -->" >&2; exit 1; }
names=('async tasks' 'green threads' 'OS threads' 'async tasks, 1 connection')
n=0
for run in 'async 50' 'green 50' 'thread 50' 'async 1'; do
    read -r model connections <<<"$run"
    echo "  $model, $connections connections" >&2
    profile "$model" "$connections" 0
    sed "s/^/$n\t/" "$work/shares" >>"$work/all"
    calls >"$work/calls.$n"
    sed -n '2s/.*"cpu_us":\([0-9.]*\).*/\1/p' "$work/load" >"$work/cost.$n"
    n=$((n + 1))
done
{
    echo
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    echo "Measured $(date -u '+%F %H:%M UTC') on $processor, Linux $(uname -r); 50 connections unless said otherwise."
    echo
    printf '| share of the CPU time |'; printf ' %s |' "${names[@]}"; echo
    echo '|---|--:|--:|--:|--:|'
    # What is nowhere a two-hundredth is left out; most first, by the first column that has it.
    awk -F'\t' '
        { share[$3, $1] = $2; if (!($3 in most) || $2 > most[$3]) most[$3] = $2; if (!($3 in first)) { first[$3] = ++kinds; kind[kinds] = $3 } }
        END {
            for (i = 1; i <= kinds; i++) if (most[kind[i]] >= 0.5) {
                line = "| " kind[i] " |"
                for (run = 0; run < 4; run++) line = line ((kind[i], run) in share ? " " share[kind[i], run] " % |" : " – |")
                print line
            }
        }' "$work/all"
    printf '| CPU time of a message, while it is sampled |'
    for i in 0 1 2 3; do printf ' %.1f µs |' "$(cat "$work/cost.$i")"; done; echo
    printf '| system calls per message |'
    for i in 0 1 2 3; do printf ' %s |' "$(cat "$work/calls.$i")"; done; echo
    echo
} >"$work/table"
awk -v table="$work/table" '
    $0 == "<!-- end: profile -->" { inside = 0 }
    !inside { print }
    $0 == "<!-- begin: profile -->" { inside = 1; while ((getline line < table) > 0) print line }
' "$document" >"$work/document"
cp "$work/document" "$document"
