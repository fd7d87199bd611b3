#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""distant.py DIR LOG NODE...: moves whoever asks for it in DIR (see distant.c).

Each goes to the next of the nodes that it is not on, several at once. LOG gets a line
for each: "moved PID NODE", or "stays PID" and why. Ends when DIR is gone."""
import json
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


def move(pid, nodes):
    """To the first of the nodes that is not its own."""
    for node in nodes:
        with AT_ONCE:
            done = subprocess.run(["cluster-mv", "--json", pid, node], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said = json.loads(done.stdout)["moves"][0]
        except (ValueError, LookupError):
            said = {"result": "?", "reason": (done.stderr.strip().splitlines() or ["?"])[-1]}
        if said["result"] != "unchanged":
            break
    if said["result"] == "moved":
        note("moved", pid, node)
    else:
        note("stays", pid, *(said.get("blockers") or [said.get("reason") or said["result"]]))
    try:
        os.unlink(os.path.join(DIR, pid))
    except FileNotFoundError:
        pass


def asking():
    """Who does now, and since when."""
    with os.scandir(DIR) as files:
        for f in files:
            try:
                yield f.name, f.stat().st_ctime_ns
            except FileNotFoundError:
                pass


def main():
    seen, turn = set(), 0
    while True:
        try:
            there = set(asking())
        except FileNotFoundError:
            return
        # one that was moved when it was forked asks again when it executes a program
        for pid, _ in there - seen:
            first = turn % len(NODES)
            threading.Thread(target=move, args=(pid, NODES[first:] + NODES[:first])).start()
            turn += 1
        seen = there
        time.sleep(0.02)


main()
