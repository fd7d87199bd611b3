#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Children that are stopped and go on while they, or their parent, are on their way:
# in moments in which the move is held, and at any moment. What is told is told once.
# PANDO_STOPS: which parts, of "child late off parent storm"; PANDO_MOVES: how many in the storm
set -u
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/fault.sh
. "$(dirname "$0")/../lib/fault.sh"
log=/shared/stops
prog=/usr/libexec/pando-test/stops
out=$(mktemp)
trap 'rm -f "$out"' EXIT

parent() { # N: a parent with so many children, C[0] on, on node 1
	on 1 "rm -f $log $log.end $log.sent"
	start 1 "$prog $log $1" >"$out"
	wait_for 20 on 1 "grep -q ready $log"
	P=$(on 1 "sed -n 's/^parent //p' $log")
	mapfile -t C < <(on 1 "sed -n 's/^child //p' $log")
}
# hold POINT NODE PID TO: that move, until it stands at the point there
hold() {
	arm "$2" "$1" wait
	mv_in_background "$3" "node$4"
	held=$2
	check "the move of $3 to node$4 stands at point $1" \
		wait_for 30 hit "$2" || diag "$(cat "$out")"
}
release() { # it goes on, and ends; its exit status
	disarm "$held"
	wait "$mover"
}
statuses() { # of the child: S, C, or its end
	on 1 "sed -n 's/^status $1 //p' $log" | sed 's/0x137f/S/; s/0xffff/C/' | tr -d '\n'
}
# told PID REGEX WHAT: these, in that order, and no others
told() {
	wait_for 10 eval "[[ \$(statuses $1) =~ ^$2\$ ]]"
	[[ $(statuses "$1") =~ ^$2$ ]]
	ok $? "$3" || diag "$(statuses "$1"), not $2"
}
# Who does not look between two of them sees the last: at home, too. At its end it is S.
burst='S?C?S'
stands() { [ "$(on 1 "cluster-ps --no-headers -o s -p $1" | tr -d ' ')" = "$2" ]; }
# becomes PID SIGNALS NODE: each is sent there, where it runs, when the last has done
becomes() {
	check "$1 is sent $2" in_cluster "$3" "for s in $2; do
		kill -\$s $1
		[ \$s = STOP ] && want=T || want=S
		for i in \$(seq 200); do
			[ \$(cut -d ' ' -f 3 /proc/$1/stat) = \$want ] && continue 2
			sleep 0.05
		done
		cat /proc/$1/stat; exit 1
	done"
}
gone_all() { # the children end, and with the last of them the parent
	in_cluster 1 "kill -KILL ${C[*]} $P"
	check 'no stub is left' wait_for 30 no_stubs
}
wanted() { [[ " ${PANDO_STOPS:-child late off parent storm} " == *" $1 "* ]]; }

# --- it runs at its new place, and its parent has no stub yet
parent 3
if wanted child; then
	hold 12 1 "${C[0]}" 2
	becomes "${C[0]}" 'STOP CONT STOP' 2
	release
	told "${C[0]}" "$burst" 'stopped before there is a stub: told'
	check 'and it is stopped' stands "${C[0]}" T
	was=$(statuses "${C[0]}")
	in_cluster 2 "kill -CONT ${C[0]}"
	told "${C[0]}" "${was}C" 'it goes on, and that is told'
	hold 12 1 "${C[1]}" 2
	in_cluster 2 "kill -TERM ${C[1]}"
	release
	told "${C[1]}" 0x2a00 'it ends before there is a stub: its status is told'
fi

