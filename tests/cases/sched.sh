#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the scheduler was told of a process, of its own and of one of its threads, goes
# along: policy, nice, I/O priority, timer slack, and on which CPUs it may run, as far as the
# other node has them (nodes with more than one: --rig 'n=2 smp=2').
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test

# of all threads of $pid, on node $1
told() {
	on "$1" "cluster-run -n self -T -- sh -c 'cd /proc/$pid/task || exit
		for t in *; do
			chrt -p \$t | cut -d: -f2; ionice -p \$t; taskset -p \$t | cut -d: -f2
			cat /proc/\$t/timerslack_ns; cut -d \" \" -f 19 \$t/stat
		done'" | xargs
}

on 1 "rm -f /shared/sched"
pid=$(start 1 "$prog/sigwatch /shared/sched")
wait_for 20 on 1 "grep -q ready /shared/sched"
in_cluster 1 "cd /proc/$pid/task; set -- *
	renice -n 5 -p \$1; chrt -b -p 0 \$2; ionice -c 2 -n 6 -p \$1; ionice -c 3 -p \$2
	echo 123456 >/proc/\$2/timerslack_ns; taskset -p 1 \$2" >/dev/null
before=$(told 1)
diag "$before"
for word in 123456 SCHED_BATCH idle 'best-effort: prio 6'; do
	check "so it is told: $word" grep -q "$word" <<<"$before"
done
for node in 2 1; do
	check "it moves to node$node" on 1 "cluster-mv $pid node$node"
	is "$(told $node)" "$before" 'and all threads are scheduled as before'
done
in_cluster 1 "kill -KILL $pid"
done_testing
