#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two nodes: neither can act without the other, so neither freezes; one goes on
# by itself when somebody says that the other is off. Then all nodes are switched
# off and come back, at once and one by one.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/counter.sh"
shared=$RIG_DIR/shared
[ "$RIG_NODES" = 2 ] || exit 4
not_quorate() { ! quorate "$1"; }
epoch() { on 1 'cluster-nodes --json' | grep -o '"epoch": *[0-9]*' | grep -o '[0-9]*$'; }

rm -f "$shared"/count.*
p1=$(counter 1 count.1)
p2=$(counter 2 count.2)
check 'a process counts on each' wait_for 20 eval 'counts count.1 && counts count.2'

# --- cut from each other
"$RIG" cut 1 2
check 'cut: no quorum on one side' wait_for 120 not_quorate 1
check 'nor on the other' wait_for 120 not_quorate 2
check 'both go on' wait_for 30 eval 'counts count.1 && counts count.2'
refuse 'neither declares the other dead' on 1 'cluster-nodes --expel node2'
"$RIG" heal
check 'healed' wait_for 120 whole 1
check 'with quorum' wait_for 60 quorate 1
check 'the processes are there' in_cluster 1 "kill -0 $p1 $p2"

# --- one is off, and somebody says so
"$RIG" crash 2
check 'the other is off: no quorum' wait_for 120 not_quorate 1
check 'the process goes on' wait_for 30 counts count.1
check 'it is off, says the operator' on 1 'cluster-nodes --expel node2 --off'
check 'which makes it quorate' wait_for 60 quorate 1
check 'what ran there is gone' gone "$p2"
check 'and new processes start' in_cluster 1 true
"$RIG" start 2
ok $? 'the other comes back'
check 'as a member' wait_for 120 whole 1
check 'its old process is gone' gone "$p2"
p2=$(start 2 sleep 1000)
check 'a new one is reached' in_cluster 1 "kill -TERM $p2"
check 'the first has run on' wait_for 20 counts count.1

# --- all of them off; what nodes keep on disk comes back with them
before=$(epoch)
for n in 1 2; do
	on $n "cp -a /var/lib/pando /shared/state.$n"
done
"$RIG" crash 1
"$RIG" crash 2
up() { # NODE: with its disk
	"$RIG" start "$1" --no-wait >/dev/null 2>&1 && on "$1" \
		"rig-service stop pandod; rm -rf /var/lib/pando &&
		cp -a /shared/state.$1 /var/lib/pando && rig-service start pandod"
}
up 1 &
up 2
wait
check 'both were off, and are back' wait_for 180 whole 1
check 'with quorum' wait_for 60 quorate 1
after=$(epoch)
[ "$after" -gt "$before" ]
ok $? "the epoch has grown: $before, $after"
# by name: a cluster that begins anew may give its number to somebody else
check 'the old processes are gone' in_cluster 1 "! pgrep -f '[c]ounter.py'"
p1=$(counter 1 count.3)
check 'new ones run' wait_for 30 counts count.3
check 'and are reached' in_cluster 2 "kill -KILL $p1"
for n in 1 2; do
	on $n "rm -rf /shared/state.$n; cp -a /var/lib/pando /shared/state.$n"
done
"$RIG" crash 2
"$RIG" crash 1
up 1
check 'one is back: no quorum' not_quorate 1
up 2
check 'and the other' wait_for 180 whole 1
check 'with quorum' wait_for 60 quorate 1
check 'work goes on' in_cluster 2 true
rm -rf "$shared"/state.*
done_testing
