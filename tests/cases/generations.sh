#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Three generations, one of which moves after the other, and ends: each has its parent,
# and who has ended its number until it was waited for, wherever one looks from.
set -u
. "$(dirname "$0")/../lib/tap.sh"

child_of() { # PID
	on 1 'cluster-ps --no-headers -o pid,ppid' | awk -v p="$1" '$2 == p { print $1 }'
}
# shellcheck disable=SC2329,SC2317 # by wait_for
has_child() { [ -n "$(child_of "$1")" ]; }
begets() { # PID SIGNAL: has a $child
	in_cluster 1 "kill -$2 $1"
	check "$1 has a child" wait_for 20 has_child "$1"
	child=$(child_of "$1")
}
move() { # PID NODE
	local said
	said=$(on 1 "cluster-mv $1 node$2" 2>&1)
	ok $? "$1 moves to node$2" || diag "$said"
}
# shellcheck disable=SC2329,SC2317 # by wait_for
shows() { # NODE PID PPID STATE
	[ "$(in_cluster "$1" "ps --no-headers -o ppid,s -p $2" | xargs)" = "$3 $4" ]
}
seen() { # PID PPID STATE WHAT: on all nodes
	local n
	for n in 1 2 3; do
		check "$4, seen from node$n" wait_for 10 shows "$n" "$1" "$2" "$3" ||
			diag "$(in_cluster "$n" "cat /proc/$1/stat")"
		check "$4, and can be signalled from there" in_cluster "$n" "kill -0 $1"
	done
}
# shellcheck disable=SC2329,SC2317 # by wait_for
nowhere() { # PID
	local n
	for n in 1 2 3; do
		in_cluster "$n" "kill -0 $1 2>/dev/null || [ -e /proc/$1 ]" && return 1
	done
	return 0
}
# shellcheck disable=SC2329,SC2317 # by wait_for
is_nobody() { # NODE PID
	in_cluster "$1" "kill -0 $2" 2>&1 | grep -q 'No such process'
}

# shellcheck disable=SC2329,SC2317 # by wait_for
forest() { # NODE COMMAND PID...: which of them are shown, each below the one before it
	local node=$1 command=$2
	shift 2
	[ "$(in_cluster "$node" "$command" | awk -v pids=" $* " '
		index(pids, " " $1 " ") {
			match($0, "/usr/bin/python3")
			printf("%s%s ", $1, (RSTART > at ? "" : " not below it"))
			at = RSTART
		}')" = "$* " ]
}
one_tree() { # WHAT PID...: each is the child of the one before it, from all nodes, and once
	local what=$1 n wanted
	shift
	wanted=$(printf -- '---generations.py(%s)' "$@")
	for n in 1 2 3; do
		check "$what: ps --forest on node$n" \
			wait_for 10 forest "$n" 'ps -eo pid,args --forest' "$@"
		check "$what: cluster-ps --forest on node$n" \
			wait_for 10 forest "$n" 'cluster-ps --no-headers --forest -o pid,args' "$@"
		is "$(in_cluster "$n" "pstree -lAp $1")" "${wanted#---}" "$what: pstree on node$n"
	done
}

generations() { # A, and B its child
	on 1 'rm -f /shared/generations'
	A=$(start 1 "/usr/libexec/pando-test/generations.py /shared/generations")
	wait_for 20 on 1 '[ -e /shared/generations ]'
	begets "$A" USR1
	B=$child
}

# --- with its child away from home, where that ends
generations
begets "$B" USR1
C=$child
move "$B" 2
seen "$C" "$B" S 'a child that went along has its parent'
in_cluster 3 "kill -TERM $C"
seen "$C" "$B" Z 'it has ended, and nobody has waited for it'
in_cluster 1 "kill -TERM $B"
seen "$B" "$A" Z 'so has its parent'
check 'who is nobody'\''s child any more is gone' wait_for 20 nowhere "$C"
in_cluster 2 "kill -KILL $A"
for pid in "$A" "$B"; do
	check "$pid is gone" wait_for 20 nowhere "$pid"
done
check 'no stub is left' wait_for 30 no_stubs

# --- to a child of another session, and on with it
generations
begets "$B" HUP
C=$child
move "$C" 2
move "$B" 2
seen "$B" "$A" S 'who comes to a child has its own parent'
seen "$C" "$B" S 'so has the child'
move "$B" 3
seen "$B" "$A" S 'both go on: it has its parent'
seen "$C" "$B" S 'and so has the child'
move "$A" 3
seen "$B" "$A" S 'who is followed by its parent has it'
in_cluster 1 "kill -KILL $A $B $C"
for pid in "$A" "$B" "$C"; do
	check "$pid is gone" wait_for 20 nowhere "$pid"
done
check 'no stub is left' wait_for 30 no_stubs

# --- one tree, whoever of it is where
generations
begets "$B" USR1
C=$child
one_tree 'all on one node' "$A" "$B" "$C"
move "$C" 3
one_tree 'with the child away' "$A" "$B" "$C"
move "$B" 2
one_tree 'on three nodes' "$A" "$B" "$C"
move "$C" 1
one_tree 'with the one in the middle away' "$A" "$B" "$C"
move "$C" 2
one_tree 'with the parent away' "$A" "$B" "$C"
move "$A" 2
one_tree 'together elsewhere' "$A" "$B" "$C"
in_cluster 1 "kill -KILL $A $B $C"
for pid in "$A" "$B" "$C"; do
	check "$pid is gone" wait_for 20 nowhere "$pid"
done
check 'no stub is left' wait_for 30 no_stubs

# --- the leader of a group has ended away from home, and the group is there
on 1 'rm -f /shared/generations'
A=$(start 1 "/usr/libexec/pando-test/generations.py /shared/generations")
wait_for 20 on 1 '[ -e /shared/generations ]'
begets "$A" USR1
B=$child
move "$A" 2
in_cluster 2 "kill -TERM $A"
for n in 1 2 3; do
	check "the leader is nobody, seen from node$n" wait_for 20 is_nobody "$n" "$A"
	is "$(in_cluster "$n" "ps --no-headers -o pgid -p $B" | xargs)" "$A" \
		"its group is there, seen from node$n"
done
check 'and can be signalled' in_cluster 3 "kill -KILL -- -$A"
check "$B is gone" wait_for 20 nowhere "$B"

# --- with its child, to that one's child, which leads a session, or a group
for signal in HUP USR2; do
	generations
	begets "$B" "$signal"
	C=$child
	move "$C" 2
	move "$A" 2
	seen "$B" "$A" S "$signal: who went along has its parent"
	seen "$C" "$B" S "$signal: and so has its child, which was there"
	in_cluster 3 "kill -TERM $B"
	seen "$B" "$A" Z "$signal: it has ended, and nobody has waited for it"
	in_cluster 1 "kill -KILL $A $C"
	for pid in "$A" "$B" "$C"; do
		check "$pid is gone" wait_for 20 nowhere "$pid"
	done
	check 'no stub is left' wait_for 30 no_stubs
done
done_testing
