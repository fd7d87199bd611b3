#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage.py LOG: what it, its children, and a child that was moved have used.

Into LOG: "ready PID CHILD"; at each SIGUSR1 "self ..." and "children ..."; when its child
ends "child ...": microseconds of user and system time, largest resident size in KiB,
minor and major faults, blocks in and out, switches."""
import mmap
import os
import resource
import signal
import sys
import time


def note(*words):
    with open(sys.argv[1], "a") as log:
        print(*words, file=log)


def fields(r):
    return [round(r.ru_utime * 1e6), round(r.ru_stime * 1e6), r.ru_maxrss, r.ru_minflt,
            r.ru_majflt, r.ru_inblock, r.ru_oublock, r.ru_nvcsw, r.ru_nivcsw]


def work():
    # page by page, each a fault
    memory = mmap.mmap(-1, 40 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, len(memory), mmap.PAGESIZE):
        memory[at] = 1
    while time.process_time() < 1:
        sum(range(10000))


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
if not os.fork():
    work()
    os._exit(0)
os.wait()
signal.sigtimedwait({signal.SIGCHLD}, 0)
child = os.fork()
if not child:
    work()
    note("ready", os.getppid(), os.getpid())
    signal.pause()
while True:
    if signal.sigwait({signal.SIGUSR1, signal.SIGCHLD}) == signal.SIGCHLD:
        note("child", *fields(os.wait4(child, 0)[2]))
    else:
        note("self", *fields(resource.getrusage(resource.RUSAGE_SELF)))
        note("children", *fields(resource.getrusage(resource.RUSAGE_CHILDREN)))
