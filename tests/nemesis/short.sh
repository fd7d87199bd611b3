#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A few rounds of the nemesis, for `make check`. Each fault that no other case has.
exec "$(dirname "$0")/nemesis" --rounds 6 --seed "${NEMESIS_SEED:-1}" \
	--faults pause,cut_one_way,slow,kill_pandod,clock,power
