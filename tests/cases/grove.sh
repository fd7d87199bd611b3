#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Trees of processes that live at random while they are moved at random and then a
# node dies (PANDO_SEED, PANDO_SECONDS): every relation is what it would be on one node.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/counter.sh"
[ "$RIG_NODES" = 3 ] || exit 4
seed=${PANDO_SEED:-1234}
seconds=${PANDO_SECONDS:-60}
dir=$RIG_DIR/shared/grove
said=$(mktemp)

# shellcheck disable=SC2329 # by wait_for
over() { ! kill -0 "$grove" 2>/dev/null; }
# shellcheck disable=SC2329,SC2317 # by wait_for
ready() { [ -e "$dir/ready" ] || over; }
# that are taken, by processes, groups and sessions
numbers() { on "$1" "sed -n 's/^numbers\t*//p' /sys/kernel/debug/pando/stats"; }
# shellcheck disable=SC2329,SC2317 # by wait_for
as_many() { [ "$(numbers 1) $(numbers 2)" = "$before" ]; }

rm -rf "$dir"
before="$(numbers 1) $(numbers 2)"
"$RIG" exec 1 -t $((seconds + 800)) -- cluster-run -n self -T -- \
	/usr/libexec/pando-test/grove.py /shared/grove "$seed" "$seconds" lose >"$said" 2>&1 &
grove=$!
wait_for $((seconds + 300)) ready
if ! over; then
	"$RIG" crash 3
	check 'node3 dies' wait_for 120 is_state 3 1 down
	echo node3 >"$dir/lost"
	"$RIG" start 3
	check 'it is back' wait_for 180 is_state 3 1 member
	touch "$dir/back"
fi
wait $grove
last=$(grep -E '^(ok|wrong)' "$said" | tail -n 1)
[[ $last == ok:* ]]
ok $? "seed $seed: ${last#ok: }" || {
	diag "$(cat "$said")"
	for n in 1 2 3; do
		diag "node$n: $(on $n 'tail -n 40 /var/log/pandod.log')"
	done
}
grep '^not moved' "$said" | sed 's/^/  # /'
rm -f "$said"
check 'no stub is left' wait_for 30 no_stubs || diag "$(stubs)"
check "no number is left, $before as before" wait_for 30 as_many ||
	diag "$(numbers 1) $(numbers 2)"
for n in 1 2 3; do
	check "no work directory is left on node$n" on "$n" '! ls -d /run/pando/move-* 2>/dev/null'
done
done_testing
