#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The global /proc: a process of another node shows what its own node shows of
# it, to whom its own node would show it; unmodified tools see the cluster.
. "$(dirname "$0")/../lib/tap.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# same WHAT COMMAND-LINE: it prints the same where the process runs and here.
same() {
	in_cluster 2 "$2" >"$tmp/there" 2>&1
	in_cluster 1 "$2" >"$tmp/here" 2>&1
	check "$1" diff "$tmp/there" "$tmp/here"
	[ -s "$tmp/here" ] || diag "nothing was printed: $2"
}

# fails ERROR WHAT NODE COMMAND-LINE: it says so.
fails() {
	local out
	out=$(in_cluster "$3" "$4" 2>&1)
	case $out in
	*"$1"*) ok 0 "$2" ;;
	*) diag "$4: $out"; ok 1 "$2" ;;
	esac
}

# as_user NODE USER COMMAND-LINE: in the cluster
as_user() {
	on "$1" "su $2 -c 'cluster-run -n self -T -- bash -c \"$3\"' 2>&1"
}

on 2 'cat >/shared/busy.py' <<'END'
import mmap, os, threading, time
for i in range(2):
    threading.Thread(target=time.sleep, args=(100000,), daemon=True).start()
keep = []
for i in range(3000):  # maps of some 300 KB; neighbours must not be merged
    keep.append(mmap.mmap(-1, 4096, prot=(mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)[i & 1], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
file = open("/etc/passwd")
pipe = os.pipe()
os.chdir("/usr")
open("/shared/busy.ready", "w").close()
time.sleep(100000)
END
on 2 'rm -f /shared/busy.ready'
pid=$(start 2 'env SECRET=yes python3 /shared/busy.py')
p=/proc/$pid
check 'a process runs on node 2' wait_for 30 on 2 'test -e /shared/busy.ready'
is "$(in_cluster 2 "stat -f -c %T /proc")" proc 'statfs says proc'

# --- contents --------------------------------------------------------------
for file in comm cmdline environ limits cgroup maps statm oom_score_adj \
	coredump_filter mountinfo mounts io personality loginuid; do
	same "$file is the same from afar" "cat $p/$file"
done
for file in net/dev stat status smaps smaps_rollup sched schedstat wchan oom_score; do
	same "$file has the same shape" \
		"cat $p/$file | sed -E 's/-?[0-9]+//g; s/ +/ /g'"
done
same 'links as text' "readlink $p/exe $p/cwd $p/root"
same 'fd with links' "ls -l $p/fd | sed -E 's/.* ([0-9]+ ->)/\1/'"
same 'fdinfo' "ls $p/fdinfo; cat $p/fdinfo/3"
same 'threads' "ls $p/task; cat $p/task/*/comm"
same 'owner, group and mode' "stat -c '%n %U %G %A %F' $p $p/* | grep -v -E '/(mem|pagemap|clear_refs|map_files|ns) '"
same 'the start time, in the common clock' "cut -d' ' -f22 $p/stat"
same 'a thread by its own number' "cat /proc/\$(ls $p/task | tail -n1)/comm"
same 'one state of a file that is read in pieces' \
	"dd if=$p/maps bs=777 status=none | md5sum; md5sum <$p/maps"
same 'reading from the middle' \
	"dd if=$p/maps bs=1000 skip=100 count=50 iflag=fullblock status=none | md5sum"
check 'maps are longer than one message' in_cluster 1 \
	"[ \$(wc -c <$p/maps) -gt 100000 ]"
for file in mem pagemap clear_refs ns map_files; do
	fails 'No such file' "$file is not shown" 1 "cat $p/$file"
done
fails 'Object is remote' 'a link is not followed' 1 "cat $p/exe"

# --- writing ---------------------------------------------------------------
check 'oom_score_adj can be written' in_cluster 1 \
	"echo 321 >$p/oom_score_adj && grep -qx 321 $p/oom_score_adj"
is "$(in_cluster 2 "cat $p/oom_score_adj")" 321 'and it is so there'
refuse 'a bad value is refused' in_cluster 1 "echo 5000 >$p/oom_score_adj"
fails 'Invalid argument' 'as locally' 1 "printf 5000 | dd of=$p/oom_score_adj conv=notrunc"
fails 'Invalid argument' 'comm is for the process itself' 1 \
	"printf x | dd of=$p/comm conv=notrunc"
fails 'not permitted' 'modes do not change' 1 "chmod 777 $p/stat"

# --- who may ---------------------------------------------------------------
theirs=$(on 2 "su alice -c 'cluster-run -d -n self -- sleep 100000'")
for file in environ io maps; do
	out=$(as_user 1 alice "cat $p/$file")
	case $out in
	*'Permission denied'*) ok 0 "a user may not read $file of root" ;;
	*) diag "$out"; ok 1 "a user may not read $file of root" ;;
	esac
	check "but their own" as_user 1 alice "cat /proc/$theirs/$file"
done
out=$(as_user 1 alice "ls $p/fd; readlink $p/exe; echo 0 >$p/oom_score_adj")
is "$(grep -c 'denied' <<<"$out")" 2 'nor list its files or change it'
check 'fd and exe of their own' as_user 1 alice \
	"ls /proc/$theirs/fd && readlink /proc/$theirs/exe"
out=$(as_user 1 bob "cat /proc/$theirs/environ")
case $out in
*'Permission denied'*) ok 0 'nobody else may' ;;
*) diag "$out"; ok 1 'nobody else may' ;;
esac
in_cluster 1 "unshare -m bash -c 'mount -t pando_proc -o hidepid=2 proc /mnt &&
	setpriv --reuid alice --regid alice --init-groups ls /mnt &&
	setpriv --reuid alice --regid alice --init-groups cat /mnt/$pid/comm'" \
	>"$tmp/hidden" 2>&1
