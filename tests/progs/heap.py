#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""heap.py MIB: a heap that five threads change all the time, each block with a
checksum; a child that checks memory it shares with its parent by fork; a child
of that which talks over a pipe with it. /tmp/heap.ready: all are at work.
SIGUSR1: one line of what was seen into /tmp/heap.PID, for each process."""
import hashlib
import os
import random
import signal
import sys
import threading
import time

BLOCK = 4096
mib = int(sys.argv[1])
heap = bytearray(mib << 20)
blocks = len(heap) // BLOCK
rounds = [0] * 5
bad = 0
last = time.monotonic()
back = 0    # the clock went backwards


def fill(i, seed):
    data = seed.to_bytes(8, "little") * ((BLOCK - 32) // 8)
    at = i * BLOCK
    heap[at + 32:at + BLOCK] = data
    heap[at:at + 32] = hashlib.sha256(data).digest()


def whole(i):
    at = i * BLOCK
    head = bytes(heap[at:at + 32])
    return not any(head) or head == hashlib.sha256(heap[at + 32:at + BLOCK]).digest()


def change(n):
    global bad
    rnd = random.Random(n)
    while True:
        i = rnd.randrange(blocks // 5) * 5 + n
        if i < blocks:
            bad += not whole(i)
            if rnd.random() < 0.5:
                fill(i, rnd.getrandbits(63))
        rounds[n] += 1
        time.sleep(0.002)


def tell(_signal, _frame):
    # a sleep goes on until its time has come, however late it is here
    clock()
    name = "/tmp/heap.%d" % os.getpid()
    with open(name + ".new", "w") as f:
        f.write("bad=%d back=%d rounds=%s\n" % (bad, back, ",".join(map(str, rounds))))
    os.rename(name + ".new", name)


def clock():
    global last, back
    # tell() may come between any two of these: by what it saw nothing is judged
    before = last
    now = time.monotonic()
    back += now < before
    last = now


signal.signal(signal.SIGUSR1, tell)
for b in range(0, blocks, 3):
    fill(b, b)
shared = memoryview(heap)[:1 << 20]
sums = hashlib.sha256(shared).digest()
r, w = os.pipe()
r2, w2 = os.pipe()
if not os.fork():
    if not os.fork():
        # the one below: says back what it hears
        while True:
            os.write(w2, os.read(r, 1))
    while True:
        os.write(w, b"x")
        bad += os.read(r2, 1) != b"x"
        bad += hashlib.sha256(shared).digest() != sums
        rounds[0] += 1
        clock()
        time.sleep(0.1)
for t in range(5):
    threading.Thread(target=change, args=(t,), daemon=True).start()
open("/tmp/heap.ready", "w").close()
while True:
    clock()
    time.sleep(0.01)
