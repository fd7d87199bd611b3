#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# setpgid() and setsid() of processes away from home, by their parent and by
# themselves: the numbers are the same everywhere, signals to groups find their
# members, waits for groups their children; errors are those of one node.
. "$(dirname "$0")/../lib/tap.sh"
log=/shared/groups

on 1 "rm -f $log $log.do"
P=$(start 1 "/usr/libexec/pando-test/groups.py $log")
ready() { [ "$(on 1 "grep -c ready $log")" = 4 ]; }
check 'a parent and three children' wait_for 20 ready
for name in C D E; do
	declare "$name=$(on 1 "sed -n 's/^ready $name //p' $log")"
done

said() { [ "$(on 1 "grep -c '^$1 ' $log")" -gt "$2" ]; }
# does WHO EXPRESSION RESULT WHAT: it is told, and that is what comes of it
does() {
	local before
	before=$(on 1 "grep -c '^$1 ' $log")
	on 1 "cat >$log.do" <<<"$2" 2>/dev/null || on 1 "echo '$2' >$log.do"
	in_cluster 1 "kill -USR1 ${!1}"
	wait_for 20 said "$1" "$before"
	is "$(on 1 "grep '^$1 ' $log | tail -1")" "$1 $3" "$4"
}
# ids PID GROUP SESSION: on every node
ids() {
	local n got=''
	for n in $(seq "$RIG_NODES"); do
		got+="$(in_cluster "$n" "ps -o pgid=,sid= -p $1" | xargs), "
		got+="$(in_cluster "$n" "python3 -c 'import os; print(os.getpgid($1), os.getsid($1))'") "
	done
	is "$got" "$(for n in $(seq "$RIG_NODES"); do printf '%s, %s ' "$2 $3" "$2 $3"; done)" \
		"${4:-so all nodes say}"
}
usr2() { [ "$(on 1 "grep -c '^$1 SIGUSR2' $log")" = "$2" ]; }
# group PGID NAME...: a signal from each node comes to each of them, once
group() {
	local pgid=$1 n name who
	shift
	for name in P C D E; do declare "had_$name=$(on 1 "grep -c '^$name SIGUSR2' $log")"; done
	for n in $(seq "$RIG_NODES"); do in_cluster "$n" "kill -USR2 -- -$pgid"; done
	for name in P C D E; do
		who="had_$name"
		case " $* " in
		*" $name "*) check "signals to the group reach $name" wait_for 10 usr2 "$name" $((${!who} + RIG_NODES)) ;;
		*) check "and not $name" usr2 "$name" "${!who}" ;;
		esac
	done
}

check 'C goes to node2' on 1 "cluster-mv $C node2"
check 'D goes to node3' on 1 "cluster-mv $D node3"
check 'E goes to node2' on 1 "cluster-mv $E node2"
ids "$C" "$P" "$P" 'all are in the group of their parent'
does P 'os.setpgid(C, 0)' None 'the parent makes C a group of its own'
ids "$C" "$C" "$P"
group "$C" C
does P 'os.waitpid(-C, os.WNOHANG)' '(0, 0)' 'the parent can wait for that group'
does P 'os.setpgid(D, C)' EACCES 'what has executed a program is not to be touched'
ids "$D" "$P" "$P" 'and was not'
does P 'os.waitpid(-C, os.WNOHANG)' '(0, 0)' 'nor does the parent believe so'
does P 'os.setpgid(C, 4000001)' EPERM 'a group that is not there'
does P 'os.setpgid(C, -1)' EINVAL 'a number that is none'
does D 'os.setpgid(0, 0)' None 'D makes itself a group of its own'
ids "$D" "$D" "$P"
does P 'os.waitpid(-D, os.WNOHANG)' '(0, 0)' 'its parent can wait for that'
does P 'os.setpgid(C, D)' None 'the parent puts C into it, which is elsewhere'
ids "$C" "$D" "$P"
group "$D" C D
does P 'os.waitpid(-C, os.WNOHANG)' ECHILD 'the group that C was alone in is no more'
does E 'os.setsid()' None 'E makes itself a session'
ids "$E" "$E" "$E"
does P 'os.setpgid(E, D)' EPERM 'its parent cannot change what is in another session'
does E 'os.setsid()' EPERM 'a leader does not make another'
check 'C comes home' on 1 "cluster-mv $C node1"
ids "$C" "$D" "$P" 'in the group that it was put into'
group "$D" C D
does P 'os.setpgid(0, 0)' EPERM 'the leader of a session stays where it is'

in_cluster 1 "kill -KILL $C $D $E"
none() { does P 'os.waitpid(-1, os.WNOHANG)' ECHILD "$1" >/dev/null; }
for name in C D E; do
	does P "[os.waitpid($name, 0), 1][1]" 1 "the parent waits for $name"
	check 'its number is free' wait_for 10 gone "${!name}"
done
in_cluster 1 "kill -KILL $P"
check "and its parent's" wait_for 10 gone "$P"

done_testing
