# SPDX-License-Identifier: GPL-2.0-only
"""The frozen time of moves, beside plain CRIU and CRIU's pre-dump with its
page-server on the same nodes, and what the page fabrics carry beside the tools
that measure their links."""
import json
import os
import re
import statistics

import dpdk

PROGS = "/usr/libexec/pando-test"
RATE = 200      # pages a second that the process changes
CARRIED = 64        # MiB, by each fabric and tool
RUN = 262144    # bytes of a read
PLAIN_PID = 30000
AT = {"node1": "10.77.0.1", "node2": "10.77.0.2"}


class Moves:
    def __init__(self, on, figure):
        self.on, self.figure = on, figure
        self.pid = PLAIN_PID

    def ms(self, node, command):
        """How long a command takes there, without the way to the node."""
        out = self.on(node, "a=$(date +%%s%%N); { %s; } >/tmp/bench.log 2>&1 || "
                      "{ tail -n 3 /tmp/bench.log; exit 1; }; "
                      "echo $((($(date +%%s%%N) - a) / 1000))" % command)
        return int(out.split()[-1]) / 1000

    # --- a process outside of the cluster, for criu ---------------------------

    def plain_start(self, mib):
        # a number that is free on the other node too
        self.pid += 100
        self.on("node1", "rm -f /tmp/churn.*; echo %d >/proc/sys/kernel/ns_last_pid; "
                "setsid %s/churn %d %d 0 </dev/null >/dev/null 2>&1 & "
                "until [ -e /tmp/churn.ready ]; do sleep 0.2; done" %
                (self.pid, PROGS, mib, RATE))
        return int(self.on("node1", "pgrep -n -x churn"))

    def plain_end(self, pid):
        for node in AT:
            self.on(node, "kill -9 %d 2>/dev/null; pkill -x criu; "
                    "rm -rf /tmp/dump /tmp/pre; true" % pid)

    def copy(self, what):
        """Over the same network, by the cheapest way there is."""
        return ("(cd / && tar cf - %s) | nc -N %s 9900" % (what, AT["node2"]))

    def receive(self):
        self.on("node2", "mkdir -p /tmp/dump /tmp/pre; setsid sh -c "
                "'nc -l -p 9900 | tar xf - -C /' </dev/null >/dev/null 2>&1 & "
                "until ss -ltn | grep -q :9900; do sleep 0.1; done")

    def restore(self):
        # the copy is complete when its end is there
        return self.ms("node2", "while pgrep -x nc || pgrep -x tar; do sleep 0.02; done; "
                       "criu restore -D /tmp/dump --shell-job --restore-detached")

    def plain(self, mib):
        """Dump, copy, restore: all of it frozen."""
        pid = self.plain_start(mib)
        self.receive()
        took = self.ms("node1", "mkdir -p /tmp/dump; criu dump -t %d -D /tmp/dump "
                       "--shell-job; %s" % (pid, self.copy("tmp/dump")))
        took += self.restore()
        self.plain_end(pid)
        return took

    def predump(self, mib):
        """Memory goes ahead to a page-server; what is left is frozen."""
        pid = self.plain_start(mib)
        server = ("mkdir -p %s; setsid criu page-server -D %s --port %d "
                  "</dev/null >/dev/null 2>&1 & "
                  "until ss -ltn | grep -q :%d; do sleep 0.1; done")
        self.on("node2", server % ("/tmp/pre", "/tmp/pre", 9901, 9901))
        self.on("node1", "mkdir -p /tmp/pre /tmp/dump; criu pre-dump -t %d -D /tmp/pre "
                "--track-mem --page-server --address %s --port 9901 --shell-job" %
                (pid, AT["node2"]))
        self.on("node2", server % ("/tmp/dump", "/tmp/dump --prev-images-dir ../pre "
                                   "--track-mem", 9902, 9902))
        self.on("node2", "setsid sh -c 'nc -l -p 9900 | tar xf - -C /' </dev/null "
                ">/dev/null 2>&1 & until ss -ltn | grep -q :9900; do sleep 0.1; done")
        took = self.ms("node1", "criu dump -t %d -D /tmp/dump --prev-images-dir ../pre "
                       "--track-mem --page-server --address %s --port 9902 --shell-job; %s" %
                       (pid, AT["node2"], self.copy("tmp/dump")))
        took += self.restore()
        self.plain_end(pid)
        return took

    # --- ours -------------------------------------------------------------------

    def ours(self, mib, fabric):
        self.on("node1", "rm -f /tmp/churn.*")
        pid = self.on("node1", "cluster-run -d -n self -- %s/churn %d %d 0" %
                      (PROGS, mib, RATE)).strip()
        self.on("node1", "until [ -e /tmp/churn.ready ]; do sleep 0.2; done")
        out = json.loads(self.on("node1", "cluster-mv --json --fabric %s %s node2 || true" %
                                 (fabric, pid)))
        self.on("node1", "cluster-run -n self -T -- kill -9 %s" % pid)
        move = out["moves"][0]
        if move["result"] != "moved":
            raise SystemExit("bench: not moved: %s" % move["reason"])
        return move

    @staticmethod
    def told(mib, move):
        """Says where the frozen time went, and returns it."""
        print("    %d MiB frozen for %.0f ms: " % (mib, move["freeze_ms"]) +
              ", ".join("%s %.0f" % (p["name"], p["ms"])
                        for p in move["phases"] if p["frozen"]), flush=True)
        return move["freeze_ms"]

    def freeze(self, sizes, most):
        base = {}
        for mib in sizes:
            # the large ones take minutes each
            rounds = most if mib < 256 else 1
            times = {"ours": [], "criu": [], "predump": []}
            for _ in range(rounds):
                times["ours"].append(self.told(mib, self.ours(mib, "rdma")))
                times["criu"].append(self.plain(mib))
                times["predump"].append(self.predump(mib))
            ms = base[mib] = statistics.median(times["ours"])
            self.figure("move.freeze_ms_%d" % mib, ms, "ms", rounds,
                        "%d MiB, %d pages a second change, emulated" % (mib, RATE))
            for name, target in (("criu", "<= 0.2"), ("predump", "<= 0.5")):
                other = statistics.median(times[name])
                self.figure("move.freeze_over_%s_%d" % (name, mib), ms / other, "ratio",
                            rounds, "medians %.0f and %.0f ms" % (ms, other), target)
        if len(sizes) > 1:
            low, high = min(sizes), max(sizes)
            self.figure("move.flatness", base[high] / base[low], "ratio", rounds,
                        "freeze of %d MiB over that of %d MiB" % (high, low), "<= 1.3")

    # --- fabrics -----------------------------------------------------------------

    def carried(self, fabric, dpdk=None):
        """MB/s of pages, by the fabric and page protocol alone."""
        env = {node: "PANDO_DPDK='%s' " % dpdk[node] if dpdk else "" for node in AT}
        self.on("node1", "rm -f /tmp/fabric.port; %ssetsid %s/fabric listen %s %s "
                "/tmp/fabric.port </dev/null >/tmp/bench.log 2>&1 & "
                "for i in $(seq 600); do [ -s /tmp/fabric.port ] && exit; sleep 0.1; done; "
                "cat /tmp/bench.log; exit 1" % (env["node1"], PROGS, fabric, AT["node1"]))
        port = self.on("node1", "cat /tmp/fabric.port").strip()
        return float(self.on("node2", "%s%s/fabric pull %s %s %s %d" %
                             (env["node2"], PROGS, fabric, AT["node1"], port, CARRIED)))

    def read_bw(self):
        """Reads of as many bytes, as many of them, and as many under way as ours."""
        what = ("ib_read_bw -d rxe0 -x 1 -s %d -n %d -o 16" %
                (RUN, (CARRIED << 20) // RUN))
        self.on("node1", "setsid %s </dev/null >/tmp/bench.log 2>&1 & "
                "until ss -ltn | grep -q :18515; do sleep 0.1; done" % what)
        out = self.on("node2", "%s %s 2>&1 || true" % (what, AT["node1"]))
        row = re.search(r"^\s*%d\s+\d+\s+[\d.]+\s+([\d.]+)" % RUN, out, re.M)
        if not row:
            raise SystemExit("bench: ib_read_bw said:\n%s\n%s" %
                             (out, self.on("node1", "cat /tmp/bench.log")))
        return float(row.group(1)) * 1.048576    # it says MB and means MiB

    def iperf3(self):
        self.on("node1", "setsid iperf3 -s -1 </dev/null >/dev/null 2>&1 & "
                "until ss -ltn | grep -q :5201; do sleep 0.1; done")
        out = json.loads(self.on("node2", "iperf3 -J -R -n %dM -c %s" %
                                 (CARRIED, AT["node1"])))
        return out["end"]["sum_received"]["bits_per_second"] / 8e6

    def fabrics(self, rounds):
        for fabric, tool, name in (("rdma", self.read_bw, "rdma_over_ib_read_bw"),
                                   ("tcp", self.iperf3, "tcp_over_iperf3")):
            mine, theirs = [], []
            for _ in range(rounds):
                mine.append(self.carried(fabric))
                theirs.append(tool())
            a, b = statistics.median(mine), statistics.median(theirs)
            self.figure("fabric.%s" % name, a / b, "ratio", rounds,
                        "medians %.1f and %.1f MB/s" % (a, b), ">= 0.9")


def run(on, figure, sections):
    moves = Moves(on, figure)
    if "fabrics" in sections:
        moves.fabrics(int(os.environ.get("ROUNDS", "7")))
    if "moves" in sections:
        moves.freeze([int(m) for m in os.environ.get("MIB", "64 512").split()],
                     int(os.environ.get("ROUNDS", "3")))


def run_dpdk(on, figure, directory):
    moves = Moves(on, figure)
    dpdk.run(on, figure, lambda port: moves.carried("dpdk", port), directory,
             int(os.environ.get("ROUNDS", "3")))
