#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The commands as people and scripts use them: exit statuses, streams, terminals,
# job control, JSON.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
far=node$RIG_NODES

# run STATUS WHAT ARGUMENTS...: cluster-run on node 1 with these ends so.
run() {
	local want=$1 what=$2 got
	shift 2
	got=$("$RIG" exec 1 -t 240 -- cluster-run "$@" 2>&1 >/dev/null)
	status=$?
	[ $status = "$want" ] || diag "$got"
	is $status "$want" "$what"
}

# --- exit statuses

for node in self "$far"; do
	run 0 "$node: true" -n "$node" -T -- true
	run 42 "$node: its own status" -n "$node" -T -- sh -c 'exit 42'
	run 143 "$node: 128 and the signal that ended it" -n "$node" -T -- sh -c 'kill -TERM $$'
	run 127 "$node: 127 for a command that is not there" -n "$node" -T -- no-such-command
	run 126 "$node: 126 for one that cannot be executed" -n "$node" -T -- /etc/passwd
	run 125 "$node: 125 for a directory that is not there" -n "$node" -T -w /no/such -- true
done
run 125 '125 for a node that is not there' -n node99 -- true
run 125 '125 for a wrong option' --no-such-option -- true
run 125 '125 for no command'

# --- streams

is "$(echo words | "$RIG" exec 1 -- cluster-run -T -n "$far" -- cat)" words 'stdin and stdout'
is "$("$RIG" exec 1 -- cluster-run -T -n "$far" -- sh -c 'echo out; echo err >&2' 2>/dev/null)" \
	out 'stderr is apart'
is "$(head -c 3000000 /dev/zero | "$RIG" exec 1 -t 240 -- cluster-run -T -n "$far" -- wc -c)" \
	3000000 'a long stdin'
is "$("$RIG" exec 1 -t 240 -- cluster-run -T -n "$far" -- head -c 3000000 /dev/zero | wc -c)" \
	3000000 'a long stdout'
is "$(on 1 "cluster-run -T -n $far -- yes | head -n 1")" y 'who reads no further ends it'
is "$(on 1 "cluster-run -T -n node1 -- seq 100000 | cluster-run -T -n node2 -- grep 7 |
	cluster-run -T -n $far -- wc -l; echo \${PIPESTATUS[*]}" | tr '\n' ' ')" \
	"$(seq 100000 | grep -c 7) 0 0 0 " 'a pipeline over nodes'
is "$(on 1 "cluster-run -T -n node2 -- yes | cluster-run -T -n $far -- sh -c 'exit 3' |
	cluster-run -T -n node1 -- cat; echo \${PIPESTATUS[*]}")" \
	'141 3 0' 'one that breaks in the middle: SIGPIPE in front, the end behind'
is "$(on 1 "rm -f /tmp/sent
	while head -c 65536 /dev/zero; do echo >>/tmp/sent; done 2>/dev/null |
		env --default-signal=INT cluster-run -T -n $far -- sh -c \
		\"trap 'exit 9' INT; while :; do sleep 0.1; done\" &
	last=0
	until now=\$(wc -c 2>/dev/null </tmp/sent); [ \${now:-0} -ge 4 ] && [ \$now = \$last ]; do
		last=\${now:-0}
		sleep 1
	done
	kill -INT \$!; wait \$!; echo \$?")" 9 'a signal passes input that nobody reads'
is "$(on 1 "rm -f /shared/gone
	{ yes; touch /shared/gone; } 2>/dev/null | cluster-run -T -n $far -- sh -c 'exec <&-
		for i in \$(seq 300); do [ -e /shared/gone ] && exit; sleep 0.1; done; exit 1'
	echo \$?")" 0 'who writes where the program reads no more is told'
check 'stdin closed' on 1 "cluster-run -T -n $far -- true <&-"
check 'stdout closed' on 1 "cluster-run -T -n $far -- true >&-"
check 'all of them' on 1 "cluster-run -T -n $far -- true <&- >&- 2>&-"
is "$(on 1 "for i in \$(seq 100); do cluster-run -T -n $far -- sh -c 'exit 3' & jobs+=(\$!); done
	good=0; for job in \${jobs[@]}; do wait \$job; [ \$? = 3 ] && good=\$((good + 1)); done; echo \$good")" \
	100 'a hundred at once'
is "$(on 1 'cluster-run -T -n any -- hostname | grep -c ^node')" 1 'on any node'
is "$(on 1 "cd /tmp; umask 027; ulimit -n 123
	X=y cluster-run -T -n $far -- sh -c 'pwd; umask; ulimit -n; echo \$X' | tr '\n' ' '")" \
	'/tmp 0027 123 y ' 'directory, umask, limits and environment go along'
