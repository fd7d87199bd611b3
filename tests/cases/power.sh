#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A node loses power: those on the others who wait for processes there, are their children
# or in a group with them, signal them, or have them at a terminal, are told as if they were
# killed, once, and nothing hangs or is left.
# PANDO_POWER: which parts of power.py; PANDO_BROOD: children of one parent
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/counter.sh"
[ "$RIG_NODES" = 3 ] || exit 4
dir=$RIG_DIR/shared/power
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# shellcheck disable=SC2329 # by wait_for
over() { ! kill -0 "$driver" 2>/dev/null; }
# shellcheck disable=SC2329,SC2317 # by wait_for
ready() { [ -e "$dir/ready" ] || over; }
# that are taken, by processes, groups and sessions
numbers() {
	for n in 1 3; do
		on $n "sed -n 's/^numbers\t*//p' /sys/kernel/debug/pando/stats"
	done | xargs
}
# shellcheck disable=SC2329,SC2317 # by wait_for
as_many() { [ "$(numbers)" = "$before" ]; }

rm -rf "$dir"
mkdir -p "$dir"
chmod 777 "$dir"
before=$(numbers)
read -ra parts <<<"${PANDO_POWER:-}"
"$RIG" exec 1 -t 1600 -- env PANDO_BROOD="${PANDO_BROOD:-30}" \
	/usr/libexec/pando-test/power.py node2 node3 "${parts[@]}" >"$said" 2>&1 &
driver=$!
wait_for 600 ready
if ! over; then
	"$RIG" crash 2
	touch "$dir/lost"
fi
wait $driver
ok $? 'node2 loses power'
while read -r good what; do
	case $good in
	ok) ok 0 "$what" ;;
	not) ok 1 "${what#ok }" ;;
	*) diag "$good $what" ;;
	esac
done <"$said"
check 'it is back' "$RIG" start 2
check 'and a member' wait_for 60 whole 1
check 'no stub is left' wait_for 30 no_stubs || diag "$(stubs)"
check "no number is left, $before as before" wait_for 30 as_many || diag "$(numbers)"
done_testing
