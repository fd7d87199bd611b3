#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Two rounds of the nemesis, for `make check`: faults that no case has alone.
exec "$(dirname "$0")/nemesis" --rounds "${NEMESIS_ROUNDS:-2}" \
	--seed "${NEMESIS_SEED:-1}" --faults "${NEMESIS_FAULTS:-cut_one_way,kill_corosync}"
