#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""pidfds.py LOG PID...   pidfds.py LOG child

Holds a pidfd of each process, and waits for all of them with epoll; with the
word child: of a child of its own, which ends with status 7 at SIGTERM. LOG says

  ready             they are open and nothing has ended
  child PID         its child
  signal PID CODE   the child got SIGUSR2: from whom, and si_code
  ended PID         its pidfd became readable
  waitid PID CODE STATUS, or ERROR    what waitid(P_PIDFD) says then

SIGUSR1 sends SIGUSR2 by each pidfd: "sent PID", or "sent PID ERROR"."""
import errno
import os
import select
import signal
import sys

log = open(sys.argv[1], "a", buffering=1)
fds = {}


def say(*words):
    log.write(" ".join(str(w) for w in words) + "\n")


def child():
    wanted = {signal.SIGTERM, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    while True:
        got = signal.sigwaitinfo(wanted)
        if got.si_signo == signal.SIGTERM:
            os._exit(7)
        say("signal", got.si_pid, got.si_code)


def send(*_):
    for fd, pid in fds.items():
        try:
            signal.pidfd_send_signal(fd, signal.SIGUSR2)
            say("sent", pid)
        except OSError as e:
            say("sent", pid, errno.errorcode[e.errno])


def wait(fd, pid):
    try:
        got = os.waitid(os.P_PIDFD, fd, os.WEXITED)
        say("waitid", got.si_pid, got.si_code, got.si_status)
    except OSError as e:
        say("waitid", pid, errno.errorcode[e.errno])


def main():
    if sys.argv[2] == "child":
        pids = [os.fork() or child()]
        say("child", pids[0])
    else:
        pids = [int(word) for word in sys.argv[2:]]
    epoll = select.epoll()
    signal.signal(signal.SIGUSR1, send)
    for pid in pids:
        fd = os.pidfd_open(pid)
        fds[fd] = pid
        epoll.register(fd, select.EPOLLIN)
    waiting = dict(fds)
    if not select.select(list(fds), [], [], 0)[0]:
        say("ready")
    while waiting:
        for fd, _ in epoll.poll():
            epoll.unregister(fd)
            say("ended", waiting.pop(fd))
            wait(fd, fds[fd])
    while True:
        signal.pause()


main()
