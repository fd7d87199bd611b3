#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Without quorum nothing runs: a node that is cut off freezes its cluster
# processes, goes on with them when it comes back in time, and kills them before
# they can run again when it was declared dead meanwhile. The same without its
# daemon, or without corosync.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/counter.sh"
shared=$RIG_DIR/shared
node=$RIG_NODES
frozen() { on "$node" 'grep -q "^frozen 1" /sys/fs/cgroup/pando/tasks/cgroup.events'; }
# stays NAME: not a step further while the others do a few things
stays() {
	local before
	before=$(count "$1")
	for _ in 1 2 3; do
		on 1 'cluster-run -n self -T -- true'
	done
	[ "$(count "$1")" = "$before" ]
}

rm -f "$shared"/count.*
pid=$(counter "$node" count.a)
check 'a process counts' wait_for 20 counts count.a

# --- cut off, and back in time
"$RIG" cut "$node"
check 'cut off: the node freezes' wait_for 120 is_state "$node" "$node" frozen
check 'its process stands' wait_for 20 frozen
check 'and stays so' stays count.a
refuse 'nothing is started there' in_cluster "$node" true
check 'the majority works' in_cluster 1 'true'
"$RIG" heal
check 'healed: it is a member again' wait_for 120 whole 1
check 'the process goes on' wait_for 60 counts count.a
check 'under its number' in_cluster 1 "kill -0 $pid"

# --- cut off, and declared dead
refuse 'a member is not declared dead' on 1 "cluster-nodes --expel node$node"
refuse 'nor one that nobody knows' on 1 'cluster-nodes --expel nodeX'
"$RIG" cut "$node"
check 'cut off again: it freezes' wait_for 120 is_state "$node" "$node" frozen
check 'the process stands' wait_for 20 frozen
refuse 'a minority declares nobody dead' on "$node" 'cluster-nodes --expel node1'
check 'the majority does' on 1 "cluster-nodes --expel node$node"
check 'and says so' is_state "$node" 1 expelled
check 'its process is gone' gone "$pid"
last=$(count count.a)
"$RIG" heal
check 'healed: it joins anew' wait_for 180 whole 1
is "$(count count.a)" "$last" 'its process has not run again'
check 'it is gone there, too' on "$node" "! pgrep -f '[c]ounter.py /shared/count.a'"
pid=$(counter "$node" count.b)
check 'a new one runs' wait_for 30 counts count.b
check 'and is reached' in_cluster 1 "kill -0 $pid"

# --- stopped together with its clocks, and declared dead meanwhile
"$RIG" pause "$node"
check 'paused: it is down' wait_for 120 is_state "$node" 1 down
check 'and declared dead' on 1 "cluster-nodes --expel node$node"
check 'its process is gone' gone "$pid"
last=$(count count.b)
"$RIG" resume "$node"
check 'it wakes and joins anew' wait_for 180 whole 1
now=$(count count.b)
# it cannot know before its guard has had a look: one step is what that takes
[ $((now - last)) -le 1 ]
ok $? "its process has made $((now - last)) steps"
check 'it noticed that it had stood still' on "$node" 'grep -q "stood still" /var/log/pandod.log'
check 'it is gone there, too' on "$node" "! pgrep -f '[c]ounter.py /shared/count.b'"
pid=$(counter "$node" count.b)
check 'a new one runs' wait_for 30 counts count.b

# --- no daemon, a daemon that stands, no corosync
# who joined anew is the same process: the pid file still names it
check 'the daemon is killed' on "$node" 'rig-service kill pandod'
check 'the guard freezes what runs' wait_for 120 frozen
check 'it stays so' stays count.b
check 'the daemon is back' on "$node" 'rig-service start pandod'
check 'as a member' wait_for 120 whole 1
check 'the process goes on' wait_for 60 counts count.b
on "$node" 'pkill -STOP -x pandod'
check 'a daemon that stands: frozen' wait_for 120 frozen
check 'the process stands' stays count.b
on "$node" 'pkill -CONT -x pandod'
check 'it goes on: so does the process' wait_for 120 counts count.b
check 'corosync is killed' on "$node" 'rig-service kill corosync'
check 'frozen' wait_for 120 frozen
check 'the process stands' stays count.b
check 'both are back' on "$node" 'rig-service start corosync && rig-service start pandod'
check 'the node is a member' wait_for 180 whole 1
check 'the process goes on' wait_for 60 counts count.b
check 'under its number' in_cluster 1 "kill -KILL $pid"
done_testing
