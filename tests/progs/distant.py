#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""distant.py DIR LOG NODE...: moves whoever asks for it in DIR (see distant.c).

Each goes to the next of the nodes, several at once. LOG gets a line for each:
"moved PID NODE", or "stays PID" and why. Ends when DIR is gone."""
import os
import subprocess
import sys
import threading
import time

DIR, LOG, NODES = sys.argv[1], sys.argv[2], sys.argv[3:]
AT_ONCE = threading.Semaphore(4)
lock = threading.Lock()


def note(*words):
    with lock, open(LOG, "a") as log:
        log.write(" ".join(words) + "\n")


def move(pid, node):
    with AT_ONCE:
        done = subprocess.run(["cluster-mv", pid, node], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        note("stays", pid, (done.stderr.strip().splitlines() or ["?"])[-1])
    else:
        note("moved", pid, node)
    try:
        os.unlink(os.path.join(DIR, pid))
    except FileNotFoundError:
        pass


def main():
    seen, turn = set(), 0
    while True:
        try:
            there = set(os.listdir(DIR))
        except FileNotFoundError:
            return
        for pid in there - seen:
            threading.Thread(target=move, args=(pid, NODES[turn % len(NODES)])).start()
            turn += 1
        seen = there
        time.sleep(0.02)


main()
