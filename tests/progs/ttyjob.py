#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""ttyjob.py FILE: a job that does at its terminal what it finds in FILE, a word at a
time, and takes FILE away: read (a line), write, modes (sets those that are set), front
(puts its group in front), tostop (says in FILE.out whether TOSTOP is set). On SIGWINCH
it says how wide its window is."""
import os
import signal
import sys
import termios
import time


def word(path):
    while True:
        try:
            with open(path, encoding="ascii") as f:
                text = f.read()
        except FileNotFoundError:
            text = ""
        if text.endswith("\n"):
            os.unlink(path)
            return text.strip()
        time.sleep(0.1)


def say(text):
    os.write(1, f"{text}\n".encode())


def main():
    path = sys.argv[1]
    signal.signal(signal.SIGWINCH,
                  lambda *_: say(f"columns={os.get_terminal_size(0).columns}"))
    say(f"pid={os.getpid()} is ready")
    while True:
        what = word(path)
        if what == "read":
            say("got " + os.read(0, 1000).decode().strip())
        elif what == "write":
            say("written")
        elif what == "modes":
            termios.tcsetattr(0, termios.TCSANOW, termios.tcgetattr(0))
            say("modes set")
        elif what == "front":
            try:
                os.tcsetpgrp(0, os.getpgrp())
                say("in front")
            except OSError as e:
                say(f"in front: {e.strerror}")
        elif what == "tostop":
            with open(path + ".out", "w", encoding="ascii") as f:
                f.write(f"{bool(termios.tcgetattr(0)[3] & termios.TOSTOP)}\n")


main()
