#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pidfds of processes that run, or come to run, on another node: their end is
# reported there and then and not before, whatever moves, and signals follow.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
last=$RIG_NODES

# target NODE: a process there that ends with SIGTERM; prints its PID
target() {
	local log
	log=/shared/pidfd.$RANDOM
	start "$1" "$prog/sigwatch $log"
	wait_for 20 on "$1" "grep -q ready $log"
}

# watch NODE LOG WORD...: who holds pidfds of them; sets W
watch() {
	local node=$1 log=$2
	shift 2
	on "$node" "rm -f /shared/watch.$log"
	W=$(start "$node" "$prog/pidfds.py /shared/watch.$log $*")
	check "pidfds of $* on node $node: none has ended" \
		wait_for 20 on "$node" "grep -q ready /shared/watch.$log"
}

# said NODE LOG LINE [TIMES]
said() { on "$1" "test \$(grep -cx '$3' /shared/watch.$2) = ${4:-1}"; }

stat_of() { on "$1" "awk '/^$2/ { print \$2 }' /sys/kernel/debug/pando/stats"; }
no_watches() { for n in 1 2 3; do [ "$(stat_of $n watches)" = 0 ] || return; done; }

# --- of processes that stay -----------------------------------------------------
a=$(target 2)
b=$(target 3)
c=$(target 1)
watch 1 one "$a" "$b" "$c"
W1=$W
watch 1 two "$b"
in_cluster 3 "kill -KILL $a"
check 'the end of one is reported' wait_for 5 said 1 one "ended $a"
check 'and is no child of who asks' wait_for 5 said 1 one "waitid $a ECHILD"
in_cluster 1 "kill -USR1 $W1"
check 'what has ended takes no signal' wait_for 10 said 1 one "sent $a ESRCH"
check 'what lives does' wait_for 10 said 1 one "sent $b"
refuse 'nothing is said of those that live' on 1 "grep -qE 'ended ($b|$c)' /shared/watch.one /shared/watch.two"

# --- of processes that move -----------------------------------------------------
check 'one moves on' on 1 "cluster-mv $b node2"
check 'one leaves the node of its pidfd' on 1 "cluster-mv $c node2"
in_cluster 1 "kill -USR1 $W1"
check 'signals follow' wait_for 10 said 1 one "sent $b" 2
check 'also those that left' wait_for 10 said 1 one "sent $c" 2
check 'one arrives there' on 1 "cluster-mv $b node1"
check 'one goes further' on 1 "cluster-mv $c node3"
in_cluster 1 "kill -USR1 $W1"
check 'signals follow' wait_for 10 said 1 one "sent $b" 3
check 'further' wait_for 10 said 1 one "sent $c" 3
refuse 'no move is an end' on 1 "grep -qE 'ended ($b|$c)' /shared/watch.one /shared/watch.two"
in_cluster 2 "kill -TERM $b"
check 'what arrived ends' wait_for 5 said 1 one "ended $b"
check 'for both' wait_for 5 said 1 two "ended $b"
in_cluster 2 "kill -TERM $c"
check 'what left ends' wait_for 5 said 1 one "ended $c"
in_cluster 1 "kill -USR1 $W1"
check 'and takes no signal' wait_for 10 said 1 one "sent $c ESRCH"

c=$(target 1)
watch 1 home "$c"
check 'one leaves' on 1 "cluster-mv $c node2"
check 'and comes home' on 1 "cluster-mv $c node1"
in_cluster 1 "kill -USR1 $W"
check 'a signal reaches it' wait_for 10 said 1 home "sent $c"
refuse 'it has not ended' said 1 home "ended $c"
in_cluster 1 "kill -TERM $c"
check 'at home it ends' wait_for 5 said 1 home "ended $c"

# --- of a child -------------------------------------------------------------------
watch 1 child child
C=$(on 1 "sed -n 's/^child //p' /shared/watch.child")
check 'a child moves' on 1 "cluster-mv $C node2"
refuse 'which is no end' said 1 child "ended $C"
in_cluster 1 "kill -USR1 $W"
check 'a signal by pidfd comes from its parent' wait_for 10 said 1 child "signal $W 0"
in_cluster 3 "kill -TERM $C"
check 'its end is' wait_for 5 said 1 child "ended $C"
check 'waitid() by pidfd has its status' wait_for 5 said 1 child "waitid $C 1 7"
check 'its number is free' wait_for 10 gone "$C" 3

# --- nobody is left over -----------------------------------------------------------
a=$(target 2)
watch 1 kept "$a"
is "$(stat_of 1 watches)" 1 'one process is watched'
in_cluster 1 "kill -KILL $W"
check 'and none when nobody waits any more' wait_for 10 no_watches
in_cluster 1 "kill -KILL $a"
check 'the number of what was watched is free' wait_for 10 gone "$a"

# a process that has ended, and whose parent does not wait for it
on 2 "cluster-run -d -n self -- bash -c 'sleep 0 & echo \$! >/tmp/pid; exec sleep 1000'" >/dev/null
wait_for 20 on 2 "test -s /tmp/pid"
z=$(on 2 'cat /tmp/pid')
wait_for 20 on 2 "cluster-run -n self -T -- grep -q Z.*zombie /proc/$z/status"
start 1 "$prog/pidfds.py /shared/watch.zombie $z" >/dev/null
check 'a pidfd of a zombie is readable at once' wait_for 10 said 1 zombie "ended $z"

# --- a node is lost ------------------------------------------------------------------
a=$(target "$last")
c=$(target 1)
watch 1 lost "$a" "$c"
check 'one more goes there' on 1 "cluster-mv $c node$last"
"$RIG" crash "$last"
ok $? 'power off'
check 'what ran there has ended' wait_for 60 said 1 lost "ended $a"
check 'all of it' wait_for 10 said 1 lost "ended $c"
"$RIG" start "$last"
ok $? 'power on'
check 'it is a member again' wait_for 120 whole 1
check 'nothing is watched any more' wait_for 20 no_watches

done_testing
