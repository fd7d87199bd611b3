#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A child that runs on another node than its parent: who waits sees exactly
# what it would see of a child at home, and the child sees its parent.
set -u
. "$(dirname "$0")/../lib/tap.sh"

log=/shared/kin

# parent MODE [NODE]: starts parent and child; P and C are their PIDs
parent() {
	on 1 "rm -f $log $log.child"
	P=$(start "${2:-1}" "/usr/libexec/pando-test/kin.py $log $1")
	wait_for 20 on 1 "grep -q ready $log.child && grep -q '^child' $log"
	C=$(on 1 "sed -n 's/^child \([0-9]*\) .*/\1/p' $log")
}

move() { # PID NODE
	check "$1 moves to node$2" on 1 "cluster-mv $1 node$2"
}

said() { on 1 "grep -qx '$1' $log"; }
child_said() { on 1 "grep -qx '$1' $log.child"; }
times() { # how often LINE was said
	on 1 "grep -cx '$1' $log"
}

sees() { # WORD NODE PPID PGID SID: what the child says when it is asked
	in_cluster 3 "kill -USR1 $C"
	check "the child on node$2 sees parent $3, group $4, session $5" \
		wait_for 10 child_said "SIGUSR1 node$2 $C $3 $4 $5"
}

stops() { # N WHAT: its parent was told of that many by wait()
	check "$2" wait_for 10 eval "[ \$(times 'status $C 0x137f') = $1 ]"
}
goes_on() { # N
	in_cluster 3 "kill -CONT $C"
	check "continue $1 is seen" wait_for 10 eval "[ \$(times 'status $C 0xffff') = $1 ]"
}
is_stopped() { [ "$(on 1 "cluster-ps --no-headers -o s -p $C" | tr -d ' ')" = T ]; }

no_stub_left() { # WHAT
	check "$1" wait_for 30 no_stubs && return
	for n in 1 2 3; do
		diag "node$n: $(stubs $n)" "$(on $n 'ps -eo pid,ppid,state,wchan:16,comm --ppid 2 --deselect')"
	done
}

# --- away, on, and home ------------------------------------------------------
parent plain
move "$C" 2
sees x 2 "$P" "$P" "$P"
is "$(in_cluster 3 "ps -o ppid= -p $C" | tr -d ' ')" "$P" \
	'ps on a third node shows its parent'
is "$(on 3 "cluster-ps -o pid" | grep -cw "$C")" 1 'cluster-ps shows it once'
is "$(in_cluster 1 'ps -e -o pid=' | grep -cw "$C")" 1 'and so does ps at home'
is "$(in_cluster 1 "xargs -0 </proc/$C/cmdline; readlink /proc/$C/exe; ps -o comm= -p $C")" \
	"$(in_cluster 2 "xargs -0 </proc/$C/cmdline; readlink /proc/$C/exe; ps -o comm= -p $C")" \
	'and what is listed there is the process and not its stub'
for n in 1 2; do
	in_cluster 3 "kill -STOP $C"
	stops $n "stop $n is seen"
	goes_on $n
done
check 'SIGCHLD says stopped by SIGSTOP' said "SIGCHLD $C 5 19"
check 'SIGCHLD says continued' said "SIGCHLD $C 6 18"
in_cluster 2 "kill -USR1 -- -$P"
check 'a signal to the group reaches it' wait_for 10 eval \
	"[ \$(on 1 'grep -c SIGUSR1 $log.child') = 2 ]"
in_cluster 3 "kill -STOP $C"
stops 3 'it is stopped once more'
move "$C" 3
check 'and so it arrives' is_stopped
stops 3 'of which its parent hears nothing'
goes_on 3
sees x 3 "$P" "$P" "$P"
# its parent asks only when it is elsewhere
in_cluster 1 "kill -STOP $P"
in_cluster 3 "kill -STOP $C"
check 'it is stopped, and its parent too' wait_for 10 is_stopped
move "$C" 1
in_cluster 1 "kill -CONT $P"
stops 4 'its parent is told when it asks, for one that came home'
goes_on 4
sees x 1 "$P" "$P" "$P"
no_stub_left 'at home no stub is left anywhere'
in_cluster 1 "kill -STOP $P $C"
check 'it is stopped at home, and its parent too' wait_for 10 is_stopped
move "$C" 2
check 'and so it leaves' is_stopped
in_cluster 1 "kill -CONT $P"
stops 5 'its parent is told when it asks, for one that left'
goes_on 5
in_cluster 3 "kill -TERM $C"
check 'its exit status arrives' wait_for 10 said "status $C 0x2a00"
check 'SIGCHLD says exited with 42' said "SIGCHLD $C 1 42"
check 'the wait ends' wait_for 5 said 'done'
is "$(times "status $C 0x2a00")" 1 'once'
check 'its number is nobody'"'"'s any more' wait_for 10 gone "$C" 3
in_cluster 1 "kill -KILL $P"
no_stub_left 'no stub is left'

# --- its memory comes later ------------------------------------------------------------
parent plain
for n in 2 3 1; do
	check "$C moves to node$n, and its memory after it" on 1 "cluster-mv --lazy $C node$n"
	sees x $n "$P" "$P" "$P"
done
in_cluster 2 "kill -TERM $C"
check 'its exit status arrives' wait_for 10 said "status $C 0x2a00"
in_cluster 1 "kill -KILL $P"
no_stub_left 'no stub is left'

