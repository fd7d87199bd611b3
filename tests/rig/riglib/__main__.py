# SPDX-License-Identifier: GPL-2.0-only
"""The commands of the rig that `rig` does not hand to rig-client."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from . import cluster, config, host, image, kernel, vm
from .config import RIG_DIR, RigError, load_rig, read, say

USAGE = """\
usage: rig COMMAND ...        nodes are node1..nodeN, or just the number

  up [-n N] [--transport rdma|tcp] [--mem MB] [--smp N] [--kernel stock|debug]
     [--token MS] [--cold] [--no-pando] [--nics 1|2] [--cpu lean|full]
                              returns when all nodes are members; the second
                              network interface, eth2, is on the same wire, and
                              nobody's: for DPDK; lean: without what makes an
                              emulated CPU slow (ASLR, SMAP, AVX2, ...), as is
                              the default with the stock kernel and no KVM
  exec NODE [-t SECONDS] [-T] -- CMD...
                              as root on the node; stdin, stdout, stderr and exit
                              status pass through; 124 timeout, 128 node lost;
                              a terminal becomes a terminal there (-T: never)
  shell NODE                  an interactive shell
  put NODE SRC DST            copy a file or directory to the node
  get NODE SRC DST            copy one from the node
  crash NODE                  power gone, at once
  start NODE [--no-wait]      boot it again
  pause NODE | resume NODE    the vCPUs stop: a hung host
  cut NODE NODE [--one-way]   drop what the first sends the second, and back
  cut NODE                    the node hears nobody and is heard by nobody
  heal                        undo all cuts
  shape NODE [loss PCT] [delay MS] | shape NODE clear
  log NODE                    the console
  check-logs                  fail if a console shows an oops, warning, hang, ...
  status | down
  timescale                   how many times slower than this host a node is
  kernel-release [--kernel stock|debug]
  kernel-build-dir [--kernel stock|debug]
                              what modules are built against
  deps [--kernel debug]       install the host's packages that are missing
  image [--kernel stock|debug] [--mem MB] [--smp N]
                              build and cache all that `up` would

