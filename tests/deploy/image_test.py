#!/usr/bin/env python3
"""The root file system of the image, run under chroot: usage: image_test.py PLIMSOLL [TEST...]"""

import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

import image

BYTES_MAX = 60_000_000
binary = None


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.root = pathlib.Path(folder.name) / "root"
        image.make(binary, cls.root)

    def run_inside(self, *arguments):
        return subprocess.run(
            [*image.inside(self.root), *arguments], capture_output=True, text=True, env={}
        )

    def files(self):
        return [path for path in self.root.rglob("*") if not path.is_dir()]

    def test_it_is_small(self):
        total = sum(path.lstat().st_size for path in self.files())
        self.assertLess(total, BYTES_MAX)
        self.assertGreater(total, 5_000_000)

    def test_there_is_one_program_and_nothing_to_write(self):
        for path in self.root.rglob("*"):
            mode = path.lstat().st_mode
            writable = stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID
            self.assertEqual(mode & writable, 0, path)
            self.assertFalse(stat.S_ISLNK(mode), path)
        programs = [path.name for path in self.files() if path.parent.name in ("bin", "sbin")]
        self.assertEqual(programs, ["plimsoll"])

    def test_the_program_starts(self):
        done = self.run_inside(image.PROGRAM, "--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^plimsoll \d+\.\d+\.\d+\n$")

    def test_the_demo_runs_and_writes_to_a_volume_only(self):
        volume = self.root / "volume"
        volume.mkdir()
        if os.getuid() == 0:
            os.chown(volume, image.USER, image.USER)
            done = self.run_inside(image.PROGRAM, "demo", "--seeds", "1")
            self.assertEqual(done.returncode, 1)
            self.assertIn("plimsoll-demo.html: cannot write", done.stderr)
        done = self.run_inside(
            image.PROGRAM, "demo", "--seeds", "1", "--report", "/volume/demo.html"
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Paid for idle GPUs", done.stdout)
        self.assertGreater((volume / "demo.html").stat().st_size, 10_000)

    def test_what_it_trusts_and_ships_is_named(self):
        certificates = (self.root / "etc/ssl/certs/ca-certificates.crt").read_text()
        self.assertGreater(certificates.count("BEGIN CERTIFICATE"), 50)
        licences = {path.parent.name for path in self.root.glob("usr/share/doc/*/*")}
        self.assertLessEqual({"plimsoll", "libc6", "libcurl4", "libssl3"}, licences)

    def test_a_program_that_is_none_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(subprocess.CalledProcessError):
                image.make("/nowhere/plimsoll", folder)
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    binary = sys.argv.pop(1)
    unittest.main()
