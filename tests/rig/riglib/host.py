# SPDX-License-Identifier: GPL-2.0-only
"""The host side of a rig: rigd, the way to talk to it and to QEMU's monitor."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time

from . import config
from .config import RigError, digest, run

SOURCES = {
    "rigd": ["host/rigd.c", "host/hub.c", "host/mux.c", "host/loop.c"],
    "rig-client": ["host/client.c"],
    "agent": ["guest/agent.c"],
    "forkloop": ["guest/forkloop.c"],
}
STATIC = ("agent", "forkloop")      # these run in nodes, whatever is there
HEADERS = ["host/hub.h", "host/loop.h", "host/mux.h", "host/proto.h"]
CFLAGS = ["-O2", "-g", "-Wall", "-Wextra", "-Werror"]


def tools():
    """Compiles our C programs unless they are cached; returns their directory."""
    files = sorted({f for sources in SOURCES.values() for f in sources} | set(HEADERS))
    key = digest(*CFLAGS, *[f"file:{config.RIG_SRC}/{f}" for f in files])
    dest = f"{config.CACHE}/tools-{key}"
    if os.path.isdir(dest):
        return dest
    part = f"{dest}.{os.getpid()}"
    os.makedirs(part)
    for name, sources in SOURCES.items():
        run(["gcc", *CFLAGS, *(["-static"] if name in STATIC else []),
             "-o", f"{part}/{name}", *[f"{config.RIG_SRC}/{f}" for f in sources]])
    try:
        os.rename(part, dest)
    except OSError:
        shutil.rmtree(part)         # somebody else was as quick
    return dest


def connect(directory, name):
    """A unix socket by way of the directory: a path may be too long for one."""
    fd = os.open(directory, os.O_PATH)
    try:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"/proc/self/fd/{fd}/{name}")
        return sock
    finally:
        os.close(fd)


class Rigd:
    """A running rigd, by its directory."""

    def __init__(self, directory):
        self.dir = directory

    @classmethod
    def start(cls, directory, owner=None):
        argv = [tools() + "/rigd", directory] + ([str(owner)] if owner else [])
        with open(directory + "/rigd.log", "wb") as log:
            # Not ours: the rig outlives the command that brought it up.
            proc = subprocess.Popen(  # pylint: disable=consider-using-with
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        config.write(directory + "/rigd.pid", f"{proc.pid}\n")
        self = cls(directory)
        for _ in range(200):
            if self.alive():
                return self
            if proc.poll() is not None:
                break
            time.sleep(0.01)
        raise RigError("rigd did not start: " + (config.read(directory + "/rigd.log") or ""))

    def alive(self):
        try:
            self.call("status")
            return True
        except OSError:
            return False

    def call(self, *words):
        """Sends one line; returns the answer's words after 'ok'."""
        with connect(self.dir, "rigd.sock") as sock:
            sock.sendall((" ".join(str(w) for w in words) + "\n").encode())
            answer = b""
            while data := sock.recv(65536):
                answer += data
        text = answer.decode()
        if not text.startswith("ok"):
            raise RigError("rigd: " + text.strip())
        return text[2:].strip()

    def nodes(self):
        """{node: {"pid": ..., "up": ..., ...}} of the nodes that have power."""
        out = {}
        for line in self.call("status").splitlines():
            row = dict(pair.split("=", 1) for pair in line.split())
            out[int(row["node"])] = row
        return out

    def wait_up(self, nodes, seconds):
        end = time.monotonic() + seconds
        while True:
            rows = self.nodes()
            if all(rows.get(n, {}).get("up") == "1" for n in nodes):
                return
            gone = [n for n in nodes if n not in rows]
            if gone or time.monotonic() > end:
                n = gone[0] if gone else [n for n in nodes if rows[n]["up"] != "1"][0]
                tail = "\n".join(
                    ((config.read(f"{self.dir}/node{n}/qemu.log") or "") +
                     (config.read(f"{self.dir}/node{n}/console.log") or "")).splitlines()[-25:])
                what = "ended" if gone else f"was not up within {seconds:.0f} s"
                raise RigError(f"node{n} {what}; its last words:\n{tail}")
            time.sleep(0.02)

    def spawn(self, node, argv):
        os.makedirs(f"{self.dir}/node{node}", exist_ok=True)
        config.write(f"{self.dir}/node{node}/argv", "\0".join(argv) + "\0")
        self.call("spawn", node)

    def execute(self, node, argv, timeout=60, stdin=None, check=True):
        """Runs a command on a node; (status, stdout + stderr)."""
        done = subprocess.run(
            [tools() + "/rig-client", self.dir, "exec", str(node), "-t", str(timeout),
             "-T", "--", *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=stdin or subprocess.DEVNULL, check=False)
        text = done.stdout.decode(errors="replace")
        if check and done.returncode:
            raise RigError(f"node{node}: {' '.join(argv)[:200]}: status "
                           f"{done.returncode}\n{text.strip()}")
        return done.returncode, text

    def stop(self):
        """Ends rigd and with it every node; returns once all is gone."""
        try:
            pid = int(config.read(self.dir + "/rigd.pid") or 0)
            pidfd = os.pidfd_open(pid) if pid else None
        except (ValueError, OSError):
            pidfd = None
        try:
            self.call("quit")
        except (OSError, RigError):
            pass
        if pidfd is not None:
            if self.is_rigd(pid) and not select.select([pidfd], [], [], 20)[0]:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [], 10)
            os.close(pidfd)

    def is_rigd(self, pid):
        """A pid in an old file may be anybody's by now."""
        return (config.read(f"/proc/{pid}/comm") or "").strip() == "rigd"


def qmp(directory, node, *commands):
    """Executes monitor commands (name, or (name, arguments)); the last's result."""
    with connect(f"{directory}/node{node}", "qmp.sock") as sock, sock.makefile("rw") as f:
        f.readline()
        result = None
        for command in ("qmp_capabilities", *commands):
            name, arguments = command if isinstance(command, tuple) else (command, {})
            f.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            f.flush()
            while True:
                line = f.readline()
                if not line:
                    raise RigError(f"node{node}: its monitor is gone")
                reply = json.loads(line)
                if "error" in reply:
                    raise RigError(f"node{node}: {name}: {reply['error']['desc']}")
                if "return" in reply:
                    result = reply["return"]
                    break
        return result
