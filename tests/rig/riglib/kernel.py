# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that nodes boot: Debian's own, and ours with the debug checks."""

import fcntl
import glob
import os
import re
import shutil
import subprocess

from . import config, image
from .config import RigError, digest, read, run, say


class Stock:
    """Debian's linux-image-amd64, from the node image."""

    debug = False
    words = []

    def __init__(self, img):
        self.img = img
        self.release = read(img + "/release").strip()
        self.vmlinuz = img + "/vmlinuz"
        self.id = "stock-" + self.release

    def boot_modules(self):
        """Files of the modules that find the root, dependencies first."""
        out = run(["modprobe", "-d", self.img, "-S", self.release, "--show-depends",
                   "-a", *image.BOOT_MODULES])
        paths = re.findall(r"^insmod (\S+)", out, re.M)
        return list(dict.fromkeys(paths))

    def add_modules(self, root):
        """The image has them all."""

    def modules_root(self):
        return self.img

    def build_dir(self):
        path = f"/lib/modules/{self.release}/build"
        if not os.path.exists(path + "/Makefile"):
            image.deps()
        if not os.path.exists(path + "/Makefile"):
            raise RigError(f"no headers for the image's kernel {self.release}; is "
                           "linux-headers-amd64 up to date?")
        return path
