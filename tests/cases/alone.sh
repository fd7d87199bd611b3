#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One node on its own, without corosync, and the end of its numbers: exactly as
# many tasks as the lease has numbers, and more as soon as there is another.
. "$(dirname "$0")/../lib/tap.sh"
node=$RIG_NODES
prog=/usr/libexec/pando-test/threads.py

alone() { on "$node" 'cluster-nodes --json' | grep -q '"state": *"standalone"'; }
# result N: the n-th line that the program wrote
result() { on "$node" "sed -n $1p /tmp/threads.out"; }
has_result() { [ -n "$(result "$1")" ]; }

check 'the node is shut down' on "$node" 'pandod --shutdown --force; rig-service stop pandod; true'
on "$node" 'rm -rf /var/lib/pando/standalone.state /tmp/threads.*
	printf "lease_blocks = 1\n" >/tmp/alone.conf
	setsid pandod --standalone -c /tmp/alone.conf >/tmp/alone.log 2>&1 </dev/null &'
check 'pandod --standalone' wait_for 30 alone
is "$(in_cluster "$node" 'echo from within')" 'from within' 'runs programs'
is "$(on "$node" "cluster-run -n node1 -- true 2>&1 >/dev/null | wc -l")" 1 \
	'says in a line that there is no other node'

# No daemon, no new lease: what there is must last, to the last number.
pid=$(start "$node" "$prog /tmp/threads")
check 'a process with threads runs' wait_for 20 has_result 1
on "$node" 'pkill -STOP -x pandod; touch /tmp/threads.go1'
check 'it starts threads until there are no numbers' wait_for 120 has_result 2
read -r _ why taken twice outside < <(result 2)
is "$why" EAGAIN 'EAGAIN ends it'
is "$taken" 1024 'the tasks have all numbers of the lease'
is "$twice" 0 'none twice'
is "$outside" 0 'and no others'
on "$node" 'pkill -CONT -x pandod'
more() { on "$node" 'touch /tmp/threads.go2' && has_result 3; }
check 'with the daemon there are more' wait_for 60 more
is "$(result 3)" more 'and the process goes on'
check 'it ends' in_cluster "$node" "kill -KILL $pid"

check 'it is shut down' on "$node" 'pandod --shutdown --force'
check 'and the node comes back to its cluster' on "$node" 'rig-service start pandod'
check 'as a member' wait_for 60 whole "$node"
done_testing
