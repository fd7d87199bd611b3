#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""grove.py DIR SEED SECONDS [lose]: trees of processes that fork, end, are waited for, lead
groups and sessions, and are moved between the nodes at random; after each step what the
system calls say of them is compared with what they would say on one node.

Runs in the cluster, on a node of its own choice, and stays there. Says "ok: ..." as its
last line, or what was wrong, with the steps that led to it. What it tells its processes
to do, and their answers, are files in DIR, which all nodes must share. With "lose" it
makes DIR/ready half-way, and waits for DIR/lost, with the name of a node that died; once
there is DIR/back that node is used again."""
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
COUNTED = signal.SIGRTMIN + 1	# is queued
WANTED = {signal.SIGUSR1, COUNTED, signal.SIGHUP}
PATIENCE = 60		# seconds: machines may be emulated
MOST = 14		# processes
libc = ctypes.CDLL(None, use_errno=True)


# --- one process of the trees ----------------------------------------------------

class Agent:
    """It waits for signals: USR1 is a command, COUNTED and HUP are counted."""

    def __init__(self, where):
        self.where = where
        self.count = self.hup = 0

    def report(self):
        sig = ctypes.c_int()
        libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(sig), 0, 0, 0)
        return {"node": os.uname().nodename, "pid": os.getpid(), "ppid": os.getppid(),
                "pgid": os.getpgid(0), "sid": os.getsid(0), "pdeath": sig.value,
                "count": self.count, "hup": self.hup}

    def do(self, cmd):
        what = cmd["do"]
        if what == "fork":
            pid = os.fork()
            if not pid:
                self.count = self.hup = 0
                return None
            return {"pid": pid}
        if what == "wait":
            # WNOWAIT first: what is looked at must be what is then taken
            seen = os.waitid(os.P_PID, cmd["pid"], os.WEXITED | os.WNOWAIT)
            pid, status, usage = os.wait4(cmd["pid"], 0)
            return {"pid": pid, "status": status, "seen": [seen.si_pid, seen.si_code,
                                                           seen.si_status]}
        if what == "none":
            try:
                return {"pid": os.waitpid(-1, os.WNOHANG)[0]}
            except ChildProcessError:
                return {"pid": -1}
        if what == "setsid":
            os.setsid()
        elif what == "setpgid":
            os.setpgid(cmd["pid"], cmd["pgid"])
        elif what == "pdeath":
            libc.prctl(PR_SET_PDEATHSIG, cmd["sig"], 0, 0, 0)
        elif what == "exit":
            os._exit(cmd["status"])
        return self.report()

    def run(self):
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        while True:
            sig = signal.sigwait(WANTED)
            if sig == COUNTED:
                self.count += 1
            elif sig == signal.SIGHUP:
                self.hup += 1
            else:
                self.obey()

    def obey(self):
        path = "%s/%d" % (self.where, os.getpid())
        with open(path + ".cmd") as f:
            cmd = json.load(f)
        try:
            answer = self.do(cmd)
        except OSError as e:
            answer = {"error": "%s: %s" % (cmd["do"], e)}
        if answer is None:
            return
        with open(path + ".new", "w") as f:
            json.dump(answer, f)
        os.rename(path + ".new", "%s.%d" % (path, cmd["n"]))


# --- what they should be -----------------------------------------------------------

class Wrong(Exception):
    pass


class Proc:
    def __init__(self, pid, parent, node, pgid, sid):
        self.pid, self.parent, self.node, self.pgid, self.sid = pid, parent, node, pgid, sid
        self.pdeath = self.count = self.hup = 0
        self.status = None	# a zombie's


class Grove:
    def __init__(self, where, seed):
        self.where = where
        self.random = random.Random(seed)
        self.node = os.uname().nodename
        self.procs = {}		# that have a number, zombies too
        self.gone = []		# numbers that nobody may have
        self.steps = []
        self.n = self.moved = self.refused = 0
        self.why = {}
        self.count_nodes()

    def count_nodes(self):
        with subprocess.Popen(["cluster-nodes", "--json"], stdout=subprocess.PIPE) as p:
            self.nodes = [n["name"] for n in json.load(p.stdout)["nodes"]
                          if n["state"] == "member"]

    def living(self):
        return [p for p in self.procs.values() if p.status is None]

    def children(self, pid):
        return [p for p in self.procs.values() if p.parent == pid]

    def until(self, what, cond, times=1):
        end = time.monotonic() + times * PATIENCE
        nap = 0.01
        while True:
            said = cond()
            if said is True:
                return
            if time.monotonic() > end:
                raise Wrong("%s: %s" % (what, said))
            time.sleep(nap)
            nap = min(2 * nap, 0.2)

    def tell(self, who, do, **more):
        self.n += 1
        path = "%s/%d" % (self.where, who)
        answer = "%s.%d" % (path, self.n)
        with open(path + ".cmd", "w") as f:
            json.dump(dict(more, do=do, n=self.n), f)
        os.kill(who, signal.SIGUSR1)
        if do == "exit":
            return None
        self.until("%d was told to %s %s" % (who, do, more or ""),
                   lambda: os.path.exists(answer) or "no answer")
        with open(answer) as f:
            said = json.load(f)
        os.unlink(answer)
        if "error" in said:
            raise Wrong("%d: %s" % (who, said["error"]))
        return said

    # --- steps: each returns words, or None where it makes no sense now

    def plant(self, leads):
        """A root: a child of ours."""
        pid = os.fork()
        if not pid:
            if leads:
                os.setsid()
            Agent(self.where).run()
        self.procs[pid] = Proc(pid, os.getpid(), self.node,
                               pid if leads else os.getpgid(0),
                               pid if leads else os.getsid(0))

    def fork(self, p):
        if len(self.procs) >= MOST:
            return None
        pid = self.tell(p.pid, "fork")["pid"]
        self.procs[pid] = Proc(pid, p.pid, p.node, p.pgid, p.sid)
        return "%d forks %d" % (p.pid, pid)

    def subtree(self, p):
        """Who moves along: whoever is there with it."""
        out = [p]
        for c in self.children(p.pid):
            if c.node == p.node:
                out += self.subtree(c)
        return out

    def beyond(self, p):
        """Those there whose parents are elsewhere: they go along where a stub leads to them."""
        near, todo, out = self.subtree(p), [p], []
        while todo:
            kids = self.children(todo.pop().pid)
            out += [c for c in kids if c.node == p.node and c not in near]
            todo += kids
        return out

    def where_is(self, p):
        if p.status is not None:
            return self.procs[p.parent].node if p.parent in self.procs else self.node
        return subprocess.run(["cluster-ps", "--no-headers", "-o", "node", "-p", str(p.pid)],
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def move(self, p):
        node = self.random.choice([n for n in self.nodes if n != p.node])
        words = "%d moves from %s to %s" % (p.pid, p.node, node)
        self.steps.append(words)
        args = ["cluster-mv", "--json"] + self.random.choice([[], [], ["--lazy"]])
        with subprocess.Popen(args + [str(p.pid), node], stdout=subprocess.PIPE) as cmd:
            said = json.load(cmd.stdout)["moves"][0]
        self.steps.pop()
        if said["result"] == "moved":
            self.moved += 1
            beyond = self.beyond(p)
            for q in self.subtree(p):
                q.node = node
            for q in beyond:
                q.node = self.where_is(q)
            return words
        if said["result"] not in ("failed", "refused") or "killed" in said.get("reason", ""):
            raise Wrong("%s: %s" % (words, said))
        self.refused += 1
        self.why[said.get("reason", "")] = words
        return "%s: not: %s" % (words, said.get("reason"))

    def group(self, p):
        members = [q for q in self.living() if q.pgid == p.pgid]
        if p.pgid == os.getpgid(0):
            return None
        os.kill(-p.pgid, COUNTED)
        for q in members:
            q.count += 1
        return "a signal to group %d" % p.pgid

    def lead(self, p):
        if p.pgid == p.pid or p.sid == p.pid:
            return None
        self.tell(p.pid, "setpgid", pid=0, pgid=0)
        p.pgid = p.pid
        return "%d leads a group" % p.pid

    def regroup(self, p):
        """A parent puts a child into another group of the session."""
        kids = [c for c in self.children(p.pid)
                if c.status is None and c.sid == p.sid and c.sid != c.pid]
        if not kids:
            return None
        c = self.random.choice(kids)
        to = self.random.choice([p.pgid, c.pid])
        self.tell(p.pid, "setpgid", pid=c.pid, pgid=to)
        c.pgid = to
        return "%d puts %d into group %d" % (p.pid, c.pid, to)

    def session(self, p):
        if any(q.pgid == p.pid for q in self.procs.values()):
            return None
        self.tell(p.pid, "setsid")
        p.pgid = p.sid = p.pid
        return "%d leads a session" % p.pid

    def pdeath(self, p):
        p.pdeath = self.random.choice([0, signal.SIGHUP])
        self.tell(p.pid, "pdeath", sig=int(p.pdeath))
        return "%d is signalled %d when its parent dies" % (p.pid, p.pdeath)

    def ended(self, p, status):
        for c in self.children(p.pid):
            if c.status is not None:
                self.forget(c)
                continue
            c.parent = 1
            c.hup += c.pdeath == signal.SIGHUP
        if p.parent == 1:
            self.forget(p)
        else:
            p.status = status
            p.node = self.procs[p.parent].node if p.parent in self.procs else self.node

    def forget(self, p):
        del self.procs[p.pid]
        self.gone.append(p.pid)

    def end(self, p):
        if p.parent == os.getpid():
            return None
        how = self.random.choice([0, 3, -signal.SIGKILL, -signal.SIGTERM])
        if how < 0:
            os.kill(p.pid, -how)
            self.ended(p, -how)
        else:
            self.tell(p.pid, "exit", status=how)
            self.ended(p, how << 8)
        return "%d ends (%d)" % (p.pid, how)

    def wait(self, p):
        dead = [c for c in self.children(p.pid) if c.status is not None]
        if not dead:
            return None
        c = self.random.choice(dead)
        said = self.tell(p.pid, "wait", pid=c.pid)
        seen = [c.pid, 2 if c.status & 127 else 1, c.status & 127 or c.status >> 8]
        if said["pid"] != c.pid or said["status"] != c.status or said["seen"] != seen:
            raise Wrong("wait for %d, which ended with %#x: %s" % (c.pid, c.status, said))
        self.forget(c)
        return "%d waits for %d" % (p.pid, c.pid)

    def lose(self):
        """A node dies, and who is there: to the others it is as if they were killed."""
        with open(self.where + "/ready", "w"):
            pass
        lost = self.where + "/lost"
        self.until("a node dies", lambda: os.path.exists(lost) or "not yet", 5)
        with open(lost) as f:
            node = f.read().strip()
        self.steps.append("%s dies" % node)
        self.nodes.remove(node)
        dead = [p for p in self.procs.values() if p.node == node]
        for p in dead:
            # a zombie's node is its parent's
            if p.status is None:
                self.ended(p, signal.SIGKILL)
        for p in dead:
            if p.pid in self.procs and (p.parent not in self.procs or
                                        self.procs[p.parent] in dead):
                if p.parent == os.getpid():
                    status = os.waitpid(p.pid, 0)[1]
                    if status != signal.SIGKILL:
                        raise Wrong("%d, which was lost, ended with %#x" % (p.pid, status))
                self.forget(p)

    # --- audits

    def look(self, p):
        """As everybody sees it."""
        try:
            with open("/proc/%d/stat" % p.pid) as f:
                stat = f.read().rsplit(")", 1)[1].split()
        except OSError as e:
            return str(e)
        if p.status is not None:
            return stat[0] == "Z" or "it is no zombie but %s" % stat[0]
        said = [int(x) for x in stat[1:4]] + [os.getpgid(p.pid), os.getsid(p.pid)]
        want = [p.parent, p.pgid, p.sid, p.pgid, p.sid]
        return said == want or "ppid, pgid, sid are %s and not %s" % (said, want)

    def ask(self, p):
        said = self.tell(p.pid, "report")
        want = {"node": p.node, "pid": p.pid, "ppid": p.parent, "pgid": p.pgid,
                "sid": p.sid, "pdeath": p.pdeath, "count": p.count, "hup": p.hup}
        return said == want or "it says %s and not %s" % (said, want)

    def is_gone(self, pid):
        if os.path.exists("/proc/%d" % pid):
            return "it is in /proc"
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return "it can be signalled"

    def audit(self, deep):
        for p in self.procs.values():
            self.until(str(p.pid), lambda p=p: self.look(p))
        while self.gone:
            self.until(str(self.gone[-1]), lambda: self.is_gone(self.gone[-1]))
            self.gone.pop()
        for p in self.living() if deep else []:
            self.until(str(p.pid), lambda p=p: self.ask(p))

    def step(self):
        kinds = [(self.move, 9), (self.fork, 4), (self.wait, 3), (self.end, 2),
                 (self.group, 2), (self.lead, 1), (self.regroup, 1), (self.session, 1),
                 (self.pdeath, 1)]
        do = self.random.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        p = self.random.choice(self.living())
        if p.parent == os.getpid() and do == self.session:
            return
        words = do(p)
        if words:
            self.steps.append(words)
            print(words, flush=True)
            self.audit(len(self.steps) % 4 == 0)

    def run(self, seconds, lose):
        for leads in (True, False, True):
            self.plant(leads)
        self.audit(True)
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            if lose and time.monotonic() > start + seconds / 2:
                lose = False
                self.lose()
                self.audit(True)
            if os.path.exists(self.where + "/back"):
                os.unlink(self.where + "/back")
                self.count_nodes()
                self.steps.append("the nodes are %s" % self.nodes)
            if not self.living():
                self.plant(True)
            self.step()
        self.audit(True)
        for p in list(self.living()):
            os.kill(p.pid, signal.SIGKILL)
        for p in list(self.procs.values()):
            if p.parent == os.getpid():
                os.waitpid(p.pid, 0)
            self.forget(p)
        self.audit(False)


def main():
    where, seed, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.makedirs(where, exist_ok=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, WANTED)	# before any of them is there
    grove = Grove(where, seed)
    try:
        grove.run(seconds, sys.argv[4:] == ["lose"])
    except Exception as e:	# pylint: disable=broad-except
        print("wrong, seed %d: %s: %s" % (seed, type(e).__name__, e))
        for p in grove.procs.values():
            print("  ", vars(p))
        for p in grove.living():
            try:
                os.kill(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        sys.exit(1)
    for why, words in grove.why.items():
        print("not moved: %s: %s" % (words, why))
    print("ok: %d steps, %d moves, %d refused" % (len(grove.steps), grove.moved,
                                                   grove.refused))


main()
