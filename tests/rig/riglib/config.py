# SPDX-License-Identifier: GPL-2.0-only
"""Where things are, and the small helpers that all parts use."""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys

RIG_SRC = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROJECT = os.path.dirname(os.path.dirname(RIG_SRC))
RIG_DIR = os.path.abspath(os.environ.get("RIG_DIR") or PROJECT + "/build/rig")
CACHE = os.path.abspath(
    os.environ.get("RIG_CACHE")
    or (os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    + "/pando-rig")

MAX_NODES = 64
NETWORK = "10.77.0."


class RigError(Exception):
    """Something the user should read; ends the command with status 1."""


def stage_dir(kernel):
    """The DESTDIR-style tree that is laid over every node's root."""
    default = PROJECT + "/build/stage" + ("-debug" if kernel == "debug" else "")
    return os.path.abspath(os.environ.get("RIG_STAGE") or default)


def say(text):
    print("rig: " + text, file=sys.stderr, flush=True)


def run(argv, **kwargs):
    """Runs a command; its failure is the rig's, with the end of its output."""
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **kwargs)
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        tail = "\n".join(text.splitlines()[-30:])
        raise RigError(f"{' '.join(argv[:3])}... failed with status "
                       f"{done.returncode}\n{tail}")
    return text


def digest(*parts):
    """Short hash of strings and of the contents of files (given as 'file:PATH')."""
    h = hashlib.sha256()
    for part in parts:
        if part.startswith("file:"):
            with open(part[5:], "rb") as f:
                data = f.read()
        else:
            data = part.encode()
        h.update(len(data).to_bytes(8, "little") + data)
    return h.hexdigest()[:16]


def write(path, text, mode=0o644):
    """Replaces a file at once, so that a reader never sees half of it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    tmp = f"{path}.{os.getpid()}"
    with open(tmp, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
        os.fchmod(f.fileno(), mode)
    os.rename(tmp, path)


def prune(prefix, keep):
    """Of a kind, only the @keep directories used last stay in the cache."""
    dirs = [d for d in glob.glob(f"{CACHE}/{prefix}-*") if os.path.isdir(d)]
    for old in sorted(dirs, key=os.path.getmtime)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def read(path, default=None):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return default


def load_rig():
    """The settings that `rig up` wrote, or None when no rig is up."""
    text = read(RIG_DIR + "/rig.json")
    return json.loads(text) if text else None
