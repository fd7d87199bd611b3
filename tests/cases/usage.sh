#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a process and its children have used moves along with it: times, the largest
# resident size, faults, switches.
. "$(dirname "$0")/../lib/tap.sh"
log=/shared/usage

line() { on 1 "grep '^$1 ' $log | sed -n ${2:-1}p"; }
has() { [ -n "$(line "$@")" ]; }
# at_least OLD NEW: in each field, but that of the times the sum is exact
at_least() {
	awk -v old="$1" -v new="$2" 'BEGIN {
		n = split(old, o, " "); split(new, w, " ")
		if (w[2] + w[3] < o[2] + o[3]) exit 1
		for (i = 4; i <= n; i++) if (w[i] + 0 < o[i] + 0) exit 1 }'
}

on 1 "rm -f $log"
pid=$(start 1 "/usr/libexec/pando-test/usage.py $log")
check 'a process with a child' wait_for 60 has ready
child=$(line ready | cut -d' ' -f3)
in_cluster 1 "kill -USR1 $pid"
check 'says what it used' wait_for 20 has children

on 1 "cluster-mv $child node2" >/dev/null
ok $? 'the child goes to node2'
in_cluster 1 "kill -TERM $child"
check 'ends there, and is waited for' wait_for 20 has child
read -r _ user system rss faults _ < <(line child)
diag "$(line child)"
ok $((user + system < 900000)) 'with the time that it used before it went'
ok $((rss < 40 << 10)) 'its largest size'
ok $((faults < 10240)) 'and its faults'

in_cluster 1 "kill -USR1 $pid"
check 'what its parent used, with that child' wait_for 20 has children 2
check 'is more than without' at_least "$(line children)" "$(line children 2)"
on 1 "cluster-mv $pid node2" >/dev/null
ok $? 'it goes to node2'
in_cluster 1 "kill -USR1 $pid"
check 'and says what it used, there' wait_for 20 has children 3
diag "$(line self 2)" "$(line self 3)"
check 'not less than before' at_least "$(line self 2)" "$(line self 3)"
is "$(line children 3)" "$(line children 2)" 'its children used what they did'
in_cluster 1 "kill -KILL $pid"
done_testing
