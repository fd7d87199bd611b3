#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""jobs.py NODE [PART...]: a person at a shell of the cluster whose jobs run on NODE.

Everything that the keyboard does to a job, it must do to one elsewhere. Prints
lines as keyboard.py does. PART: foreground, background, programs, ahead, pipelines, moved,
programs_moved, background_moved, stopped_moved, hang_up, hang_up_moved."""
import os
import re
import signal
import socket
import sys

sys.dont_write_bytecode = True
from keyboard import NODE, PRETENDED, Terminal, output, say, state, until  # noqa: E402

PROMPT = "at hand: "
RUN = f"cluster-run -n {NODE} --"


class Shell(Terminal):
    """An interactive shell in the cluster, with a prompt that nobody else has."""

    def __init__(self):
        if PRETENDED:
            super().__init__("cluster-run", "--", "bash", "--norc", "-i")
        else:
            super().__init__("cluster-shell", "-e", "TERM=xterm", "exec bash --norc -i")
        # the cursor's words on pasting are no part of what is looked for
        self.type("bind 'set enable-bracketed-paste off'; PS1='at ha''nd: '\n")
        self.expect(PROMPT)
        self.runs = 0

    def command(self, text):
        """Types it and waits for the next prompt; what came before that."""
        self.runs += 1
        mark = f"end{self.runs}"
        self.type(f"{text}; echo e''nd{self.runs}\n")
        # what became of jobs is said in front of the prompt
        found = self.expect(r"(?s)(.*?)" + mark + r"\s(.*?)" + PROMPT)
        return found[1] + found[2] if found else None

    def end(self, text):
        """Types what ends the job in front; its status. What is typed before the
        prompt is there would still be for the job."""
        self.type(text)
        return self.expect(PROMPT) and self.result()

    def result(self):
        found = re.search(r"status=(\d+)", self.command("echo s''tatus=$?") or "")
        return found and int(found[1])

    def start(self, program, mark="", option=""):
        """A job of that shell command there; its PID there."""
        self.type(f"cluster-run {option}-n {NODE} -- sh -c 'echo p''id=$$; exec {program}' {mark}\n")
        found = self.expect(r"pid=(\d+)\s")
        return found and found[1]


def in_the_foreground(t):
    pid = t.start("sleep 1001")
    say(pid and until(lambda: state(pid) == "S"), "a job elsewhere", pid, t.seen)
    t.type("\x1a")
    say(t.expect(r"Stopped[^\n]*\n" + PROMPT), "^Z stops it", t.seen)
    say(until(lambda: state(pid) == "T"), "and its program", state(pid))
    say("Stopped" in (t.command("jobs") or ""), "jobs shows it", t.seen)
    t.type("bg\n")
    say(until(lambda: state(pid) == "S"), "bg lets it go on", state(pid), t.seen)
    say("Running" in (t.command(":; jobs") or ""), "and jobs says so", t.seen)
    t.type("fg\n")
    t.expect("1001")
    # nothing shows when it has come to the front; the shell itself takes no ^Z
    say(until(lambda: t.type("\x1a") or t.expect(r"Stopped[^\n]*\n" + PROMPT, 2)),
        "fg, and ^Z once more", t.seen)
    say(until(lambda: state(pid) == "T"), "which stops its program", state(pid))
    t.type("fg\n")
    t.expect("1001")
    say(until(lambda: state(pid) == "S"), "fg lets it go on", state(pid), t.seen)
    status = t.end("\x03")
    say(status == 130, "^C ends it", status, t.seen)
    say(until(lambda: not state(pid)), "and its program", state(pid))
    for option in "", "-T ":
        pid = t.start("sleep 1007", option=option)
        t.type("\x1a")
        t.expect(r"Stopped[^\n]*\n" + PROMPT)
        until(lambda: state(pid) == "T")
        kill("KILL", pid)
        say(hears(t, "Exit 137"), f"one that is killed while it stands stopped has ended {option}",
            t.seen)


def hears(t, word, command=":"):
    """Does the shell tell that of a job, at that command or soon after?"""
    said = t.command(command) or ""
    return until(lambda: word in said or word in (t.command(":") or ""))


def kill(sig, pid):
    output(*(() if PRETENDED else ("cluster-run", "-T", "--")), "kill", "-" + sig, pid)


def in_the_background(t):
    pid = t.start("sleep 1002", "&")
    say(pid and until(lambda: state(pid) == "S"), "a job in the background", pid, t.seen)
    say("Running" in (t.command(":; jobs") or ""), "runs", t.seen)
    t.command("kill $!; wait $!")
    status = t.result()
    say(status == 0, "the shell goes on", status)
    pid = t.start("sleep 1003", "&")
    t.type("kill $!; wait $!; echo s''tatus=$?\n")
    found = t.expect(r"status=(\d+)")
    say(found and found[1] == "143", "wait $! tells what ended it", found and found[1])
    say(until(lambda: not state(pid)), "and its program is gone", state(pid))

    pid = t.start("cat", "&")
    t.command(":")
    say(until(lambda: "Stopped" in (t.command("jobs") or "")),
        "who reads in the background is stopped", t.seen)
    say(until(lambda: state(pid) == "T"), "and its program", state(pid))
    t.type("fg\n")
    t.expect("cat")
    t.type("some words\n")
    say(t.expect("some words\r\n.*some words"), "in the foreground it reads", t.seen)
    status = t.end("\x04")
    say(status == 0, "and ends with ^D", status, t.seen)

    t.command("stty tostop")
    t.type(f"{RUN} sh -c 'echo o''ut' &\n")
    say(until(lambda: "Stopped" in (t.command("jobs") or "")),
        "who writes in the background is stopped, where that is asked for", t.seen)
    t.type("stty -tostop; fg\n")
    say(t.expect(r"\bout\s"), "in the foreground it writes", t.seen)
    # what is typed before that is the job's
    t.expect(PROMPT)

    # an interactive shell may forget who ends before it waits
    t.type(f"for i in 3 4 5; do {RUN} sh -c \"trap 'exit $i' TERM; echo t''here; "
           "while :; do sleep 0.1; done\" & done\n")
    for _ in range(3):
        t.expect(r"\bthere\b")
    t.type("for i in 1 2 3; do kill %$i; wait -n; echo n''=$?; done\n")
    found = [t.expect(r"\bn=(\d+)\s") for i in range(3)]
    found = sorted(f[1] for f in found if f)
    say(found == ["3", "4", "5"], "wait -n gets each status once", found, t.seen)
    t.command(":")


def terminal_of(pid):
    """As ps in the cluster shows it here."""
    return output("cluster-run", "-n", "self", "-T", "--", "ps", "-o", "tname=", "-p", pid).strip()


def sleeps(pid):
    """In the call itself: what comes before it python3 notes, and then sleeps on."""
    ps = ("ps", "-o", "wchan:30=", "-p", pid)
    return "sleep" in output(*ps if PRETENDED else ("cluster-run", "-n", "self", "-T", "--", *ps))


def programs(t):
    t.type(f"{RUN} python3 -q\n")
    say(t.expect(">>> "), "python3 there", t.seen)
    t.type("6*7\n")
    say(t.expect(r"42\s+>>> "), "answers", t.seen)
    t.type("import os, time; print('p''id=%d' % os.getpid()); time.sleep(1000)\n")
    found = t.expect(r"pid=(\d+)\s")
    say(found and until(lambda: sleeps(found[1])), "sleeps", t.seen)
    t.type("\x03")
    say(t.expect("KeyboardInterrupt"), "is interrupted by ^C", t.seen)
    status = t.end("exit(6)\n")
    say(status == 6, "and ends with its own status", status)

    vim = "vim" if PRETENDED else "vim.tiny"    # which the nodes have
    t.type(f"{RUN} {vim} -u NONE\n")
    say(t.expect("~"), "vim there draws", t.seen)
    t.type("isome words\x1b:set columns?\n")
    say(t.expect("columns=132"), "on all of the screen", t.seen[-500:])
    t.size(30, 91)
    say(until(lambda: t.type(":set columns?\n") or t.expect("columns=91", 2)),
        "also when that has changed", t.seen[-500:])
    t.type("\x1a")
    say(t.expect(r"Stopped[^\n]*\n" + PROMPT), "^Z gives the shell back", t.seen[-500:])
    t.type("fg\n")
    say(t.expect("some words"), "fg gets its screen back", t.seen[-500:])
    status = t.end(":q!\n")
    say(status == 0, "and :q! ends it", status, t.seen[-500:])

    t.type(f"{RUN} htop\n")
    say(t.expect("F10"), "htop there draws", t.seen[-500:])
    status = t.end("q")
    say(status == 0, "and ends with q", status, t.seen[-500:])


def typed_ahead(t):
    """What a job has not read is the shell's, as if it had been typed after its end."""
    for first, rest in ("echo got-$((6*7))\n", ""), ("echo got-$((6*", "7))\n"):
        pid = t.start("sleep 1010")
        t.type(first)
        t.expect(r"got-\$\(\(6\*")		# its terminal's echo
        kill("TERM", pid)
        until(lambda: not state(pid))
        t.type(rest)
        say(t.expect("got-42") and t.expect(PROMPT),
            f"{first!r} was typed ahead, and then {rest!r}", t.seen)
    t.type(f"{RUN} python3 -q\n")
    t.expect(">>> ")
    t.type("exit()\necho after-$((6*8))\n")
    say(t.expect("after-48") and t.expect(PROMPT), "and behind the end of python3", t.seen)
    t.type(f"{RUN} bash --norc -i\n")
    t.expect(r"\$ |# ")
    t.type("read -rsn1 x; exit\n^echo after-$((6*9))\n")
    say(t.expect("after-54") and t.expect(PROMPT), "and of a shell that read one key", t.seen)
    pid = t.start("sh -c \"cat; true\"")
    until(lambda: state(pid) == "S")
    kill("KILL", pid)
    say(t.expect(PROMPT),
        "a program ends, and one that it leaves reads the terminal", t.seen)
    t.type(f"{RUN} sh -c 'sleep 1011 & echo p''id=$!'\n")
    pid = t.expect(r"pid=(\d+)\s")[1]
    say(t.expect(PROMPT) and until(lambda: not state(pid)),
        "and what it leaves in front is hung up", state(pid))


