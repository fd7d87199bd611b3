# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# TAP for cases on the rig. A case sources this, makes its checks and ends with
# done_testing. Nothing sleeps: wait_for asks again until it is so, with a bound
# that grows with the slowness of the emulated nodes.

tap_n=0
tap_failed=0
tap_scale=$("$RIG" timescale 2>/dev/null || echo 10)
tap_scale=${tap_scale%.*}

ok() { # STATUS WHAT
	tap_n=$((tap_n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_n - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_n - $2"
	fi
	return "$1"
}

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# check WHAT COMMAND...: it must succeed; else its output is shown.
check() {
	local what=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	[ $status = 0 ] || diag "exit status $status: $*" "$out"
	ok $((status != 0)) "$what"
}

# refuse WHAT COMMAND...: it must fail, by itself.
refuse() {
	local what=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	[ $status != 0 ] && [ $status != 124 ] && [ $status != 128 ] || {
		diag "exit status $status: $*" "$out"
		ok 1 "$what"
		return
	}
	ok 0 "$what"
}

# is GOT WANTED WHAT
is() {
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		diag "got:    $1" "wanted: $2"
		ok 1 "$3"
	fi
}

# wait_for SECONDS COMMAND...: until it succeeds; SECONDS on a fast machine.
wait_for() {
	local end=$((SECONDS + $1 * (tap_scale > 4 ? tap_scale / 4 : 1) + 5))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
	done
}

# on NODE COMMAND-LINE: by a shell of that node, outside the cluster.
on() {
	local node=$1
	shift
	"$RIG" exec "$node" -t 240 -- bash -c "$*"
}

# in_cluster NODE COMMAND-LINE: by a shell in the cluster on that node.
in_cluster() {
	local node=$1
	shift
	"$RIG" exec "$node" -t 240 -- cluster-run -n self -T -- bash -c "$*"
}

# start NODE COMMAND-LINE: a process of the cluster there; prints its PID.
start() {
	local node=$1
	shift
	"$RIG" exec "$node" -t 240 -- bash -c "cluster-run -d -n self -- $*"
}

gone() { ! in_cluster "${2:-1}" "kill -0 $1" 2>/dev/null; }

members() { # how many members node 1 (or $1) sees
	on "${1:-1}" 'cluster-nodes --json' |
		grep -o '"state": *"member"' | wc -l
}

whole() { [ "$(members "${1:-1}")" = "$RIG_NODES" ]; }

stubs() { # NODE...: on all nodes, or those
	local n
	for n in ${*:-$(seq "$RIG_NODES")}; do
		on "$n" 'cat /sys/kernel/debug/pando/stubs'
	done
}

no_stubs() { [ -z "$(stubs "$@")" ]; }

# numbers that are taken on a node, and have no thread, group or session there; a node that
# is off, or has no module, has none
lost_numbers() {
	local n
	for n in $(seq "$RIG_NODES"); do
		on "$n" "taken=\$(sed -n 's/^numbers[[:blank:]]*//p' /sys/kernel/debug/pando/stats)
			has=\$(cat /proc/[0-9]*/task/[0-9]*/status | awk '
				/^NS(pid|pgid|sid):/ && NF > 2 { if (\$3) seen[\$3] }
				END { for (nr in seen) n++; print n + 0 }')
			[ \"\${taken:-\$has}\" = \"\$has\" ] ||
				echo node$n: \$taken numbers are taken, \$has are in use"
	done 2>/dev/null
}

no_leaks() { [ -z "$(stubs 2>/dev/null; lost_numbers)" ]; }

# Whatever was tried, nothing may be left of it.
done_testing() {
	check 'no stub is left, nor a number' wait_for 30 no_leaks || {
		diag "$(stubs)"
		diag "$(lost_numbers)"
	}
	echo "1..$tap_n"
	[ $tap_failed = 0 ]
	exit
}
