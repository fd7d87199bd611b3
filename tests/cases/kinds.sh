#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Memory of all kinds moves: shared with a child that moves along, a memfd, huge
# pages, locked, a deep stack, a file's that was written to, swapped out, and many mappings
# (PANDO_MAPPINGS: how many; 100000 takes its time).
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
mappings=${PANDO_MAPPINGS:-2000}
at=1

# what it says of itself, on the node where it is
# shellcheck disable=SC2329 # by wait_for
said() {
	word=$(on "$at" "cat /tmp/kinds.$pid 2>/dev/null")
	[ -n "$word" ]
}
right() {
	word=
	on "$at" "rm -f /tmp/kinds.$pid"
	in_cluster 1 "kill -USR1 $pid"
	wait_for 60 said
	is "$word" ok "$1"
}
# shellcheck disable=SC2329 # by wait_for
swapped() {
	[ "$(in_cluster "$at" "grep VmSwap /proc/$pid/status" | tr -dc 0-9)" -gt 2000 ]
}
# goes NODE ARGUMENTS WHAT
goes() {
	local json
	json=$(on "$at" "timeout 500 cluster-mv --json $2 $pid node$1")
	[[ $json == *'"result": "moved"'* ]]
	ok $? "$3" || diag "$json"
	[[ $json == *'"result": "moved"'* ]] && at=$1
	right "$3: all of it is right"
}

for n in 1 2; do
	on $n 'rm -f /tmp/kinds.*; echo 16 >/proc/sys/vm/nr_hugepages
		echo 300000 >/proc/sys/vm/max_map_count
		modprobe brd rd_nr=1 rd_size=32768
		mkswap /dev/ram0 >/dev/null && swapon /dev/ram0'
done
pid=$(start 1 "$prog/kinds /tmp $mappings")
check 'all kinds of memory are there' wait_for 60 on 1 '[ -e /tmp/kinds.ready ]'
check 'a part of it in the swap' wait_for 20 swapped
right 'and right'
goes 2 '' "with $mappings mappings"
goes 1 --lazy 'lazily, and home'
goes 2 '' 'and once more'
in_cluster 1 "kill -KILL $pid"
check 'it ends' wait_for 30 gone "$pid"
for n in 1 2; do
	on $n 'echo 0 >/proc/sys/vm/nr_hugepages; swapoff /dev/ram0; rmmod brd'
done
done_testing
