#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""items.py fill|check HOST PORT N: N items of a memcached, every byte checked.

The values follow from the key alone, so that whoever asks knows them."""
import hashlib
import socket
import sys


def value(i):
    seed = hashlib.sha256(b"pando %d" % i).digest()
    return (seed * (1 + i % 40))[: 16 + i % 1200]


def main():
    what, host, port, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    s = socket.create_connection((host, port), timeout=120)
    f = s.makefile("rwb", buffering=1 << 16)
    bad = 0
    for base in range(0, n, 200):
        batch = range(base, min(n, base + 200))
        for i in batch:
            v = value(i)
            if what == "fill":
                f.write(b"set k%d 0 0 %d\r\n%s\r\n" % (i, len(v), v))
            else:
                f.write(b"get k%d\r\n" % i)
        f.flush()
        for i in batch:
            line = f.readline()
            if what == "fill":
                bad += line != b"STORED\r\n"
                continue
            v = value(i)
            if line != b"VALUE k%d 0 %d\r\n" % (i, len(v)):
                bad += 1
                if not line.startswith(b"VALUE"):
                    continue
            bad += f.read(len(v) + 2) != v + b"\r\n"
            bad += f.readline() != b"END\r\n"
    print("%d items, %d wrong" % (n, bad))
    return 1 if bad else 0


sys.exit(main())