# --- ends of all kinds ------------------------------------------------------------
parent job
move "$C" 2
sees x 2 "$P" "$C" "$P"
in_cluster 1 "kill -KILL -- -$C"
check 'killed as a group, and its parent sees it' \
	wait_for 10 said "status $C 0x9"
in_cluster 1 "kill -KILL $P"

parent session
move "$C" 3
sees x 3 "$P" "$C" "$C"
move "$C" 1
sees x 1 "$P" "$C" "$C"
in_cluster 2 "echo /tmp/core >/proc/sys/kernel/core_pattern; prlimit --core=unlimited --pid $C; kill -SEGV $C"
check 'a core dump is told' wait_for 30 on 1 "grep -qx 'status $C 0x8b' $log"
in_cluster 1 "kill -KILL $P"

parent ignore
move "$C" 2
in_cluster 3 "kill -TERM $C"
check 'who ignores SIGCHLD has no child any more' wait_for 10 said 'no child'
check 'and its number is free' wait_for 10 gone "$C" 3
in_cluster 1 "kill -KILL $P"

# --- the parent ends ---------------------------------------------------------------
parent pdeath
move "$P" 2
move "$P" 1
refuse 'nor is a move of both of them' on 1 "grep -q ^SIGHUP $log.child"
move "$C" 2
move "$C" 3
sees x 3 "$P" "$P" "$P"
refuse 'a move is not the death of its parent' on 1 "grep -q ^SIGHUP $log.child"
in_cluster 3 "kill -KILL $P"
check 'it is signalled when its parent dies' \
	wait_for 10 on 1 "grep -q '^SIGHUP node3' $log.child"
sees x 3 1 "$P" "$P"
in_cluster 1 "kill -KILL $C"
check 'the orphan is gone' wait_for 10 gone "$C" 3
no_stub_left 'no stub is left'

# --- the parent moves ------------------------------------------------------------------
parent plain
move "$C" 2
in_cluster 1 "kill -STOP $C"
stops 1 'its child is stopped'
move "$P" 3
stops 1 'and it is not told again'
goes_on 1
sees x 2 "$P" "$P" "$P"
in_cluster 1 "kill -STOP $C"
stops 2 'a stop reaches the parent at its new place'
goes_on 2
in_cluster 1 "kill -TERM $C"
check 'and its end' wait_for 10 said "status $C 0x2a00"
is "$(times "status $C 0x2a00")" 1 'once'
check 'its number is free' wait_for 10 gone "$C" 3
in_cluster 1 "kill -KILL $P"
no_stub_left 'no stub is left'

parent plain
move "$C" 2
in_cluster 1 "kill -STOP $C"
stops 1 'its child is stopped'
move "$P" 2
stops 1 'and it is not told again'
goes_on 1
sees x 2 "$P" "$P" "$P"
no_stub_left 'together again, they need no stub'
move "$P" 3
sees x 3 "$P" "$P" "$P"
in_cluster 1 "kill -TERM $C"
check 'and are parent and child again' wait_for 10 said "status $C 0x2a00"
in_cluster 1 "kill -KILL $P"

# --- a daemon is started anew -------------------------------------------------------
parent plain
move "$C" 2
on 2 'rig-service kill pandod; rig-service start pandod'
# shellcheck disable=SC2329 # by wait_for
ends() {
	in_cluster 1 "kill -TERM $C"
	said "status $C 0x2a00"
}
check 'its daemon starts anew: it is still the same child' wait_for 60 ends
is "$(grep -c "^status $C " <<<"$(on 1 "cat $log")")" 1 'and ends once'
in_cluster 1 "kill -KILL $P"
check 'all are members' wait_for 60 whole 1
no_stub_left 'no stub is left'

# --- a node is cut off ----------------------------------------------------------------
parent plain
move "$C" 2
"$RIG" cut 2
check 'its node is cut off: in time who waits sees it killed' \
	wait_for 60 said "status $C 0x9"
"$RIG" heal
check 'its node is back' wait_for 60 whole 1
check 'and so it is killed there' wait_for 30 gone "$C" 2
check 'by its number, also from afar' wait_for 30 gone "$C" 3
is "$(grep -c "^status $C " <<<"$(on 1 "cat $log")")" 1 'its parent was told once'
in_cluster 1 "kill -KILL $P"
no_stub_left 'no stub is left'

# --- a node dies --------------------------------------------------------------------
parent plain
move "$C" 2
"$RIG" crash 2
check 'its node dies: who waits sees it killed' \
	wait_for 60 said "status $C 0x9"
is "$(times "status $C 0x9")" 1 'once'
check 'and the log says why' on 1 "dmesg | grep -q 'pando: process $C was lost with node 2'"
in_cluster 1 "kill -KILL $P"
check 'the node comes back' "$RIG" start 2
check 'and is a member' wait_for 60 whole 1
no_stub_left 'no stub is left'

parent plain 2
move "$C" 1
"$RIG" crash 2
in_cluster 1 "kill -0 $C"
check 'its parent'"'"'s node dies: it belongs to pando-init' wait_for 60 eval \
	"[ \$(in_cluster 1 'ps -o ppid= -p $C' | tr -d ' ') = 1 ]"
in_cluster 1 "kill -KILL $C"
check 'the node comes back once more' "$RIG" start 2
check 'and is a member again' wait_for 60 whole 1
no_stub_left 'no stub is left'
done_testing
