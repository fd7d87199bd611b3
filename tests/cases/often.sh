#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The same process moved again and again, over each page fabric, its memory ahead
# of it or after it; with many threads; with mappings that come and go; large;
# ten at once. By hand, with as many moves as wanted:
#
#	PANDO_MOVES=200 PANDO_OFTEN=moves tests/run --rig n=2 tests/cases/often.sh
#
# PANDO_MOVES: how many in all of each part; PANDO_OFTEN: which parts, of
# "moves threads maps ten big port". big is 1 GiB, for nodes of 2 GiB (mem=2048);
# port is over one that is DPDK's own, by its virtio driver (nics=2).
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/churn.sh
. "$(dirname "$0")/../lib/churn.sh"
moves=${PANDO_MOVES:-6}
parts=${PANDO_OFTEN:-moves threads maps ten}

fabrics=tcp
on 1 'rdma link show | grep -q ACTIVE' && fabrics='rdma tcp'
on 1 'grep -q "^dpdk *=" /etc/pando/pando.conf' && fabrics+=' dpdk'

figures=()
# what the nodes do that do not answer
stuck() {
	local n
	for n in 1 2; do
		diag "$(on "$n" 'hostname; cluster-nodes; cat /sys/kernel/debug/pando/stats
			top -b -n 1 | head -n 15; tail -n 15 /var/log/pandod.log; dmesg | tail -n 10')"
	done
}
# hop FABRIC LAZY WHAT: to the other node, and all of it is right there
hop() {
	local from=$at to=$((3 - at)) json lazy=
	[ "$2" = lazy ] && lazy=--lazy
	json=$(on "$from" "timeout 230 cluster-mv --json --fabric $1 $lazy $pid node$to")
	[[ $json == *'"result": "moved"'* ]] || { diag "$json"; stuck; return 1; }
	[[ $json =~ \"freeze_ms\":\ *([0-9]+) ]] && figures+=("${BASH_REMATCH[1]}")
	at=$to
	signal "$from" || { diag "no signal from node$from"; stuck; return 1; }
	wait_for 30 told || { look; return 1; }
}
# rounds N WHAT: N hops in turn over every fabric, ahead and after
rounds() {
	local n=0 fabric mode was_ok=0
	figures=()
	while [ "$n" -lt "$1" ]; do
		for mode in ahead lazy; do
			for fabric in $fabrics; do
				[ "$n" -lt "$1" ] || break 2
				n=$((n + 1))
				hop "$fabric" "$mode" || {
					was_ok=1
					diag "move $n of $1, $fabric, $mode"
					break 3
				}
			done
		done
	done
	ok $was_ok "$2: $n moves over $fabrics, ahead and lazy, whole after each"
	diag "frozen ms: $(printf '%s\n' "${figures[@]}" | sort -n | paste -sd' ')"
	is "$(places)" "$at" "$2: in one place"
	in_cluster "$at" "kill -KILL $pid"
}
wanted() { [[ " $parts " == *" $1 "* ]]; }

if wanted moves; then
	begin 8 200 50
	rounds "$moves" 'one process'
fi
if wanted threads; then
	begin 4 100 0 64
	rounds "$moves" '64 threads'
fi
if wanted maps; then
	begin 4 100 1000
	rounds "$moves" 'a thousand mappings'
fi
if wanted ten; then
	pids=()
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		begin 2 50 20
		pids+=("$pid")
	done
	for to in 2 1; do
		json=$(on 1 "timeout 230 cluster-mv --json ${pids[*]} node$to")
		n=$(grep -o '"result": "moved"' <<<"$json" | wc -l)
		is "$n" 10 "ten at once to node$to" || diag "$json"
		at=$to bad=
		for pid in "${pids[@]}"; do
			wait_for 30 told || { bad+=" $pid"; look; }
		done
		is "$bad" '' 'each of them is whole'
	done
	in_cluster "$at" "kill -KILL ${pids[*]}"
fi
if wanted big; then
	begin 1024 200 0
	rounds "$((moves < 4 ? moves : 4))" '1 GiB'
fi
# take_port NODE: from the kernel, for DPDK
take_port() {
	# shellcheck disable=SC2016 # expands on the node
	on "$1" 'set -e
		echo 48 >/proc/sys/vm/nr_hugepages
		modprobe uio_pci_generic
		dev=$(basename "$(dirname "$(readlink -f /sys/class/net/eth2/device)")")
		echo uio_pci_generic >/sys/bus/pci/devices/$dev/driver_override
		echo $dev >/sys/bus/pci/devices/$dev/driver/unbind
		echo $dev >/sys/bus/pci/drivers_probe
		[ -e /sys/bus/pci/drivers/uio_pci_generic/$dev ]
		sed -i "/^dpdk *=/d" /etc/pando/pando.conf
		echo "dpdk = -a $dev --in-memory -m 64" >>/etc/pando/pando.conf
		rig-service stop pandod
		rig-service start pandod >/dev/null 2>&1'
}
if wanted port; then
	for node in 1 2; do
		check "node$node: a port is DPDK's" take_port $node
		check "node$node: it is back" wait_for 60 whole 1
	done
	fabrics=dpdk
	begin 8 200 50
	rounds "$moves" "DPDK's own port"
fi

done_testing
