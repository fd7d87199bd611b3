#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# System calls by PID: the same results for a process of this node and of
# another, in both ABIs; permissions as locally; siginfo of the true sender.
. "$(dirname "$0")/../lib/tap.sh"
prog=/usr/libexec/pando-test

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# watch NODE NAME: a sigwatch there; sets pid and tid
watch() {
	on "$1" "rm -f /tmp/$2"
	start "$1" "$prog/sigwatch /tmp/$2" >/dev/null
	wait_for 20 on "$1" "grep -q ready /tmp/$2"
	read -r _ pid tid < <(on "$1" "cat /tmp/$2")
}

for abi in '' -32; do
	watch 1 local
	in_cluster 1 "$prog/bypid $abi $pid $tid" >"$tmp/local"
	on 1 "grep -v ready /tmp/local | sed -E 's/(pid|tid|thread) [0-9]+/\1/g'" >"$tmp/local.got"
	in_cluster 1 "kill -TERM $pid"
	watch 2 remote
	in_cluster 1 "$prog/bypid $abi $pid $tid" >"$tmp/remote"
	on 2 "grep -v ready /tmp/remote | sed -E 's/(pid|tid|thread) [0-9]+/\1/g'" >"$tmp/remote.got"
	check "calls${abi:+ of 32 bits} on a remote process return what local ones do" \
		diff "$tmp/local" "$tmp/remote"
	check "signals${abi:+ of 32 bits} arrive with the same siginfo" \
		diff <(sort "$tmp/local.got") <(sort "$tmp/remote.got")
	[ "$(wc -l <"$tmp/remote")" -gt 90 ] || diag "$(cat "$tmp/remote")"
	is "$(wc -l <"$tmp/remote")" "$(wc -l <"$tmp/local")" 'all calls were made'
	in_cluster 1 "$prog/bypid $abi -r $pid" >"$tmp/refused"
	is "$(grep -vc ' EREMOTE$' "$tmp/refused") $(wc -l <"$tmp/refused")" '1 15' \
		"those${abi:+ of 32 bits} that look into a process say that it is remote"
	in_cluster 1 "kill -TERM $pid"
	check 'SIGTERM ended it' wait_for 20 gone "$pid"
	# its number is free now: nobody has it, here or there
	mine=$(in_cluster 1 "echo \$\$")
	wait_for 20 gone "$mine"
	check "calls${abi:+ of 32 bits} on nobody fail in the same way" diff \
		<(in_cluster 1 "$prog/bypid $abi $mine; $prog/bypid $abi -r $mine") \
		<(in_cluster 1 "$prog/bypid $abi $pid; $prog/bypid $abi -r $pid")
done

# as_user NODE USER COMMAND: in the cluster there
as_user() {
	on "$1" "su $2 -c 'cluster-run -n self -T -- $3'" 2>&1
}

for abi in '' -32; do
	watch 1 local
	as_user 1 alice "$prog/bypid $abi $pid $tid" >"$tmp/local"
	in_cluster 1 "kill -TERM $pid"
	watch 2 remote
	as_user 1 alice "$prog/bypid $abi $pid $tid" >"$tmp/remote"
	check "a user's calls${abi:+ of 32 bits} on a process of root fail in the same way" \
		diff "$tmp/local" "$tmp/remote"
	[ "$(grep -c EPERM "$tmp/remote")" -gt 12 ] || diag "$(cat "$tmp/remote")"
	in_cluster 1 "kill -TERM $pid"
done

watch 2 sender
sender=$(in_cluster 1 "echo \$\$; kill -USR1 $pid")
check 'the sender is named by its global PID' wait_for 10 on 2 \
	"grep -q 'sig 10 code 0 pid $sender uid 0 ' /tmp/sender"
uid=$(on 1 "su alice -c 'cluster-run -n self -T -- kill -USR1 $pid' 2>&1; true")
case $uid in
*ermitted*) ok 0 'a user may not signal a process of root' ;;
*) diag "$uid"; ok 1 'a user may not signal a process of root' ;;
esac
for call in 'renice -n 1' 'prlimit --nofile=10:10 --pid' 'taskset -p 1'; do
	refuse "nor ${call%% *} it" on 1 \
		"su alice -c 'cluster-run -n self -T -- $call $pid'"
done
in_cluster 1 "kill -TERM $pid"

theirs=$(on 2 "su alice -c 'cluster-run -d -n self -- sleep 1000'")
check 'a user signals their own process on another node' on 1 \
	"su alice -c 'cluster-run -n self -T -- kill -TERM $theirs'"
check 'and it is gone' wait_for 20 gone "$theirs"
other=$(on 2 "su bob -c 'cluster-run -d -n self -- sleep 1000'")
refuse "but not another user's" on 1 \
	"su alice -c 'cluster-run -n self -T -- kill -TERM $other'"
check 'which lives on' in_cluster 1 "kill -0 $other"
in_cluster 1 "kill -KILL $other"

none=$(in_cluster 1 'kill -0 4000000' 2>&1)
case $none in
*'No such process'*) ok 0 'ESRCH for a number that nobody has' ;;
*) diag "$none"; ok 1 'ESRCH for a number that nobody has' ;;
esac
none=$(in_cluster 1 'kill -0 2' 2>&1)
case $none in
*'No such process'* | '') ok 0 'node-local numbers stay local' ;;
*) diag "$none"; ok 1 'node-local numbers stay local' ;;
esac

group=$(start 2 "bash -c 'sleep 1000 & sleep 1000 & wait'")
check 'a group on another node' in_cluster 1 "kill -0 -$group"
check 'is ended by one signal' in_cluster 1 "kill -KILL -- -$group"
check 'all of it' wait_for 20 gone "$group"

done_testing