def pipelines(t):
    """Each part of a job on another node, as if it were one shell's."""
    here, third = neighbours()

    def line(*programs):
        return " | ".join(f"cluster-run -n {node} -- sh -c 'echo p''id=$$ >&2; exec {program}'"
                          for node, program in zip((here, NODE, third), programs))

    def start(*programs):
        t.type(line(*programs) + "\n")
        found = [t.expect(r"pid=(\d+)\s") for _ in programs]
        return [f[1] for f in found if f]

    def all_are(pids, letters):
        return until(lambda: all((state(pid) or "-") in letters for pid in pids))

    pids = start("yes", "grep --line-buffered y", "cat >/dev/null")
    say(len(pids) == 3 and all_are(pids, "RSD"), "one job on three nodes", pids, t.seen)
    t.type("\x1a")
    say(t.expect(r"Stopped[^\n]*\n(?s:.*)" + PROMPT), "^Z stops it", t.seen)
    say(all_are(pids, "T"), "on all of them", [state(pid) for pid in pids])
    t.command("bg")
    say(all_are(pids, "RSD"), "bg lets it go on", [state(pid) for pid in pids])
    t.type("fg\n")
    t.expect("dev/null")
    say(until(lambda: t.type("\x1a") or t.expect(r"Stopped[^\n]*\n(?s:.*)" + PROMPT, 2)),
        "fg, and ^Z once more", t.seen)
    t.type("fg\n")
    t.expect("dev/null")
    say(all_are(pids, "RSD"), "fg lets it go on", [state(pid) for pid in pids])
    status = t.end("\x03")
    say(status == 130, "^C ends it", status, t.seen)
    say(all_are(pids, "-"), "everywhere", [state(pid) for pid in pids])

    for what, key, status in ("^C", "\x03", 130), ("^\\", "\x1c", 131):
        pids = start("sleep 1008", "cat", "cat")
        all_are(pids, "S")
        got = t.end(key)
        say(got == status, f"{what} ends one whose first part writes nothing", got, t.seen)
        say(all_are(pids, "-"), "everywhere", [state(pid) for pid in pids])

    for what, programs in (
            ("the end", ("seq 1 3000", "tac", "tail -n 1")),
            ("a reader that ends", ("yes", "cat", "head -n 1")),
            ("a filter that is killed", ("sleep 1", "sh -c \"kill -9 \\$\\$\"", "cat")),
            ("exit statuses", ("sh -c \"exit 3\"", "sh -c \"cat; exit 4\"", "false"))):
        near, far = (t.command(text + "; echo ${PIPESTATUS[@]}") or ""
                     for text in (" | ".join(programs), line(*programs)))
        # behind what was typed
        near, far = (re.sub(r"pid=\d+", "", said.partition("\n")[2]).split()
                     for said in (near, far))
        say(near == far != [], f"{what}: {' '.join(near)}, as in one shell", near, far)

    t.type(line("sleep 1009", "cat", "cat") + " &\n")
    pids = [f[1] for f in (t.expect(r"pid=(\d+)\s") for _ in range(3)) if f]
    say(len(pids) == 3 and all_are(pids, "S"), "in the background", pids, t.seen)
    t.command(":")
    say(hears(t, "Exit 143", "kill %1") and all_are(pids, "-"), "kill %1 ends it", t.seen)


