#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""generations.py FILE: makes FILE when it is ready. On SIGUSR1 it has a child, which does
the same, on SIGHUP one that leads a session, and on SIGUSR2 one that leads a group; it
waits for none. SIGTERM ends it with status 42."""
import os
import signal
import sys

WANTED = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM}


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, WANTED)
    with open(sys.argv[1], "w"):
        pass
    while True:
        got = signal.sigwait(WANTED)
        if got == signal.SIGTERM:
            os._exit(42)
        if os.fork():
            continue
        if got == signal.SIGHUP:
            os.setsid()
        elif got == signal.SIGUSR2:
            os.setpgid(0, 0)


main()
