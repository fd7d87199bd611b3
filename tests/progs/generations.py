#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""generations.py FILE: makes FILE when it is ready. On SIGUSR1 it has a child, which does
the same, and on SIGHUP one that leads a session; it waits for none. SIGTERM ends it with
status 42."""
import os
import signal
import sys

WANTED = {signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM}


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


main()
