#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Moves of real programs, with all that they hold in memory; refusals in words.
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/fault.sh
. "$(dirname "$0")/../lib/fault.sh"
prog=/usr/libexec/pando-test
items=${PANDO_ITEMS:-10000}
third=$((RIG_NODES > 2 ? 3 : 1))
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# move PID NODE FABRIC: by cluster-mv, on node 1; its JSON is left in $json
move() {
	json=$(on 1 "timeout 230 cluster-mv --json --fabric $3 $1 node$2")
}
field() { # NAME: of the first move in $json
	printf '%s' "$json" | python3 -c '
import json, sys
print(json.load(sys.stdin)["moves"][0].get(sys.argv[1], ""))' "$1"
}
node_of() { # PID: where cluster-ps sees it
	on 1 "cluster-ps --json" | python3 -c '
import json, sys
print(*[p["node"] for p in json.load(sys.stdin)["processes"] if p["pid"] == int(sys.argv[1])])' "$1"
}
moved() { # PID NODE FABRIC WHAT: move it and look at all that is promised
	move "$1" "$2" "$3"
	is "$(field result)" moved "$4" || diag "$json"
	is "$(node_of "$1")" "node$2" "$4: it is on node$2, under its number"
	check "$4: a signal finds it" in_cluster 1 "kill -0 $1"
}
# refused PID NODE PATTERN WHAT: it must not move, for that reason
refused() {
	move "$1" "$2" auto
	case $(field result) in
	failed | refused) ok 0 "$4" ;;
	*) diag "$json"; ok 1 "$4" ;;
	esac
	case "$(field reason) $(field blockers)" in
	*$3*) ok 0 "$4: the reason is told" ;;
	*) diag "$json" "wanted: $3"; ok 1 "$4: the reason is told" ;;
	esac
}

fabrics=tcp
on 1 'rdma link show | grep -q ACTIVE' && fabrics='rdma tcp'

# --- memcached: there, to a third node, and back, over each fabric

pid=$(start 1 memcached -u root -m 128 -l 127.0.0.1)
filled() { on 1 "$prog/items.py fill 127.0.0.1 11211 $items"; }
check "memcached with $items items" wait_for 30 filled
for fabric in $fabrics; do
	at=1
	for to in 2 $third 1; do
		[ "$to" = "$at" ] && continue
		moved "$pid" "$to" "$fabric" "memcached from node$at to node$to over $fabric"
		check "every item is there" on "$to" "$prog/items.py check 127.0.0.1 11211 $items"
		diag "freeze $(field freeze_ms) ms, total $(field total_ms) ms, $(field pages) pages, $(field bytes) bytes"
		at=$to
	done
done
on 1 'cluster-ps --json' | grep -q "\"pid\": *$pid\b"
ok $? 'cluster-ps sees it under its number'
in_cluster 2 "kill -TERM $pid"
check 'a signal ends it' wait_for 20 gone "$pid"

# --- redis: it forks for itself

pid=$(start 1 redis-server --port 7379 --save "''")
check 'redis answers' wait_for 30 on 1 'redis-cli -p 7379 set key value'
moved "$pid" 2 tcp 'redis over tcp'
is "$(on 2 'redis-cli -p 7379 get key')" value 'its key is there'
in_cluster 1 "kill -KILL $pid"

# --- a server that leaves connections behind, and comes back to them

pid=$(start 1 "$prog/closer.py 7411")
# shellcheck disable=SC2016 # expands on the node
answers() { on "$1" '[ "$(nc -d 127.0.0.1 7411)" = well ]'; }
check 'a server that closes first' wait_for 20 answers 1
check 'a connection of it lingers' on 1 "ss -Htan state time-wait '( sport = :7411 )' | grep -q ."
moved "$pid" 2 tcp 'it goes'
check 'it answers there' wait_for 20 answers 2
moved "$pid" 1 tcp 'and comes back to its port'
check 'it answers' wait_for 20 answers 1
in_cluster 1 "kill -KILL $pid"

# --- threads, children, a pipe between them, and memory that changes all the time

# a machine that stood still is behind in its clocks; nobody may see them go back
"$RIG" pause "$third"
sleep 3
"$RIG" resume "$third"
check 'a node that stood still is with us' wait_for 60 on 1 "cluster-run -n node$third true"
on 1 'rm -f /tmp/heap.*'
pid=$(start 1 "$prog/heap.py" 8)
check 'threads and children are at work' wait_for 60 on 1 "[ -e /tmp/heap.ready ]"
told() { # NODE: all three processes say that nothing is broken
	on "$1" "rm -f /tmp/heap.*"
	in_cluster "$1" "pkill -USR1 -f '[h]eap.py 8'" || return 1
	# shellcheck disable=SC2016 # expands on the node
	wait_for 20 on "$1" '[ "$(cat /tmp/heap.*[0-9] | wc -l)" = 3 ]' || return 1
	seen=$(on "$1" 'cat /tmp/heap.*[0-9]')
	echo "$seen"
	[ "$(grep -c '^bad=0 back=0 ' <<<"$seen")" = 3 ]
}
check 'a heap that changes' wait_for 30 told 1
at=1
for fabric in $fabrics; do
	for to in 2 $third 1; do
		[ "$to" = "$at" ] && continue
		moved "$pid" "$to" "$fabric" "threads and children over $fabric to node$to"
		check 'nothing of its memory is broken' told "$to"
		at=$to
	done
done

# --- many at once

