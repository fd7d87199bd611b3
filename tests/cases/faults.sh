#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Moves that are broken at every step. Until the move is decided the process
# runs on at the source, after it at the target: never in two places, never in
# none, whole, with its timer and its socket, and each signal once.
# PANDO_FAULTS: what to try: points of userspace/libpando/fault.h, or the numbers
# from 90 on below. The default is a few of each kind; "all": every one.
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/churn.sh
. "$(dirname "$0")/../lib/churn.sh"
# shellcheck source=tests/lib/fault.sh
. "$(dirname "$0")/../lib/fault.sh"

daemon_back() { # NODE
	on "$1" 'rig-service start pandod >/dev/null 2>&1'
	wait_for 60 whole 1
}
# shellcheck disable=SC2329 # by wait_for
hit_or_over() { hit "$1" || ! kill -0 "$mover" 2>/dev/null; }
# shellcheck disable=SC2329 # by wait_for
quiet() { # no mover, no work directory and no group without anybody is left
	local n
	for n in 1 2; do
		on "$n" '! pgrep -x pando-move && ! pgrep -x pando-keeper &&
			! pgrep -x criu && ! pgrep -x pando-holder &&
			! ls -d /run/pando/move-* &&
			! grep -hs "populated 0" /sys/fs/cgroup/pando/tasks/*/cgroup.events' || return 1
	done
}
lazy=
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# point POINT NODE ACTION WHERE WHAT: the move to node 2 meets it
point() {
	arm "$2" "$1" "$3"
	# shellcheck disable=SC2086 # none, or one
	mv_in_background --json $lazy "$pid" node2
	signal 1
	wait "$mover"
	hit "$2"
	ok $? "$5: the point is reached" || diag "$(cat "$out")"
	disarm "$2"
	[[ $1 -gt 40 && $3 = kill ]] && check "$5: the daemon is back" daemon_back "$2"
	check "$5: nothing is left of the move" wait_for 60 quiet
	whole_at "$4" "$5" || cat "$out"
	if [ "$at" = 2 ]; then
		check "$5: it moves back" on 1 "cluster-mv $pid node1"
		at=1
	fi
}
# moment POINT NODE WHERE WHAT COMMAND...: COMMAND while the move stands at the
# point; WHERE: the node where the process is afterwards, or 0
moment() {
	local point=$1 node=$2 where=$3 what=$4
	shift 4
	arm "$node" "$point" wait
	# shellcheck disable=SC2086 # none, or one
	mv_in_background --json $lazy "$pid" node2
	wait_for 60 hit_or_over "$node"
	hit "$node"
	ok $? "$what: the point is reached" || diag "$(cat "$out")"
	"$@"
	disarm "$node"
	wait "$mover"
	[ "$where" = 0 ] && return
	check "$what: nothing is left of the move" wait_for 60 quiet
	whole_at "$where" "$what" || cat "$out"
	if [ "$at" = 2 ]; then
		check "$what: it moves back" on 1 "cluster-mv $pid node1"
		at=1
	fi
}
# shellcheck disable=SC2329 # by wait_for
nowhere() { [ -z "$(places)" ]; }
# dead WHAT: it was killed, and lives nowhere
dead() {
	check "$1: nothing is left of the move" wait_for 60 quiet
	check "$1: it is gone" wait_for 30 gone "$pid"
	# who is killed is not yet gone from where it was about to go on
	check "$1: it runs nowhere" wait_for 30 nowhere
}
# shellcheck disable=SC2329 # by moment
kill_criu() { on "$1" 'pkill -KILL -x criu'; }
# shellcheck disable=SC2329
kill_it() { in_cluster "$1" "kill -KILL $pid"; }
# shellcheck disable=SC2329
kill_and_call_off() { kill_it 1; on 2 'pkill -KILL -x pando-move'; }
# shellcheck disable=SC2329
interrupt_tool() { on 1 'pkill -INT -x cluster-mv'; }
# shellcheck disable=SC2329
power_off() { "$RIG" crash "$1"; }
decided_on() { on "$1" 'grep -c "moved move=" /var/log/pandod.log'; }
# shellcheck disable=SC2329 # by wait_for
more_decided() { [ "$(decided_on 3)" -gt "$1" ]; }
# shellcheck disable=SC2329 # by moment
deaf_daemon() { # the target's hears no decision, and ends
	local n
	n=$(decided_on 3)
	on 2 'pkill -STOP -x pandod'
	disarm 1
	wait_for 60 more_decided "$n"
	on 2 'pkill -KILL -x pandod'
	check 'the daemon is back' daemon_back 2
}
# no_room NODE WHAT: where the description of the process goes, or comes from
no_room() {
	# shellcheck disable=SC2016 # expands on the node
	on "$1" 'set -- $(df -k --output=used /run); mount -o "remount,size=$(($2 + 64))k" /run'
	# shellcheck disable=SC2086 # none, or one
	mv_in_background --json $lazy "$pid" node2
	wait "$mover"
	check "$2: it says so" grep -qi 'no room\|no space' "$out" || diag "$(cat "$out")"
	on "$1" 'mount -o remount,size=50% /run'
	check "$2: nothing is left of the move" wait_for 60 quiet
	whole_at 1 "$2"
}
# shellcheck disable=SC2329 # by moment
take_away() { on 2 'rm -rf /tmp/both'; }
# a tree that cannot be rebuilt: who gives that up means what it has made so far
given_up() {
	local tree members i
	for i in 1 2; do on $i 'mkdir -p /tmp/both'; done
	tree=$(start 1 'bash -c "cd /tmp/both; for i in 1 2 3 4 5 6 7; do sleep 1000 & done; wait"')
	# shellcheck disable=SC2329 # by wait_for
	all_of_it() { [ "$(in_cluster 1 "ps --no-headers -o pid -g $tree" | wc -l)" = 8 ]; }
	check 'a tree of eight' wait_for 20 all_of_it
	members=$(in_cluster 1 "ps --no-headers -o pid,stat -g $tree")
	for i in 1 2 3; do
		pid=$tree moment 24 2 0 "no directory, time $i" take_away
		check "no directory, time $i: it says so" grep -q 'cannot rebuild' "$out"
		check "no directory, time $i: nothing is left of the move" wait_for 60 quiet
		is "$(in_cluster 1 "ps --no-headers -o pid,stat -g $tree")" "$members" \
			"no directory, time $i: all of the tree live"
		on 2 'mkdir -p /tmp/both'
	done
	in_cluster 1 "kill -KILL -- -$tree"
}
default='7 11 12 28 29 92 96 98 99 100 102 106 107 108'
wanted() { [[ ${PANDO_FAULTS:=$default} = all || " $PANDO_FAULTS " == *" $1 "* ]]; }

begin 8 200 50
for p in 1 2 3 4 5 6 7 8 9 10; do
	wanted $p && point $p 1 kill 1 "source's mover killed at $p"
done
# ready was told: with its mover gone, the process waits for the cluster's word
wanted 11 && point 11 1 kill any "source's mover killed at 11"
for p in 12 13; do
	wanted $p && point $p 1 kill 2 "source's mover killed at $p"
done
for p in 4 7 9; do
	wanted $p && point $p 1 fail 1 "source's mover fails at $p"
done
for p in 21 22 23 24 25 26 31 32; do
	wanted $p && point $p 2 kill 1 "target's mover killed at $p"
done
# all is here: whoever is killed, another one goes on
for p in 27 28 29 30; do
	wanted $p && point $p 2 kill 2 "target's mover killed at $p"
done
for p in 21 22 23 24 25 26 31 32; do
	wanted $p && point $p 2 fail 1 "target's mover fails at $p"
done
for p in 41 42; do
	wanted $p && point $p 1 kill 1 "source's daemon killed at $p"
done
for p in 43 45 44; do
	wanted $p && point $p 1 kill 2 "source's daemon killed at $p"
done
for p in 51 52; do
	wanted $p && point $p 2 kill 1 "target's daemon killed at $p"
done
# the target is ready, and the source does not know
wanted 53 && point 53 2 kill any "target's daemon killed at 53"
wanted 54 && point 54 2 kill 2 "target's daemon killed at 54"
wanted 90 && moment 8 1 1 'criu killed at the source' kill_criu 1
wanted 91 && moment 26 2 1 'criu killed at the target' kill_criu 2
wanted 92 && moment 7 1 2 'a signal to the frozen process' signal 1
wanted 93 && moment 5 1 2 'the tool is interrupted' interrupt_tool
if wanted 94; then
	moment 24 2 0 'the target loses power' power_off 2
	"$RIG" start 2
	check 'the node is back' wait_for 90 whole 1
	whole_at 1 'the target loses power' || cat "$out"
fi
# what is sent while it stands still follows it, and is not lost with the original
wanted 95 && moment 9 1 2 'a signal when all is described' signal 1
# the daemon stands still there: through another one's
wanted 96 && moment 42 1 2 'a signal when both sides are ready' signal 3
wanted 97 && moment 28 2 2 'a signal when it is committed' signal 1
if wanted 98; then
	moment 42 1 0 'killed when both sides are ready' kill_it 3
	dead 'killed when both sides are ready'
	begin 8 200 50
fi
if wanted 99; then
	moment 28 2 0 'killed when it is committed' kill_it 1
	dead 'killed when it is committed'
	begin 8 200 50
fi
if wanted 100; then
	moment 10 1 0 'killed, and the move called off' kill_and_call_off
	dead 'killed, and the move called off'
	begin 8 200 50
fi
if wanted 101; then
	moment 7 1 0 'killed before it is described' kill_it 1
	dead 'killed before it is described'
	begin 8 200 50
fi
wanted 106 && moment 31 2 1 'criu killed before it lets go' kill_criu 2
wanted 105 && moment 42 1 2 'it is decided, and the target does not hear it' deaf_daemon
wanted 104 && moment 28 2 2 'criu killed when it is committed' kill_criu 2
if wanted 107; then
	lazy=--lazy
	moment 28 2 2 'its memory is to come, and criu killed where it is' kill_criu 1
	lazy=
fi
wanted 108 && given_up
wanted 102 && no_room 2 'the disk of the target is full'
wanted 103 && no_room 1 'the disk of the source is full'

done_testing
