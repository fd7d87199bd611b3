#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""client.py HOST PORT FILE: for ever, a client of the memcached there.

It sets keys and reads them again, each time all of them. FILE says "good" and how
often, or "bad" and why: a value that is not what was set last. It connects again
when the connection ends; another process that answers (by its PID) starts empty,
the same one must know everything."""
import os
import random
import socket
import sys
import time

HOST, PORT, FILE = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class Server:
    def __init__(self):
        self.sock = socket.create_connection((HOST, PORT), 10)
        self.sock.settimeout(60)
        self.data = b""

    def line(self):
        while b"\r\n" not in self.data:
            more = self.sock.recv(4096)
            if not more:
                raise ConnectionError("closed")
            self.data += more
        line, self.data = self.data.split(b"\r\n", 1)
        return line.decode()

    def lines(self, command):
        self.sock.sendall(command.encode() + b"\r\n")
        lines = []
        while not lines or lines[-1] != "END":
            lines.append(self.line())
        return lines

    def pid(self):
        return next(x for x in self.lines("stats") if x.startswith("STAT pid ")).split()[2]

    def set(self, key, value):
        self.sock.sendall(f"set {key} 0 0 {len(value)}\r\n{value}\r\n".encode())
        if self.line() != "STORED":
            raise ConnectionError("not stored")

    def get(self, key):
        lines = self.lines(f"get {key}")
        return lines[1] if len(lines) == 3 else None


def main():
    out = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    server, pid, rounds, known, unsure = None, "", 0, {}, None
    while True:
        try:
            if not server:
                server = Server()
                now = server.pid()
                if now != pid:
                    pid, known = now, {}
                known.pop(unsure, None)     # whether that was stored nobody knows
            for key, value in known.items():
                got = server.get(key)
                if got != value:
                    os.pwrite(out, f"bad {key} is {got}, not {value}\n".encode(), 0)
                    return
            unsure = f"k{random.randrange(20)}"
            value = f"{random.getrandbits(64):x}"
            server.set(unsure, value)
            known[unsure], unsure = value, None
            rounds += 1
            os.pwrite(out, b"good %d\n" % rounds, 0)
            time.sleep(0.1)
        except OSError:
            server = None


main()