is "$(on 1 "su alice -c 'cluster-run -T -n $far -- id -un'")" alice 'so does the user'

# --- help, version, JSON

for option in --help --version; do
	check "pandod $option" on 1 "[ -n \"\$(pandod $option)\" ]"
done
refuse 'pandod refuses what it does not know' on 1 'pandod --no-such-option'

# keys NAME: of the first object in the list of that name of the JSON on stdin;
# without a name, of the whole.
keys() {
	python3 -c '
import json, sys
d = json.load(sys.stdin)
print(*sorted(d[sys.argv[1]][0] if len(sys.argv) > 1 else d))' "$@"
}
has() { # GOT WANTED... WHAT: all of the wanted words are among the got
	local got=" $1 " what=${*: -1} word
	for word in "${@:2:$#-2}"; do
		[[ $got == *" $word "* ]] || { diag "no $word in:$got"; ok 1 "$what"; return; }
	done
	ok 0 "$what"
}
nodes=$(on 1 'cluster-nodes --json')
has "$(keys <<<"$nodes")" epoch quorate nodes 'cluster-nodes --json'
has "$(keys nodes <<<"$nodes")" id name state transport processes guests load1 \
	mem_total_kib mem_available_kib 'a node of it'
pid=$(start "$RIG_NODES" sleep 1000)
has "$(on 1 'cluster-ps --json' | keys processes)" pid ppid pgid sid node home user \
	state rss_kib cpu_ms comm args 'a process of cluster-ps --json'
subject=$(start 2 sleep 1000)
is "$(on 1 "cluster-run --with $subject -T -- hostname")" node2 'with a process'
on 1 "rm -f /shared/strace; cluster-run -d --with $subject -- strace -qq -o /shared/strace -p $subject" >/dev/null
traced() { in_cluster 1 "grep -q 'TracerPid:[[:space:]]*[1-9]' /proc/$subject/status"; }
check 'strace looks into it there' wait_for 20 traced
in_cluster 1 "kill -TERM $subject"
check 'and sees its end' wait_for 20 on 1 "grep -q 'killed by SIGTERM' /shared/strace"
subject=$(start 2 sleep 1000)
is "$(on 1 "cluster-run -n self -T -- strace -p $subject 2>&1" | grep -c 'Object is remote')" 1 \
	'and says elsewhere why it does not'
is "$(on 1 "cluster-run -n self -T -- gdb -batch -p $subject 2>&1" | grep -c 'Object is remote')" 1 \
	'so does gdb'
in_cluster 1 "kill -KILL $subject"

is "$(on 1 'cluster-run -d --json -- true' | keys)" 'node pid' 'cluster-run -d --json'
is "$(on 1 'cluster-run -T --json -- true 2>&1' | keys)" 'exit_status node pid signal' \
	'cluster-run --json'
has "$(on 1 "cluster-mv --json $pid $far" | keys moves)" pid from to fabric bytes pages \
	freeze_ms total_ms result 'a move of cluster-mv --json'

# --- moves that cannot be

refuse_move() { # WHAT ARGUMENTS...: fails, with at least a line that says why
	local what=$1 said
	shift
	said=$(on 1 "$* 2>&1")
	if [ $? = 1 ] && [ -n "$said" ]; then
		ok 0 "$what: $(tail -n 1 <<<"$said")"
	else
		diag "$said"
		ok 1 "$what"
	fi
}
check 'to where it is: nothing to do' on 1 "cluster-mv $pid $far"
refuse_move 'a number that nobody has' cluster-mv 4194000 node2
refuse_move 'a number that is none' cluster-mv 999999999 node2
refuse_move 'pando-init' cluster-mv 1 node2
refuse_move 'a kernel thread of the node' cluster-mv 2 node2
refuse_move "somebody else's process" "su alice -c 'cluster-mv $pid node1'"
refuse_move 'to a node that is not there' cluster-mv "$pid" node99
check 'it runs on' in_cluster 1 "kill -0 $pid"
in_cluster 1 "kill -KILL $pid"

# --- at a terminal

# PANDO_JOBS: what is tried of real programs (python3, vim, htop), and of jobs that move
# (a terminal is hung up but once)
for person in "keyboard.py $far" "jobs.py $far foreground background hang_up" \
	"jobs.py $far ${PANDO_JOBS:-programs ahead pipelines moved programs_moved background_moved stopped_moved hang_up_moved}"; do
	while read -r good what; do
		case $good in
		ok) ok 0 "$what" ;;
		not) ok 1 "${what#ok }" ;;
		*) diag "$what" ;;
		esac
	done < <("$RIG" exec 1 -t 800 -- bash -c "$prog/$person ||
		echo not ok $person came to its end")
done

done_testing
