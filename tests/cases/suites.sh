#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Suites that others wrote for one kernel: each test gives the same result in the
# cluster's namespace and outside of it, and the same where the children are moved
# to another node as soon as they are made. A few of them in make check;
# PANDO_SUITES=all takes what concerns processes, which takes two thirds of an hour, and
# PANDO_SUITES="SUITE..." those.
# PANDO_EVERY=N: of N forks one child is moved. PANDO_RUN="SUITE...": of PANDO_SUITES those
# also with what they execute run on another node, where its relatives are cluster-run's.
set -u
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test
dir=/shared/suites
process=psutil.tests.test_process.TestProcess
few=(test.test_wait3 test.test_wait4 test.test_popen test.test_os.SpawnTests
	"$process".test_{wait_exited,kill,send_signal,suspend_resume,ppid})
all=(test.test_{fork1,wait3,wait4,posix,os,signal,subprocess,pty,popen,threadsignals}
	test.test_{resource,pwd,grp,openpty,ioctl,eintr,faulthandler,selectors}
	psutil.tests.test_{process,posix,linux,system,contracts,connections,misc})
moved=(test.test_wait3 test.test_wait4 test.test_os.SpawnTests)
run=(test.test_popen)
if [ "${PANDO_SUITES:-}" = all ]; then
	few=("${all[@]}")
	moved=("${all[@]}")
elif [ -n "${PANDO_SUITES:-}" ]; then
	read -ra few <<<"$PANDO_SUITES"
	moved=("${few[@]}")
fi
[ -z "${PANDO_SUITES:-}" ] || read -ra run <<<"${PANDO_RUN:-}"
# These look at a child that may still be on its way from fork() to execve(), and fail
# outside of the cluster too, now this one, now that.
known="$process.test_(cmdline|long_cmdline|long_name|prog_w_funky_name) "
# Takes the smaller of two numbers for the process's, the larger for its thread's. But a
# thread's is from the node that it begins on, which may have the smaller ones.
known+='|psutil.tests.test_linux.TestMisc.test_issue_687 '
# Gives a grandchild five seconds to say by a unix socket, which is one node's, that it is there.
not_far="$process.test_zombie_process "

# suites NODE NAME WHERE ENVIRONMENT TEST...: results by test, as $dir/NAME
suites() {
	local node=$1 name=$2 where=$3 env=$4
	shift 4
	"$RIG" exec "$node" -t 9000 -- bash -c "mkdir -p $dir/tmp.$name; cd /
		$where env TMPDIR=$dir/tmp.$name LC_ALL=C.UTF-8 SUITES_TIMES=1 $env \
			$prog/suites.py $dir/$name.out 900 $* \
			</dev/null >>$dir/$name.log 2>>$dir/$name.err
		sort -u $dir/$name.out >$dir/$name; rm -rf $dir/tmp.$name"
}

# same NAME NAME WHAT TEST...: of those
same() {
	local a=$1 b=$2 what=$3 names diff
	shift 3
	names=$(IFS='|'; echo "$*")
	diff=$(on 1 "cd $dir; diff <(grep -E '^($names) ' $a) $b" |
		grep '^[<>]' | grep -vE "$known${far:+|$not_far}")
	[ -z "$diff" ] || diag "$(on 1 "tail -n 60 $dir/$b.err")"
	is "$diff" "" "$what"
}

on 1 "rm -rf $dir; mkdir -p $dir/ask; chmod 777 $dir $dir/ask"
suites 1 outside "" "" "${few[@]}" &
suites 2 inside "cluster-run -n self -T --" "" "${few[@]}" &
wait
n=$(on 1 "wc -l <$dir/outside")
check "$n tests were run" [ "${n:-0}" -ge 9 ]
same outside inside 'each gives the same in the cluster as outside of it' "${few[@]}"

# stress NODE WHERE: how each stressor of stress-ng ended that looks at results
stressors="fork kill wait zombie session clone pidfd procfs pty sigq sigpending ptrace vfork exec
	daemon schedpolicy nice prctl"
stress() { # of its two readers of /proc/kmsg one waits for what the other has read
	"$RIG" exec "$1" -t 3000 -- bash -c "while sleep 1; do echo stress >/dev/kmsg; done &
		trap 'kill %1' EXIT
		cd /tmp; for s in ${stressors//$'\n'/ }; do
		$2 stress-ng --verify --\$s 1 --timeout 10 </dev/null >>/tmp/stress.log 2>&1
		echo \$s \$?; done"
}
if [ "${PANDO_SUITES:-}" = all ]; then
	tmp=$(mktemp)
	stress 1 "" >"$tmp" &
	inside=$(stress 2 "cluster-run -n self -T --")
	wait
	outside=$(cat "$tmp"; rm -f "$tmp")
	is "$inside" "$outside" "stress-ng --verify: $(xargs <<<"$outside")"
fi

# --- far from their parents

distant="DISTANT=$dir/ask LD_PRELOAD=$prog/libdistant.so"
on 1 "setsid $prog/distant.py $dir/ask $dir/moves node2 node1 </dev/null >/dev/null 2>&1 &"
how_many() { on 1 "grep -c '^moved' $dir/moves"; }
no_bad() { on 1 "! grep -q bad $1 && grep -q '^good [$2-9]' $1"; }

suites 1 moved "cluster-run -n self -T --" \
	"$distant DISTANT_EVERY=${PANDO_EVERY:-1} SUITES_EXEC=1" "${moved[@]}"
far=yes
same inside moved 'and where children are moved at once' "${moved[@]}"
n=$(how_many)
check "$n were" [ "${n:-0}" -ge 10 ]
diag "$(on 1 "sed -n 's/^stays [0-9]* //p' $dir/moves | sed 's/[0-9]\{4,\}/N/g' | sort | uniq -c")"

# and where what they execute is run there from the beginning
if [ ${#run[@]} != 0 ]; then
	suites 1 run "cluster-run -n self -T --" \
		"LD_PRELOAD=$prog/libdistant.so SUITES_RUN=node2" "${run[@]}"
	same inside run 'and where programs are run on another node' "${run[@]}"
fi

# a shell's children, and its ways to wait for them
on 1 "cat >$dir/shell" <<'END'
for i in 1 2; do (exit $((i + 10))) & pids+=($!); done
for p in ${pids[@]}; do wait $p; s+="$? "; done
(kill -TERM $BASHPID) & wait $!; s+="$? "
(exit 77); s+="$? "
(exit 3) & (exit 4) & wait -n; n=$?; wait -n; s+="$((n + $?)) "
wait -n; s+="$?"
echo $s
END
in_cluster 1 "env $distant DISTANT_EVERY=2 bash $dir/shell </dev/null >$dir/said 2>&1"
is "$(on 1 "cat $dir/said")" '11 12 143 77 7 127' "a shell's jobs, every second of them moved"
P=$(start 1 "env $distant DISTANT_EVERY=9 $prog/statuses $dir/statuses")
check 'statuses of children that were moved' wait_for 60 no_bad $dir/statuses 1
in_cluster 1 "kill -KILL $P"
on 1 "rm -rf $dir/ask"
done_testing