def neighbours():
    """This node, and one that is neither this one nor NODE, if there is one."""
    third = {"node2": "node3", "node3": "node2"}.get(NODE, NODE)
    return socket.gethostname(), third


def move(pid, node):
    """Moves it: what stood against that, or nothing."""
    text = output("cluster-mv", "--json", pid, node)
    return "" if '"result": "moved"' in text or '"result":"moved"' in text else text


def moved(t):
    """Jobs of the shell itself, with its terminal, which run on elsewhere."""
    here, third = neighbours()

    def job(program, mark=""):
        t.type(f"sh -c 'echo p''id=$$; exec {program}' {mark}\n")
        found = t.expect(r"pid=(\d+)\s")
        return found and found[1]

    pid = job("sleep 1006")
    why = move(pid, NODE)
    say(not why, f"a job in the foreground moves to {NODE}", why)
    t.type("\x1a")
    say(t.expect(r"Stopped[^\n]*\n" + PROMPT), "^Z stops it", t.seen)
    say(until(lambda: state(pid) == "T"), "there", state(pid))
    t.type("fg\n")
    t.expect("1006")
    say(until(lambda: state(pid) == "S"), "fg lets it go on", state(pid), t.seen)
    # what is typed for the shell while a job has the terminal
    t.type("echo a''head\n")
    kill("TERM", pid)
    say(t.expect(r"\bahead\s"), "what was typed ahead is the shell's when it ends", t.seen)
    t.command(":")

    pid = job("cat")
    why = move(pid, NODE)
    say(not why, "one that reads and writes moves", why)
    t.type("some words\n")
    say(t.expect("some words\r\n[^\r]*some words\r\n"), "it reads, and what it writes shows",
        t.seen)
    for node in third, here:
        why = move(pid, node)
        t.type(f"to {node}\n")
        say(not why and t.expect(f"to {node}\r\n[^\r]*to {node}\r\n"),
            f"so it does on {node}", why, t.seen)
    status = t.end("\x04")
    say(status == 0, "and ends with ^D", status, t.seen)

    out = "/shared/ttyless"
    if os.path.exists(out):
        os.unlink(out)
    pid = job(f"/usr/libexec/pando-test/ttyless.py {out}")
    t.expect("ready")
    why = move(pid, NODE)
    kill("USR1", pid)
    say(not why and until(lambda: os.path.exists(out) and open(out).read() == "6\n"),
        "who lets go of its terminal there has none any more (ENXIO)", why, t.seen)
    t.command(":")

    t.type("python3 -q\n")
    t.expect(">>> ")
    t.type("import os; print('p''id=%d' % os.getpid())\n")
    found = t.expect(r"pid=(\d+)\s+>>> ")
    if not found:
        return say(False, "python3", t.seen)
    pid = found[1]
    before = terminal_of(pid)
    why = move(pid, NODE)
    say(not why, "python3 moves, which has set modes of its own", why)
    say(terminal_of(pid) == before and before.startswith("pts/"),
        "for ps its terminal is what it was", before, terminal_of(pid))
    t.type("6*7\n")
    say(t.expect(r"6\*7\r\n.*42\s+>>> "), "and answers", t.seen)
    t.type("os.close(os.open('/dev/tty', 2)) or 'o''pened'\n")
    tty = output("cluster-ps", "--no-headers", "-o", "tty", "-p", pid)
    say(t.expect(r"'opened'\s+>>> ") and tty.startswith("pts/"),
        "it has a controlling terminal there", tty, t.seen)
    t.size(31, 92)
    say(until(lambda: t.type("print(os.get_terminal_size())\n") or
              t.expect(r"columns=92, lines=31", 2)), "it sees the window's new size", t.seen)
    t.type("input()\n")
    t.type("a line\n")
    say(t.expect(r"'a line'\s+>>> "), "it reads a line, and sets its modes again", t.seen)
    t.type("\x1a")
    say(t.expect(r"Stopped[^\n]*\n" + PROMPT), "^Z stops it", t.seen)
    say("icanon" in (t.command("stty -a | tr '-' '!'") or "") and "!icanon" not in t.seen,
        "and the shell has its modes", t.seen)
    listed = t.command("ps") or ""
    say(re.search(rf"{pid} pts/\d+ .*python3", listed), "ps without options shows it", listed)
    t.type("fg\n")
    t.expect("python3")
    say(until(lambda: t.type("7*7\n") or t.expect(r"49\s", 2)), "fg, and it answers again", t.seen)
    why = move(pid, here)
    say(not why, "it comes home", why)
    t.type("os.ttyname(0) + ' is'\n")
    say(t.expect(r"/dev/pts/\d+ is"), "to its own terminal", t.seen)
    status = t.end("exit(6)\n")
    say(status == 6, "and ends with its own status", status, t.seen)


