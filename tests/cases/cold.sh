#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The power fails for all nodes. They are switched on again, all at once and one
# by one: the cluster is whole again by itself, a node alone does nothing, and no
# two processes get one number.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/counter.sh"
nodes=$(seq "$RIG_NODES")

# Several new processes on every node: have all of them numbers of their own?
numbers() {
	local used=" " again=0 node pid
	for node in $nodes; do
		for pid in $(on "$node" 'for i in 1 2 3 4 5; do cluster-run -d -- sleep 100000; done'); do
			[[ $used == *" $pid "* ]] && { diag "$pid again"; again=1; }
			used+="$pid "
		done
	done
	[ "$(wc -w <<<"$used")" = $((5 * RIG_NODES)) ] && return $again
	diag "numbers:$used"
	return 1
}

power_off() { for node in $nodes; do "$RIG" crash "$node"; done; }
complete() {
	for node in $nodes; do
		whole "$node" && quorate "$node" || return 1
	done
}
sleepers() { in_cluster "$1" 'pgrep -cx sleep'; }

check 'processes on all nodes' numbers

power_off
for node in $nodes; do "$RIG" start "$node" & done
wait
check 'all on at once: the cluster is whole' wait_for 120 complete
is "$(sleepers 1)" 0 'and what ran is gone'
check 'new processes have numbers of their own' numbers
is "$(sleepers 2)" $((5 * RIG_NODES)) 'each node sees them'

power_off
"$RIG" start --no-wait 1
check 'one on: its daemon answers' wait_for 60 on 1 cluster-nodes
refuse 'and has no quorum' quorate 1
refuse 'so nothing runs there' in_cluster 1 true
"$RIG" start 2
two() { [ "$(members 1)" = 2 ] && quorate 1 && quorate 2; }
check 'with the second it has' wait_for 60 two
check 'and things run' in_cluster 2 'kill -0 $$'
for node in $(seq 3 "$RIG_NODES"); do "$RIG" start "$node"; done
check 'the last is on: the cluster is whole' wait_for 60 complete
check 'new processes have numbers of their own' numbers
is "$(sleepers "$RIG_NODES")" $((5 * RIG_NODES)) 'each node sees them'

done_testing
