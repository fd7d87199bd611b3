#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Numbers are unique in the cluster, exact under concurrent forks and at the end
# of the leases; namespaces of one's own and node-local tools are apart.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
n=${PANDO_FORKS:-2000}
[ "$RIG_KERNEL" = debug ] && n=200

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for node in $(seq "$RIG_NODES"); do
	for k in 1 2; do
		in_cluster "$node" "$prog/forks $n 200" >"$tmp/$node.$k" &
		jobs[node * 2 + k]=$!
	done
done
bad=0
for job in "${jobs[@]}"; do
	wait "$job" || bad=1
done
ok $bad "2 x $n forks with threads on $RIG_NODES nodes at once"
is "$(cat "$tmp"/* | wc -l)" $((RIG_NODES * 4 * n)) 'every fork and thread gave a number'
for node in $(seq "$RIG_NODES"); do
	cat "$tmp/$node".* | sort -nu >"$tmp/of$node"
done
is "$(sort "$tmp"/of* | uniq -d | wc -l)" 0 'no number was given by two nodes'
is "$(awk '$1 < 1024 || $1 > 4194303' "$tmp"/of* | wc -l)" 0 \
	'all are of leased blocks'

alive=$(in_cluster 1 "for i in \$(seq 40); do sleep 1000 & done; jobs -p | sort -n | uniq | wc -l; kill \$(jobs -p)")
is "$alive" 40 'forty children of one shell, forty numbers'

user=$(on 1 "su alice -c 'cluster-run -n self -T -- $prog/forks 50 50' | wc -l")
is "$user" 100 'an ordinary user forks'

# A PID namespace nested in the cluster's: numbers inside are its own.
inner=$(in_cluster 1 'unshare -p -f --mount-proc sh -c "echo \$\$; sh -c \"echo \\\$\\\$\"" | tr "\n" " "')
is "$inner" '1 2 ' 'a nested namespace counts from 1'

# Wherever the kernel's own cursor is put, the next numbers are this node's, and are not
# those of who is away: before one of them, in and before another node's block, at the ends.
away=$(start 1 'sleep 1000')
other=$(start 2 'sleep 1000')
own=$(in_cluster 1 "echo \$BASHPID")
on 1 "cluster-mv $away node2" >/dev/null; ok $? 'one of its processes goes to node2'
got=$(for last in $((away - 2)) $((other - 1)) $((other / 1024 * 1024 - 2)) $((own | 1023)) \
	900 1022 4194000; do
	in_cluster 1 "echo $last >/proc/sys/kernel/ns_last_pid &&
		for i in 1 2 3 4; do sh -c 'echo \$\$'; done"
done)
is "$(echo "$got" | grep -c .)" 28 'seven times the cursor is put somewhere, four numbers each'
is "$(echo "$got" | grep -cx "$away")" 0 'not that of who is away'
is "$(echo "$got" | awk -v nrs="$other $(tr '\n' ' ' <"$tmp/of2")" '
	BEGIN { split(nrs, nr, " "); for (i in nr) of2[int(nr[i] / 1024)] }
	int($1 / 1024) in of2 || $1 < 1024' | wc -l)" 0 'and none of another node, or node-local'
in_cluster 1 "kill $away $other"

# set_tid outside of the leases of this node is refused.
taken=$(in_cluster 1 'python3 -c "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def clone3(pid):
    tid = (ctypes.c_int * 1)(pid)
    a = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(tid), 1, 0)
    r = libc.syscall(435, a, 88)
    if r == 0: os._exit(0)
    return os.strerror(ctypes.get_errno()) if r < 0 else r
print(clone3(4194303))
"')
is "$taken" 'File exists' 'a number of nobody is not to be had by set_tid'

done_testing