def programs_moved(t):
    """Programs that have all of the screen, moved while they are in front."""
    here, third = neighbours()

    def start(name, program, drawn):
        t.type(f"sh -c 'echo p''id=$$; exec {program}'\n")
        found = t.expect(r"pid=(\d+)\s")
        say(found and t.expect(drawn), f"{name} draws", t.seen[-500:])
        return found and found[1]

    pid = start("vim", "vim.tiny -u NONE -n", "~")
    t.type("isome words\x1b:set columns?\n")
    t.expect("columns=")
    for node in NODE, third, here:
        why = move(pid, node)
        t.type(f"oon {node}\x1b:1,$p\n")
        say(not why and t.expect(rf"some words(?s:.*)on {node}"), f"it is moved to {node}, and goes on",
            why, t.seen[-500:])
        t.type("\n")
        rows = {NODE: 28, third: 32, here: 36}[node]
        t.size(rows, 93)
        say(until(lambda: t.type(":set lines?\n") or t.expect(f"lines={rows}", 2)),
            "also when the window has changed", t.seen[-500:])
        t.type("\x1a")
        say(t.expect(r"Stopped[^\n]*\n" + PROMPT), "^Z gives the shell back", t.seen[-500:])
        say("icanon" in (t.command("stty -a | tr '-' '!'") or "") and "!icanon" not in t.seen,
            "and its modes", t.seen[-500:])
        t.type("fg\n")
        say(t.expect(f"on {node}"), "fg gets the screen back", t.seen[-500:])
    status = t.end(":q!\n")
    say(status == 0, "and :q! ends it", status, t.seen[-500:])

    pid = start("htop", "htop", "F10")
    why = move(pid, NODE)
    t.size(33, 96)
    say(not why and t.expect("F10"), f"it is moved to {NODE}, and draws a window of another size", why,
        t.seen[-500:])
    t.type("\x1bOP")        # F1
    say(t.expect("(?i)help"), "it takes keys", t.seen[-500:])
    t.type("q")
    t.expect("F10")
    status = t.end("q")
    say(status == 0, "and ends with q", status, t.seen[-500:])

    t.type("sh -c 'echo p''id=$$; sh -c \"cat; exit 5\"; echo inner=$?; cat; exit 6'\n")
    found = t.expect(r"pid=(\d+)\s")
    pid = found and found[1]
    until(lambda: output("pgrep", "-x", "cat"))
    why = move(pid, NODE)
    say(not why, f"a job of several processes is moved to {NODE}", why)
    t.type("some words\n")
    say(t.expect("some words\r\n.*some words"), "its child reads", t.seen)
    t.type("\x1a")
    say(t.expect(r"Stopped[^\n]*\n" + PROMPT), "^Z stops it", t.seen)
    t.type("fg\n")
    t.expect("exit 6'")
    t.type("\x04")
    say(t.expect(r"inner=5\r\n"), "^D ends the child", t.seen)
    t.type("other words\n")
    say(t.expect("other words\r\n.*other words"), "and the next one reads", t.seen)
    status = t.end("\x04")
    say(status == 6, "until that ends", status, t.seen)


