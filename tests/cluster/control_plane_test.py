#!/usr/bin/env python3
"""What the control plane's scripts promise and the fixture's test cannot see: a port that somebody
took first is no failure, an interrupted `up` leaves nothing, no foreign process is ever ended."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import types
import unittest
from unittest import mock

import control_plane

HERE = pathlib.Path(__file__).parent


def options():
    where = subprocess.run([HERE / "build", "--where"], check=True, capture_output=True, text=True)
    return types.SimpleNamespace(
        kubernetes="1.37",
        binaries=where.stdout.strip(),
        scheduler=False,
        kwok=False,
        nodes=0,
        while_pid=None,
        arg=[],
    )


@contextlib.contextmanager
def foreign_process():
    process = subprocess.Popen(["sleep", "600"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Start(unittest.TestCase):
    def test_a_port_that_is_taken_meanwhile_is_chosen_again(self):
        choices = []
        with tempfile.TemporaryDirectory() as parent, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            free_ports = control_plane.free_ports

            # etcd's the first time, the API server's the second.
            def first_two_taken(count):
                ports = free_ports(count)
                if len(choices) < 2:
                    ports[2 * len(choices)] = taken.getsockname()[1]
                choices.append(ports)
                return ports

            with mock.patch.object(control_plane, "free_ports", first_two_taken):
                plane = control_plane.up(f"{parent}/plane", options())
            try:
                self.assertEqual(len(choices), 3)
                self.assertEqual(plane.facts()["port"], choices[2][2])
                self.assertIsNotNone(plane.running("kube-apiserver"))
            finally:
                plane.down()
            self.assertEqual(os.listdir(parent), [])

    def test_ports_that_stay_taken_end_in_one_line(self):
        with tempfile.TemporaryDirectory() as parent, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports = [taken.getsockname()[1], *control_plane.free_ports(3)]
            with mock.patch.object(control_plane, "free_ports", lambda count: ports):
                with self.assertRaisesRegex(
                    control_plane.Failure, "etcd ended with status 1 at its start(.|\n)*in use"
                ):
                    control_plane.up(f"{parent}/plane", options())
            self.assertEqual(os.listdir(parent), [])

    def test_an_interrupted_start_leaves_nothing(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 130)):
            with tempfile.TemporaryDirectory() as parent:
                folder = pathlib.Path(parent) / "plane"
                starting = subprocess.Popen(
                    [HERE / "up", "--dir", folder], stdout=subprocess.PIPE, text=True
                )
                pid_file = folder / "state" / "kube-apiserver.pid"
                while not pid_file.exists():
                    self.assertIsNone(starting.poll())
                    time.sleep(0.02)
                pid = int(pid_file.read_text().split()[0])
                starting.send_signal(number)
                said, _ = starting.communicate()
                self.assertEqual((said, starting.returncode), ("", status))
                self.assertIsNone(control_plane.process_start(pid))
                self.assertEqual(os.listdir(parent), [])


class Down(unittest.TestCase):
    def plane(self, parent, pid, start):
        folder = pathlib.Path(parent) / "plane"
        (folder / "state").mkdir(parents=True)
        (folder / "control-plane.json").write_text(json.dumps({}))
        (folder / "state" / "etcd.pid").write_text(f"{pid} {start}\n")
        return folder

    def test_a_process_that_only_has_the_same_number_is_left_alone(self):
        with foreign_process() as foreign, tempfile.TemporaryDirectory() as parent:
            start = control_plane.process_start(foreign.pid)
            folder = self.plane(parent, foreign.pid, start - 1)
            subprocess.run([HERE / "down", folder], check=True)
            self.assertIsNone(foreign.poll())
            self.assertFalse(folder.exists())

    def test_a_process_of_its_own_is_ended(self):
        with foreign_process() as own, tempfile.TemporaryDirectory() as parent:
            folder = self.plane(parent, own.pid, control_plane.process_start(own.pid))
            subprocess.run([HERE / "down", folder], check=True)
            self.assertEqual(own.wait(), -signal.SIGKILL)

    def test_a_process_that_had_ended_before_its_start_was_read_is_none(self):
        with tempfile.TemporaryDirectory() as parent:
            folder = self.plane(parent, 2**22 + 1, None)
            self.assertIsNone(control_plane.ControlPlane(folder).running("etcd"))


if __name__ == "__main__":
    unittest.main()