results() { # of the moves in $json, each once
	printf '%s' "$json" | python3 -c '
import json, sys
print(*sorted({m["result"] for m in json.load(sys.stdin)["moves"]}))'
}
many=()
for _ in 1 2 3 4 5; do many+=("$(start 1 sleep 100000)"); done
json=$(on 1 "cluster-mv --json ${many[*]} node2")
is "$(results)" moved 'five in one call' || diag "$json"
here=$(start 1 sleep 100000)
on 1 "cluster-mv --json $here node2 >/tmp/there & cluster-mv --json ${many[*]} node1 >/tmp/back; wait"
json=$(on 1 'cat /tmp/there')
is "$(results)" moved 'while others come the other way' || diag "$json"
json=$(on 1 'cat /tmp/back')
is "$(results)" moved 'they come back' || diag "$json"
on 1 "for p in ${many[*]}; do cluster-mv --json \$p node2 >/tmp/one.\$p & done; wait"
all=0
for p in "${many[@]}"; do
	json=$(on 1 "cat /tmp/one.$p")
	[ "$(results)" = moved ] || { diag "$json"; all=1; }
done
ok $all 'five calls at once'
top=$(start 1 "sh -c 'sleep 100000; true'")
wait_for 20 in_cluster 1 "pgrep -P $top"
below=$(in_cluster 1 "pgrep -P $top")
json=$(on 1 "cluster-mv --json $top $below $top node2")
is "$(results)" 'moved unchanged' 'a process, its child and itself once more' || diag "$json"
in_cluster 1 "kill -KILL $here ${many[*]} $top $below"

# --- refusals: it runs on where it was

move "$pid" 1 auto
is "$(field result)" unchanged 'to the node where it is: nothing to do'
refused 4194000 2 'no such process' 'a PID that does not exist'
refused "$pid" 17 'cluster-nodes' 'a node that does not exist'
lone=$(start 1 "sh -c 'sleep 100000 | cat'")
check '--why of a tree that may go' on 1 "cluster-mv --why $lone node2"
alice=$(on 1 "su bob -c 'cluster-run -d -n self -- sleep 100000' 2>/dev/null || su alice -c 'cluster-run -d -n self -- sleep 100000'")
other=$(start 1 sleep 100000)
json=$(on 1 "su alice -c 'cluster-mv --json $other node2'")
is "$(field result)" refused "somebody else's process"
json=$(on 1 "su alice -c 'cluster-mv --json $alice node2'")
diag "$json"
on 1 'cp /usr/bin/sleep /tmp/only-here; chmod 755 /tmp/only-here'
here=$(start 1 /tmp/only-here 100000)
refused "$here" 2 'no /tmp/only-here on node2' 'a program that the target does not have'
# a child's pipes are the parent's as well, each with both of its ends
both=$(start 1 "python3 -c 'import os, socket, time; p = os.pipe(), socket.socketpair(); os.fork(); time.sleep(100000)'")
check 'a parent and its child' wait_for 20 in_cluster 1 "pgrep -P $both"
kid=$(in_cluster 1 "pgrep -P $both")
refused "$kid" 2 'shares a pipe' 'a child that shares a pipe with its parent'
check 'and a unix socket' eval "on 1 'cluster-mv --why $kid node2 2>&1' | grep -q 'shares a unix socket'"
moved "$both" 2 auto 'the two of them'
in_cluster 2 "kill -KILL $both $kid"
big=$(start 1 "python3 -c 'import time; b = b\"x\" * (200 << 20); time.sleep(100000)'")
# what is left on the target is less than that
hog=$(on 2 "free -m | awk '/^Mem/ { print int(\$7 - 100) }'")
full=$(start 2 "python3 -c 'import time; b = b\"x\" * ($hog << 20); time.sleep(100000)'")
taken() { on 2 "[ \$(free -m | awk '/^Mem/ { print int(\$7) }') -lt 190 ]"; }
check 'a target fills up' wait_for 60 taken
refused "$big" 2 'is full' 'a target that is full'
in_cluster 1 "kill -KILL $full"
# it fills up while the process comes: there is room for it when the move begins
check 'it is emptied' wait_for 60 eval '! taken'
arm 2 23 wait
mv_in_background --json "$big" node2
check 'a list of its pages is there' wait_for 60 hit 2
hog=$(on 2 "free -m | awk '/^Mem/ { print int(\$7 - 70) }'")
full=$(start 2 "python3 -c 'import time; b = b\"x\" * ($hog << 20); time.sleep(100000)'")
check 'a target fills up meanwhile' wait_for 60 taken
disarm 2
wait "$mover"
check 'the move fails, and says so' grep -q 'the target is full' "$out" || diag "$(cat "$out")"
check 'and nobody was killed for it' in_cluster 1 "kill -0 $full && kill -0 $big"
in_cluster 1 "kill -KILL $full $big"
check 'what was refused runs on' in_cluster 1 "kill -0 $pid && kill -0 $here && kill -0 $other"
check 'and is whole' told 1

if [ "$RIG_NODES" -gt 2 ]; then
	"$RIG" crash 3
	move "$other" 3 auto
	case $(field result) in
	failed | refused) ok 0 'a node that is down' ;;
	*) diag "$json"; ok 1 'a node that is down' ;;
	esac
	check 'it runs on' in_cluster 1 "kill -0 $other"
	"$RIG" start 3
	check 'the node is back' wait_for 60 whole 1
fi
in_cluster 1 "kill -KILL $pid $here $other $lone $alice" 2>/dev/null
left() { on 1 'ls -d /run/pando/move-* 2>/dev/null'; on 2 'ls -d /run/pando/move-* 2>/dev/null'; }
is "$(left)" '' 'no work directory is left behind'

done_testing
