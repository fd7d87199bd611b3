#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""power.py NODE THIRD [PART...]: relations of processes here, on NODE and on THIRD, while
NODE loses power.

Prepares all of the parts, makes /shared/power/ready, goes on when there is
/shared/power/lost, and prints lines as keyboard.py does."""
import os
import pwd
import re
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
from jobs import PROMPT, RUN, Shell, move  # noqa: E402
from keyboard import NODE, output, say, state, until  # noqa: E402

HERE, THIRD = socket.gethostname(), sys.argv[2]
DIR = "/shared/power"
PROGS = os.path.dirname(os.path.abspath(__file__))
KILLED = "(%d, 9)"


def in_cluster(command):
    return output("cluster-run", "-n", "self", "-T", "--", "sh", "-c", command)


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


class Agent:
    """A process that does as it is told: agent.py."""

    def __init__(self, node=None, pid=None):
        self.pid = int(pid or output("cluster-run", "-d", "-n", node, "--",
                                     f"{PROGS}/agent.py", DIR))
        self.asked = None
        if node:
            self.said()

    def tell(self, what):
        with open(f"{DIR}/{self.pid}.do", "w", encoding="utf-8") as f:
            f.write(what)
        self.asked = what, in_cluster(f"kill -USR1 {self.pid}")

    def said(self):
        path = f"{DIR}/{self.pid}.said"
        if not until(lambda: os.path.exists(path)):
            say(False, f"{self.pid} does as it is told", self.asked,
                in_cluster(f"cluster-ps -p {self.pid} -o pid,ppid,node,s,comm;"
                           f"cd /proc/{self.pid} && cat status wchan"))
            return "nothing"
        text = read(path).strip()
        os.unlink(path)
        return text

    def do(self, what):
        self.tell(what)
        return self.said()

    def fork(self):
        return Agent(pid=self.do("fork()"))

    def becomes(self, what, result):
        """Does it say that, now or soon?"""
        return until(lambda: self.do(what) == result)

    def kill(self, sig="KILL"):
        in_cluster(f"kill -{sig} {self.pid}")


def put(node, *agents):
    pids = [str(a.pid) for a in agents]
    why = output("cluster-mv", *pids, node)
    where = output("cluster-ps", "--no-headers", "-o", "node", "-p", ",".join(pids)).split()
    if where != [node] * len(pids):
        say(False, f"{pids} go to {node}", why, where)


# --- each prepares something, and yields until the node is gone

def waits():
    ways = {"os.waitpid(CHILD, 0)": KILLED, "os.waitpid(-1, 0)": KILLED,
            "os.waitpid(-os.getpgid(CHILD), 0)": KILLED,
            "ended(os.P_PID, CHILD)": "(%d, 2, 9)", "ended(os.P_ALL, 0)": "(%d, 2, 9)",
            "pidfd_ended(CHILD)": "(%d, 2, 9)"}
    parents = [Agent(HERE) for _ in ways]
    children = [p.fork() for p in parents]
    put(NODE, *children)
    for p, c, way in zip(parents, children, ways):
        p.tell(way.replace("CHILD", str(c.pid)))
    yield
    for p, c, (way, want) in zip(parents, children, ways.items()):
        said = p.said()
        say(said == want % c.pid, f"{way} sees it killed", said)
        say(p.do("os.waitpid(-1, os.WNOHANG)") == "ECHILD", "once")
        said = p.do("heard(signal.SIGCHLD)")
        say(said == "1", "with one SIGCHLD", said)
        p.kill()


def waits_for_stops():
    p = Agent(HERE)
    c = p.fork()
    put(NODE, c)
    p.tell(f"os.waitid(os.P_PID, {c.pid}, os.WSTOPPED)")
    yield
    said = p.said()
    say(said == "ECHILD", "who waits for it to be stopped waits no more", said)
    said = p.do("os.waitpid(-1, 0)")
    say(said == KILLED % c.pid, "and then sees it killed", said)
    p.kill()


def everybody():
    """Who signals all processes, or sets the nice value of all of a user's."""
    p = Agent(HERE)
    uid = pwd.getpwnam("alice").pw_uid
    users = [Agent(node) for node in (HERE, THIRD, NODE)]
    for a in users:
        a.do(f"os.setresuid({uid}, 0, 0)")
    mine = users[:2]
    yield
    said = p.do("os.kill(-1, signal.SIGURG)")
    say(said == "None", "to signal everybody ends", said)
    said = p.do(f"os.setpriority(os.PRIO_USER, {uid}, 3)")
    say(said == "None", "so does to set the nice value of all of a user's", said)
    said = [a.do("os.getpriority(os.PRIO_PROCESS, 0)") for a in mine]
    say(said == ["3", "3"], "and the others of them have it", said)
    said = p.do(f"os.getpriority(os.PRIO_USER, {uid})")
    say(said == "3", "to ask for it ends, too", said)
    for a in p, *mine:
        a.kill()


