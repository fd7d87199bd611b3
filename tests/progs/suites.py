#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""suites.py OUT SECONDS NAME...: runs tests of Python's own suite, of psutil's, or
of any that unittest finds by name: modules, classes or single tests.

Each name in a process of its own, for so long; OUT gets a line for every test:
NAME, the test's own name and what became of it. What a test prints goes to stdout, why it failed
to stderr; SUITES_TIMES set: also how long each took. SUITES_EXEC set: what the tests
execute is moved too; SUITES_RUN: it is run on that node (see distant/distant.c)."""
import os
import subprocess
import sys
import tempfile
import time
import unittest


class Lines(unittest.TestResult):
    """Says of each test what became of it, as soon as it is over."""

    def __init__(self, out, name):
        super().__init__()
        self.out, self.name = out, name
        self.word = None        # of the test that runs

    def startTest(self, test):
        super().startTest(test)
        self.word = "ok"
        self.begun = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.say(test.id(), self.word)
        self.word = None
        if "SUITES_TIMES" in os.environ:
            print("%8.2f %s" % (time.monotonic() - self.begun, test.id()), file=sys.stderr)

    def say(self, *words):
        self.out.write(" ".join((self.name, *words)) + "\n")
        self.out.flush()

    def note(self, test, word, text):
        if self.word:
            self.word = word
        else:                   # a class or a module that could not be set up
            self.say(test.id(), word)
        print("%s: %s\n%s" % (word, test.id(), text), file=sys.stderr)

    def addError(self, test, err):
        self.note(test, "ERROR", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.note(test, "FAIL", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err:
            self.note(subtest, "FAIL", self._exc_info_to_string(err, test))
            self.word = "FAIL"

    def addSkip(self, test, reason):
        if self.word:
            self.word = "skipped"
        else:
            self.say(test.id(), "skipped")

    def addExpectedFailure(self, test, err):
        self.word = "expected-failure"


def one(out, name):
    for word in "EXEC", "RUN":
        if "SUITES_" + word in os.environ:
            os.environ["DISTANT_" + word] = os.environ["SUITES_" + word]
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    with open(out, "a") as f:
        suite.run(Lines(f, name))


def main():
    out, seconds, names = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    if not seconds:
        one(out, names[0])
        return
    open(out, "w").close()
    for name in names:
        with tempfile.TemporaryDirectory() as where:
            try:
                done = subprocess.run([sys.executable, os.path.abspath(__file__), out, "0", name],
                                      cwd=where, timeout=seconds)
                word = done.returncode and "ends with %d" % done.returncode
            except subprocess.TimeoutExpired:
                word = "is not done after %g s" % seconds
            if word:
                with open(out, "a") as f:
                    f.write("%s %s\n" % (name, word))


main()
