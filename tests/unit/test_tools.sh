#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The commands against a daemon that only acts like one: what they print, where,
# and how they exit. Built with sanitizers; no cluster is needed.
# shellcheck disable=SC2016,SC2094 # text for other shells; files only read
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
build=$(realpath -m "${BUILD:-build}")/userspace
tmp=$(mktemp -d)
daemon=
# shellcheck disable=SC2329 # called by the trap
clean() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null
	rm -rf "$tmp"
}
trap clean EXIT

n=0 bad=0
ok() { # STATUS WHAT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		bad=$((bad + 1))
		echo "not ok $n - $2"
		sed 's/^/# out: /' "$tmp/out" | head -n 20
		sed 's/^/# err: /' "$tmp/err" | head -n 20
	fi
}

# try STATUS COMMAND...: stdout and stderr into files, the status as wanted?
try() {
	local want=$1 status
	shift
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	[ $status = "$want" ] || echo "# exit status $status, not $want: $*"
	[ $status = "$want" ]
}

out_is() { diff "$tmp/out" - >"$tmp/diff" || { sed 's/^/# /' "$tmp/diff"; false; }; }
out_has() { grep -qE -- "$1" "$tmp/out"; }
err_has() { grep -qE -- "$1" "$tmp/err"; }
err_lines() { [ "$(wc -l <"$tmp/err")" = "$1" ]; }
quiet() { [ ! -s "$tmp/err" ]; }

# await COMMAND...: until it succeeds, for ten seconds at most.
await() {
	local i
	for ((i = 0; i < 500; i++)); do
		"$@" && return
		sleep 0.02
	done
	false
}

# json EXPRESSION: of the object d on stdout, which must be JSON.
json() {
	python3 -m json.tool "$tmp/out" >/dev/null &&
		python3 -c "import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not ($1))" "$tmp/out"
}

# on_pty INPUT COMMAND...: on a terminal of its own; what it shows on stdout,
# its exit status. INPUT is typed once the output holds "ready".
on_pty() {
	python3 - "$@" <<'PY'
import os, pty, select, sys, time
typed, argv = sys.argv[1].encode().decode("unicode_escape").encode("latin1"), sys.argv[2:]
pid, fd = pty.fork()
if not pid:
    os.execvp(argv[0], argv)
seen, end = b"", time.time() + 60
while time.time() < end:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if typed and b"ready" in seen:
        os.write(fd, typed)
        typed = b""
else:
    os.kill(pid, 9)
sys.stdout.buffer.write(seen)
sys.stdout.flush()
status = os.waitpid(pid, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status) % 256)
PY
}

if ! make -s -C userspace B="$build" tools-test >"$tmp/out" 2>"$tmp/err"; then
	ok 1 "the commands build"
	echo "1..1"
	exit 1
fi
PATH=$build/test:$PATH
export PANDO_CONTROL=$tmp/control ASAN_OPTIONS=detect_leaks=0
export LC_ALL=C.UTF-8 TERM=xterm TZ=UTC
unset NO_COLOR COLUMNS
tools='cluster-nodes cluster-ps cluster-run cluster-shell cluster-mv'

# --- alike in all ------------------------------------------------------------

for t in $tools; do
	wrong=2 failed=1
	case $t in *run | *shell) wrong=125 failed=125 ;; esac
	args=
	case $t in *run) args=true ;; *mv) args='1 node2' ;; esac

	try 0 "$t" --help && quiet && out_has "^Usage: $t" && out_has -- --json
	ok $? "$t --help"
	try 0 "$t" --version && quiet && out_has "^$t \(pando\) [0-9.]+$"
	ok $? "$t --version"
	try $wrong "$t" --nonsense && err_has "$t --help" && [ ! -s "$tmp/out" ]
	ok $? "$t: a wrong option is a wrong call"
	# shellcheck disable=SC2086 # words
	try $failed "$t" $args && err_has "^$t: .*systemctl start pandod" &&
		err_lines 1 && [ ! -s "$tmp/out" ]
	ok $? "$t without a daemon says what to do, in one line"
	"$t" --help >/dev/full 2>"$tmp/err"
	[ $? = $failed ] && err_has 'cannot write'
	ok $? "$t: output that cannot be written is a failure"
done

# what a script starts in the background ignores some signals
env --default-signal fake-pandod "$tmp/control" &
daemon=$!
await [ -S "$tmp/control" ]

# --- cluster-nodes -----------------------------------------------------------

