#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Programs that do what relatives do (tests/relations): each says the same outside of the
# cluster, in it, and where its children are moved to other nodes as soon as they are made.
# A few of them in make check; PANDO_RELATIONS=all, or which of them.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
dir=/shared/relations
few='chain4 daemon killsigs names pgidwaits pidfdother setsid stat vanish wclone wnowait'
few+=' anchored nested orphandefault orphansplit orphanstopped pdeathsig prlimit reapmany sigchldinfo subreaper'
all=$(on 1 "cd $prog/relations; ls | grep -vx run.sh" | xargs)
names=${PANDO_RELATIONS:-$few}
[ "$names" != all ] || names=$all
read -ra names <<<"$names"
patience=$((${tap_scale:?} / 15 > 1 ? tap_scale / 15 : 1))

programs() { # HOW WHERE NAME...: what they say, in $dir/HOW
	local how=$1 where=$2
	shift 2
	"$RIG" exec 1 -t $((1800 * patience)) -- bash -c "mkdir -p $dir/$how; export PATIENCE=$patience
		$where $prog/relations/run.sh $dir/$how $*" || diag "$how: exit status $?"
}
same() { # HOW NAME
	local diff
	diff=$(on 1 "diff $dir/outside/$2 $dir/$1/$2" 2>&1)
	ok $? "$2, $1" || diag "$diff"
}

on 1 "rm -rf $dir; mkdir -p $dir/ask"
programs outside '' "${names[@]}"
programs inside "cluster-run -n self -T -e PATIENCE=$patience --" "${names[@]}"
for name in "${names[@]}"; do
	refuse "$name comes to its end" on 1 "grep -q TIMEOUT $dir/outside/$name"
	same inside "$name"
done

on 1 "setsid $prog/distant.py $dir/ask $dir/moves $(seq -f 'node%g' -s ' ' 2 "$RIG_NODES") \
	</dev/null >/dev/null 2>&1 &"
env="DISTANT=$dir/ask DISTANT_EVERY=1 LD_PRELOAD=$prog/libdistant.so"
programs moved "cluster-run -n self -T -e PATIENCE=$patience -e ENVIRONMENT='$env' --" "${names[@]}"
for name in "${names[@]}"; do
	same moved "$name"
done
n=$(on 1 "grep -c ^moved $dir/moves")
check "$n children were moved" [ "${n:-0}" -ge "${#names[@]}" ]
diag "$(on 1 "grep ^stays $dir/moves | cut -d ' ' -f 3-")"
on 1 "rm -rf $dir/ask"
done_testing