# --- it goes on when all is decided, and the node that it leaves has not heard of that
# shellcheck disable=SC2329,SC2317 # by wait_for
runs_on() { on "$1" "grep -qsx 'NSpid:.*[[:blank:]]$2' /proc/[0-9]*/status && ! pgrep -x criu"; }
if wanted late; then
	was=$(statuses "${C[2]}")
	becomes "${C[2]}" STOP 1
	told "${C[2]}" "${was}S" 'stopped: told'
	# from there: elsewhere they know where it is; and its daemon stands still
	in_cluster 1 "until [ -e /run/pando/fault.hit ]; do sleep 0.05; done
		kill -CONT ${C[2]} && touch $log.sent" >/dev/null 2>&1 &
	sends=$!
	hold 45 1 "${C[2]}" 2
	check 'a signal to it is kept' wait_for 20 on 1 "[ -e $log.sent ]"
	check 'it is at its new place' wait_for 20 runs_on 2 "${C[2]}"
	# time to let go of it, which would be too early
	for _ in $(seq 20); do
		on 1 'pgrep -x criu' >/dev/null || break
	done
	release
	ok $? 'the move is done' || diag "$(cat "$out")"
	wait $sends
	told "${C[2]}" "${was}SC" 'it goes on, and that is told'
	check 'and it runs' stands "${C[2]}" S
	on 1 "cluster-mv ${C[2]} node1"
	ok $? 'it comes home'
fi

# --- it is stopped while it is frozen, and the move called off
if wanted off; then
	was=$(statuses "${C[2]}")
	hold 7 1 "${C[2]}" 2
	in_cluster 1 "kill -STOP ${C[2]}"
	on 1 'pkill -KILL -x criu'
	release
	ok $((! $?)) 'the move is called off'
	told "${C[2]}" "${was}S" 'who was stopped meanwhile is, and its parent is told'
	check 'and it is stopped' stands "${C[2]}" T
	in_cluster 1 "kill -CONT ${C[2]}"
	told "${C[2]}" "${was}SC" 'it goes on, and that is told'
fi

# --- its parent is frozen, and goes elsewhere; and to where it is
if wanted parent; then
	wanted child || on 1 "cluster-mv ${C[0]} node2"
	at=1
	if [ "$RIG_NODES" -gt 2 ]; then
		was=$(statuses "${C[0]}")
		hold 9 1 "$P" "$RIG_NODES"
		becomes "${C[0]}" 'STOP CONT STOP' 2
		release
		told "${C[0]}" "$was$burst" 'stopped while its parent is frozen: told when that runs'
		was=$(statuses "${C[0]}")
		in_cluster 2 "kill -CONT ${C[0]}"
		told "${C[0]}" "${was}C" 'it goes on, and that is told'
		at=$RIG_NODES
	fi
	was=$(statuses "${C[0]}")
	hold 8 "$at" "$P" 2
	becomes "${C[0]}" STOP 2
	release
	told "${C[0]}" "${was}S" 'stopped while its parent is on the way to it: told'
	in_cluster 2 "kill -CONT ${C[0]}"
	told "${C[0]}" "${was}SC" 'it goes on, and that is told'
fi
gone_all

# --- at any moment
if wanted storm; then
	parent 3
	"$RIG" exec 1 -t 400 -- cluster-run -n self -T -- $prog $log storm >"$out" 2>&1 &
	storm=$!
	moves=0 tries=0 most=${PANDO_MOVES:-30} why='' who=("$P" "${C[@]}") at=(1 1 1 1)
	while [ $moves -lt "$most" ] && [ $((tries += 1)) -le $((3 * most)) ]; do
		i=$((RANDOM % 4))
		to=$(((at[i] + RANDOM % (RIG_NODES - 1)) % RIG_NODES + 1))
		if said=$(on 1 "cluster-mv ${who[i]} node$to" 2>&1); then
			moves=$((moves + 1)) at[i]=$to
		else
			why+="$said"$'\n'
		fi
	done
	ok $((moves < most)) "a storm of stops: $moves of $tries moves" || diag "$why"
	on 1 "touch $log.end"
	wait $storm
	ok $? "each was told once: $(tail -n 1 "$out")" || diag "$(cat "$out")" "$why"
	for pid in "${C[@]}"; do
		last=$(statuses "$pid")
		[ "${last: -1}" = S ] && last=T || last=S
		check "$pid is as its parent was told last: $last" wait_for 10 stands "$pid" "$last"
	done
	gone_all
fi
done_testing
