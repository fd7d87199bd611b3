#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Calls on many: priorities of a group and of a user, wherever they run, and
# kill(-1): everybody's processes on all nodes, as far as the caller may; never
# the caller, never pid 1, nor the tools around the namespace; each once.
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/fault.sh
. "$(dirname "$0")/../lib/fault.sh"
prog=/usr/libexec/pando-test
all=$(seq "$RIG_NODES")

as_user() { # NODE USER COMMAND: in the cluster there
	on "$1" "su $2 -c 'cluster-run -n self -T -- $3'" 2>&1
}
alive() { in_cluster 1 "for p in $*; do kill -0 \$p || exit 1; done"; }
# shellcheck disable=SC2329 # by wait_for
dead() { in_cluster 1 "for p in $*; do ! kill -0 \$p 2>/dev/null || exit 1; done"; }
# times NODE FILE SIGNO: how often it came
times() { on "$1" "grep -c '^sig $3 ' $2"; }
once() { for n in $all; do [ "$(times "$n" /tmp/killall "$1")" = 1 ] || return; done; }

# a group with members on two nodes, and a user with processes on all
group=$(start 1 "bash -c \"sleep 1000 & sleep 1000 & wait\"")
wait_for 20 on 1 "cluster-ps -o pid,pgid,args | grep -q ' $group .*[s]leep 1000'"
member=$(in_cluster 1 "ps -o pid= --ppid $group" | head -1 | tr -d ' ')
check 'a member of a group moves' on 1 "cluster-mv $member node2"
theirs=
for n in $all; do
	theirs="$theirs $(on "$n" "su alice -c 'cluster-run -d -n self -- sleep 1000'")"
done
nices() { # PID...
	in_cluster "$RIG_NODES" "for p in $*; do $prog/bypid -p 0 \$p; done" | xargs
}
everybody() { # N LINE
	for ((i = 0; i < $1; i++)); do printf '%s ' "$2"; done
}
for n in $all; do
	is "$(in_cluster "$n" "$prog/bypid -p 1 $group $n; $prog/bypid -p 1 $group" | xargs)" \
		"priority 0 priority $((20 - n))" "setpriority() of a group by node $n"
	is "$(nices "$(in_cluster "$RIG_NODES" "ps -o pid= -g $group" | xargs)")" \
		"$(everybody 3 "priority $((20 - n))" | xargs)" 'is for all its members'
	is "$(in_cluster "$n" "$prog/bypid -p 2 1001 $n" | xargs)" \
		'priority 0' "setpriority() of a user by node $n"
	is "$(nices "$theirs")" "$(everybody "$RIG_NODES" "priority $((20 - n))" | xargs)" 'too'
done
in_cluster 2 "$prog/bypid -p 0 $member 9" >/dev/null
is "$(in_cluster 1 "$prog/bypid -p 1 $group" | xargs)" "priority $((20 - RIG_NODES))" \
	'getpriority() of a group is that of the least nice'
in_cluster 1 "renice -n 15 -g $group" >/dev/null
in_cluster 2 "$prog/bypid -p 0 $member 2" >/dev/null
is "$(in_cluster 1 "$prog/bypid -p 1 $group" | xargs)" 'priority 18' 'wherever it runs'
is "$(in_cluster "$RIG_NODES" "$prog/bypid -i 2 $group $((2 << 13 | 7)); $prog/bypid -i 2 $group" | xargs)" \
	"ioprio 0 ioprio $((2 << 13 | 7))" 'ioprio_set() and ioprio_get() of a group'
is "$(in_cluster "$RIG_NODES" "$prog/bypid -i 1 $member" | xargs)" "ioprio $((2 << 13 | 7))" \
	'reach the member elsewhere'
is "$(as_user "$RIG_NODES" bob "$prog/bypid -p 1 $group 15" | xargs)" 'priority EPERM' \
	"another user's group is not theirs to change"
is "$(as_user 2 bob "$prog/bypid -p 2 1001 19" | xargs)" 'priority EPERM' 'nor their processes'
is "$(as_user 2 alice "$prog/bypid -p 2 0 19" | xargs)" 'priority 0' 'but their own are'
is "$(nices "$theirs")" "$(everybody "$RIG_NODES" 'priority 1' | xargs)" 'on all nodes'
is "$(as_user 1 alice "$prog/bypid -p 2 0 -3" | xargs)" 'priority EACCES' \
	'and nobody may ask for more than they have'
is "$(in_cluster 2 "$prog/bypid -p 1 4000000; $prog/bypid -p 2 54321" | xargs)" \
	'priority ESRCH priority ESRCH' 'a group and a user that nobody is in'
in_cluster 1 "kill -KILL -- -$group; kill -KILL $theirs"

# --- kill(-1) -------------------------------------------------------------------
hers='' his='' mine=''
for n in $all; do
	hers+=" $(on "$n" "su alice -c 'cluster-run -d -n self -- sleep 1000'")"
	his+=" $(on "$n" "su bob -c 'cluster-run -d -n self -- sleep 1000'")"
	on "$n" 'rm -f /tmp/killall'
	mine+=" $(start "$n" "$prog/sigwatch /tmp/killall")"
	wait_for 20 on "$n" 'grep -q ready /tmp/killall'
done
on 1 'rm -f /shared/killall'
parent=$(start 1 "bash -c \"$prog/sigwatch /shared/killall & trap : USR1; while :; do wait; done\"")
wait_for 20 on 1 'grep -q ready /shared/killall'
child=$(on 1 "sed -n 's/^ready \([0-9]*\) .*/\1/p' /shared/killall")
check 'a child is on another node than its parent' on 1 "cluster-mv $child node2"

is "$(as_user 1 alice 'bash -c "kill -TERM -1; echo \$?"')" 0 'a user signals all'
check 'their processes have ended on all nodes' wait_for 10 dead "$hers"
check "others' have not" alive "$his $mine $parent $child"
is "$(as_user 2 alice 'bash -c "kill -0 -1; echo \$?"')" 0 \
	'where nothing is theirs it is no error, as on one node'

# while a move stands still, with its helpers inside the namespace
m=$(start 1 "$prog/sigwatch /shared/killall.move")
wait_for 20 on 1 'grep -q ready /shared/killall.move'
arm 1 1 wait
out=$(mktemp)
trap 'rm -f "$out"' EXIT
mv_in_background "$m" node2
check 'a move is under way' wait_for 20 hit 1
is "$(in_cluster "$RIG_NODES" 'kill -USR1 -1; echo $?')" 0 'root signals all'
check 'it came to each node, and once' wait_for 10 once 10
check 'to a child away from its parent' wait_for 10 on 1 'grep -q "^sig 10 " /shared/killall'
is "$(times 1 /shared/killall 10)" 1 'once'
check 'it ended what did not expect it' wait_for 10 dead "$his"
disarm 1
wait $mover
is $? 0 'the move goes on: its helpers were spared' || diag "$(cat "$out")"
is "$(times 1 /shared/killall.move 10)" 1 'what moved had the signal once'

is "$(in_cluster 2 'kill -KILL -1; echo $?')" 0 'the caller outlives its own kill -KILL -1'
check 'nobody else does' wait_for 10 dead "$mine $parent $child $m"
check 'the cluster goes on' whole 1
for n in $all; do
	p=$(start "$n" sleep 1000)
	check "and takes processes on node$n" in_cluster 1 "kill -KILL $p"
done

done_testing
