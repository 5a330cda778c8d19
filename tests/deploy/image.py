"""The root file system of the image: how it is made, and how a program runs in it as in a container
that may write nothing."""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
USER = 65532
PROGRAM = "/usr/bin/plimsoll"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def make(binary, folder):
    subprocess.run([ROOT / "deploy/image/rootfs", binary, folder], check=True)


def inside(folder):
    """What comes before a program of it. Without root, the caller is root in there in name only."""
    chroot = shutil.which("chroot", path=SYSTEM_PATH)
    if os.getuid() == 0:
        return [chroot, f"--userspec={USER}:{USER}", folder]
    return [shutil.which("unshare", path=SYSTEM_PATH), "--map-root-user", chroot, folder]
