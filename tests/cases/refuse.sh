#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Who does not belong gets nothing: a wrong key, garbage on the ports and on the
# control socket, bad configurations.
. "$(dirname "$0")/../lib/tap.sh"

garbage='import os, socket, sys
for size in (0, 1, 39, 40, 41, 223, 224, 300, 5000, 100000):
    for start in (b"", b"NDO1", bytes.fromhex("4e444f310100000")[:7] if False else b"\x4e\x44\x4f\x31\x01\x00\x00\x00"):
        try:
            s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
            s.sendall(start + os.urandom(size))
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except OSError:
            pass
'
if [ "$RIG_TRANSPORT" = tcp ]; then
	printf '%s' "$garbage" | "$RIG" exec 1 -t 240 -- python3 - 10.77.0.2 5470
	ok $? "garbage to the kernel's port"
else
	out=$(on 1 '/usr/libexec/pando-test/rdma_stranger garbage 10.77.0.2 5470')
	ok $? "garbage by RDMA"
	diag "$out of 41 were let in"
	check "some were let in to say it" test "${out:-0}" -gt 0
fi
printf '%s' "$garbage" | "$RIG" exec 1 -t 240 -- python3 - 10.77.0.2 5471
ok $? "garbage to the daemon's port"
check 'the cluster is whole after that' wait_for 30 whole 2

socket='import os, socket
for size in (1, 4, 5, 100, 70000):
    for head in (b"", b"\xff\xff\xff\xff", b"\x05\x00\x00\x00"):
        s = socket.socket(socket.AF_UNIX)
        s.connect("/run/pando/control")
        try:
            s.sendall(head + os.urandom(size))
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except OSError:
            pass
'
printf '%s' "$socket" | "$RIG" exec 1 -t 240 -- su alice -c 'python3 -'
ok $? 'garbage to the control socket, by a user'
check 'the daemon answers after that' whole 1

# strangers that connect and say nothing do not keep members out; half of them
# begin a message and never end it
silent='import socket, sys, time
s = []
for i in range(200):
    try:
        s.append(socket.create_connection(("10.77.0.2", int(sys.argv[1])), timeout=2))
        if i % 2: s[-1].sendall(b"NDO1"[:i % 4])
    except OSError: pass
open("/tmp/silent", "w").close()
time.sleep(600)
'
pid=$(start 2 sleep 1000)
stand_around() { # PORT
	if [ "$1 $RIG_TRANSPORT" = '5470 rdma' ]; then
		on 1 'setsid /usr/libexec/pando-test/rdma_stranger silent 10.77.0.2 5470 100 \
			</dev/null >/tmp/silent.out 2>&1 &'
		wait_for 120 on 1 'grep -q holding /tmp/silent.out'
	else
		on 1 "rm -f /tmp/silent; cat >/tmp/silent.py <<'X'
$silent
X
setsid python3 /tmp/silent.py $1 >/dev/null 2>&1 </dev/null &"
		wait_for 60 on 1 'test -e /tmp/silent'
	fi
}
for port in 5470 5471; do
	check "silent strangers at port $port, in great number" stand_around $port
	check 'keep no signal from its process' in_cluster 1 "kill -0 $pid"
	check "and no program from starting" on "$RIG_NODES" 'cluster-run -T -n node2 -- true'
	on 1 'pkill -f "silent.py|rdma_stranger"'
done
in_cluster 1 "kill -KILL $pid"

# another key: the node is refused, says so, and nobody else is hurt
node=$RIG_NODES
on "$node" 'pandod --shutdown --force; rig-service stop pandod; head -c 128 /dev/urandom >/tmp/wrong.key; cp /etc/pando/pando.conf /tmp/right.conf; echo "key_file = /tmp/wrong.key" >>/etc/pando/pando.conf; chmod 400 /tmp/wrong.key; rig-service start pandod'
said() { on 1 'dmesg' | grep -q 'wrong cluster key' || on "$node" 'dmesg' | grep -q 'wrong cluster key'; }
check 'a wrong key is refused and logged' wait_for 60 said
check 'the others work on' on 1 'cluster-nodes'
on "$node" 'pandod --shutdown --force; rig-service stop pandod; cp /tmp/right.conf /etc/pando/pando.conf; rig-service start pandod'
check 'with the right key it is a member again' wait_for 90 whole 1

# configuration errors are one clear line
bad() { # TEXT PATTERN
	on 1 "printf '%b' '$1' >/tmp/bad.conf; pandod --config /tmp/bad.conf --check 2>&1; echo status \$?" |
		{ read -r line; read -r status; diag "$line"; [[ $line == *$2* && $status != 'status 0' ]]; }
}
check 'an unknown key: file and line' bad '# x\nno_such = 1\n' '/tmp/bad.conf:2'
check 'a bad value: file and line' bad 'transport = pigeon\n' '/tmp/bad.conf:1'
check 'no file' bash -c "! '$RIG' exec 1 -- pandod --config /nonexistent.conf --check"

done_testing