try 0 cluster-nodes && out_is <<'END'
ID NAME  STATE  TRANSPORT PROCS GUESTS  LOAD       MEM
 1 node1 member rdma          3      0  0.00 1.0G/2.0G
 2 node2 member rdma          4      1  0.25 1.0G/2.0G
 3 node3 down   rdma          -      -     -         -
END
ok $? "cluster-nodes: a table in the order of ids"
err_has '^epoch 7, quorate, 2 of 3 nodes present, seen from node1$'
ok $? "cluster-nodes: epoch and quorum on stderr"
try 0 cluster-nodes --json && quiet && json '
list(d)[:2] == ["epoch", "quorate"] and d["epoch"] == 7 and d["quorate"] is True
and [n["id"] for n in d["nodes"]] == [1, 2, 3]
and list(d["nodes"][1])[:9] == ["id", "name", "state", "transport", "processes",
	"guests", "load1", "mem_total_kib", "mem_available_kib"]
and d["nodes"][1]["load1"] == 0.25'
ok $? "cluster-nodes --json"
try 0 cluster-nodes -n -o name,id && quiet && out_is <<'END'
node1  1
node2  2
node3  3
END
ok $? "cluster-nodes -o"
try 0 cluster-nodes --expel node3 && quiet && [ ! -s "$tmp/out" ]
ok $? "cluster-nodes --expel: silent when it is done"
try 0 cluster-nodes --expel node3 --json && json 'd == {"expelled": "node3"}'
ok $? "cluster-nodes --expel --json"
try 1 cluster-nodes --expel node1 && err_has 'node1 is a member'
ok $? "cluster-nodes --expel: why not"
try 1 cluster-nodes --expel node2 && try 0 cluster-nodes --expel node2 --off
ok $? "cluster-nodes --expel --off is passed on"
try 2 cluster-nodes --off && err_has '--expel'
ok $? "cluster-nodes --off alone is misuse"
try 2 cluster-nodes -o what && err_has 'no column what'
ok $? "cluster-nodes -o: an unknown column is named"
try 0 cluster-nodes -l && out_has '10\.0\.0\.1' && out_has ' LINK '
ok $? "cluster-nodes --long"
on_pty '' cluster-nodes >"$tmp/out" && grep -q $'\033\[32mmember' "$tmp/out"
ok $? "cluster-nodes: colour on a terminal"
NO_COLOR=1 on_pty '' cluster-nodes >"$tmp/out" && ! grep -q $'\033' "$tmp/out"
ok $? "cluster-nodes: none under NO_COLOR"

# --- cluster-ps --------------------------------------------------------------

try 0 cluster-ps -o pid,node,home,user,stat,comm && out_is <<'END'
    PID NODE  HOME  USER     STAT COMMAND
   2000 node1 node1 root     Ss   bash
   2001 node2 node1 alice    Rl   memcached
   2002 node2 node1 alice    S    worker
   2003 node1 node1 root     Z    gone <defunct>
   3000 node2 node2 1001     Ss   od"d?
   4000 node2 node2 root     Ss   left
   4001 node1 node2 root     S    right
END
ok $? "cluster-ps -o"
err_has '^cluster-ps: node3 does not answer' && err_lines 1
ok $? "cluster-ps names a node that does not answer, and exits with 0"
try 0 cluster-ps && out_has '^ +PID NODE  TTY +TIME CMD$' &&
	out_has '^ +2001 node2 pts/1 +00:01:01 memcached$'
ok $? "cluster-ps: the columns of ps and the node"
try 0 cluster-ps -ef &&
	out_has '^UID +PID +PPID NODE +C STIME TTY +TIME CMD$' &&
	out_has '^alice +2001 +2000 node2 +10 .* memcached -m 64 -l 0\.0\.0\.0$'
ok $? "cluster-ps -ef"
try 0 cluster-ps aux && out_has '^USER +PID NODE +%CPU %MEM +VSZ +RSS TTY' &&
	out_has '^alice +2001 node2 +10\.2  3\.1 131072 65536 pts/1    Rl +[0-9:]+ +1:01 mem'
ok $? "cluster-ps aux"
for format in -F -l -ly -j -efl l j ax auxww 'ax o pid,args' '-eo pid='; do
	# shellcheck disable=SC2086 # words
	try 0 cluster-ps $format && out_has 2001
	ok $? "cluster-ps $format"
