# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Moves that stand, fail or die at a point (userspace/libpando/fault.h), after tap.sh.

arm() { # NODE POINT ACTION: what happens there
	on "$1" "rm -f /run/pando/fault.hit; echo '$2 $3' >/run/pando/fault"
}
disarm() { on "$1" 'rm -f /run/pando/fault /run/pando/fault.hit'; } # or: it goes on
hit() { on "$1" '[ -e /run/pando/fault.hit ]'; }
# mv_in_background ARG...: cluster-mv, as $mover; what it says is in $out
mv_in_background() {
	"$RIG" exec 1 -t 240 -- cluster-mv "$@" >"${out:?}" 2>&1 &
	# shellcheck disable=SC2034 # for the caller
	mover=$!
}
