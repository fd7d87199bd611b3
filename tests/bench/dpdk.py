# SPDX-License-Identifier: GPL-2.0-only
"""What the dpdk fabric carries beside testpmd, both on a port that the kernel has
nothing to do with: eth2 of a rig that was brought up with --nics 2, by DPDK's
virtio driver. testpmd comes with Debian's dpdk-dev and many libraries; it is put
into the nodes' shared directory for the time of the measurement."""
import os
import re
import shutil
import statistics
import subprocess

TESTPMD = os.environ.get("TESTPMD", "/usr/bin/dpdk-testpmd")
FRAME = 9014    # bytes, of testpmd: as large as ours
SECONDS = 8
PORT = "-a %s --in-memory -m 64"

TAKE = r"""
set -e
echo 48 >/proc/sys/vm/nr_hugepages
modprobe uio_pci_generic
[ -e /sys/class/net/eth2 ] || { cat /tmp/eth2; exit; }
dev=$(basename "$(dirname "$(readlink -f /sys/class/net/eth2/device)")")
echo uio_pci_generic >/sys/bus/pci/devices/$dev/driver_override
echo $dev >/sys/bus/pci/devices/$dev/driver/unbind
echo $dev >/sys/bus/pci/drivers_probe
[ -e /sys/bus/pci/drivers/uio_pci_generic/$dev ]
echo $dev | tee /tmp/eth2
"""


def take_ports(on):
    """From the kernel, on both nodes: what DPDK is told to use."""
    return {node: PORT % on(node, TAKE).split()[-1] for node in ("node1", "node2")}


def share(directory):
    """testpmd and what it is linked with, for the nodes; False: there is none."""
    if not os.access(TESTPMD, os.X_OK):
        return False
    to = os.path.join(directory, "testpmd")
    os.makedirs(to, exist_ok=True)
    shutil.copy(TESTPMD, os.path.join(to, "testpmd"))
    out = subprocess.run(["ldd", TESTPMD], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    for path in re.findall(r"=> (/\S+)", out):
        if not os.path.basename(path).startswith(("libc.", "libm.")):
            shutil.copy(path, to)
    return True


def testpmd(on, port):
    """MB/s that arrive of what the other side sends as fast as it can."""
    # what the node has comes first: DPDK's drivers bring it in as well
    run = ("LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu:/shared/testpmd "
           "timeout -s INT %%d /shared/testpmd/testpmd "
           "--lcores '0@0,1@0' --no-telemetry %%s -- --forward-mode=%%s --auto-start "
           "--stats-period 1 --mbuf-size=10240 --total-num-mbufs=2048 --max-pkt-len=%d "
           "--txpkts=%d --eth-peer=0,52:54:00:78:00:%%02x </dev/null" % (FRAME + 4, FRAME))
    on("node1", "setsid sh -c \"%s\" >/tmp/bench.log 2>&1 &" %
       (run % (SECONDS + 6, port["node1"], "txonly", 2)).replace('"', '\\"'))
    out = on("node2", (run % (SECONDS, port["node2"], "rxonly", 1)) + " 2>&1 || true")
    rates = [int(r) / 8e6 for r in re.findall(r"Rx-bps:\s+(\d+)", out)]
    on("node1", "while pgrep -x testpmd >/dev/null; do sleep 0.2; done")
    rates = [r for r in rates if r > 0]
    if not rates:
        raise SystemExit("bench: testpmd said:\n%s\n%s" %
                         (out, on("node1", "cat /tmp/bench.log")))
    return statistics.median(rates)


def run(on, figure, carried, directory, rounds):
    """carried(environment) measures the fabric, with PANDO_DPDK set for each node."""
    port = take_ports(on)
    if not share(directory):
        print("    fabric.dpdk_over_testpmd: no %s; Debian's dpdk-dev has it" % TESTPMD)
        print("    dpdk: %.1f MB/s" % carried(port), flush=True)
        return
    mine, theirs = [], []
    for _ in range(rounds):
        mine.append(carried(port))
        theirs.append(testpmd(on, port))
    a, b = statistics.median(mine), statistics.median(theirs)
    figure("fabric.dpdk_over_testpmd", a / b, "ratio", rounds,
           "medians %.1f and %.1f MB/s, virtio; testpmd looks at no byte" % (a, b))
