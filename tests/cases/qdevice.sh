#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two nodes and a quorum device: with its vote one of them goes on by itself, the
# other freezes; without it neither does. The third node of the rig only lends
# its vote: it is no member.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/counter.sh"
shared=$RIG_DIR/shared
[ "$RIG_NODES" = 3 ] || exit 4
both() { [ "$(members 1)" = 2 ] && [ "$(members 2)" = 2 ] && quorate 1 && quorate 2; }
votes() { on "$1" "corosync-quorumtool -s" | awk '/^Total votes/ { print $3 }'; }
has_votes() { [ "$(votes "$1")" = "$2" ]; }
frozen() { on "$1" 'grep -q "^frozen 1" /sys/fs/cgroup/pando/tasks/cgroup.events'; }

device() { # start|kill
	if [ "$1" = start ]; then
		on 3 'setsid sh -c "until corosync-qnetd -f -s off; do sleep 1; done" </dev/null >/var/log/qnetd.log 2>&1 &'
	else
		on 3 'pkill -f "^sh -c until corosync-qnetd"; pkill -KILL corosync-qnetd'
	fi
}

why_no_vote() {
	diag "$(on 3 'pgrep -a corosync-qnetd; tail -n 20 /var/log/qnetd.log')"
	for n in 1 2; do
		diag "node$n: $(on $n 'pgrep -a corosync-qdevic; tail -n 20 /var/log/qdevice.log
			corosync-quorumtool -s')"
	done
}

# The rig's own corosync.conf, less node 3, and with a device there.
configure() { # NODE [STATE]: as a new node, or with what is in STATE
	on "$1" "rig-service status pandod >/dev/null && { pandod --shutdown --force; rig-service stop pandod; }
		pkill -f '^sh -c until corosync-qdevice'; pkill -x corosync-qdevic
		rig-service stop corosync
		rm -rf /var/lib/pando; [ -z '${2:-}' ] || cp -a '${2:-}' /var/lib/pando
		python3 - <<-'X'
		import re
		path = '/etc/corosync/corosync.conf'
		text = open(path).read()
		text = re.sub(r'\tnode \{\n\t\tnodeid: 3\n[^}]*\}\n', '', text)
		if 'device {' not in text:
		    text = text.replace('provider: corosync_votequorum\n', '''provider: corosync_votequorum
		    device {
		        model: net
		        votes: 1
		        timeout: 5000
		        sync_timeout: 15000
		        net {
		            host: 10.77.0.3
		            algorithm: ffsplit
		            tls: off
		            connect_timeout: 4000
		        }
		    }
		''')
		open(path, 'w').write(text)
		X
		rig-service start corosync || exit 1
		for try in \$(seq 100); do corosync-quorumtool -s >/dev/null 2>&1 && break; sleep 0.2; done
		setsid sh -c 'until corosync-qdevice -f; do sleep 1; done' </dev/null >/var/log/qdevice.log 2>&1 &
		disown
		rig-service start pandod"
}

rm -f "$shared"/count.*
on 3 'pandod --shutdown --force; rig-service stop pandod; rig-service stop corosync'
device start
configure 1 &
configure 2
wait
check 'two nodes are a cluster' wait_for 120 both
check 'with three votes' wait_for 120 has_votes 1 3 || why_no_vote
p1=$(counter 1 count.1)
p2=$(counter 2 count.2)
check 'a process counts on each' wait_for 20 eval 'counts count.1 && counts count.2'

# --- one dies
on 2 'cp -a /var/lib/pando /shared/state.2'
"$RIG" crash 2
check 'one is off' wait_for 120 is_state 2 1 down
check 'the other has quorum by the device' wait_for 60 quorate 1
check 'its process goes on' wait_for 30 counts count.1
check 'new ones start' wait_for 30 in_cluster 1 true
check 'what ran on the dead one is gone' wait_for 120 gone "$p2"
"$RIG" start 2 --no-wait
check 'it is back' configure 2 /shared/state.2
check 'as a member' wait_for 180 both
p2=$(counter 2 count.3)
check 'and works' wait_for 30 counts count.3

# --- cut from each other, not from the device
check 'three votes again' wait_for 120 has_votes 1 3
"$RIG" cut 1 2
check 'cut: one of them freezes' wait_for 180 eval 'frozen 1 || frozen 2'
if frozen 1; then lost=1 won=2; else lost=2 won=1; fi
diag "node$won has the device's vote"
check 'the other has quorum' wait_for 60 quorate "$won"
refuse 'and is not frozen' frozen "$won"
check 'there new processes start' wait_for 60 in_cluster "$won" true
refuse 'but not at the other' in_cluster "$lost" true
"$RIG" heal
check 'healed: both are members' wait_for 180 both
check 'both processes go on' wait_for 60 eval 'counts count.1 && counts count.3'
check 'under their numbers' in_cluster 1 "kill -0 $p1 $p2"

# --- no device: two of three votes are enough, one is not
check 'the device is killed' device kill
check 'two votes are left' wait_for 120 has_votes 1 2
check 'which is quorum' both
check 'work goes on' in_cluster 2 true
"$RIG" crash 2
check 'one node alone freezes' wait_for 180 frozen 1
refuse 'and starts nothing' in_cluster 1 true
rm -rf "$shared/state.2"
done_testing
