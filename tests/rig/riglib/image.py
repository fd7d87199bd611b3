# SPDX-License-Identifier: GPL-2.0-only
"""What nodes boot from: a Debian root, its kernel, and a small initramfs.

The root (squashfs) depends on the package list and on this file alone, and
takes a minute to make. The rig's own guest files change more often, so they
travel in the initramfs, which takes no time.
"""

import fcntl
import functools
import os
import re
import shutil
import subprocess

from . import config
from .config import RigError, digest, read, run, say

LAYOUT = "1"                    # of the image: count up with debootstrap() below

# What the rig itself needs inside; people's additions go to the file packages.
BASE = ["linux-image-amd64", "busybox-static", "kmod", "iproute2", "openssh-server"]

# Host packages. The headers belong to the same meta package as the image's
# kernel, so the two are of one version.
HOST = ["mmdebstrap", "squashfs-tools", "qemu-system-x86", "cpio", "kmod", "gcc",
        "libc6-dev", "python3", "debian-archive-keyring", "linux-headers-amd64"]
HOST_USER = ["uidmap"]          # mmdebstrap without root
HOST_DEBUG = ["linux-source", "make", "flex", "bison", "bc", "libelf-dev",
              "libssl-dev", "xz-utils", "lz4", "rsync"]

# Drivers that no virtual node has; without them the image is half the size
# and depmod is quick.
NO_DRIVERS = ["sound", "drivers/gpu", "drivers/media", "drivers/staging",
              "drivers/iio", "drivers/isdn", "drivers/usb", "drivers/hid",
              "drivers/net/wireless", "drivers/net/ethernet", "drivers/scsi",
              "drivers/ata", "drivers/mtd", "drivers/platform", "drivers/input",
              "drivers/hwmon", "drivers/infiniband/hw", "drivers/bluetooth",
              "drivers/comedi", "drivers/mmc", "drivers/nfc", "drivers/mfd",
              "drivers/i2c", "drivers/leds", "drivers/power", "drivers/edac",
              "drivers/thunderbolt", "drivers/regulator", "drivers/pinctrl",
              "drivers/spi", "drivers/w1", "drivers/rtc", "drivers/tty",
              "net/bluetooth", "net/mac80211", "net/wireless", "net/nfc"]

# In the initramfs: enough to find and mount the root.
BOOT_MODULES = ["virtio_pci", "virtio_blk", "squashfs", "overlay",
                "virtio_console", "virtio_net", "virtio_rng"]


def installed(packages):
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n",
                          *packages], capture_output=True, text=True, check=False)
    have = {line.split()[0] for line in out.stdout.splitlines()
            if line.endswith(" installed")}
    return [p for p in packages if p in have]


def apt(*argv):
    """apt-get as root, asking nothing; its output is for the user's eyes."""
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    return subprocess.run([*sudo, *env, "apt-get", "-qq", *argv], stdout=2,
                          stdin=subprocess.DEVNULL, check=False).returncode


def install(packages):
    """Installs packages, or brings them up to date, and says which."""
    if not shutil.which("apt-get"):
        raise RigError("the rig needs Debian's packages: " + " ".join(packages))
    say("installing " + " ".join(packages))
    apt("update")
    if apt("-y", "--no-install-recommends", "install", *packages):
        raise RigError("apt-get could not install " + " ".join(packages))


def deps(debug=False):
    """Installs the host packages that are missing."""
    want = HOST + (HOST_DEBUG if debug else []) + (HOST_USER if os.geteuid() else [])
    have = installed(want)
    missing = [p for p in want if p not in have]
    if missing:
        install(missing)


def package_list():
    lines = (read(config.RIG_SRC + "/packages") or "").splitlines()
    names = [re.sub(r"#.*", "", line).strip() for line in lines]
    return sorted(set(BASE) | {n for n in names if n})


