#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A parent that asks for its child all the time, without waiting and by waits that begin at
# any moment, while that goes and comes home: it has a child, and no news of it until its end.
. "$(dirname "$0")/../lib/tap.sh"
log=/shared/waits

answer() { on 1 "sed -n 's/^said //p' $log"; }
asked() { on 1 "sed -n 's/^asked //p' $log | tail -n 1"; }
# shellcheck disable=SC2329,SC2317 # by wait_for
asks_on() { [ "$(asked)" -gt "${1:-0}" ] || [ -n "$(answer)" ]; }
# shellcheck disable=SC2329,SC2317 # by wait_for
answered() { [ -n "$(answer)" ]; }

on 1 "rm -f $log"
start 1 "/usr/libexec/pando-test/waits.py $log" >/dev/null
check 'a parent asks for its child' wait_for 60 asks_on
child=$(on 1 "sed -n 's/^child //p' $log")
for node in 2 1 2 1 2 1; do
	before=$(asked)
	on 1 "cluster-mv $child node$node" >/dev/null
	ok $? "that goes to node$node"
	check 'it asks on' wait_for 20 asks_on "$before"
	is "$(answer)" '' 'and there is nothing to be told'
done
in_cluster 1 "kill -USR1 $child"
check 'it is told of the end' wait_for 20 answered
answer=$(answer)
[[ $answer =~ \ 1792\)$|si_status=7 ]]
ok $? "that it ended with 7" || diag "$answer"
done_testing
