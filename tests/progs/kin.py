#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""kin.py LOG [MODE]: a parent with one child, and what each of them sees.

The parent writes LOG: the child's PID, each SIGCHLD (si_code and si_status) and
each status that wait4() gives. The child writes LOG.child on SIGUSR1: its node,
PID, parent, group and session; SIGTERM ends it with status 42, SIGHUP is noted.
MODE: plain (the child stays in its parent's group), job (a group of its own),
session (a session of its own), pdeath (it gets SIGHUP when its parent dies),
ignore (the parent ignores SIGCHLD)."""
import ctypes
import os
import signal
import sys
import threading

LOG = sys.argv[1]
MODE = sys.argv[2] if len(sys.argv) > 2 else "plain"
PR_SET_PDEATHSIG = 1


def note(log, *words):
    log.write(" ".join(str(w) for w in words) + "\n")
    log.flush()


def child():
    with open(LOG + ".child", "w") as log:
        if MODE == "job":
            os.setpgid(0, 0)
        elif MODE == "session":
            os.setsid()
        elif MODE == "pdeath":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGHUP)
        wanted = {signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        note(log, "ready", os.getpid())
        while True:
            got = signal.sigwait(wanted)
            if got == signal.SIGTERM:
                os._exit(42)
            note(log, signal.Signals(got).name, os.uname().nodename, os.getpid(),
                 os.getppid(), os.getpgid(0), os.getsid(0))


def siginfo(log):
    """Every SIGCHLD, as it comes: sigwaitinfo in a thread of its own."""
    while True:
        info = signal.sigwaitinfo({signal.SIGCHLD})
        note(log, "SIGCHLD", info.si_pid, info.si_code, info.si_status)


def main():
    with open(LOG, "w") as log:
        pid = os.fork()
        if not pid:
            child()
        # for the whole group, and meant for the child
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        if MODE == "ignore":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            threading.Thread(target=siginfo, args=(log,), daemon=True).start()
        note(log, "child", pid, "parent", os.getpid())
        while True:
            try:
                got, status, usage = os.wait4(pid, os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                note(log, "no child")
                break
            note(log, "status", got, hex(status))
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                note(log, "cpu", int(usage.ru_utime * 1000))
                break
        note(log, "done")
        signal.pause()


main()
