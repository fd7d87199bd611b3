#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The rig itself: what the other cases stand on.
. "$(dirname "$0")/../lib/tap.sh"
last=$RIG_NODES
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# --- commands on a node --------------------------------------------------------

"$RIG" exec 1 -- sh -c 'exit 42'
is $? 42 'the exit status passes through'
"$RIG" exec node1 -- sh -c 'kill -9 $$'
is $? 137 'so does a signal, as a shell has it'
"$RIG" exec 1 -- no-such-command 2>/dev/null
is $? 127 'no such command'
is "$("$RIG" exec 1 -- sh -c 'echo out; echo err >&2' 2>"$tmp/err")" out 'stdout'
is "$(cat "$tmp/err")" err 'stderr, apart from it'
is "$(printf 'a\0b\n' | "$RIG" exec 1 -- od -An -c | tr -d ' ')" 'a\0b\n' 'stdin, any byte'
is "$("$RIG" exec 1 -- printf '%s|' 'a b' '' "it's \$x")" "a b||it's \$x|" \
	'arguments arrive as they are'
is "$(head -c 3000000 /dev/zero | "$RIG" exec 1 -- wc -c)" 3000000 'a long stdin'
is "$("$RIG" exec 1 -- head -c 3000000 /dev/zero | wc -c)" 3000000 'a long stdout'
is "$(timeout 60 "$RIG" exec 1 -- sh -c 'sleep 1000 & echo on')" on \
	'a process left behind holds nobody up'
on 1 'pkill -x sleep'

"$RIG" exec 1 -t 1 -- sh -c 'sleep 777 & sleep 777; true'
is $? 124 'a timeout'
no_sleep() { on 1 '! pgrep -f "[s]leep 777" >/dev/null'; }
check 'ends the whole group' wait_for 10 no_sleep

# A reader that does not read stops nobody else.
{
	"$RIG" exec 1 -- head -c 2000000 /dev/zero
} | { sleep 3; wc -c >"$tmp/slow"; } &
slow=$!
pids=()
echoes() { [ "$("$RIG" exec "$1" -- sh -c "sleep 0.2; echo $2")" = "$2" ]; }
for i in $(seq 20); do
	echoes $((i % last + 1)) "$i" &
	pids+=($!)
done
bad=0
for pid in "${pids[@]}"; do
	wait "$pid" || bad=$((bad + 1))
done
is $bad 0 'twenty commands at once'
wait $slow
is "$(cat "$tmp/slow")" 2000000 'beside one whose output nobody read'

# whose keyboard is silent: of one that ends script types its idea of ^D
mkfifo "$tmp/keyboard"
tty=$(script -qec "'$RIG' exec 1 -- tty" /dev/null <>"$tmp/keyboard" |
	tr -d '\r0-9')
is "$tty" /dev/pts/ 'a terminal here is a terminal there'

# --- files ---------------------------------------------------------------------

head -c 300000 /dev/urandom >"$tmp/file"
chmod 751 "$tmp/file"
check 'put' "$RIG" put 1 "$tmp/file" /tmp/there
check 'get' "$RIG" get 1 /tmp/there "$tmp/back"
check 'the same bytes' cmp "$tmp/file" "$tmp/back"
is "$(on 1 'stat -c %a /tmp/there')" 751 'the mode goes along'
mkdir -p "$tmp/dir/sub"
echo deep >"$tmp/dir/sub/file"
check 'put a directory' "$RIG" put 1 "$tmp/dir" /tmp/tree
check 'get it' "$RIG" get 1 /tmp/tree "$tmp/tree"
is "$(cat "$tmp/tree/sub/file")" deep 'it is whole'
refuse 'get what is not there' "$RIG" get 1 /tmp/nowhere "$tmp/none"

on 1 'echo common >/shared/word'
is "$(on "$last" 'cat /shared/word')" common '/shared is one directory'
on "$last" 'rm /shared/word'
refuse 'in both directions' on 1 'cat /shared/word'

# --- nodes are different, and know each other --------------------------------------

differ() { # COMMAND-LINE: as many outputs as nodes
	local n
	for n in $(seq "$last"); do on "$n" "$1"; done | sort -u | wc -l
}
is "$(differ hostname)" "$last" 'host names differ'
is "$(differ 'cat /sys/class/net/eth1/address')" "$last" 'addresses differ'
is "$(differ 'cat /sys/class/infiniband/rxe0/node_guid')" "$last" 'RDMA GUIDs differ'
is "$(differ 'head -c 16 /dev/urandom | od -An -tx1')" "$last" 'random numbers differ'
is "$(on 1 "ssh node$last hostname")" "node$last" 'ssh from node to node, unasked'
now=$(date +%s)
there=$(on 1 'date +%s')
ok $((there - now > 10 || now - there > 10)) 'the clock is right'

# --- the network -----------------------------------------------------------------

ping_to() { on 1 "ping -q -c 1 -W ${2:-4} node$1 >/dev/null"; }
no_ping() { ! ping_to "$1" 1; }
check 'ping' ping_to "$last"
check 'ping, jumbo' on 1 "ping -q -c 1 -W 4 -s 8000 -M do node$last >/dev/null"
"$RIG" cut 1 "$last"
check 'cut' no_ping "$last"
"$RIG" heal
check 'heal' wait_for 10 ping_to "$last"
"$RIG" cut "$last" 1 --one-way
check 'a cut one way is a cut' no_ping "$last"
"$RIG" heal
"$RIG" shape 1 delay 150
rtt=$(on 1 "ping -q -c 2 -W 4 node$last" | sed -n 's/^rtt.* = \([0-9]*\).*/\1/p')
ok $((${rtt:-0} < 290)) "delay, there and back: ${rtt:-none} ms"
"$RIG" shape 1 loss 100
check 'loss of all' no_ping "$last"
"$RIG" shape 1 clear
check 'no loss' wait_for 10 ping_to "$last"
check 'all are members after it' wait_for 60 whole

# --- power -----------------------------------------------------------------------

"$RIG" pause "$last"
"$RIG" exec "$last" -- true &
asked=$!
sleep 1
check 'a paused node does nothing' kill -0 $asked
"$RIG" resume "$last"
wait $asked
is $? 0 'and goes on'

"$RIG" exec "$last" -- sleep 1000 2>/dev/null &
asked=$!
check 'it runs a command' wait_for 10 on "$last" 'pgrep -x sleep'
"$RIG" crash "$last"
wait $asked
is $? 128 'a command on a node that loses power'
"$RIG" exec "$last" -- true 2>/dev/null
is $? 128 'and one after it'
check 'start' "$RIG" start "$last"
is "$(on "$last" 'hostname; test -e /tmp/there || echo anew')" "node$last
anew" 'it booted'
check 'all are members again' wait_for 120 whole

refuse 'no such node' "$RIG" exec 99 -- true
refuse 'no such command' "$RIG" frobnicate
refuse 'a second rig in one place' "$RIG" up

done_testing