done
try 0 cluster-ps --forest -o pid,args && out_is <<'END'
    PID COMMAND
   2000 -bash
   2001  \_ memcached -m 64 -l 0.0.0.0
   2002  |   \_ worker one
   2003  \_ [gone] <defunct>
   3000 odd "quoted" ??[31m café
   4000 left
   4001  \_ right
END
ok $? "cluster-ps --forest: one tree over nodes, a circle too"
try 0 cluster-ps -H -o comm --no-headers -p 2000,2001 && out_is <<'END'
bash
  memcached
END
ok $? "cluster-ps -H"
try 0 cluster-ps -o pid= -o user:3= --sort -rss -u alice,1001 && out_is <<'END'
   2001 ali
   2002 ali
   3000 100
END
ok $? "cluster-ps --sort, -u, widths and titles of one's own"
pids() { cluster-ps --no-headers -o pid "$@" 2>/dev/null | xargs; }
is_pids() { # WANTED OPTIONS...
	local want=$1 got
	shift
	got=$(pids "$@")
	[ "$got" = "$want" ] || echo "# got $got"
	[ "$got" = "$want" ]
	ok $? "cluster-ps $*"
}
is_pids '2001 2002' -C memcached -C worker
is_pids '2001 2003' --ppid 2000
is_pids '2000 2003 4000 4001' -U root
is_pids '2000 2001' -t pts/1
is_pids '2001' -a
is_pids '2001 2002 2003 4001' -d
is_pids '3000 4000 4001' -N -s 2000
is_pids '2001 2002 3000 4000' --node node2
is_pids '2000' --node 1 -p 2000,2001
is_pids '2001' 2001
is_pids '4001 4000 3000 2003 2002 2001 2000' k -pid
is_pids '2000 2003 4001 2001 2002 3000 4000' --sort node,pid
is_pids '2000 2001' t pts/1
[ "$(id -u)" != 0 ] || is_pids '2000 2003 4000 4001' x
try 1 cluster-ps -p 99999 && out_has PID
ok $? "cluster-ps: nothing found is 1, as with ps"
try 2 cluster-ps -o pid,what && err_has 'no column what'
ok $? "cluster-ps: an unknown column"
try 2 cluster-ps -p x && err_has 'x is not a PID'
ok $? "cluster-ps: not a PID"
try 2 cluster-ps auxq && err_has 'unknown BSD option q'
ok $? "cluster-ps: unknown BSD letter"
try 0 cluster-ps --json && json '
len(d["processes"]) == 7 and d["unreachable"] == ["node3"]
and list(d["processes"][1])[:12] == ["pid", "ppid", "pgid", "sid", "node", "home",
	"user", "state", "rss_kib", "cpu_ms", "comm", "args"]
and d["processes"][1]["node"] == "node2" and d["processes"][1]["cpu_ms"] == 61000
and d["processes"][4]["args"] == "odd \"quoted\" \ufffd\x1b[31m caf\u00e9"'
ok $? "cluster-ps --json, also of bytes that are no text"
try 0 cluster-ps --json -p 2002 && json 'len(d["processes"]) == 1'
ok $? "cluster-ps --json takes a selection"
COLUMNS=30 on_pty '' cluster-ps -o pid,args -p 2001 >"$tmp/out" &&
	out_has $'^   2001 memcached -m 64 -l 0\\.0\r$'
ok $? "cluster-ps: lines are cut at the terminal's width"
COLUMNS=30 on_pty '' cluster-ps -ww -o pid,args -p 2001 >"$tmp/out" &&
	out_has $'0\\.0\\.0\\.0\r$'
ok $? "cluster-ps -ww: they are not"

# --- cluster-mv --------------------------------------------------------------

try 0 cluster-mv 2000 2001 node2 && quiet && out_is <<'END'
2000: node1 -> node2 over rdma, 64M in 16384 pages, frozen 12.3 ms, 380.5 ms in all
2001: node1 -> node2 over rdma, 64M in 16384 pages, frozen 12.3 ms, 380.5 ms in all
END
ok $? "cluster-mv"
try 0 cluster-mv 2000 2 && out_has '-> 2 over'
ok $? "cluster-mv to a node's id"
try 0 cluster-mv 2000 node1 && out_has 'is on node1 already'
ok $? "cluster-mv: there already is fine"
try 1 cluster-mv 2000 2003 node2 && out_has '^2000:' &&
	err_has '2003 was not moved from node1: it cannot be moved$' &&
	err_has '2003: fd 7 is a device'
ok $? "cluster-mv: one that was not moved, and why"
try 1 cluster-mv --json 2000 2003 node2 && quiet && json '
[m["result"] for m in d["moves"]] == ["moved", "refused"]
and list(d["moves"][0]) == ["pid", "from", "to", "fabric", "bytes", "pages",
	"rounds", "freeze_ms", "total_ms", "result", "phases"]
and d["moves"][0]["pages"] == 16384 and d["moves"][0]["freeze_ms"] == 12.34
and d["moves"][1]["reason"] == "it cannot be moved"'
ok $? "cluster-mv --json"
try 1 cluster-mv --json 2000 nowhere && err_has 'called nowhere' && json '
d["moves"][0]["pid"] == 2000 and d["moves"][0]["result"] == "failed"
and "nowhere" in d["moves"][0]["reason"]'
ok $? "cluster-mv --json: also of a request that was refused"
try 0 cluster-mv --why 2000 && out_is <<<'2000: nothing keeps it from moving'
ok $? "cluster-mv --why: nothing"
try 1 cluster-mv --why 2003 node2 && quiet && out_is <<'END'
2003: it has an io_uring
2003: fd 7 is a device
END
ok $? "cluster-mv --why: what"
try 2 cluster-mv --all-from node1 2000 node2 && err_has 'no PIDs'
ok $? "cluster-mv --all-from: no PIDs beside it"
try 1 cluster-mv --all-from nowhere node2 && err_has 'no node is called nowhere'
ok $? "cluster-mv --all-from: a node that is none"
try 2 cluster-mv --max-freeze soon 2000 node2 && err_has 'soon is no number'
ok $? "cluster-mv --max-freeze: not a number"
try 2 cluster-mv 2000 && err_has 'which process'
ok $? "cluster-mv without a node"
try 2 cluster-mv x node2 && err_has 'x is not a PID'
ok $? "cluster-mv: not a PID"
try 2 cluster-mv --fabric string 1 node2 && err_has 'no fabric string'
ok $? "cluster-mv: not a fabric"
on_pty '' cluster-mv 2000 node2 >"$tmp/out" &&
	grep -q '2000: memory  32M of 64M  50%' "$tmp/out"
ok $? "cluster-mv: progress on a terminal"

# --- cluster-run -------------------------------------------------------------

for node in self node1 1 node2 any; do
	run=(cluster-run -n "$node")
	try 0 "${run[@]}" -- echo 'a  b' && quiet && out_is <<<'a  b'
	ok $? "$node: output"
	try 0 "${run[@]}" sh -c 'echo out; echo err >&2' &&
		out_is <<<out && [ "$(cat "$tmp/err")" = err ]
	ok $? "$node: stdout and stderr stay apart"
	try 7 "${run[@]}" sh -c 'exit 7'
	ok $? "$node: exit status"
	try 137 "${run[@]}" sh -c 'kill -9 $$'
	ok $? "$node: 128 and the signal"
	try 127 "${run[@]}" /no/such/program && err_has '/no/such/program'
	ok $? "$node: 127 for what is not there"
	try 126 "${run[@]}" /etc/passwd && err_has '/etc/passwd'
	ok $? "$node: 126 for what cannot be executed"
	[ "$(seq 100000 | "${run[@]}" cat | cksum)" = "$(seq 100000 | cksum)" ]
	ok $? "$node: stdin and its end"
	head -c 5000000 /dev/urandom >"$tmp/blob"
	"${run[@]}" cat <"$tmp/blob" | cmp - "$tmp/blob"
	ok $? "$node: bytes as they are"
	"${run[@]}" sh -c 'sleep 0.2; cat' <"$tmp/blob" >"$tmp/copy"
	cmp "$tmp/copy" "$tmp/blob"
	ok $? "$node: bytes from file to file"
	# everything backs up, and nothing is lost or stuck
	"${run[@]}" tee "$tmp/tee" <"$tmp/blob" |
		{ sleep 0.5; cat; } | cmp - "$tmp/blob" &&
		cmp "$tmp/tee" "$tmp/blob"
	ok $? "$node: a slow reader"
	timeout 20 "${run[@]}" yes 2>/dev/null | head -n 1 >"$tmp/out"
	[ "${PIPESTATUS[0]}" = 141 ]
	ok $? "$node: a reader that goes away is SIGPIPE"
	# by now as much of it is on its way as there is room for
	rm -f "$tmp/sent" "$tmp/gone"
	while head -c 65536 /dev/zero; do echo >>"$tmp/sent"; done 2>/dev/null |
		timeout 20 env --default-signal=INT "${run[@]}" \
		sh -c "trap 'exit 9' INT; while :; do sleep 0.1; done" &
	last=-1
	until now=$(wc -c <"$tmp/sent" 2>/dev/null); [ "${now:-0}" -gt 0 ] && [ "$now" = "$last" ]; do
		last=${now:-0}
		sleep 0.3
	done
	pkill -INT -f -x "cluster-run .*trap 'exit 9'.*"
	wait $!
	[ $? = 9 ]
	ok $? "$node: a signal passes input that nobody reads"
	{ yes; touch "$tmp/gone"; } 2>/dev/null | "${run[@]}" sh -c "exec <&-
		for i in \$(seq 200); do [ -e $tmp/gone ] && exit; sleep 0.1; done; exit 1"
	ok $? "$node: who writes where the program reads no more is told"
	: >"$tmp/err"
	"${run[@]}" sh -c 'exec >&-; sleep 0.3; echo late >&2' \
		2>>"$tmp/err" | { cat; echo eof >&2; } 2>>"$tmp/err"
	[ "$(xargs <"$tmp/err")" = "eof late" ]
	ok $? "$node: the end of stdout is seen when it comes"
	try 0 "${run[@]}" -e A=1 -e B=x=y -w /usr sh -c 'echo $A $B $PWD' &&
		out_is <<<'1 x=y /usr'
	ok $? "$node: environment and directory"
	try 0 env Q=kept "${run[@]}" sh -c 'echo $Q; pwd' &&
		out_is <<<"kept"$'\n'"$top"
	ok $? "$node: the caller's own"
	for signal in INT TERM HUP QUIT USR1 USR2; do
		: >"$tmp/out"
		env --default-signal "${run[@]}" sh -c \
			"trap 'echo got; exit 3' $signal; echo up
			while :; do sleep 0.02; done" >"$tmp/out" &
		pid=$!
		await out_has up
		env kill -s $signal $pid
		wait $pid
		[ $? = 3 ] && out_has got
		ok $? "$node: SIG$signal is passed on"
	done
done

# job control: stopped as a whole and continued
: >"$tmp/out"
"cluster-run" -n node2 sh -c 'echo $$; while :; do sleep 0.02; done' \
	>"$tmp/out" &
pid=$!
await out_has '^[0-9]+$'
child=$(cat "$tmp/out")
state() { awk '{ print $3 }' "/proc/$1/stat"; }
in_state() { [[ $(state "$1") == [$2] ]]; }
becomes() { await in_state "$@"; }
kill -TSTP $pid
becomes $pid T && becomes "$child" T
ok $? "SIGTSTP stops the command and the program"
kill -CONT $pid
becomes $pid S && becomes "$child" SR
ok $? "SIGCONT continues both"
kill -KILL $pid
wait $pid 2>/dev/null
is_gone() { [ ! -e "/proc/$1" ]; }
await is_gone "$child"
ok $? "a command that is killed hangs up its program"

try 0 cluster-run -d sleep 30 && out_has '^[0-9]+$' &&
	child=$(cat "$tmp/out") && kill "$child"
ok $? "-d prints the PID"
try 0 cluster-run -n node2 -d --json sleep 30 &&
	json 'list(d) == ["pid", "node"] and d["node"] == "node2"' &&
	kill "$(grep -oE '[0-9]+' "$tmp/out" | head -n 1)"
ok $? "-d --json"
got=$(timeout 10 cluster-run -d sh -c 'sleep 0.2; echo no')
[[ $got =~ ^[0-9]+$ ]]
ok $? "-d holds no pipe open"
try 3 cluster-run --json -n node2 sh -c 'exit 3' && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(d["exit_status"] != 3 or d["node"] != "node2")' "$tmp/err"
ok $? "--json without -d tells the end on stderr"
try 125 cluster-run -n node3 true && err_has 'left the cluster' && err_lines 1
ok $? "a node that is gone is 125"
try 125 cluster-run && err_has 'which command'
ok $? "no command is 125"
try 125 cluster-run -d -t true
ok $? "-d and -t exclude each other"
try 125 cluster-run -n node1 --with 2001 true && err_has 'exclude each other'
ok $? "cluster-run: a node and a process"
try 125 cluster-run --with x true && err_has 'takes a PID'
ok $? "cluster-run: with what is no process"
try 125 cluster-run --with 4711 true && err_has 'no process 4711'
ok $? "cluster-run: with a process that is not there"
for pid in 2000:node1 2001:node2; do
	try 0 cluster-run --with ${pid%:*} --json true && python3 -c '
import json, sys
sys.exit(json.load(open(sys.argv[1]))["node"] != sys.argv[2])' "$tmp/err" "${pid#*:}"
	ok $? "cluster-run: with a process on ${pid#*:}"
done
try 125 cluster-run -e A true && err_has NAME=VALUE
ok $? "-e without a value"
cluster-run -n node2 echo fine <&- >"$tmp/out" && out_is <<<fine
ok $? "a closed stdin"

# terminals
for node in self node2; do
	on_pty '' cluster-run -n $node sh -c 'test -t 0 && test -t 2; echo $?' \
		>"$tmp/out" && out_has $'^0\r'
	ok $? "$node: a terminal gets a terminal"
	on_pty '' cluster-run -n $node -T sh -c 'cat /proc/self/stat; exit 5' \
		>"$tmp/out"
	[ $? = 5 ]
	ok $? "$node: -T on a terminal"
	try 0 cluster-run -n $node -t tty && out_has '^/dev/pts/'
	ok $? "$node: -t without one"
	on_pty '\x03' cluster-run -n $node sh -c \
		'trap "echo int; exit 4" INT; echo ready
		while :; do sleep 0.02; done' >"$tmp/out"
	[ $? = 4 ] && out_has int
	ok $? "$node: ^C"
	on_pty 'typed\r' cluster-run -n $node sh -c \
		'echo ready; read x; echo "[$x]"' >"$tmp/out" &&
		out_has '\[typed\]' && [ "$(grep -c typed "$tmp/out")" = 2 ]
	ok $? "$node: typed once, echoed once"
	on_pty '' sh -c "stty rows 33 cols 77; before=\$(stty -g)
		cluster-run -n $node stty size
		test \"\$before\" = \"\$(stty -g)\" && echo restored" \
		>"$tmp/out" && out_has '33 77' && out_has restored
	ok $? "$node: window size, and the terminal is as it was"
done

FAKE_DIES=1 fake-pandod "$tmp/dying" &
dying=$!
await [ -S "$tmp/dying" ]
PANDO_CONTROL=$tmp/dying try 125 cluster-run -n node2 sleep 0.1 &&
	err_has 'lost pandod' && err_has 'cluster-ps -p'
ok $? "a daemon that dies is 125, and what to do"
kill $dying

# --- cluster-shell -----------------------------------------------------------

try 0 cluster-shell 'echo $((1 + 2)) | cat' && out_is <<<3
ok $? "cluster-shell: a command line"
try 0 cluster-shell -n node2 printf '%s,' 'a b' "c'd" '$HOME' &&
	[ "$(cat "$tmp/out")" = "a b,c'd,\$HOME," ]
ok $? "cluster-shell: words stay words"
echo 'echo $((2 + 3)); exit 6' | cluster-shell -n node2 >"$tmp/out" 2>&1
[ $? = 6 ] && out_is <<<5
ok $? "cluster-shell reads its stdin"
on_pty 'exit 9\r' cluster-shell -e PS1=ready >"$tmp/out"
[ $? = 9 ]
ok $? "cluster-shell: interactive"

# --- jobs of a shell, and a person at it ------------------------------------

while read -r good what; do
	case $good in
	ok) ok 0 "$what" ;;
	not) ok 1 "${what#ok }" ;;
	*) echo "# $what" ;;
	esac
done < <(tests/progs/jobs.py node2 foreground background hang_up || echo not ok jobs.py came to its end)

# --- the completion ----------------------------------------------------------

# complete WORD...: what the last, unfinished word may become.
complete_words() {
	bash -c '. tools/completion/cluster-nodes
		compopt() { :; }
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_cluster "$1" "${@: -1}" "${@: -2:1}"
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@" 2>"$tmp/err" |
		sort | xargs
}
[ "$(complete_words cluster-run -n no)" = "node1 node2 node3" ]
ok $? "completion: nodes"
[ "$(complete_words cluster-mv 200)" = "2000 2001 2002 2003" ]
ok $? "completion: PIDs"
[ "$(complete_words cluster-run --with 200)" = "2000 2001 2002 2003" ]
ok $? "completion: PIDs for cluster-run"
[ "$(complete_words cluster-ps -o pid,no)" = pid,node ]
ok $? "completion: the last of a list"
[ "$(complete_words cluster-mv --fa)" = --fabric ]
ok $? "completion: options"

echo "1..$n"
[ $bad = 0 ]