def is_stopped(t, how, command=":"):
    """A stop that the shell has not told of before that command."""
    return hears(t, "Stopped", command) and \
        f"Stopped ({how})" in (t.command("jobs -l") or "")


def background_moved(t):
    """A job that has moved is stopped where its shell does not have it in front."""
    do = "/shared/ttyjob"

    def tell(word):
        with open(do + ".new", "w", encoding="ascii") as f:
            f.write(word + "\n")
        os.rename(do + ".new", do)
        until(lambda: not os.path.exists(do))

    def has_tostop(yes):
        tell("tostop")
        return until(lambda: os.path.exists(do + ".out")) and \
            open(do + ".out", encoding="ascii").read() == f"{yes}\n"

    def to_background():
        t.type("\x1a")
        t.expect(r"Stopped[^\n]*\n" + PROMPT)
        t.command("bg")

    for name in do, do + ".new", do + ".out":
        if os.path.exists(name):
            os.unlink(name)
    # not its shell's own child: the group has a parent outside nevertheless
    t.type(f"sh -c '/usr/libexec/pando-test/ttyjob.py {do}; :' &\n")
    found = t.expect(r"pid=(\d+) is ready")
    t.command(":")
    why = move(found[1], NODE) if found else t.seen
    say(not why, "a job in the background moves", why)
    tell("read")
    say(is_stopped(t, "tty input"), "it is stopped when it reads", t.seen)
    say(is_stopped(t, "tty input", "bg"), "and again after bg", t.seen)
    t.type("fg\n")
    t.expect("ttyjob")
    t.type("some words\n")
    say(t.expect("got some words"), "fg, and it reads", t.seen)
    t.size(34, 94)
    say(t.expect("columns=94"), "it hears of the window's new size", t.seen)
    to_background()
    tell("modes")
    say(is_stopped(t, "tty output"), "it is stopped when it sets modes", t.seen)
    t.type("fg\n")
    say(t.expect("modes set"), "fg, and it does", t.seen)
    to_background()
    tell("front")
    say(is_stopped(t, "tty output"), "it is stopped when it wants to the front", t.seen)
    t.type("fg\n")
    say(t.expect("in front: Inappropriate"), "fg, and it cannot from there (ENOTTY)", t.seen)
    to_background()
    t.size(36, 96)
    tell("write")
    found = t.expect(r"(?s)(.*)written")
    say(found and "columns=96" not in found[1], "it writes from the background, where it is "
        "not told of the window's size", t.seen, found and found[1])
    t.command("stty tostop")
    say(until(lambda: has_tostop(True)), "stty tostop is seen there", t.seen)
    tell("write")
    say(is_stopped(t, "tty output"), "then it is stopped when it writes", t.seen)
    t.command("stty -tostop")
    t.type("fg\n")
    say(t.expect("written"), "fg, and it does", t.seen)
    t.end("\x03")