environment: RIG_DIR (state, default build/rig), RIG_CACHE, RIG_STAGE (tree that
is laid over each node's root, default build/stage or build/stage-debug),
RIG_ACCEL (kvm or tcg, default: probed), RIG_OWNER (pid: the rig ends with it)"""

# On a console any of these fails a test run.
BAD = re.compile(
    r"\bOops\b|BUG:|kernel BUG|WARNING:|Call Trace|INFO: task .* blocked|hung task|"
    r"soft lockup|hard LOCKUP|KASAN|UBSAN|possible circular locking|inconsistent lock|"
    r"INFO: possible recursive|suspicious RCU|rcu.*(stall|detected)|kmemleak: \d+ new|"
    r"ODEBUG|Kernel panic|general protection|list_(add|del) corruption|refcount_t:|"
    r"held lock freed|BUG at|bad unlock balance|invalid wait context|"
    r"Out of memory: Killed process \d+ \((pandod|corosync|pando-init)\)")
# What the emulation itself may cause.
HARMLESS = re.compile(r"WARNING: Spectre|WARNING: can't open objdir|perf: interrupt took")


def node_number(text, rig=None):
    found = re.fullmatch(r"(?:node)?(\d+)", text)
    number = int(found[1]) if found else 0
    rig = rig or need_rig()
    if number not in rig["nodes"]:
        raise RigError(f"no such node: {text}")
    return number


def need_rig():
    rig = load_rig()
    if not rig or not host.Rigd(RIG_DIR).alive():
        raise RigError(f"no rig is up in {RIG_DIR}")
    return rig


def machine_of(rig):
    return vm.Machine(rig["kernel"], rig["mem"], rig["smp"], rig.get("nics", 1), rig.get("cpu"))


def spawn(rigd, rig, machine, node):
    incoming = None if rig["cold"] else rig["snapshot"] + "/state"
    rigd.spawn(node, machine.argv(node, rig["stage"], incoming))


def cmd_up(args):
    if host.Rigd(RIG_DIR).alive():
        raise RigError(f"a rig is up in {RIG_DIR} already")
    if not 1 <= args.n <= config.MAX_NODES:
        raise RigError(f"1 to {config.MAX_NODES} nodes")
    began = time.monotonic()
    image.deps()
    mem = args.mem or (2048 if args.kernel == "debug" else 1024)
    machine = vm.Machine(args.kernel, mem, args.smp, args.nics, args.cpu)
    snapshot = machine.snapshot()
    meta = json.loads(read(snapshot + "/meta.json"))
    token = args.token or (1000 if machine.accel == "kvm" else
                           10000 if args.kernel == "debug" else 3000)
    rig = {"nodes": list(range(1, args.n + 1)), "transport": args.transport, "mem": mem,
           "smp": args.smp, "nics": args.nics, "cpu": args.cpu,
           "kernel": args.kernel, "cold": args.cold,
           "token": token, "pando": not args.no_pando,
           "stage": config.stage_dir(args.kernel), "snapshot": snapshot, "accel": machine.accel,
           "release": machine.kernel.release, "timescale": meta["timescale"]}
    clear()
    os.makedirs(RIG_DIR + "/shared")
    os.chmod(RIG_DIR + "/shared", 0o777)
    os.makedirs(rig["stage"], exist_ok=True)
    shutil.copy(host.tools() + "/rig-client", RIG_DIR)
    cluster.setup_tar(rig, machine.kernel)
    config.write(RIG_DIR + "/rig.json", json.dumps(rig, indent=1) + "\n")
    rigd = host.Rigd.start(RIG_DIR, os.environ.get("RIG_OWNER"))
    try:
        rigd.call("lost-after", 60000 if machine.accel == "tcg" else 20000)
        for node in rig["nodes"]:
            spawn(rigd, rig, machine, node)
        rigd.wait_up(rig["nodes"], machine.boot_seconds(args.cold) * (1 + args.n / 4))
        cluster.Cluster(rigd, rig).start(rig["nodes"])
    except BaseException:
        rigd.stop()
        raise
    say(f"{args.n} nodes up after {time.monotonic() - began:.1f} s ({machine.accel}, "
        f"{rig['release']}, {args.transport})")


def clear():
    """Forgets an earlier rig; its logs stay until now, for who wants to read them."""
    if not os.path.isdir(RIG_DIR):
        os.makedirs(RIG_DIR)
    for name in os.listdir(RIG_DIR):
        path = f"{RIG_DIR}/{name}"
        if re.fullmatch(r"node\d+|shared", name):
            shutil.rmtree(path)
        elif name in ("rig.json", "setup.tar", "rig-client", "rigd.log", "rigd.pid",
                      "rigd.sock"):
            os.unlink(path)


def cmd_down(_args):
    host.Rigd(RIG_DIR).stop()
    for name in ("rig-client", "rigd.pid", "setup.tar"):
        if os.path.exists(f"{RIG_DIR}/{name}"):
            os.unlink(f"{RIG_DIR}/{name}")


def cmd_crash(args):
    host.Rigd(RIG_DIR).call("kill", node_number(args.node))


def cmd_start(args):
    rig = need_rig()
    node = node_number(args.node, rig)
    rigd = host.Rigd(RIG_DIR)
    machine = machine_of(rig)
    spawn(rigd, rig, machine, node)
    rigd.wait_up([node], machine.boot_seconds(rig["cold"]))
    nodes = cluster.Cluster(rigd, rig)
    if args.no_wait:
        nodes.setup(node)
        if nodes.has_pando:
            nodes.start_pando(node)
    else:
        nodes.rejoin(node)


def cmd_pause(args):
    host.qmp(RIG_DIR, node_number(args.node), "stop")


def cmd_resume(args):
    host.qmp(RIG_DIR, node_number(args.node), "cont")


def cmd_cut(args):
    rigd = host.Rigd(RIG_DIR)
    numbers = [node_number(n) for n in args.node]
    if len(numbers) == 1:
        rigd.call("isolate", *numbers)
    elif len(numbers) == 2:
        rigd.call("cut1" if args.one_way else "cut", *numbers)
    else:
        raise RigError("cut one node off, or two from each other")


def cmd_heal(_args):
    need_rig()
    host.Rigd(RIG_DIR).call("heal")


def cmd_shape(args):
    loss, delay, words = 0.0, 0, list(args.what)
    try:
        while words:
            word = words.pop(0)
            if word == "loss":
                loss = float(words.pop(0).rstrip("%"))
            elif word == "delay":
                delay = int(words.pop(0).removesuffix("ms"))
            elif word != "clear":
                raise ValueError
    except (ValueError, IndexError):
        raise RigError("shape NODE [loss PCT] [delay MS] | shape NODE clear") from None
    if not 0 <= loss <= 100 or delay < 0:
        raise RigError("loss is 0 to 100 percent, delay not negative")
    host.Rigd(RIG_DIR).call("shape", node_number(args.node), loss, delay)


def client(node, *argv, **kwargs):
    return subprocess.run([RIG_DIR + "/rig-client", RIG_DIR, "exec", str(node), "-T",
                           "--", *argv], check=False, **kwargs).returncode


def cmd_put(args):
    node = node_number(args.node)
    if os.path.isdir(args.src):
        script = 'mkdir -p -- "$1" && tar -C "$1" -xf - --no-same-owner'
        with subprocess.Popen(["tar", "-C", args.src, "-cf", "-", "."],
                              stdout=subprocess.PIPE) as tar:
            return client(node, "sh", "-c", script, "-", args.dst, stdin=tar.stdout)
    try:
        mode = f"{os.stat(args.src).st_mode & 0o7777:o}"
        with open(args.src, "rb") as f:
            # A new file in place of the old: the old may be running.
            script = ('[ -d "$1" ] && set -- "$1/$2" "$2" "$3"; cat > "$1.put$$" && '
                      'chmod "$3" "$1.put$$" && mv -f -- "$1.put$$" "$1"')
            return client(node, "sh", "-c", script, "-", args.dst,
                          os.path.basename(args.src), mode, stdin=f)
    except OSError as e:
        raise RigError(str(e)) from e


def cmd_get(args):
    node = node_number(args.node)
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    if client(node, "test", "-d", args.src, **quiet) == 0:
        os.makedirs(args.dst, exist_ok=True)
        with subprocess.Popen(["tar", "-C", args.dst, "-xf", "-"],
                              stdin=subprocess.PIPE) as tar:
            return client(node, "tar", "-C", args.src, "-cf", "-", ".",
                          stdin=subprocess.DEVNULL, stdout=tar.stdin)
    dst = args.dst
    if os.path.isdir(dst):
        dst += "/" + os.path.basename(args.src)
    part = f"{dst}.get{os.getpid()}"
    with open(part, "wb") as f:
        status = client(node, "cat", "--", args.src, stdin=subprocess.DEVNULL, stdout=f)
    if status:
        os.unlink(part)
    else:
        os.rename(part, dst)
    return status


def cmd_log(args):
    text = read(f"{RIG_DIR}/node{node_number(args.node, load_rig())}/console.log")
    sys.stdout.write(text or "")


def cmd_check_logs(_args):
    found = 0
    for name in sorted(os.listdir(RIG_DIR)):
        if not re.fullmatch(r"node\d+", name):
            continue
        lines = (read(f"{RIG_DIR}/{name}/console.log") or "").splitlines()
        shown = -1
        for i, line in enumerate(lines):
            if BAD.search(line) and not HARMLESS.search(line):
                found += 1
                # With what follows: a trace says more than its first line.
                for j in range(max(i, shown + 1), min(i + 25, len(lines))):
                    print(f"{name}: {lines[j].rstrip()}")
                    shown = j
    if found:
        say(f"{found} bad lines on the consoles")
    return 1 if found else 0


def cmd_status(args):
    rig = load_rig()
    rigd = host.Rigd(RIG_DIR)
    alive = rig is not None and rigd.alive()
    rows = rigd.nodes() if alive else {}
    if args.json:
        print(json.dumps({"up": alive, "rig": rig, "nodes": rows}, indent=1))
        return 0 if alive else 1
    if not alive:
        print(f"no rig is up in {RIG_DIR}")
        return 1
    print(f"{RIG_DIR}: {len(rig['nodes'])} nodes, kernel {rig['release']}, "
          f"{rig['transport']}, {rig['accel']}, {rig['timescale']} times slower than the host")
    for n in rig["nodes"]:
        row = rows.get(n)
        if not row:
            print(f"node{n}  off")
            continue
        state = host.qmp(RIG_DIR, n, "query-status")["status"]
        state = "booting" if row["up"] != "1" else state
        extra = "".join(f"  {k} {row[k]}" for k in ("loss", "delay") if row[k] != "0")
        cut = f"  cut from {row['cut'].strip(',')}" if row["cut"] else ""
        print(f"node{n}  {state}  {config.NETWORK}{n}  pid {row['pid']}{extra}{cut}")
    return 0


def cmd_timescale(args):
    rig = load_rig()
    if rig and host.Rigd(RIG_DIR).alive():
        print(rig["timescale"])
        return
    mem = args.mem or (2048 if args.kernel == "debug" else 1024)
    snapshot = vm.Machine(args.kernel, mem, args.smp).snapshot()
    print(json.loads(read(snapshot + "/meta.json"))["timescale"])


def the_kernel(args):
    img = image.build()
    return kernel.Debug(img) if args.kernel == "debug" else kernel.Stock(img)


def cmd_kernel_release(args):
    print(the_kernel(args).release)


def cmd_kernel_build_dir(args):
    print(the_kernel(args).build_dir())


def cmd_deps(args):
    image.deps(debug=args.kernel == "debug")


def cmd_image(args):
    image.deps(debug=args.kernel == "debug")
    mem = args.mem or (2048 if args.kernel == "debug" else 1024)
    print(vm.Machine(args.kernel, mem, args.smp).snapshot())


def parse():
    parser = argparse.ArgumentParser(prog="rig", add_help=False)
    sub = parser.add_subparsers(dest="command")

    def command(name, *arguments):
        p = sub.add_parser(name, add_help=False)
        for names, options in arguments:
            p.add_argument(*names.split(), **options)

    node = ("node", {})
    which = ("--kernel", {"choices": ["stock", "debug"], "default": "stock"})
    size = [("--mem", {"type": int}), ("--smp", {"type": int, "default": 1})]
    command("up", ("-n", {"type": int, "default": 3}), *size, which,
            ("--transport", {"choices": ["rdma", "tcp"], "default": "rdma"}),
            ("--token", {"type": int}), ("--cold", {"action": "store_true"}),
            ("--no-pando", {"action": "store_true"}),
            ("--nics", {"type": int, "choices": [1, 2], "default": 1}),
            ("--cpu", {"choices": ["lean", "full"]}))
    command("put", node, ("src", {}), ("dst", {}))
    command("get", node, ("src", {}), ("dst", {}))
    command("start", node, ("--no-wait", {"action": "store_true"}))
    command("cut", ("node", {"nargs": "+"}), ("--one-way", {"action": "store_true"}))
    command("shape", node, ("what", {"nargs": "+"}))
    command("status", ("--json", {"action": "store_true"}))
    for name in ("crash", "pause", "resume", "log"):
        command(name, node)
    for name in ("heal", "check-logs", "down"):
        command(name)
    for name in ("kernel-release", "kernel-build-dir", "deps"):
        command(name, which)
    for name in ("timescale", "image"):
        command(name, which, *size)
    if len(sys.argv) < 2 or sys.argv[1] in ("help", "-h", "--help"):
        print(USAGE)
        sys.exit(0)
    return parser.parse_args()


def main():
    # Whatever ends us early ends the rig that is half up, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    args = parse()
    try:
        return globals()["cmd_" + args.command.replace("-", "_")](args) or 0
    except RigError as e:
        say(str(e))
        return 1
    except OSError as e:
        say(f"{args.command}: {e}")
        return 1
    except KeyboardInterrupt:
        return 130


sys.exit(main())
