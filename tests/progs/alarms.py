#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""alarms.py FILE SECONDS: three children that set one timer each, ITIMER_REAL, VIRTUAL and
PROF, which is to ring once, after so long; and a fourth whose rings again and again.

FILE gets "armed" when all are; and for each that has rung "NAME LEFT INTERVAL", as
getitimer() has them then. The fourth is told as "again" at its third time. It ends with them."""
import os
import signal
import sys
import time

FILE, SECONDS = sys.argv[1], float(sys.argv[2])
TIMERS = {"real": (signal.ITIMER_REAL, signal.SIGALRM),
          "virtual": (signal.ITIMER_VIRTUAL, signal.SIGVTALRM),
          "prof": (signal.ITIMER_PROF, signal.SIGPROF)}


def note(*what):
    with open(FILE, "a") as out:
        print(*what, file=out)


def work(name, times, interval):
    which, sig = TIMERS[name]
    rung = []
    signal.signal(sig, lambda *_: rung.append(1))
    signal.setitimer(which, SECONDS, interval)
    while len(rung) < times:
        if name == "real":
            time.sleep(0.05)
    return signal.getitimer(which)


def main():
    for name in TIMERS:
        if not os.fork():
            note(name, *work(name, 1, 0))
            os._exit(0)
    if not os.fork():
        work("real", 3, 1)
        note("again")
        os._exit(0)
    note("armed")
    for _ in range(4):
        os.wait()


main()
