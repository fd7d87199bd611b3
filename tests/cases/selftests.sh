#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own selftests of what we reach into (pidfd, proc, clone3 and
# others): each gives the same in the cluster's namespace as outside of it. By
# hand, since it takes the kernel's source (Debian's linux-source) and libcap-dev:
#
#	tests/run --rig n=2 tests/cases/selftests.sh
. "$(dirname "$0")/../lib/tap.sh"
dirs='pidfd proc clone3 pid_namespace core'
dir=/shared/selftests
here=$RIG_DIR/shared/selftests

# build: $here/DIRECTORY.TEST, static
build() {
	local tar tree d c
	tar=$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' | sort -V | tail -n 1)
	[ -n "$tar" ] || { echo 'no /usr/src/linux-source-*.tar.xz: apt-get install linux-source'; return 1; }
	tree=$(mktemp -d) && mkdir -p "$here" || return 1
	# shellcheck disable=SC2046,SC2086 # words
	tar xf "$tar" -C "$tree" --strip-components 4 --wildcards '*/tools/testing/selftests/*.h' \
		$(printf '*/tools/testing/selftests/%s ' $dirs) || return 1
	for d in $dirs; do
		for c in "$tree/$d"/*.c; do
			gcc -O2 -w -D_GNU_SOURCE -I"$tree" -static -pthread -o "$here/$d.$(basename "$c" .c)" \
				"$c" -lcap || return 1
		done
	done
	rm -rf "$tree"
}

# results NODE WHERE: of each test its status and what it says of its parts
results() {
	"$RIG" exec "$1" -t 3000 -- bash -c "cd /; for t in $dir/*; do
		$2 timeout 300 \$t </dev/null >/tmp/selftest.log 2>&1; s=\$?
		grep -aE '^(ok|not ok) ' /tmp/selftest.log |
			sed \"s|^|\${t##*/} |; s/[0-9]\{4,\}/N/g\"
		echo \"\${t##*/} ends with \$s\"; done"
}

rm -rf "$here"
check 'they are built' build
# no PID namespace has the kernel threads that it looks for
rm -f "$here/proc.fd-003-kthread"
outside=$(results 1 "")
inside=$(results 2 "cluster-run -n self -T --")
n=$(grep -c ' ends with ' <<<"$outside")
check "$n were run" [ "$n" -gt 25 ]
differ=$(diff <(echo "$outside") <(echo "$inside"))
[ -z "$differ" ] || diag "$(echo "$outside" | grep -v ' ok ')"
is "$differ" '' 'each gives the same in the cluster as outside of it'
rm -rf "$here"

done_testing