def stopped_moved(t):
    """A job that ^Z has stopped moves, and stays so until the shell lets it go on."""
    here, _ = neighbours()
    t.type("sh -c 'echo p''id=$$; exec cat'\n")
    found = t.expect(r"pid=(\d+)\s")
    if not found:
        return say(False, "cat", t.seen)
    pid = found[1]
    for node in NODE, here:
        t.type("\x1a")
        t.expect(r"Stopped[^\n]*\n" + PROMPT)
        why = move(pid, node)
        say(not why and state(pid) == "T", f"a job that ^Z has stopped moves to {node}",
            why, state(pid))
        told = t.command(":") or ""
        listed = t.command("jobs -l") or ""
        say("Stopped" not in told and "Stopped" in listed, "its shell hears nothing of that",
            told, listed)
        t.type("fg\n")
        # what is typed sooner may be echoed within the shell's own line
        t.expect(r"cat'\r\n")
        t.type(f"to {node}\n")
        say(t.expect(f"to {node}\r\n[^\r]*to {node}\r\n"), "fg lets it go on, and it reads",
            t.seen)
    t.type("\x1a")
    t.expect(r"Stopped[^\n]*\n" + PROMPT)
    why = move(pid, NODE)
    say(not why and is_stopped(t, "tty input", "bg"), "bg lets it go on, and it is stopped",
        why, t.seen)
    say(hears(t, "Terminated", "kill %1") and until(lambda: not state(pid)),
        "kill ends it, for bash lets it go on", state(pid), t.seen)


