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
            image.install(["linux-headers-amd64"])
        if not os.path.exists(path + "/Makefile"):
            raise RigError(f"no headers for the image's kernel {self.release}; is "
                           "linux-headers-amd64 up to date?")
        return path


class Debug:
    """A kernel with KASAN, lockdep and the like, built here from Debian's source.

    Takes some minutes, once for each source, fragment and compiler. The tree
    stays where it was built: modules are built against it, by absolute paths.
    """

    debug = True
    words = ["kasan_multi_shot", "kmemleak=on"]

    def __init__(self, img):
        del img                     # the same root; modules come along below
        self.fragment = config.RIG_SRC + "/debug.config"
        image.deps(debug=True)
        tarballs = glob.glob("/usr/src/linux-source-*.tar.xz")
        if not tarballs:
            raise RigError("linux-source has left no tarball in /usr/src")
        self.tarball = max(tarballs, key=os.path.getmtime)
        version = run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n",
                       os.path.basename(self.tarball).split(".tar")[0]])
        compiler = run(["gcc", "--version"]).splitlines()[0]
        self.id = "debug-" + digest(version, compiler, "file:" + self.fragment)
        self.dir = f"{config.CACHE}/kernel-{self.id}"
        self.build()
        os.utime(self.dir)
        self.release = read(self.dir + "/release").strip()
        self.vmlinuz = self.dir + "/bzImage"

    def build(self):
        os.makedirs(config.CACHE, exist_ok=True)
        with open(self.dir + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(self.dir + "/release"):
                self.make_all()

    def make(self, *targets):
        with open(self.dir + "/build.log", "ab") as log:
            done = subprocess.run(
                ["nice", "make", f"-j{os.cpu_count()}", "-C", self.dir + "/source",
                 f"O={self.dir}/build", f"KCONFIG_ALLCONFIG={self.fragment}", *targets],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        if done.returncode:
            tail = "\n".join(read(self.dir + "/build.log").splitlines()[-30:])
            raise RigError(f"building the debug kernel failed:\n{tail}")

    def make_all(self):
        say(f"building the debug kernel (minutes, once; log in {self.dir}/build.log)")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir + "/source")
        os.makedirs(self.dir + "/build")
        run(["tar", "-C", self.dir + "/source", "--strip-components=1",
             "--exclude=*/Documentation/[!K]*", "-xf", self.tarball])
        self.make("allnoconfig")
        self.check_config()
        self.make("bzImage", "modules")
        self.make("modules_install", f"INSTALL_MOD_PATH={self.dir}", "INSTALL_MOD_STRIP=1")
        release = read(self.dir + "/build/include/config/kernel.release").strip()
        shutil.copy(self.dir + "/build/arch/x86/boot/bzImage", self.dir + "/bzImage")
        for link in ("build", "source"):
            path = f"{self.dir}/lib/modules/{release}/{link}"
            if os.path.islink(path):
                os.unlink(path)
        self.prune()
        config.write(self.dir + "/release", release + "\n")
        config.prune("kernel-debug", 2)

    def check_config(self):
        """Kconfig drops silently what lacks a dependency: none of ours may go."""
        have = set(read(self.dir + "/build/.config").splitlines())
        missing = []
        for line in read(self.fragment).splitlines():
            found = re.fullmatch(r"(CONFIG_\w+)=(.*)", line)
            if not found:
                continue
            if found[2] == "n":
                bad = any(h.startswith(found[1] + "=") for h in have)
            else:
                bad = line not in have
            if bad:
                missing.append(line)
        if missing:
            raise RigError("debug.config: Kconfig did not take " + ", ".join(missing))

    def prune(self):
        """Modules need headers, scripts and symbols, not a gigabyte of the rest."""
        keep = ("scripts", "tools", "certs")
        for top, ends in (("source", (".c", ".S")), ("build", (".o", ".a", ".cmd", ".ko"))):
            root = f"{self.dir}/{top}"
            for path, dirs, files in os.walk(root):
                if path == root:
                    dirs[:] = [d for d in dirs if d not in keep]
                for name in files:
                    if name.endswith(ends) or name == "vmlinux.unstripped":
                        os.unlink(f"{path}/{name}")
        shutil.rmtree(self.dir + "/source/tools/testing", ignore_errors=True)

    def boot_modules(self):
        return []                   # all built in

    def add_modules(self, root):
        shutil.copytree(f"{self.dir}/lib/modules/{self.release}",
                        f"{root}/usr/lib/modules/{self.release}", symlinks=True)

    def modules_root(self):
        return self.dir

    def build_dir(self):
        return self.dir + "/build"
