#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""closer.py PORT: a server without SO_REUSEADDR that closes first, so that each
connection lingers with it (TIME_WAIT)."""
import socket
import sys

s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
while True:
    c, _ = s.accept()
    c.sendall(b"well\n")
    c.close()
