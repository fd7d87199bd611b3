#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# setpgid() and setsid() of processes away from home, by their parent and by
# themselves: the numbers are the same everywhere, signals to groups find their
# members, waits for groups their children; errors are those of one node.
. "$(dirname "$0")/../lib/tap.sh"
dir=/shared/groups
agent=/usr/libexec/pando-test/agent.py

# ask WHO EXPRESSION: it is told, and that is what comes of it
ask() {
	local path=$dir/${!1}
	on 1 "rm -f $path.said; echo \"$2\" >$path.do"
	in_cluster 1 "kill -USR1 ${!1}"
	wait_for 20 on 1 "[ -e $path.said ]"
	on 1 "cat $path.said"
}
does() { # WHO EXPRESSION RESULT WHAT
	is "$(ask "$1" "$2")" "$3" "$4"
}

on 1 "rm -rf $dir; mkdir $dir"
P=$(start 1 "$agent $dir")
check 'a parent' wait_for 20 on 1 "[ -e $dir/$P.said ]"
for name in C D E; do
	declare "$name=$(ask P 'fork()')"
done
on 1 "rm -f $dir/$D.said"
ask D "become('$agent', '$dir')" >/dev/null
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
heard() { ask "$1" 'heard(signal.SIGRTMIN)'; }
# shellcheck disable=SC2329 # by wait_for
has_heard() { [ "$(heard "$1")" = "$2" ]; }
# group PGID NAME...: a signal from each node comes to each of them, once
group() {
	local pgid=$1 n name
	local -A had
	shift
	for name in P C D E; do had[$name]=$(heard $name); done
	for n in $(seq "$RIG_NODES"); do in_cluster "$n" "kill -RTMIN -- -$pgid"; done
	for name in P C D E; do
		case " $* " in
		*" $name "*) check "signals to the group reach $name" \
			wait_for 10 has_heard "$name" $((had[$name] + RIG_NODES)) ;;
		*) check "and not $name" has_heard "$name" "${had[$name]}" ;;
		esac
	done
}

check 'C goes to node2' on 1 "cluster-mv $C node2"
check 'D goes to node3' on 1 "cluster-mv $D node3"
check 'E goes to node2' on 1 "cluster-mv $E node2"
ids "$C" "$P" "$P" 'all are in the group of their parent'
does C '[fd := os.pidfd_open(os.getppid()), signal.pidfd_send_signal(fd, signal.SIGRTMIN),
	os.close(fd)][1]' None \
	'C signals its parent by a pidfd'
check 'which gets it' wait_for 10 has_heard P 1
does P "os.setpgid($C, 0)" None 'the parent makes C a group of its own'
ids "$C" "$C" "$P"
group "$C" C
does P "os.waitpid(-$C, os.WNOHANG)" '(0, 0)' 'the parent can wait for that group'
does D "os.setpgid(0, $C)" None 'D joins it, all of which is elsewhere'
ids "$D" "$C" "$P"
does C "os.setpgid(0, $P)" None 'C leaves it'
does C 'os.setsid()' EPERM 'and cannot lead a session, while it has its number'
does E "os.setpgid(0, $C)" None 'E joins it, too, of which C is no member any more'
group "$C" D E
for name in D E; do
	does $name "os.setpgid(0, $P)" None "$name goes back"
done
does D "os.setpgid(0, $C)" EPERM 'nobody is in it any more'
does C 'os.setpgid(0, 0)' None 'C makes it anew'
does P "os.setpgid($D, $C)" EACCES 'what has executed a program is not to be touched'
ids "$D" "$P" "$P" 'and was not'
does P "os.waitpid(-$C, os.WNOHANG)" '(0, 0)' 'nor does the parent believe so'
does P "os.setpgid($C, 4000001)" EPERM 'a group that is not there'
does P "os.setpgid($C, -1)" EINVAL 'a number that is none'
does D 'os.setpgid(0, 0)' None 'D makes itself a group of its own'
ids "$D" "$D" "$P"
does P "os.waitpid(-$D, os.WNOHANG)" '(0, 0)' 'its parent can wait for that'
does P "os.setpgid($C, $D)" None 'the parent puts C into it, which is elsewhere'
ids "$C" "$D" "$P"
group "$D" C D
does P "os.waitpid(-$C, os.WNOHANG)" ECHILD 'the group that C was alone in is no more'
does E 'os.setsid()' None 'E makes itself a session'
ids "$E" "$E" "$E"
does P "os.setpgid($E, $D)" EPERM 'its parent cannot change what is in another session'
does E 'os.setsid()' EPERM 'a leader does not make another'
check 'C comes home' on 1 "cluster-mv $C node1"
ids "$C" "$D" "$P" 'in the group that it was put into'
group "$D" C D
does P 'os.setpgid(0, 0)' EPERM 'the leader of a session stays where it is'

in_cluster 1 "kill -KILL $C $D $E"
none() { does P 'os.waitpid(-1, os.WNOHANG)' ECHILD "$1" >/dev/null; }
for name in C D E; do
	does P "[os.waitpid(${!name}, 0), 1][1]" 1 "the parent waits for $name"
	check 'its number is free' wait_for 10 gone "${!name}"
done
in_cluster 1 "kill -KILL $P"
check "and its parent's" wait_for 10 gone "$P"

done_testing
