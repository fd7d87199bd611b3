# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# For cases about quorum, after tap.sh: processes that count in /shared (as the host
# sees it, $shared), and what the nodes say of each other.

# counter NODE NAME: a process there that counts in /shared/NAME; its PID
counter() { start "$1" "/usr/libexec/pando-test/counter.py /shared/$2"; }
count() { cat "$shared/$1" 2>/dev/null || echo 0; }
counts() { # NAME: does it count?
	local before
	before=$(count "$1")
	on 1 true
	[ "$(count "$1")" -gt "$before" ]
}

state() { # NODE SEEN-FROM
	on "$2" 'cluster-nodes -n -o name,state' | awk -v n="node$1" '$1 == n { print $2 }'
}
is_state() { [ "$(state "$1" "$2")" = "$3" ]; }
quorate() { on "$1" 'cluster-nodes --json' | grep -q '"quorate": *true'; }
