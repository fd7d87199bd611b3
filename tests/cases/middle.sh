#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A parent, its child and that one's child on three nodes; then the parent goes to where its
# grandchild is. Whatever befalls the one in the middle, at whatever moment of that, its
# parent is told, once, by the signal that it was cloned with.
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/fault.sh
. "$(dirname "$0")/../lib/fault.sh"
log=/shared/middle
out=$(mktemp)
trap 'rm -f "$out"' EXIT

named() { on 1 "sed -n 's/^$1 //p' $log"; }
# shellcheck disable=SC2329,SC2317 # by wait_for
is_named() { [ -n "$(named "$1")" ]; }
family() { # A, its child B and that one's child C
	on 1 "rm -f $log"
	start 1 "/usr/libexec/pando-test/middle.py $log" >/dev/null
	wait_for 20 is_named child
	A=$(named parent) B=$(named child)
	in_cluster 1 "kill -USR1 $B"
	check 'three generations' wait_for 20 is_named grandchild
	C=$(named grandchild)
}
move() { # PID NODE
	local said
	said=$(on 1 "cluster-mv $1 node$2" 2>&1)
	ok $? "$1 moves to node$2" || diag "$said"
}
apart() { # A on node 1, B on node 2, C on node 3
	family
	move "$B" 2
	move "$C" 3
}
# shellcheck disable=SC2329,SC2317 # by wait_for
shows() { # NODE PID PPID STATE
	[ "$(in_cluster "$1" "ps --no-headers -o ppid,s -p $2" | xargs)" = "$3 $4" ]
}
related() { # STATE-OF-B WHAT
	local n
	for n in 1 2 3; do
		check "$2: the child, seen from node$n" wait_for 10 shows "$n" "$B" "$A" "$1"
		check "$2: the grandchild, seen from node$n" wait_for 10 shows "$n" "$C" "$B" S
	done
}
heard() { on 1 "sed -n '/^sig\|^stat/p' $log" | tr '\n' ' ' | sed 's/signal //g; s/status //g; s/ $//'; }
# shellcheck disable=SC2329,SC2317 # by wait_for
has_heard() { [ "$(heard)" = "$*" ]; }
told() { # WHAT...: nothing else, from its birth on
	check "its parent was told: $*" wait_for 20 has_heard "$*" || diag "$(heard)"
}
gone_all() {
	in_cluster 1 "kill -KILL $A $B $C 2>/dev/null; :"
	check 'no stub is left' wait_for 30 no_stubs
}
stopped='SIGCHLD 5 19 0x137f' went_on='SIGCHLD 6 18 0xffff' ended='SIGUSR2 1 42 0x2a00'

# --- while nothing happens; and the one in the middle follows
apart
move "$A" 3
related S 'with the grandchild'
in_cluster 1 "kill -STOP $B"
told "$stopped"
in_cluster 3 "kill -CONT $B"
told "$stopped $went_on"
move "$B" 3
check 'together: no stub is left' wait_for 30 no_stubs
related S 'together'
move "$A" 1
related S 'all with the parent'
in_cluster 1 "kill -TERM $B"
told "$stopped $went_on $ended"
gone_all

# --- it goes home to a parent that comes from there, and ends
apart
move "$A" 3
move "$A" 2
related S 'with the child'
move "$A" 1
related S 'all but the grandchild at home'
in_cluster 2 "kill -TERM $B"
told "$ended"
gone_all

# hold POINT NODE TO: the parent's move
hold() {
	held=$2
	arm "$2" "$1" wait
	mv_in_background "$A" "node$3"
	check "the parent's move stands at point $1" wait_for 30 hit "$2" || diag "$(cat "$out")"
}
release() { # it goes on, and ends; its exit status
	disarm "$held"
	wait "$mover"
}
# shellcheck disable=SC2329,SC2317 # by wait_for
is_there() { [ "$(in_cluster 2 "cut -d ' ' -f 3 /proc/$B/stat")" = "$1" ]; }

# --- something befalls it at any moment of that: POINT NODE
while read -r -u 3 point node; do
	apart
	hold "$point" "$node" 3
	in_cluster 2 "kill -STOP $B"
	check 'meanwhile the child is stopped' wait_for 20 is_there T
	release
	ok $? 'the move goes on' || diag "$(cat "$out")"
	told "$stopped"
	related T 'with the grandchild'
	in_cluster 1 "kill -CONT $B"
	told "$stopped $went_on"
	gone_all

	apart
	hold "$point" "$node" 3
	in_cluster 2 "kill -TERM $B"
	# what stands for it where the parent comes from ends as well: up to the decision that
	# calls the move off
	release
	told "$ended"
	gone_all
done 3<<-END
	9 1
	26 3
	28 3
END

# --- the move is called off, and made again
apart
hold 26 3 3
on 3 'pkill -KILL -x criu'
release
ok $((! $?)) 'the move is called off'
related S 'as before'
in_cluster 3 "kill -STOP $B"
told "$stopped"
move "$A" 3
related T 'with the grandchild'
in_cluster 3 "kill -CONT $B"
told "$stopped $went_on"
in_cluster 3 "kill -TERM $B"
told "$stopped $went_on $ended"
gone_all
done_testing
