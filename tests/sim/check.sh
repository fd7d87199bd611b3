#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The simulator as a test: seeds that must be ok, and planted bugs that the
# checker must find. SIM_SEEDS and SIM_DIR change how many, and which binary.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
sim=${SIM_DIR:-$top/build/sim}/sim
seeds=${SIM_SEEDS:-200}
# In blocks, so that a slow machine shows that it is alive.
block=50
bugs='skip_ack heir_allocates forget_away double_commit early_purge
	blind_purge early_unreserve stale_home late_gone hasty_grief
	long_wait late_freeze unheard_pulse impatient blind_thaw revenant
	lie
	status_lost told_twice rash_grief early_grief mercy'
number=0 bad=0 started=0
cpus=$(nproc)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

[ -x "$sim" ] || make -s -C "$top/tests/sim" B="${sim%/sim}" >&2 || exit 1

# result STATUS TEXT
result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		bad=1
	fi
}

# What is done is said, in the order of its beginning.
tell() {
	while [ -e "$tmp/$((number + 1)).status" ]; do
		cat "$tmp/$((number + 1))"
		result "$(cat "$tmp/$((number + 1)).status")" "$(cat "$tmp/$((number + 1)).text")"
	done
}
# start TEXT COMMAND...: beside the others, as many as there are CPUs
start() {
	while [ "$(jobs -rp | wc -l)" -ge "$cpus" ]; do
		wait -n
		tell
	done
	started=$((started + 1))
	echo "$1" >"$tmp/$started.text"
	{
		"${@:2}" >"$tmp/$started" 2>&1
		echo $? >"$tmp/$started.done"
		mv "$tmp/$started.done" "$tmp/$started.status"
	} &
}
# seeds ARGUMENT...: those that are not ok are shown
# shellcheck disable=SC2317 # by start
seeds() {
	local out status
	out=$("$sim" "$@" 2>&1)
	status=$?
	[ "$status" = 0 ] || grep -v ': ok (' <<<"$out" | sed 's/^[^#]/# &/'
	return "$status"
}
# shellcheck disable=SC2317 # by start
bug() {
	local out status
	# what is rare among many nodes may be common among three
	out=$("$sim" --tap --seeds 1-250 --bug "$1" 2>&1) ||
		out=$("$sim" --tap --nodes 3 --seeds 1-2000 --bug "$1" 2>&1)
	status=$?
	echo "# $out"
	return "$status"
}

echo 'TAP version 13'
for ((from = 1; from <= seeds; from += block)); do
	to=$((from + block - 1))
	start "seeds $from-$to" seeds --no-rebirth --seeds $from-$to
done
for bug in $bugs; do
	start "bug $bug is found" bug "$bug"
done
start 'nodes that come back before the rest does' seeds --seeds 301-500
wait
tell
# one that was killed has told nothing
[ "$number" = "$started" ] || result 1 "only $number of $started ended by themselves"
cmp -s <("$sim" --seeds 7-9 --verbose) <("$sim" --seeds 7-9 --verbose)
result $? 'a seed says the same twice, word for word'
again=$("$sim" --nodes 3 --seeds 1-50 --bug double_commit |
	sed -n 's/^# again: [^ ]* //p' | tail -n 1)
read -ra words <<<"${again:---none}"
out=$("$sim" --no-shrink "${words[@]}" | grep VIOLATED)
echo "# $again" | cut -c 1-200
echo "$out"
[[ $again == *--without-* ]] && [ -n "$out" ]
result $? 'one that fails is shrunk, and fails again by the line it prints'
"$sim" --seeds 1-1 --nodes 40 --procs 8000 >/dev/null
result $? 'forty nodes'
out=$("$sim" --seeds 1-1 --nodes 200 --procs 100000 2>&1)
status=$?
echo "# $out"
result $status 'two hundred nodes with a hundred thousand processes'
echo "1..$number"
exit $bad
