#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""middle.py FILE: has a child, by a bare clone() with SIGUSR2 for its exit signal, which has
one of its own on SIGUSR1, and ends on SIGTERM with 42.

FILE gets "parent PID", "child PID" and "grandchild PID"; and whatever the parent is told of
its child: "signal NAME CODE STATUS" and "status 0x137f", by wait(). With its child it ends.
The file is open only while something is written: an open one that grows does not move."""
import ctypes
import os
import signal
import sys

SYS_CLONE = 56
WALL = 0x40000000
NEWS = {signal.SIGUSR2, signal.SIGCHLD}
libc = ctypes.CDLL(None, use_errno=True)


def note(*what):
    with open(sys.argv[1], "a") as out:
        print(*what, file=out)


def beget():
    child = os.fork()
    if not child:
        signal.sigwait({signal.SIGUSR1})
        os._exit(0)
    note("grandchild", child)


def be_child():
    wanted = {signal.SIGUSR1, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_SETMASK, wanted)
    while signal.sigwait(wanted) == signal.SIGUSR1:
        beget()
    os._exit(42)


def hear():
    """What there is to be told; False: it has no child any more."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED | WALL)
        except ChildProcessError:
            return False
        if not pid:
            return True
        note("status", hex(status))


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, NEWS)
    child = libc.syscall(SYS_CLONE, int(signal.SIGUSR2), 0, 0, 0, 0)
    if not child:
        be_child()
    note("parent", os.getpid())
    note("child", child)
    while hear():
        info = signal.sigwaitinfo(NEWS)
        note("signal", signal.Signals(info.si_signo).name, info.si_code, info.si_status)


main()
