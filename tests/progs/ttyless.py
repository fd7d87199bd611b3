#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""ttyless.py OUT: on SIGUSR1 closes all it has of its terminal, and then opens /dev/tty
until that fails; the errno goes to OUT."""
import os
import signal
import sys
import time

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("re" "ady", flush=True)
signal.sigwait([signal.SIGUSR1])
os.closerange(0, 3)
err = 0
while not err:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        time.sleep(0.1)
    except OSError as e:
        err = e.errno
with open(sys.argv[1], "w") as out:
    out.write("%d\n" % err)