@functools.cache
def mirrors():
    """Debian's suites as the host's own apt has them: no mirror is ours to name."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)", read("/etc/os-release"), re.M)[1]
    lines = known_mirrors(codename)
    if not lines:
        apt("update")               # a fresh machine has no lists yet
        lines = known_mirrors(codename)
    if not lines:
        raise RigError("apt has no mirror of Debian configured here")
    return codename, lines


def known_mirrors(codename):
    fields = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    out = run(["apt-get", "indextargets", "--format", fields, "Identifier: Packages"])
    lines = []
    for row in out.splitlines():
        origin, suite, uri, release, component = row.split("|")
        if origin == "Debian" and suite.startswith(codename):
            lines.append(f"deb {uri} {release} {component}")
    return list(dict.fromkeys(lines))


def kernel_candidate():
    mirrors()                       # makes sure that apt has lists to ask
    out = subprocess.run(["apt-cache", "policy", "linux-image-amd64"],
                         capture_output=True, text=True, check=False).stdout
    found = re.search(r"Candidate: (\S+)", out)
    return found[1] if found else "unknown"


def image_dir():
    key = digest(LAYOUT, *package_list(), *NO_DRIVERS, kernel_candidate())
    return f"{config.CACHE}/image-{key}"


def release():
    """Kernel release of the image (built if need be)."""
    return read(build() + "/release").strip()


def build():
    """Makes the image unless it is cached; returns its directory."""
    dest = image_dir()
    if os.path.exists(dest + "/release"):
        os.utime(dest)
        return dest
    deps()
    os.makedirs(config.CACHE, exist_ok=True)
    with open(dest + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(dest + "/release"):
            debootstrap(dest)
    return dest


def debootstrap(dest):
    say("building the node image (about a minute, once)")
    part = dest + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    codename, sources = mirrors()
    proxies = [line for line in run(["apt-config", "dump"]).splitlines()
               if re.match(r"Acquire::https?::(Proxy|Verify|CA)", line)]
    excludes = [f"/lib/modules/*/kernel/{d}/*" for d in NO_DRIVERS]
    excludes += ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*",
                 "/usr/share/locale/*", "/usr/share/lintian/*"]
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar",
            "--include=" + ",".join(package_list()),
            *[f"--aptopt={p}" for p in proxies],
            *[f"--dpkgopt=path-exclude={x}" for x in excludes],
            "--customize-hook=chroot \"$1\" useradd -m -u 1001 -s /bin/bash alice",
            "--customize-hook=chroot \"$1\" useradd -m -u 1002 -s /bin/bash bob",
            "--customize-hook=rm -f \"$1\"/etc/ssh/ssh_host_* \"$1\"/boot/initrd.img-*",
            f"--customize-hook=copy-out /boot \"{part}\"",
            f"--customize-hook=copy-out /lib/modules \"{part}\"",
            f"--customize-hook=download /bin/busybox \"{part}/busybox\"",
            "--customize-hook=rm -rf \"$1\"/boot/* \"$1\"/var/cache/apt/*",
            codename, "-", *sources]
    with open(part + "/build.log", "wb") as log:
        # Debian's own initramfs would take its time, and nobody would read it.
        env = dict(os.environ, INITRD="No")
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=env,
                              stdin=subprocess.DEVNULL) as boot:
            pack = subprocess.run(["sqfstar", "-comp", "lz4", "-quiet", "-no-progress",
                                   part + "/root.squashfs"], stdin=boot.stdout,
                                  stdout=log, stderr=log, check=False)
            boot.stdout.close()
    if boot.returncode or pack.returncode:
        raise RigError("building the image failed:\n" +
                       "\n".join(read(part + "/build.log").splitlines()[-30:]))
    kernels = os.listdir(part + "/modules")
    if len(kernels) != 1:
        raise RigError(f"the image has {len(kernels)} kernels, not one")
    rel = kernels[0]
    os.rename(f"{part}/boot/vmlinuz-{rel}", part + "/vmlinuz")
    shutil.rmtree(part + "/boot")
    os.chmod(part + "/busybox", 0o755)
    os.makedirs(part + "/lib")
    os.rename(part + "/modules", part + "/lib/modules")
    config.write(part + "/release", rel + "\n")
    os.rename(part, dest)
    config.prune("image", 3)