def hang_up(t):
    one = t.start("sleep 1004", "&")
    two = t.start("sleep 1005")
    say(one and two and until(lambda: state(one) == "S" and state(two) == "S"),
        "a job in the background and one in the foreground", t.seen)
    t.hang_up()
    say(until(lambda: not state(one) and not state(two)),
        "end when the terminal is hung up", state(one), state(two))


def hang_up_moved(t):
    pids, why = [], ""
    for stop in True, False:
        t.type("sh -c 'echo p''id=$$; exec cat'\n")
        found = t.expect(r"pid=(\d+)\s")
        if not found:
            return say(False, "cat", t.seen)
        pids.append(found[1])
        if stop:
            t.type("\x1a")
            t.expect(r"Stopped[^\n]*\n" + PROMPT)
        why += move(found[1], NODE)
    t.hang_up()
    say(not why and until(lambda: not any(state(pid) for pid in pids)),
        "jobs that were moved, one stopped, end when the terminal is hung up", why)


def main():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    t = Shell()
    parts = {"foreground": in_the_foreground, "background": in_the_background,
             "programs": programs, "ahead": typed_ahead, "pipelines": pipelines, "moved": moved,
             "programs_moved": programs_moved, "background_moved": background_moved,
             "stopped_moved": stopped_moved, "hang_up": hang_up,
             "hang_up_moved": hang_up_moved}
    # it takes real nodes to move, and a terminal is hung up but once
    for part in sys.argv[2:] or ("foreground", "background", "programs", "hang_up"):
        parts[part](t)


if __name__ == "__main__":
    main()
