#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job: a memcached with 10,000 items goes round the nodes over all
# fabrics, keeps its number, and every item is read back and compared. Where
# frames are lost, dpdk asks again.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test

pid=$(start 1 'memcached -u nobody -m 64')
check 'memcached serves' wait_for 20 on 1 'nc -z 127.0.0.1 11211'
check 'ten thousand items' on 1 "$prog/items.py fill 127.0.0.1 11211 10000"
last=$RIG_NODES
for step in '2 rdma' "$((last > 2 ? last : 1)) tcp" "$((last > 2 ? 1 : 2)) rdma" \
	"$((last > 2 ? 2 : 1)) dpdk"; do
	read -r node fabric <<<"$step"
	[ "$fabric" = dpdk ] && "$RIG" shape "$node" loss 3
	check "to node$node over $fabric" on "$last" \
		"cluster-mv --fabric $fabric $pid node$node"
	check 'every item is there' on "$node" \
		"$prog/items.py check 127.0.0.1 11211 10000"
	check 'a signal finds it' in_cluster 2 "kill -0 $pid"
	check 'ps shows it once' in_cluster "$last" \
		"ps -e -o pid= | tr -d ' ' | grep -cx $pid | grep -qx 1"
done
"$RIG" shape "$node" clear
refuse 'a number that nobody has does not move' on 1 'cluster-mv 4194000 node2'
refuse "another user's process neither" on 1 "su alice -c 'cluster-mv $pid node2'"
check 'it runs on' on "$node" "$prog/items.py check 127.0.0.1 11211 10000"
check 'and is ended from afar' in_cluster 2 "kill -TERM $pid"
check 'everywhere' wait_for 20 gone "$pid"
for node in $(seq "$last"); do
	check "no work directory is left on node$node" on "$node" \
		'! ls -d /run/pando/move-* 2>/dev/null'
done
done_testing
