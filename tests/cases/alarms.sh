#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# alarm(), and timers without an interval, move along: they ring, and once.
. "$(dirname "$0")/../lib/tap.sh"
log=/shared/alarms

# shellcheck disable=SC2329,SC2317 # by wait_for
has() { on 1 "grep -q '^$*' $log"; }

on 1 "rm -f $log"
P=$(start 1 "/usr/libexec/pando-test/alarms.py $log 15")
check 'timers are set' wait_for 20 has armed
for node in 2 1 2; do
	on 1 "cluster-mv $P node$node" >/dev/null
	ok $? "who has set them moves to node$node"
done
is "$(on 1 "cat $log")" armed 'none has rung by then'
for name in real virtual prof; do
	check "$name rings, and not again" wait_for 60 has "$name 0.0 0.0" ||
		diag "$(on 1 "cat $log")"
done
check 'one with an interval rings on' wait_for 60 has again
check 'all have ended' wait_for 20 gone "$P"
done_testing
