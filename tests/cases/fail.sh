#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A node dies while others use it: no call hangs, ESRCH when it is gone, the
# rest works on, and it comes back.
. "$(dirname "$0")/../lib/tap.sh"
last=$RIG_NODES

pid=$(start "$last" sleep 100000)
check 'a process on the node that will die' in_cluster 1 "kill -0 $pid"

# to RoCE that is a new address, and the node cannot tell the others that its
# connections are lost
reached() { in_cluster 1 "kill -0 $pid" && in_cluster 2 "kill -0 $pid"; }
if [ "$RIG_TRANSPORT" = rdma ]; then
	# shellcheck disable=SC2016 # expands on the node
	on "$last" 'ip link set dev eth1 address $(cat /sys/class/net/eth1/address)'
	check 'reached again when its address was set' wait_for 30 reached
fi

# callers in loops; each call must end by itself
on 1 "cat >/tmp/callers.sh <<'X'
while [ ! -e /tmp/stop ]; do
	kill -0 $pid 2>/dev/null
	echo kill >>/tmp/calls
done &
while [ ! -e /tmp/stop ]; do
	ls /proc >/dev/null; cat /proc/$pid/status >/dev/null 2>&1
	echo proc >>/tmp/calls
done &
wait
X
rm -f /tmp/stop /tmp/calls; setsid cluster-run -n self -T -- bash /tmp/callers.sh >/dev/null 2>&1 </dev/null &"
busy() { on 1 'grep -q kill /tmp/calls && grep -q proc /tmp/calls'; }
check 'callers are busy' wait_for 20 busy
on 1 "rm -f /tmp/ran; setsid sh -c 'cluster-run -T -n node$last -- sh -c \"echo here; sleep 1000\" >/tmp/ran.out 2>/tmp/ran.err
	echo \$? >/tmp/ran' >/dev/null 2>&1 </dev/null &"
check 'somebody waits for a program there' wait_for 20 on 1 'grep -q here /tmp/ran.out'

"$RIG" crash "$last"
ok $? 'power off'
check 'kill says no such process once it is gone' wait_for 60 gone "$pid"
check 'who waited is told' wait_for 30 on 1 '[ -s /tmp/ran ]'
is "$(on 1 'cat /tmp/ran; grep -c "left the cluster" /tmp/ran.err' | tr '\n' ' ')" '125 1 ' \
	'by 125, and why'
check 'no call hangs: ps' in_cluster 1 'ps -ef >/dev/null'
before=$(on 1 'wc -l </tmp/calls')
more() { [ "$(on 1 'wc -l </tmp/calls')" -gt $((before + 5)) ]; }
check 'the callers go on' wait_for 60 more
check 'and end when told' on 1 'touch /tmp/stop'
ended() { on 1 '! pgrep -f "[c]allers.sh" >/dev/null'; }
check 'all of them' wait_for 60 ended
if [ "$RIG_NODES" -gt 2 ]; then
	check 'the survivors work' in_cluster 1 'true'
	p2=$(start 2 sleep 1000)
	check 'and reach each other' in_cluster 1 "kill -TERM $p2"
fi

"$RIG" start "$last"
ok $? 'power on'
check 'it is a member again' wait_for 120 whole 1
check 'its old process is gone' gone "$pid"
p3=$(start "$last" sleep 1000)
check 'a new one is reached' in_cluster 1 "kill -TERM $p3"
check 'the nodes agree on the view' bash -c \
	"for n in \$(seq $RIG_NODES); do '$RIG' exec \$n -- cluster-nodes --json | grep -o '\"epoch\": *[0-9]*'; done | sort -u | wc -l | grep -qx 1"

done_testing
