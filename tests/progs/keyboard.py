#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""keyboard.py NODE: the tools at a terminal. Plays a person with a keyboard, who runs
programs on NODE and shells of the cluster here, and prints a line for each
thing looked at: "ok WHAT" or "not ok WHAT" and, after it, "# " lines."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

NODE = sys.argv[1]
PATIENCE = int(os.environ.get("PATIENCE", "120"))     # nodes may be emulated
# by a daemon that only acts like one, every node is this machine
PRETENDED = "PANDO_CONTROL" in os.environ


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *argv, rows=40, cols=132):
        self.seen = ""
        self.status = None
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(TERM="xterm", PS1="$ ")
            os.execvp(argv[0], argv)
        self.size(rows, cols)

    def size(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, seconds=PATIENCE):
        """Reads until the pattern comes; what was before it is consumed."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            if time.monotonic() > end or not self.read(end - time.monotonic()):
                return None

    def read(self, seconds):
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(max(seconds, 0) * 1000):
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait(self):
        """Reads to the end; the exit status as a shell has it, or None."""
        end = time.monotonic() + PATIENCE
        while self.read(end - time.monotonic()):
            pass
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            time.sleep(0.05)
        return None

    def hang_up(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def say(good, what, *more):
    print("ok" if good else "not ok", what, flush=True)
    if not good:
        for text in more:
            for line in str(text).splitlines():
                print("#", repr(line))


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, check=False).stdout


def until(test):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.02)        # others need the processor to get there
    return False


def state(pid):
    """Of a process of the cluster, anywhere: its letter, or nothing."""
    if PRETENDED:
        return output("ps", "-o", "s=", "-p", str(pid)).strip()
    return output("cluster-ps", "--no-headers", "-o", "s", "-p", str(pid)).strip()


def on_a_terminal():
    t = Terminal("cluster-run", "-n", NODE, "--", "sh", "-c", "tty; stty size; exit 5",
                 rows=33, cols=101)
    say(t.expect(r"/dev/pts/\d+\s"), "a program there has a terminal", t.seen)
    say(t.expect(r"33 101\s"), "of the same size", t.seen)
    status = t.wait()
    say(status == 5, "its exit status comes back", status)

    t = Terminal("cluster-run", "-n", NODE, "--", "sh", "-c",
                 "trap 'stty size' WINCH; trap 'echo got INT; exit 7' INT; echo ready;"
                 "while :; do sleep 0.1; done")
    say(t.expect("ready"), "one that waits", t.seen)
    t.size(20, 70)
    say(t.expect("20 70"), "hears that the window has changed", t.seen)
    t.type("\x03")
    say(t.expect("got INT"), "^C reaches it", t.seen)
    status = t.wait()
    say(status == 7, "and what it makes of that", status)

    t = Terminal("cluster-run", "-n", NODE, "--", "sh", "-c", "echo pid=$$; exec sleep 1000")
    found = t.expect(r"pid=(\d+)")
    say(found and until(lambda: state(found[1]) == "S"), "a program there that does not end", t.seen)
    t.hang_up()
    say(found and until(lambda: not state(found[1])),
        "is hung up with the terminal", found and state(found[1]))

    t = Terminal("cluster-run", "-n", NODE, "--", "cat")
    t.type("some words\n")
    say(t.expect("some words\r\n.*some words"), "what is typed arrives, and is echoed", t.seen)
    t.type("\x04")
    status = t.wait()
    say(status == 0, "^D is the end of it", status)


def as_a_job():
    """cluster-run without a terminal for its program, as a job of a shell."""
    t = Terminal("bash", "--norc", "-i")
    t.type(f"cluster-run -T -n {NODE} -- sh -c 'echo pid=$$; exec sleep 1000'\n")
    found = t.expect(r"pid=(\d+)\s")
    if not found:
        return say(False, "a job of a shell here, its program there", t.seen)
    pid = found[1]
    say(until(lambda: state(pid) == "S"), "a job of a shell here, its program there", state(pid))
    t.type("\x1a")
    say(t.expect("Stopped"), "^Z stops the job", t.seen)
    say(until(lambda: state(pid) == "T"), "and its program", state(pid))
    t.type("bg\n")
    say(until(lambda: state(pid) == "S"), "bg lets both go on", state(pid), t.seen)
    t.type("fg\n")
    # what is typed goes to whoever is in the foreground
    until(lambda: os.tcgetpgrp(t.fd) != t.pid)
    t.type("\x03")
    until(lambda: os.tcgetpgrp(t.fd) == t.pid)
    t.type("echo status=$?\n")
    found = t.expect(r"status=(\d+)")
    say(found and found[1] == "130", "^C ends it", found and found[1], t.seen)
    say(until(lambda: not state(pid)), "and its program", state(pid))
    t.type("exit\n")
    return t.wait()


def in_a_shell():
    other = output("cluster-run", "-d", "-n", NODE, "--", "sleep", "4242").strip()
    t = Terminal("cluster-shell")
    t.type("PS1='> '; echo me=$$\n")
    say(t.expect(r"me=\d+"), "cluster-shell", t.seen)
    for command, pattern, what in (
            ("ps -ef", rf"\b{other}\b.*sleep 4242", "ps -ef"),
            ("ps aux", rf"\b{other}\b.*sleep 4242", "ps aux"),
            ("pgrep -f 'slee[p] 4242'", rf"\b{other}\b", "pgrep -f"),
            ("pstree -p", rf"sleep\({other}\)", "pstree"),
            ("top -b -n 1 -w 512", rf"\b{other} .*sleep", "top -b"),
            (f"cat /proc/{other}/comm", "sleep", "cat /proc/PID/comm")):
        t.type(command + "; echo e''nd\n")
        found = t.expect(pattern)
        say(found, f"{what} there shows the process of {NODE}", t.seen[-800:])
        t.expect(r"end\s") if found else None
    t.type("htop\n")
    say(t.expect("F10"), "htop draws", t.seen[-800:])
    t.type("q")
    t.type("echo a''fter\n")
    say(t.expect("after"), "and ends with q", t.seen[-800:])
    t.type("sleep 555\n")
    t.expect("555")
    until(lambda: "sleep" in output("cluster-run", "-T", "--", "pgrep", "-lf", "^sleep 555"))
    t.type("\x1a")
    say(t.expect("Stopped"), "^Z stops a job of the shell", t.seen)
    t.type("kill %1; wait; echo d''one\n")
    say(t.expect("done"), "which it can end", t.seen)
    t.type(f"pkill -f 'slee[p] 4242'; echo s''tatus=$?\n")
    say(t.expect("status=0"), "pkill finds the process there", t.seen)
    say(until(lambda: not state(other)), "and ends it", state(other))
    t.type("exit 9\n")
    status = t.wait()
    say(status == 9, "the shell's exit status", status)


def main():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    on_a_terminal()
    as_a_job()
    in_a_shell()


if __name__ == "__main__":
    main()