def zombie():
    p = Agent(HERE)
    c = p.fork()
    put(NODE, c)
    c.tell("os._exit(5)")
    until(lambda: state(c.pid) == "Z")
    yield
    said = p.do("os.waitpid(-1, 0)")
    say(said == f"({c.pid}, {5 << 8})", "who had ended there before keeps its status", said)
    p.kill()


def middle():
    g = Agent(HERE)
    p = g.fork()
    c, d = p.fork(), p.fork()
    for a in c, d:
        a.do("dies_with_parent(signal.SIGHUP)")
    put(NODE, p)
    put(THIRD, c)
    put(HERE, d)
    yield
    said = g.do("os.waitpid(-1, 0)")
    say(said == KILLED % p.pid, "one in the middle is lost: its parent sees it killed", said)
    for a in c, d:
        say(a.becomes("os.getppid()", "1"), "its children are pando-init's")
        said = a.do("heard(signal.SIGHUP)")
        say(said == "1", "and are told of its death once", said)
    for a in g, c, d:
        a.kill()


def parent_dies_too():
    p = Agent(THIRD)
    c, d = p.fork(), p.fork()
    put(NODE, c)
    put(HERE, d)
    yield
    p.kill()
    say(d.becomes("os.getppid()", "1"), "a parent dies when its child is lost: the other one "
        "is pando-init's")
    say(until(lambda: not state(c.pid) and not state(p.pid)), "and both are gone")
    d.kill()


def family(node):
    """A session, whose leader has children in groups of their own, two of them stopped."""
    p = Agent(node)
    p.do("os.setsid()")
    c, d, e = children = p.fork(), p.fork(), p.fork()
    for a in children:
        p.do(f"os.setpgid({a.pid}, 0)")
    e.tell("become('sleep', '1000')")
    put(THIRD, c, e)
    put(THIRD if node == HERE else HERE, d)
    for a in c, e:
        a.kill("STOP")
    say(until(lambda: state(c.pid) == "T" and state(e.pid) == "T"), "two are stopped")
    return p, c, d, e


def orphans():
    lost, other = family(NODE), family(HERE)
    yield
    other[0].kill()
    for _, c, d, e in lost, other:
        say(until(lambda c=c: state(c.pid) == "S"), "a stopped group that is orphaned goes on",
            state(c.pid))
        heard = "heard(signal.SIGHUP), heard(signal.SIGCONT)"
        said = c.do(heard)
        say(said == "(1, 1)", "and is hung up, once", said)
        said = d.do(heard)
        say(said == "(0, 0)", "one that was not stopped hears nothing", said)
        say(until(lambda e=e: not state(e.pid)), "hanging up ends who does not expect it",
            state(e.pid))
        for a in c, d:
            a.kill()


