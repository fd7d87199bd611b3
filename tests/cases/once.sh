#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Who moves while its group is signalled, from its own node and others, gets each signal
# once: it is met where it comes from, or where it goes to, or at both.
# PANDO_MOVES: how many.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
moves=${PANDO_MOVES:-6}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sent=0 at=1

storm() { # NODE...: signals to the group of $pid, from there
	local n
	on 1 'touch /shared/once'
	for n; do
		in_cluster "$n" "$prog/killpg.py $pid /shared/once" >"$dir/$n" 2>&1 &
	done
}
calm() { # NODE...: $sent, and all of them went
	local n good bad failed=0
	on 1 'rm -f /shared/once'
	wait
	for n; do
		read -r good bad < <(tail -n 1 "$dir/$n")
		sent=$((sent + ${good:-0})) failed=$((failed + ${bad:-1}))
		diag "from node$n: ${good:-0}"
	done
	is "$failed" 0 'its group was there all the time' || diag "$(head -n 20 "$dir"/*)"
}
counted() { on "$at" 'cat /shared/counts'; }
# shellcheck disable=SC2329 # by wait_for
all_counted() { [ "$(counted)" = "$sent" ]; }

on 1 'rm -f /shared/counts'
pid=$(start 1 "$prog/counts /shared/counts")
wait_for 20 on 1 '[ -e /shared/counts ]'
storm 1 2 3
for ((i = 0; i < moves; i++)); do
	to=$((at % 3 + 1))
	said=$(on "$at" "cluster-mv $pid node$to" 2>&1)
	ok $? "move $((i + 1)), to node$to" || diag "$said"
	[[ $said == *"-> node"* ]] && at=$to
done
calm 1 2 3
wait_for 20 all_counted
is "$(counted)" "$sent" 'each came once'
in_cluster 1 "kill -KILL $pid"
done_testing
