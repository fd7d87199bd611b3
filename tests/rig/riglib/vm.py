# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines: how QEMU is called, and the snapshot that nodes are clones of."""

import fcntl
import functools
import glob
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import time

from . import config, host, image, kernel
from .config import RigError, digest, read, run, say

MAC = "52:54:00:77:00:00"       # of the snapshot; a clone sets its own
MAC2 = "52:54:00:78:00:"
GUEST_FILES = ["init", "node-setup", "node-start", "rig-service", "modules", "sysctl.conf"]
LAYOUT = "1"                    # of the initramfs: count up with initramfs() below
KEEP_SNAPSHOTS = 8
# What a lean machine does without, because emulation makes it dear: a place of its own for
# each program each time (all its code is translated again), checks at each access to user
# memory, copies byte by byte, one more level of page tables, wide registers, and memory
# that is cleared twice. AVX is left: its registers have to move too.
LEAN_CPU = "max," + ",".join(name + "=off" for name in (
    "la57", "smap", "smep", "pku", "umip", "erms", "avx2", "fma", "f16c", "mpx"))
LEAN_WORDS = ["norandmaps", "init_on_alloc=0"]
WARM_UP = ("corosync -v; corosync-quorumtool -V; tar --version; rdma link;"
           "nft list ruleset; python3 -c 'import json'; ps -ef; criu --version; sync")


def qemu_version():
    return run(["qemu-system-x86_64", "--version"]).splitlines()[0]


@functools.cache
def accelerator():
    """kvm where a kernel really boots in it, else tcg.

    /dev/kvm that opens is no proof: in some clouds a guest hangs in it. So a
    kernel is started once per boot of the host, and must say a word in time.
    """
    wish = os.environ.get("RIG_ACCEL")
    if wish:
        return wish
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = read("/proc/sys/kernel/random/boot_id").strip()
    path = f"{config.CACHE}/accel-{boot}"
    known = read(path)
    if known:
        return known.strip()
    img = image.build()
    initrd = initramfs(img, kernel.Stock(img))
    argv = ["timeout", "-s", "KILL", "10", "qemu-system-x86_64", "-accel", "kvm",
            "-cpu", "host", "-machine", "q35", "-m", "512", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", img + "/vmlinuz", "-initrd", initrd,
            "-append", "console=ttyS0 quiet panic=-1 rig.probe"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    found = "kvm" if b"rig: probe ok" in done.stdout else "tcg"
    if found == "tcg":
        say("KVM is there but does not run a kernel: emulating")
    for old in glob.glob(config.CACHE + "/accel-*"):
        os.unlink(old)
    config.write(path, found + "\n")
    return found


def initramfs(img, kern):
    """Builds the initramfs unless it is cached; returns its path."""
    src = config.RIG_SRC + "/guest"
    tools = host.tools()
    inputs = [f"guest/{f}" for f in ["initramfs-init", *GUEST_FILES]]
    inputs += [f for name in host.STATIC for f in host.SOURCES[name]] + ["host/proto.h"]
    key = digest(LAYOUT, os.path.basename(img), kern.id,
                 *[f"file:{config.RIG_SRC}/{f}" for f in inputs])
    dest = f"{config.CACHE}/initramfs-{key}"
    if os.path.exists(dest):
        return dest
    root = f"{dest}.{os.getpid()}"
    for d in ("bin", "modules", "proc", "dev", "rig/usr/lib/rig", "rig/usr/bin"):
        os.makedirs(f"{root}/{d}")
    shutil.copy(img + "/busybox", root + "/bin/busybox")
    shutil.copy(src + "/initramfs-init", root + "/init")
    for f in GUEST_FILES:
        target = "rig/usr/bin/" if f == "rig-service" else "rig/usr/lib/rig/"
        shutil.copy(f"{src}/{f}", f"{root}/{target}{f}")
    for f in host.STATIC:
        shutil.copy(f"{tools}/{f}", f"{root}/rig/usr/lib/rig/{f}")
    order = []
    for path in kern.boot_modules():
        order.append(os.path.basename(path))
        shutil.copy(path, root + "/modules")
    config.write(root + "/modules/order", "".join(m + "\n" for m in order))
    kern.add_modules(root + "/rig")
    for old in glob.glob(config.CACHE + "/initramfs-*"):
        if os.path.isfile(old) and time.time() - os.path.getmtime(old) > 14 * 86400:
            os.unlink(old)
    part = dest + f".{os.getpid()}.cpio"
    with open(part, "wb") as out:
        names = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True,
                               check=True).stdout
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "--owner=0:0"],
                       cwd=root, input=names, stdout=out, check=True)
    shutil.rmtree(root)
    os.rename(part, dest)
    return dest


