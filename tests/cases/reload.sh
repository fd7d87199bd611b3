#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Modules are refused while in use, go when they are not, also under load, and
# come back; the node leaves and joins again.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
node=$RIG_NODES
rounds=3

pid=$(start "$node" sleep 100000)
refuse 'rmmod is refused while the namespace is attached' on "$node" 'rmmod pando'
refuse 'and the transport while it is used' on "$node" "rmmod pando_$RIG_TRANSPORT"
refuse 'and /proc while it is mounted' on "$node" 'rmmod pando_proc'
refuse 'a shutdown says that processes run' on "$node" 'pandod --shutdown'
check 'which goes on running' in_cluster 1 "kill -0 $pid"

on "$node" "setsid sh -c 'while :; do $prog/forks 20 20 >/dev/null; done' >/dev/null 2>&1 </dev/null & echo \$! >/tmp/load"
for round in $(seq $rounds); do
	check "$round: the node is shut down by force" on "$node" 'pandod --shutdown --force'
	check "$round: modules go while others fork" on "$node" \
		"rig-service stop pandod; rmmod pando_proc && rmmod pando_rdma && rmmod pando_tcp && rmmod pando"
	check "$round: none is left" on "$node" '! grep -q ^pando /proc/modules'
	check "$round: they come back" on "$node" \
		'modprobe -a pando pando_rdma pando_tcp pando_proc && rig-service start pandod'
	check "$round: the node is a member again" wait_for 60 whole "$node"
done
# shellcheck disable=SC2016 # expands on the node
on "$node" 'kill -9 -$(cat /tmp/load) $(cat /tmp/load) 2>/dev/null; pkill forks; true'
check 'what ran in the namespace has ended with it' wait_for 30 gone "$pid"
check 'work goes on' in_cluster "$node" 'true'

if [ "$RIG_KERNEL" = debug ]; then
	check 'lockdep has not given up' on "$node" \
		"grep -q 'debug_locks: *1' /proc/lockdep_stats"
	leaks() { on "$node" 'echo scan >/sys/kernel/debug/kmemleak; sleep 6; echo scan >/sys/kernel/debug/kmemleak; ! grep -A12 pando /sys/kernel/debug/kmemleak'; }
	check 'kmemleak finds nothing of ours' leaks
fi
done_testing