def groups():
    """Who signals a group of which members are lost, and who changes its members."""
    p = Agent(HERE)
    p.do("os.setpgid(0, 0)")
    c, d, e = p.fork(), p.fork(), p.fork()
    put(NODE, c)
    put(THIRD, d)
    put(NODE, e)
    with open(f"{DIR}/storm", "w", encoding="utf-8"):
        pass
    other = subprocess.Popen(
        ["cluster-run", "-n", THIRD, "-T", "--", f"{PROGS}/killpg.py", str(p.pid), f"{DIR}/storm"],
        stdout=subprocess.PIPE, text=True)
    yield
    p.tell(f"os.setpgid({e.pid}, 0)")
    said = p.said()
    say(said in ("None", "ESRCH"), "to put one that is lost into a group ends", said)
    said = sorted(p.do("os.waitpid(-1, 0)") for _ in range(2))
    say(said == sorted(KILLED % a.pid for a in (c, e)), "both are seen killed", said)
    os.unlink(f"{DIR}/storm")
    n, failed = other.communicate()[0].split()
    heard = "heard(signal.SIGRTMIN)"
    say(failed == "0" and p.becomes(heard, n) and d.becomes(heard, n),
        f"of {n} signals to their group none is lost on the others", failed, p.do(heard),
        d.do(heard))
    said = d.do(f"os.getpgid({c.pid})")
    say(said == "ESRCH", "who was lost has no group", said)
    for a in p, d:
        a.kill()


def numbers():
    """All that takes a number ends, with ESRCH."""
    pids = [output("cluster-run", "-d", "-n", HERE, "--", "sleep", "1000").strip(),
            output("cluster-run", "-d", "-n", NODE, "--", "sleep", "1000").strip()]
    put(NODE, Agent(pid=pids[0]))
    yield
    calls = [call % pid for pid in pids
             for call in (f"{PROGS}/bypid -p 0 %s", f"{PROGS}/bypid -p 0 %s 3",
                          f"{PROGS}/bypid -i 1 %s", "kill -0 %s", "cat /proc/%s/stat")]
    asked = [(call, subprocess.Popen(["cluster-run", "-n", node, "-T", "--", *call.split()],
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True))
             for call in calls for node in (HERE, THIRD)]
    said = [(call, p.communicate()[0].strip()) for call, p in asked]
    wrong = [s for s in said
             if not re.search("ESRCH" if "bypid" in s[0] else "No such", s[1])]
    say(not wrong, "calls on who is lost say that there is no such process", *wrong)


def brood():
    out = f"{DIR}/brood"
    n = int(os.environ.get("PANDO_BROOD", "30"))
    pid = output("cluster-run", "-d", "-n", HERE, "--", f"{PROGS}/brood", out, str(n)).strip()
    until(lambda: "ready" in read(out))
    children = re.findall(r"^child (\d+)", read(out), re.M)
    agents = [Agent(pid=c) for c in children]
    for i in range(0, n, 9):
        for k, node in enumerate((NODE, THIRD)):
            some = agents[i + 3 * k:i + 3 * k + 3]
            if some:
                put(node, *some)
    there = {c for c in children if state(c) and output(
        "cluster-ps", "--no-headers", "-o", "node", "-p", c).strip() == NODE}
    in_cluster(f"kill -USR1 {pid}")
    until(lambda: "ended" in read(out))
    yield
    say(until(lambda: re.search(r"^done", read(out), re.M)),
        f"a parent of {n} that end at random, a third of them there, waits for all",
        read(out)[-2000:])
    text = read(out)
    ended = re.findall(r"^ended (\d+)", text, re.M)
    killed = re.findall(r"^killed (\d+)", text, re.M)
    say(sorted(ended + killed) == sorted(children) and "bad" not in text,
        "each status was told once, and as it was", text)
    say(set(killed) <= there, "who was on another node was not killed", killed, there)


def stops():
    """A storm of stops on three children, one of them there."""
    log = f"{DIR}/stops"
    pid = output("cluster-run", "-d", "-n", HERE, "--", f"{PROGS}/stops", log, "3").strip()
    until(lambda: "ready" in read(log))
    children = [Agent(pid=c) for c in re.findall(r"^child (\d+)", read(log), re.M)]
    put(NODE, children[0])
    put(THIRD, children[1])
    storm = subprocess.Popen(["cluster-run", "-n", HERE, "-T", "--", f"{PROGS}/stops", log,
                              "storm", str(children[0].pid)], stdout=subprocess.PIPE, text=True)
    told = f"status {children[0].pid} 0xffff"
    until(lambda: read(log).count(told) > 2)
    yield
    until(lambda: f"status {children[0].pid} 0x9" in read(log))
    n = read(log).count("\n")
    until(lambda: read(log).count("\n") > n + 10)
    with open(f"{log}.end", "w", encoding="utf-8"):
        pass
    said = storm.communicate()[0]
    say(storm.returncode == 0, "a storm of stops, which one of three does not survive", said)
    say(read(log).count("0x9") == 1, "its parent is told so once", read(log))
    for a in children[1:]:
        a.kill()


