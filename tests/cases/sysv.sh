#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# SysV shared memory moves with who has it attached: with its id, key, owner and
# state, there and back, ahead and lazily, and it is in one place only; an id or a key
# that is taken is said before anything stands still, and a move that is called off
# leaves nothing behind.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
key=0x5a0d0001
at=1

# shellcheck disable=SC2329 # by wait_for
said() {
	word=$(on "$at" "cat /tmp/sysv.$pid 2>/dev/null")
	[ -n "$word" ]
}
right() {
	word=
	on "$at" "rm -f /tmp/sysv.$pid"
	in_cluster 1 "kill -USR1 $pid"
	wait_for 60 said
	is "$word" ok "$1"
}
# segments NODE: how many there are
segments() { on "$1" "tail -n +2 /proc/sysvipc/shm | wc -l"; }
is_empty() { [ "$(segments "$1")" = 0 ]; }
# goes NODE ARGUMENTS WHAT
goes() {
	local json from=$at
	json=$(on "$at" "timeout 500 cluster-mv --json $2 $pid node$1")
	[[ $json == *'"result": "moved"'* ]]
	ok $? "$3" || diag "$json"
	[[ $json == *'"result": "moved"'* ]] && at=$1
	right "$3: all of it is right"
	check "$3: and there only" wait_for 20 is_empty "$from"
}
# stays WHAT ARGUMENTS WORDS
stays() {
	out=$(on 1 "timeout 200 cluster-mv $2 $pid node2 2>&1")
	[[ $out == *$3* ]]
	ok $? "$1" || diag "$out"
	right "$1: all of it is right where it was"
}

for n in 1 2; do
	on $n 'rm -f /tmp/sysv.*; echo 16 >/proc/sys/vm/nr_hugepages'
done
pid=$(start 1 "$prog/sysv /tmp $key")
check 'all kinds of SysV shared memory are there' wait_for 60 on 1 '[ -e /tmp/sysv.ready ]' ||
	done_testing
right 'and right'
count=$(segments 1)
ids=$(on 1 'cat /tmp/sysv.ready')
diag "$ids"
id=$(sed -n 's/^main //p' <<<"$ids")

# who else has it, outside of the cluster
on 1 "setsid python3 -c '
import ctypes, time
c = ctypes.CDLL(None)
c.shmat.restype = ctypes.c_void_p
c.shmat($id, None, 0)
open(\"/tmp/stranger\", \"w\").close()
time.sleep(1000)' </dev/null >/dev/null 2>&1 & echo \$! >/tmp/stranger.pid"
wait_for 30 on 1 '[ -e /tmp/stranger ]'
out=$(on 1 "cluster-mv --why $pid 2>&1")
[[ $out == *"shares memory"*"does not move along"* ]]
ok $? 'that somebody shares it and does not move is said' || diag "$out"
# shellcheck disable=SC2016 # by that node
on 1 'kill $(cat /tmp/stranger.pid); while kill -0 $(cat /tmp/stranger.pid) 2>/dev/null; do :; done'

# the key, then the id, is taken at the target
on 2 "python3 -c '
import ctypes
c = ctypes.CDLL(None)
open(\"/proc/sys/kernel/shm_next_id\", \"w\").write(str($id + 500))
c.shmget($key, 4096, 0o1600)'"
stays 'a key that is taken there' '' 'ipcrm -M'
on 2 "ipcrm -M $key"
on 2 "python3 -c '
import ctypes
c = ctypes.CDLL(None)
open(\"/proc/sys/kernel/shm_next_id\", \"w\").write(\"$id\")
c.shmget(0x1234, 4096, 0o1600)'"
stays 'an id that is taken there' '' 'ipcrm -m'
on 2 'ipcrm -M 0x1234'
check 'nothing is left there' wait_for 20 is_empty 2

# broken where it is made, where all is built, and by the death of both at the target
for p in '33 fail' '26 fail' '26 kill'; do
	on 2 "echo $p >/run/pando/fault"
	on 1 "timeout 200 cluster-mv $pid node2" >/dev/null 2>&1
	ok $(($? == 0)) "a move broken at $p does not succeed"
	on 2 'rm -f /run/pando/fault*'
	check "broken at $p: nothing is left there" wait_for 30 is_empty 2
	right "broken at $p: all of it is right where it was"
done
is "$(segments 1)" "$count" 'and all of them are there'

goes 2 '' 'there'
goes 1 --lazy 'lazily, and home'
goes 2 '' 'and once more'
# the source's mover dies after the decision: the daemon does what is left to do
on 2 'echo 12 kill >/run/pando/fault'
goes 1 '' 'home, with the mover killed there'
on 2 'rm -f /run/pando/fault*'
in_cluster 1 "kill -TERM $pid"
check 'it ends' wait_for 30 gone "$pid"
check 'and what it had with it' wait_for 20 is_empty 1
for n in 1 2; do
	on $n 'echo 0 >/proc/sys/vm/nr_hugepages'
done
done_testing
