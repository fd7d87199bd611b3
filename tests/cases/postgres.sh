#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A whole PostgreSQL moves, there and back: the postmaster with its children, its
# shared memory of three kinds, its files and its listening sockets. Rows are the same
# after each move, and it goes on writing.
#
# By hand: needs postgresql-15 on the nodes (tests/rig/packages, 250 MB more).
. "$(dirname "$0")/../lib/tap.sh"
data=/var/tmp/pando-pg
at=1

bin=$(on 1 'echo /usr/lib/postgresql/*/bin')
if ! on 1 "[ -x $bin/postgres ]"; then
	echo '1..0 # SKIP no postgresql on the nodes'
	exit
fi
# sql NODE COMMANDS
sql() { on "$1" "cd /; su postgres -s /bin/sh -c \"$bin/psql -h /tmp -AtX -c \\\"$2\\\" postgres\""; }
sum() { sql "$1" 'select count(*), sum(n), md5(string_agg(t, chr(10) order by n)) from rows'; }
insert() {
	sql "$1" "insert into rows select n, md5(n::text) from generate_series($2, $2 + 999) n"
}
is_up() { sql "$1" 'select 1' | grep -qx 1; }
# its files are to be there too: nothing writes to them while no client is connected
copy() { # FROM TO
	on "$2" "rm -rf $data"
	"$RIG" exec "$1" -t 240 -- tar -C /var/tmp -c --numeric-owner pando-pg |
		"$RIG" exec "$2" -t 240 -- tar -C /var/tmp -xp --numeric-owner
}
# goes NODE ARGUMENTS WHAT
goes() {
	local json from=$at
	sql "$at" checkpoint >/dev/null
	copy "$at" "$1"
	json=$(on "$at" "timeout 500 cluster-mv --json $2 $pid node$1")
	[[ $json == *'"result": "moved"'* ]]
	ok $? "$3" || { diag "$json"; return; }
	at=$1
	check "$3: it answers" wait_for 60 is_up "$at"
	is "$(sum "$at")" "$rows" "$3: all rows are there"
	more=$((more + 1000))
	check "$3: it goes on writing" insert "$at" "$more"
	rows=$(sum "$at")
	diag "$rows"
	is "$(on "$from" 'tail -n +2 /proc/sysvipc/shm')" '' "$3: its memory is not in two places"
}

for n in 1 2; do
	on $n 'id postgres >/dev/null 2>&1 || useradd -r -u 999 -d /var/tmp postgres'
done
on 1 "rm -rf $data; install -d -o postgres -m 700 $data
	cd /; su postgres -s /bin/sh -c '$bin/initdb -D $data -A trust --no-sync --no-locale -E UTF8' >/tmp/initdb.log 2>&1"
ok $? 'initdb' || diag "$(on 1 'cat /tmp/initdb.log')"
# what is put into /dev/shm would have to be at the target as well
on 1 "cat >>$data/postgresql.conf <<'X'
unix_socket_directories = '/tmp'
listen_addresses = '*'
shared_buffers = 32MB
dynamic_shared_memory_type = sysv
autovacuum = off
wal_level = minimal
max_wal_senders = 0
logging_collector = off
X"
pid=$(start 1 "sh -c 'exec setpriv --reuid=postgres --regid=postgres --clear-groups $bin/postgres -D $data </dev/null >/dev/null 2>&1'")
check 'it is up' wait_for 60 is_up 1
diag "$(on 1 'tail -n +2 /proc/sysvipc/shm')"
sql 1 'create table rows (n int primary key, t text)' >/dev/null
more=0
check 'it has rows' insert 1 0
rows=$(sum 1)
diag "$rows"
diag "$(on 1 "cluster-mv --why $pid 2>&1")"
goes 2 '' 'there'
goes 1 '' 'and home'
goes 2 --lazy 'lazily'
in_cluster 1 "kill -INT $pid"
check 'it ends' wait_for 60 gone "$pid"
done_testing
