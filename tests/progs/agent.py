#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""agent.py DIR: does as it is told. On SIGUSR1 it evaluates the expression in DIR/PID.do,
and DIR/PID.said gets the result, or the name of the error.

In the expression fork() is the PID of a child that does the same, ended() what waitid()
says, heard(SIG) how often SIGHUP, SIGCONT, SIGCHLD or SIGRTMIN came, and become() executes."""
import ctypes
import errno
import os
import signal
import sys

DIR = sys.argv[1]
COUNTED = (signal.SIGHUP, signal.SIGCONT, signal.SIGCHLD, signal.SIGRTMIN)
WANTED = {signal.SIGUSR1, *COUNTED}
count = dict.fromkeys(COUNTED, 0)
libc = ctypes.CDLL(None, use_errno=True)


def fork():
    pid = os.fork()
    if not pid:
        count.update(dict.fromkeys(COUNTED, 0))
        serve()
    return pid


def ended(kind, number):
    r = os.waitid(kind, number, os.WEXITED)
    return r.si_pid, r.si_code, r.si_status


def pidfd_ended(pid):
    return ended(os.P_PIDFD, os.pidfd_open(pid))


def heard(sig):
    return count[sig]


def become(*argv):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WANTED)
    os.execvp(argv[0], argv)


def dies_with_parent(sig):
    libc.prctl(1, int(sig), 0, 0, 0)


def obey():
    path = "%s/%d" % (DIR, os.getpid())
    with open(path + ".do") as f:
        what = f.read()
    try:
        said = eval(what, globals())
    except OSError as e:
        said = errno.errorcode[e.errno]
    with open(path + ".new", "w") as f:
        f.write("%s\n" % (said,))
    os.rename(path + ".new", path + ".said")


def serve():
    while True:
        sig = signal.sigwait(WANTED)
        if sig == signal.SIGUSR1:
            obey()
        else:
            count[sig] += 1


signal.pthread_sigmask(signal.SIG_BLOCK, WANTED)
with open("%s/%d.said" % (DIR, os.getpid()), "w") as f:
    f.write("ready\n")
serve()
