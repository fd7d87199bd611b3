#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""threads.py PATH: starts threads until there are no numbers for them.

Writes a line to PATH.out for each step, and waits for PATH.go1 and PATH.go2."""
import errno
import glob
import os
import sys
import threading
import time

BLOCK = 1024
path = sys.argv[1]
out = open(path + ".out", "w", buffering=1)
end = threading.Event()
tids = []


def wait_for(name):
    while not os.path.exists(path + name):
        time.sleep(0.05)


def live():
    tids.append(threading.get_native_id())
    end.wait()


def start():
    threading.Thread(target=live, daemon=True).start()


threading.stack_size(65536)
start()
print("ready", file=out)
wait_for(".go1")
why = "none"
try:
    while len(tids) < 4 * BLOCK:
        start()
except RuntimeError:
    # threading hides the errno; a fork tells it
    try:
        if not os.fork():
            os._exit(0)
    except OSError as e:
        why = errno.errorcode[e.errno]
tasks = [int(t.rsplit("/", 1)[1]) for t in glob.glob("/proc/[0-9]*/task/[0-9]*")]
tasks = [t for t in tasks if t >= BLOCK]
blocks = {t // BLOCK for t in tasks}
print("full", why, len(tasks), len(tasks) - len(set(tasks)), len(blocks) - 1, file=out)
wait_for(".go2")
while True:
    try:
        start()
        break
    except RuntimeError:
        time.sleep(0.1)
print("more", file=out)
end.wait()
