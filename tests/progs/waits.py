#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""waits.py FILE: has a child, and asks for it in all ways to wait, all the time: without
waiting, and by waits that a signal ends.

FILE gets "child PID"; "asked N" now and then; and at last "said" and the first answer that
was another than that there is no news. SIGUSR1 ends the child, with 7."""
import ctypes
import errno
import os
import signal
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
NOW = os.WEXITED | os.WNOHANG
NOTHING = (None, (0, 0))


def serve():
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
    while True:
        signal.pause()


def wait(child):
    """Begins, and is ended by a signal; os.waitpid() would go on."""
    status = ctypes.c_int()
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    got = libc.waitpid(child, ctypes.byref(status), 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if got < 0:
        error = ctypes.get_errno()
        return None if error == errno.EINTR else OSError(error, os.strerror(error))
    return got, status.value


def main():
    child = os.fork()
    if not child:
        serve()
    pidfd = os.pidfd_open(child)
    ways = (lambda: os.waitpid(child, os.WNOHANG),
            lambda: os.waitid(os.P_PID, child, NOW),
            lambda: os.waitid(os.P_PIDFD, pidfd, NOW),
            lambda: os.waitpid(0, os.WNOHANG),
            lambda: os.waitpid(-1, os.WNOHANG),
            lambda: wait(child))
    signal.signal(signal.SIGALRM, lambda *_: None)
    with open(sys.argv[1], "w", buffering=1) as out:
        print("child", child, file=out)
        n, said = 0, time.monotonic()
        while True:
            for i, way in enumerate(ways):
                try:
                    got = way()
                except OSError as e:
                    got = e
                if got not in NOTHING:
                    print("said", i, got, file=out)
                    return
            n += 1
            if time.monotonic() > said + 0.5:
                said = time.monotonic()
                print("asked", n, file=out)


main()
