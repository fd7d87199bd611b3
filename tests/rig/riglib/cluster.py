# SPDX-License-Identifier: GPL-2.0-only
"""From nodes that run to a cluster: corosync, then Pando if the stage has it."""

import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from . import config
from .config import NETWORK, RigError, run

MAX_STEP = 600


def corosync_conf(nodes, token):
    blocks = [
        ("totem", ["version: 2", "cluster_name: rig", "transport: knet",
                   "crypto_cipher: aes256", "crypto_hash: sha256", f"token: {token}",
                   # Links count as up after two pings: at once, not after a token.
                   "interface {", "\tknet_ping_interval: 200",
                   f"\tknet_ping_timeout: {token}", "}"]),
        ("quorum", ["provider: corosync_votequorum"]),
        ("logging", ["to_stderr: yes", "to_syslog: no", "to_logfile: no", "timestamp: hires"]),
    ]
    text = ""
    for name, lines in blocks:
        text += name + " {\n" + "".join(f"\t{x}\n" for x in lines) + "}\n"
    text += "nodelist {\n"
    for n in nodes:
        text += (f"\tnode {{\n\t\tnodeid: {n}\n\t\tname: node{n}\n"
                 f"\t\tring0_addr: {NETWORK}{n}\n\t}}\n")
    return text + "}\n"


def stage_modules(stage, kern):
    """modules.dep and its kin for the image's modules with the stage's, or None.

    depmod takes its time in an emulated node and gives the same on each, so
    the host does it once.
    """
    for lib in ("lib", "usr/lib"):
        ours = f"{stage}/{lib}/modules/{kern.release}"
        if os.path.isdir(ours):
            break
    else:
        return None
    with tempfile.TemporaryDirectory(dir=config.RIG_DIR) as tmp:
        base = f"{tmp}/lib/modules/{kern.release}"
        os.makedirs(base)
        theirs = f"{kern.modules_root()}/lib/modules/{kern.release}"
        for name in os.listdir(theirs):
            if name == "kernel":
                os.symlink(f"{theirs}/kernel", f"{base}/kernel")
            elif name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
                shutil.copy(f"{theirs}/{name}", base)
        shutil.copytree(ours, base, dirs_exist_ok=True, symlinks=True,
                        ignore=shutil.ignore_patterns("modules.*", "build", "source"))
        run(["depmod", "-b", tmp, kern.release])
        files = {}
        for name in os.listdir(base):
            if name.startswith("modules."):
                with open(f"{base}/{name}", "rb") as f:
                    files[f"lib/modules/{kern.release}/{name}"] = f.read()
        return files


def setup_tar(rig, kern):
    """What is laid over each node's root when it starts, as one tar file."""
    stage = rig["stage"]
    files = {
        "etc/corosync/corosync.conf": corosync_conf(rig["nodes"], rig["token"]).encode(),
        "etc/corosync/authkey": os.urandom(128),
        "etc/environment": f"PANDO_TIMESCALE={rig['timescale']}\n"
                           f"PANDO_TRANSPORT={rig['transport']}\n".encode(),
    }
    if not os.path.exists(stage + "/etc/pando/pando.conf"):
        # with KASAN and lockdep criu alone takes longer than the default
        patience = "move_timeout_ms = 300000\n" if kern.debug else ""
        files["etc/pando/pando.conf"] = (f"transport = {rig['transport']}\n"
                                         f"dpdk = eth1\n{patience}").encode()
    files.update(stage_modules(stage, kern) or {})
    with tarfile.open(config.RIG_DIR + "/setup.tar", "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o400 if name.endswith("authkey") else 0o644
            tar.addfile(info, io.BytesIO(data))


def on_all(nodes, function):
    """Calls function(node) for all nodes at once; the first error is raised."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(function, nodes))


def wait_for(what, seconds, probe, report):
    """Until probe() is true; else an error with report() in it."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise RigError(f"{what}: not within {seconds:.0f} s\n{report()}")
        time.sleep(0.3)     # a question costs the emulated node about as much


class Cluster:
    def __init__(self, rigd, rig):
        self.rigd = rigd
        self.rig = rig
        self.patience = min(MAX_STEP, 60 + 4 * rig["timescale"])
        self.has_pando = rig["pando"] and any(
            os.path.exists(f"{rig['stage']}/{d}/pandod") for d in ("usr/sbin", "usr/bin", "sbin"))

    def setup(self, node):
        """Makes the clone a node of its own, with the stage laid over it."""
        with open(config.RIG_DIR + "/setup.tar", "rb") as tar:
            self.rigd.execute(node, ["/usr/lib/rig/node-setup", str(node)],
                              timeout=self.patience, stdin=tar)

    def tails(self, nodes, *files):
        script = "for f; do echo \"--- $(hostname) $f\"; tail -n 15 \"$f\"; done"
        return "\n".join(
            self.rigd.execute(n, ["sh", "-c", script, "-", *files], 20, check=False)[1]
            for n in nodes)

    def quorum(self, node, members):
        status, text = self.rigd.execute(node, ["corosync-quorumtool", "-s"], 30, check=False)
        if status == 128:
            raise RigError(text.strip())
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return (fields.get("Quorate", "").strip() == "Yes" and
                int(fields.get("Nodes", "0")) >= members)

    def wait_quorum(self, nodes, members):
        wait_for(f"quorum of {members} nodes", self.patience,
                 lambda: all(on_all(nodes, lambda n: self.quorum(n, members))),
                 lambda: self.tails(nodes, "/var/log/corosync.log"))

    def view(self, node):
        """(epoch, members) as this node sees them, or None."""
        status, text = self.rigd.execute(node, ["cluster-nodes", "--json"], 30, check=False)
        if status == 128:
            raise RigError(text.strip())
        try:
            seen = json.loads(text)
            members = [n["name"] for n in seen["nodes"] if n["state"] == "member"]
            return seen["epoch"], tuple(sorted(members))
        except (ValueError, KeyError, TypeError):
            return None

    def wait_members(self, nodes, members):
        """Until these nodes see the same epoch with that many members."""
        def agreed():
            views = set(on_all(nodes, self.view))
            return len(views) == 1 and None not in views and len(views.pop()[1]) >= members

        wait_for(f"{members} members in one epoch", self.patience, agreed,
                 lambda: f"{dict(zip(nodes, on_all(nodes, self.view)))}\n" +
                 self.tails(nodes, "/var/log/pandod.log"))

    def start_pando(self, node):
        try:
            self.rigd.execute(node, ["/usr/lib/rig/node-start"], timeout=self.patience)
        except RigError as e:
            raise RigError(f"{e}\n{self.tails([node], '/var/log/pandod.log')}") from e

    def start(self, nodes):
        """All of them for the first time."""
        on_all(nodes, self.setup)
        self.wait_quorum(nodes, len(nodes))
        if self.has_pando:
            on_all(nodes, self.start_pando)
            self.wait_members(nodes, len(nodes))

    def rejoin(self, node):
        """One that was off; the others may be fewer than they were."""
        self.setup(node)
        majority = len(self.rig["nodes"]) // 2 + 1
        self.wait_quorum([node], majority)
        if self.has_pando:
            self.start_pando(node)
            name = f"node{node}"
            wait_for(f"{name} a member", self.patience,
                     lambda: name in (self.view(node) or (0, ()))[1],
                     lambda: self.tails([node], "/var/log/pandod.log"))