def jobs():
    shells = [Shell(), Shell(), Shell(), Shell()]
    pids = [shells[0].start("sleep 1000"), shells[2].start("sleep 1000", "&"),
            shells[3].start("sleep 1000")]
    shells[1].type("sh -c 'echo p''id=$$; exec sleep 1000'\n")
    found = shells[1].expect(r"pid=(\d+)\s")
    why = move(found[1], NODE)
    say(not why, "a job in the foreground moves", why)
    shells[2].command(":")
    shells[3].type("\x1a")
    say(shells[3].expect(r"Stopped[^\n]*\n" + PROMPT), "another is stopped", shells[3].seen)
    yield
    for t, what, want in (shells[0], "cluster-run in the foreground: it failed", 125), \
            (shells[1], "a job that has moved: the shell sees it killed", 137):
        t.expect(PROMPT)
        status = t.result()
        say(status == want, what, status, t.seen)
    t = shells[2]
    t.type("wait %1; echo s''tatus=$?\n")
    found = t.expect(r"status=(\d+)")
    say(found and found[1] == "125", "in the background: wait says so", found, t.seen)
    t = shells[3]
    said = until(lambda: "Stopped" not in (t.command("jobs") or ""))
    say(said, "one that was stopped is none any more", t.seen)
    for pid in pids:
        say(until(lambda p=pid: not state(p)), "it is nowhere", state(pid))
    for t in shells:
        t.type("exit\n")
        say(t.wait() is not None, "the shell ends")


def terminal():
    """The shell and its terminal are there, its jobs are not."""
    t = Shell()
    t.type(f"{RUN} bash --norc -i\n")
    t.type("PS1='th''ere: '\n")
    t.expect("there: ")
    pids = []
    for mark in "&", "":
        t.type(f"sh -c 'echo p''id=$$; exec sleep 1000' {mark}\n")
        found = t.expect(r"pid=(\d+)\s")
        pids.append(found[1])
        why = move(found[1], THIRD)
        say(not why, f"a job of a shell there moves to {THIRD}", why)
    yield
    t.expect(PROMPT)
    status = t.result()
    say(status == 125, "a shell there, and its terminal: cluster-run failed", status, t.seen)
    say(until(lambda: not state(pids[1])), "its job in front is hung up with it", state(pids[1]))
    in_cluster(f"kill -KILL {pids[0]}")
    t.type("exit\n")
    t.wait()


def pipeline():
    t = subprocess.Popen(
        ["bash", "-c", f"cluster-run -n {HERE} -- sh -c 'touch {DIR}/flows; exec yes' |"
         f"{RUN} cat | cluster-run -n {THIRD} -- wc -c; echo ${{PIPESTATUS[*]}}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: os.path.exists(f"{DIR}/flows"))
    yield
    out, err = t.communicate()
    said = out.split()
    say(len(said) == 4 and int(said[0]) > 0 and said[1:] == ["141", "125", "0"],
        "a pipeline whose middle is lost ends: by SIGPIPE before, with EOF after it", out, err)


def main():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parts = {f.__name__: f for f in (
        waits, waits_for_stops, everybody, zombie, middle, parent_dies_too, orphans, groups,
        numbers, stops, jobs, terminal, brood, pipeline)}
    going = [parts[name]() for name in sys.argv[3:] or parts]
    for part in going:
        next(part)
    with open(f"{DIR}/ready", "w", encoding="utf-8"):
        pass
    if not until(lambda: os.path.exists(f"{DIR}/lost")):
        return say(False, f"{NODE} loses power")
    for part in going:
        next(part, None)


main()
