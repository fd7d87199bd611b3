#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# run.sh OUT NAME...: runs those programs of this directory, each in a directory of its own
# under OUT, and leaves what it said, and its exit status, as OUT/NAME. $ENVIRONMENT is
# theirs alone. $PATIENCE: how many times as long as usual each may take.
read -ra env <<<"${ENVIRONMENT:-}"
here=$(dirname "$(readlink -f "$0")")
out=$1
shift
for name; do
	dir=$out/$name.dir
	mkdir -p "$dir"
	cd "$dir" || exit 2
	timeout -k 10 $((200 * ${PATIENCE:-1})) env "${env[@]}" "$here/$name" "$dir" </dev/null >"$out/$name.new" 2>&1
	echo "status $?" >>"$out/$name.new"
	cd /
	rm -rf "$dir"
	mv "$out/$name.new" "$out/$name"
done
