# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# A process that knows what its memory should be (progs/churn.c), for cases that
# move it: after tap.sh. Its number is $pid, it should be on node $at, and
# $sent signals were sent to it.
prog=/usr/libexec/pando-test
line='' pid=0 at=1 sent=0

begin() { # ARGUMENTS: a process of churn on node 1
	on 1 'rm -f /tmp/churn.*'
	pid=$(start 1 "$prog/churn $*")
	at=1 sent=0
	wait_for 60 on 1 '[ -e /tmp/churn.ready ]'
}
# nodes with a live process of that number; as its second, for the node's own
# processes outside of the cluster may have it as their first
places() {
	local n where=''
	for n in 1 2; do
		on "$n" "grep -Els '^NSpid:\s+[0-9]+\s(.*\s)?$pid\$' /proc/[0-9]*/status |
			xargs -r grep -Ls '^State:[[:space:]]*[ZX]' | grep -q ." && where+="$n "
	done
	echo "${where% }"
}
signal() { # NODE: it gets one more, sent there
	in_cluster "$1" "kill -RTMIN $pid" && sent=$((sent + 1))
}
# shellcheck disable=SC2329 # by wait_for
told() {
	on "$at" "rm -f /tmp/churn.$pid"
	in_cluster "$at" "kill -USR1 $pid" || return 1
	wait_for 20 on "$at" "[ -e /tmp/churn.$pid ]" || return 1
	line=$(on "$at" "cat /tmp/churn.$pid; cat /tmp/churn.bad 2>/dev/null")
	[[ $line == bad=0\ signals=$sent\ socket=1\ * ]]
}
# why it does not answer
look() {
	diag "$line"
	diag "$(on "$at" "for f in \$(grep -Els '^NSpid:\s+[0-9]+\s(.*\s)?$pid\$' /proc/[0-9]*/status); do
		p=\${f%/status}; cat \$p/cgroup; grep -E '^(State|TracerPid|SigQ|ShdPnd)' \$f
		for t in \$p/task/*; do echo \"\$(cat \$t/wchan) \$(cat \$t/syscall)\"; done; done
		ls -l /tmp/churn.*; tail -n 20 /var/log/pandod.log")"
}
ticks() { [[ $line =~ ticks=([0-9]+) ]] && echo "${BASH_REMATCH[1]}"; }
# shellcheck disable=SC2329 # by wait_for
ticking() { told && [ "$(ticks)" -gt "$1" ]; }
# whole_at NODE WHAT: it is there and only there, and everything about it is
# right. NODE "any": in one place, whichever
whole_at() {
	local before
	at=$1
	[ "$at" = any ] && at=$(places)
	set -- "${at:-nowhere}" "$2"
	is "$(places)" "$1" "$2: it runs on node$1 alone"
	# not by check, which would keep what it says to itself
	wait_for 30 told
	ok $? "$2: whole, every signal came once" || look
	before=$(ticks)
	wait_for 20 ticking "${before:-0}"
	ok $? "$2: its timer goes on" || diag "$line"
	signal 1
}
