#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""killpg.py GROUP FILE: sends SIGRTMIN to the group until FILE is gone, and prints how
often it did, and how often that failed."""
import os
import signal
import sys
import time

sent = failed = 0
group, path = int(sys.argv[1]), sys.argv[2]
while os.path.exists(path):
    try:
        os.killpg(group, signal.SIGRTMIN)
        sent += 1
    except OSError as e:
        print("killpg: %s" % e, file=sys.stderr)
        failed += 1
    time.sleep(0.003)
print(sent, failed)
