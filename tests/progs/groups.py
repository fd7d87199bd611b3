#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""groups.py LOG: a parent P with children C, D and E, that do as they are told.

Each evaluates LOG.do on SIGUSR1, an expression in which those names are PIDs,
and writes "NAME RESULT" to LOG, or the name of the error; on SIGUSR2 it writes
"NAME SIGUSR2". D has executed a program since it was forked."""
import errno
import os
import signal
import sys

LOG = sys.argv[1]
log = open(LOG, "a", buffering=1)
WANTED = {signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, WANTED)


def serve(name, pids):
    log.write("ready %s %d\n" % (name, os.getpid()))
    while True:
        if signal.sigwait(WANTED) == signal.SIGUSR2:
            log.write("%s SIGUSR2\n" % name)
            continue
        with open(LOG + ".do") as f:
            text = f.read()
        try:
            result = eval(text, {"os": os, **pids})
        except OSError as e:
            result = errno.errorcode[e.errno]
        log.write("%s %s\n" % (name, result))


def main():
    pids = {"P": os.getpid()}
    if len(sys.argv) > 2:
        serve(sys.argv[2], pids)
    for name in "CDE":
        pid = os.fork()
        if not pid and name == "D":
            os.execv(sys.executable, [sys.executable, __file__, LOG, name])
        elif not pid:
            serve(name, pids)
        pids[name] = pid
    serve("P", pids)


main()