refuse 'hidepid=2 hides what is not the reader'\''s' grep -qx "$pid" "$tmp/hidden"
check 'and shows what is' grep -qx "$theirs" "$tmp/hidden"
check 'and says that there is none' grep -q 'No such file' "$tmp/hidden"

# --- lists and tools ---------------------------------------------------------
pids() { in_cluster "$1" 'ls -U /proc' | grep -E '^[0-9]{4,}$'; }
pids 1 >"$tmp/list"
check 'the list is in numeric order, each once' sort -n -u -c "$tmp/list"
for node in $(seq "$RIG_NODES"); do
	check "node $node lists it" grep -qx "$pid" <(pids "$node")
	is "$(in_cluster "$node" 'ps -ef' | awk -v p="$pid" '$2 == p' | wc -l)" 1 \
		"ps -ef there shows it once"
done
# Who reads one process after the other is given many at a time.
on 2 "cluster-run -d -n self -- bash -c 'for i in {1..60}; do sleep 4141 & done; wait'" >"$tmp/sleepers"
sleepers() { [ "$(in_cluster 1 'pgrep -f -c "^sleep 4141"')" = 60 ]; }
check 'sixty processes' wait_for 30 sleepers
asked() { on 1 "awk '/requests_sent/ { print \$2 }' /sys/kernel/debug/pando/stats"; }
before=$(asked)
in_cluster 1 'ps -e -o pid,ppid,uid,stat,comm,args' >"$tmp/ps"
after=$(asked)
is "$(grep -c 'sleep 4141$' "$tmp/ps")" 60 'ps shows all'
in_cluster 2 'ps -e -o pid,ppid,uid,stat,comm,args' >"$tmp/there"
check 'as they are' diff <(grep '4141$' "$tmp/there") <(grep '4141$' "$tmp/ps")
diag "ps asked $((after - before)) questions"
# in the time that an answer is believed a debug kernel reads but a few
[ "$RIG_KERNEL" = debug ] ||
	ok $((after - before >= 60)) 'with fewer questions than processes'
in_cluster 1 "kill -KILL $(cat "$tmp/sleepers"); pkill -f '^sleep 4141'"
check 'ps aux' grep -q busy.py <(in_cluster 1 'ps aux')
check 'top -b' grep -q "^ *$pid " <(in_cluster 1 "top -b -n 1 -w 200 -p $pid")
is "$(in_cluster 1 "pgrep -f '[/]shared/busy.py'")" "$pid" 'pgrep -f'
check 'pstree' grep -q "$pid" <(in_cluster 1 'pstree -p')
check 'lsof' grep -q "$pid.*busy\\|python3.*$pid" <(in_cluster 1 "lsof -p $pid 2>/dev/null")
check 'psutil' in_cluster 1 "python3 -c '
import psutil
p = psutil.Process($pid)
assert p.num_threads() == 3 and p.cwd() == \"/usr\" and len(p.memory_maps(grouped=False)) > 3000
assert p.environ()[\"SECRET\"] == \"yes\" and p.pid in psutil.pids()
'"
check 'pkill' in_cluster 1 "pkill -u alice -x sleep"
check 'ends it' wait_for 20 gone "$theirs"

# --- coming and going --------------------------------------------------------
on 2 "setsid sh -c 'cluster-run -n self -T -- bash -c \"while :; do /bin/true; done\"' >/dev/null 2>&1 </dev/null & echo \$! >/tmp/churn"
rounds=10
[ "$RIG_KERNEL" = debug ] && rounds=2
check 'lists while processes come and go' in_cluster 1 \
	"for i in \$(seq $rounds); do ps -ef >/dev/null && ls -lR /proc/[0-9]*/task >/dev/null 2>&1; ps aux | grep -c . >/dev/null || exit 1; done"
on 2 "pkill -f 'while :; do /bin/tru[e]'; kill \$(cat /tmp/churn); true"
# Opened, then ended, then read. What was looked up a moment ago is believed for
# that moment (PANDO_PROC_FRESH_MS): names go when it is over.
out=$(in_cluster 1 "exec 3<$p/stat; cd $p; kill -KILL $pid
	while kill -0 $pid; do :; done; cat <&3
	while [ -e stat ]; do :; done; cat stat; ls /proc/$pid" 2>&1)
is "$(grep -c 'No such process$' <<<"$(grep cat: <<<"$out")")" 1 \
	'an open file of a process that ended is ESRCH'
is "$(grep -c 'No such file' <<<"$out")" 2 'and its names are gone'
refuse 'from the list too' grep -qx "$pid" <(pids 1)
refuse 'rmmod is refused while it is mounted' on 1 'rmmod pando_proc'

# --- a node dies -------------------------------------------------------------
last=$RIG_NODES
if [ "$last" -ge 3 ]; then
	lost=$(start "$last" sleep 100000)
	check "node 1 shows a process of node $last" in_cluster 1 "cat /proc/$lost/comm"
	"$RIG" crash "$last"
	# shellcheck disable=SC2016 # expands on the node
	check 'lists do not hang when a node dies' in_cluster 1 \
		'for i in $(seq 5); do timeout 60 ps -ef >/dev/null || exit 1; done'
	check 'its processes are gone' wait_for 60 in_cluster 1 "! test -e /proc/$lost"
	"$RIG" start "$last"
	check 'it comes back' wait_for 90 whole
fi

done_testing
