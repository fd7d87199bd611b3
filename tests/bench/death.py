# SPDX-License-Identifier: GPL-2.0-only
"""How long after a node's death callers hear of it, over how long corosync takes
to find it out: what the cluster adds to the failure detector. And how fast views
follow each other when a node's daemon dies and comes back all the time."""
import statistics
import threading

CALLERS = 8
# both write times of one clock: the namespace's monotonic one is another
CALLER = """
import os, sys, time
pid, last = int(sys.argv[1]), time.time()
print('ready', flush=True)
while True:
    try:
        os.kill(pid, 0)
        last = time.time()
    except ProcessLookupError:
        break
    except OSError:
        pass
print(last, time.time())
"""
DETECTOR = """
import subprocess, time
p = subprocess.Popen(['stdbuf', '-oL', 'corosync-quorumtool', '-m'],
                     stdout=subprocess.PIPE, text=True)
lines = 0
for line in p.stdout:
    words = line.split()
    if words[:1] == ['Nodes:']:
        if words[1] == '2':
            print(time.time())
            break
        open('/tmp/detector', 'w').close()
p.kill()
"""


def one(on, rig):
    pid = on("node3", "cluster-run -d -- sleep 100000").strip()
    on("node1", "rm -f /tmp/detector /tmp/ready.*; cat >/tmp/caller.py <<'X'\n%s\nX\n"
       "cat >/tmp/detector.py <<'X'\n%s\nX" % (CALLER, DETECTOR))
    said = {}

    def call(name, command):
        said[name] = on("node1", command)

    threads = [threading.Thread(target=call, args=("detector", "python3 /tmp/detector.py"))]
    for i in range(CALLERS):
        threads.append(threading.Thread(target=call, args=(
            i, "cluster-run -n self -T -- python3 /tmp/caller.py %s | "
               "while read -r line; do echo \"$line\"; : >/tmp/ready.%d; done" % (pid, i))))
    for t in threads:
        t.start()
    on("node1", "until [ -e /tmp/detector ] && [ $(ls /tmp/ready.* 2>/dev/null | wc -l) = %d ]; "
       "do sleep 0.2; done" % CALLERS)
    rig("crash", "3")
    for t in threads:
        t.join()
    ends = [list(map(float, said[i].splitlines()[-1].split())) for i in range(CALLERS)]
    died = max(last for last, _ in ends)
    detected = float(said["detector"].split()[-1]) - died
    rig("start", "3")
    return max(end for _, end in ends) - died, detected


# view after view: leave, join, and all agree again
CHURN = """
epoch() { cluster-nodes --json 2>/dev/null | python3 -c '
import json, sys
seen = json.load(sys.stdin)
print(seen["epoch"] if {n["state"] for n in seen["nodes"]} == {"member"} else 0)'; }
whole() { until e=$(epoch) && [ "${e:-0}" -gt "$1" ]; do sleep 0.05; done; echo "$e"; }
first=$(whole 0) e=$first a=$(date +%s.%N)
for _ in $(seq 10); do
	rig-service kill pandod && rig-service start pandod || exit
	e=$(whole "$e")
done
echo "$((e - first)) $a $(date +%s.%N)"
"""


def churn(on, figure):
    views, began, ended = on("node3", CHURN).split()[-3:]
    took = float(ended) - float(began)
    figure("views.per_second", int(views) / took, "1/s", int(views),
           "a daemon killed and started 10 times in %.0f s, emulated" % took)


def run(on, rig, figure, rounds):
    churn(on, figure)
    heard, detected = zip(*(one(on, rig) for _ in range(rounds)))
    figure("death.heard_over_detected",
           statistics.median(h / d for h, d in zip(heard, detected)), "ratio", rounds,
           "the last of %d callers after %.1f s, corosync after %.1f s" % (
               CALLERS, statistics.median(heard), statistics.median(detected)), "<= 2")
