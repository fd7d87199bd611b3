#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""counter.py FILE: counts in FILE, some ten times a second, for ever."""
import os
import sys
import time

fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
count = 0
while True:
    count += 1
    os.pwrite(fd, b"%d\n" % count, 0)
    time.sleep(0.1)