class Machine:
    """One kind of virtual machine: what all nodes of a rig have in common."""

    def __init__(self, kern, mem, smp, nics=1, cpu=None):
        self.img = image.build()
        self.kernel = kernel.Debug(self.img) if kern == "debug" else kernel.Stock(self.img)
        self.mem = mem
        self.smp = smp
        self.nics = nics
        self.accel = accelerator()
        self.lean = self.accel == "tcg" and (cpu == "lean" or not (cpu or self.kernel.debug))
        self.initrd = initramfs(self.img, self.kernel)

    def command_line(self):
        words = ["console=ttyS0", "loglevel=5", "oops=panic", "panic=-1",
                 "mitigations=off", "net.ifnames=0", "random.trust_cpu=on",
                 # An emulated CPU may wait long for the host's attention.
                 "watchdog_thresh=30", "rcupdate.rcu_cpu_stall_timeout=90"]
        if self.accel == "tcg":
            words += ["tsc=reliable", "clocksource=tsc"]
        if self.lean:
            words += LEAN_WORDS
        return " ".join(words + self.kernel.words)

    def network(self, node):
        """One interface, or a second one beside it on the same wire."""
        nic = "virtio-net-pci,romfile=,host_mtu=9000"
        argv = ["-netdev", "stream,id=wire,server=off,addr.type=fd,addr.str=@NET@"]
        if self.nics == 1:
            return [*argv, "-device", f"{nic},netdev=wire,mac={MAC}"]
        # The second keeps its address when its driver is changed.
        macs = MAC, f"{MAC2}{node:02x}"
        argv += ["-netdev", "hubport,id=hub,hubid=0,netdev=wire"]
        for i, mac in enumerate(macs):
            argv += ["-netdev", f"hubport,id=port{i},hubid=0",
                     "-device", f"{nic},netdev=port{i},mac={mac}"]
        return argv

    def argv(self, node, stage, incoming=None):
        """QEMU's command line for a node; paths are relative to the rig's directory."""
        if self.accel == "kvm":
            accel, cpu = "kvm", "host"
        else:
            # Several vCPUs in parallel can livelock where code is patched.
            thread = "multi" if self.smp == 1 else "single"
            accel = f"tcg,thread={thread},tb-size=256"
            cpu = LEAN_CPU if self.lean else "max"
        comma = {ord(","): ",,"}
        argv = ["qemu-system-x86_64", "-name", f"node{node}", "-accel", accel,
                "-machine", "q35", "-cpu", cpu, "-smp", str(self.smp), "-m", str(self.mem),
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-kernel", self.kernel.vmlinuz, "-initrd", self.initrd,
                "-append", self.command_line(),
                "-drive", f"file={self.img.translate(comma)}/root.squashfs,format=raw,"
                          "if=none,id=root,readonly=on",
                "-device", "virtio-blk-pci,drive=root",
                *self.network(node),
                "-device", "virtio-rng-pci",
                "-device", "virtio-serial-pci",
                "-chardev", "socket,id=agent,fd=@AGENT@",
                "-device", "virtserialport,chardev=agent,name=pando.rig",
                "-fsdev", "local,id=shared,path=shared,multidevs=remap,security_model="
                          + ("mapped-xattr" if has_xattr() else "mapped-file"),
                "-device", "virtio-9p-pci,fsdev=shared,mount_tag=shared",
                "-fsdev", f"local,id=stage,path={stage.translate(comma)},multidevs=remap,"
                          "security_model=none,readonly=on",
                "-device", "virtio-9p-pci,fsdev=stage,mount_tag=stage",
                "-chardev", f"file,id=console,path=node{node}/console.log,append=on",
                "-serial", "chardev:console",
                "-qmp", f"unix:node{node}/qmp.sock,server=on,wait=off"]
        if incoming:
            argv += ["-incoming", f"exec:cat {shlex.quote(incoming)}"]
        return argv

    def boot_seconds(self, cold=True):
        """How long until the agent answers, at most."""
        if not cold:
            return 60
        return 30 if self.accel == "kvm" else 600 if self.kernel.debug else 240

    def snapshot(self):
        """A booted machine saved to a file, made unless cached; its directory."""
        # Under KVM a clone wakes up on the very CPU that it went to sleep on.
        cpu = read("/proc/cpuinfo").split("\n\n")[0] if self.accel == "kvm" else ""
        flags = re.findall(r"^(?:model name|flags)\s*:.*", cpu, re.M)
        key = digest(*self.argv(1, "stage"), qemu_version(), WARM_UP, *flags)
        dest = f"{config.CACHE}/snapshot-{key}"
        with open(dest + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(dest + "/meta.json"):
                self.make_snapshot(dest)
        os.utime(dest)
        return dest

    def make_snapshot(self, dest):
        say(f"booting one node to clone the others from ({self.accel}, once)")
        part = dest + ".part"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part + "/shared")
        os.makedirs(part + "/stage")
        rigd = host.Rigd.start(part, owner=os.getpid())
        try:
            rigd.spawn(1, self.argv(1, "stage"))
            rigd.wait_up([1], self.boot_seconds())
            meta = {"timescale": measure(rigd), "kernel": self.kernel.release}
            # What every node will read soon is in memory already.
            rigd.execute(1, ["sh", "-c", WARM_UP], timeout=120, check=False)
            # Not stopped first: clones wake up in the state that was saved.
            host.qmp(part, 1,
                     ("migrate-set-parameters", {"max-bandwidth": 1 << 40,
                                                 "downtime-limit": 60000}),
                     ("migrate", {"uri": f"exec:cat > {shlex.quote(part + '/state')}"}))
            for _ in range(1200):
                state = host.qmp(part, 1, "query-migrate").get("status")
                if state in ("completed", "failed"):
                    break
                time.sleep(0.05)
            if state != "completed":
                raise RigError(f"saving the snapshot: {state}")
        finally:
            rigd.stop()
        config.write(part + "/meta.json", json.dumps(meta))
        shutil.rmtree(dest, ignore_errors=True)
        os.rename(part, dest)
        config.prune("snapshot", KEEP_SNAPSHOTS)


def measure(rigd):
    """How many times longer than the host a node takes to fork, run and exit."""
    here = min(float(run([host.tools() + "/forkloop"])) for _ in range(3))
    there = min(float(rigd.execute(1, ["/usr/lib/rig/forkloop"], timeout=300)[1])
                for _ in range(2))
    return max(1, math.ceil(there / here))


@functools.cache
def has_xattr():
    """Can files in the rig's directory carry the owner and mode that nodes set?"""
    os.makedirs(config.RIG_DIR, exist_ok=True)
    try:
        os.setxattr(config.RIG_DIR, "user.pando", b"1")
        os.removexattr(config.RIG_DIR, "user.pando")
        return True
    except OSError:
        return False
