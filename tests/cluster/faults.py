#!/usr/bin/env python3
"""Two replicas of `plimsoll run` on a real control plane while its parts are killed and hung.

    tests/cluster/faults.py [--rounds 5] [--seed 1] [--plimsoll BINARY]

Each round makes plain pods and gangs, deletes some of the earlier ones, and does one to three of
the faults in a random order. Then, within 30 s of the last fault, every pod must be bound. Checked
all along: no node's GPUs are promised twice, no pod changes its node, none is lost, no gang stays
half-bound past its timeout. The same seed does the same faults.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import api
import control_plane

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NODES = 20
GPUS = 8
GANG_TIMEOUT_SECONDS = 10
CONVERGED_SECONDS = 30
LEASE_SECONDS = 4
PODS = "/api/v1/namespaces/default/pods"
GROUPS = "/apis/scheduling.k8s.io/v1beta1/namespaces/default/podgroups"


class Violation(Exception):
    pass


class Server:
    """The API as the administrator, through whatever happens to the server."""

    def __init__(self, plane):
        self.facts = plane.facts()
        self.pki = pathlib.Path(plane.folder) / "pki"
        self.api = None

    def request(self, method, path, body=None, seconds=60):
        end = time.monotonic() + seconds
        while True:
            try:
                if self.api is None:
                    self.api = api.Api(self.facts["port"], self.pki, timeout_seconds=5)
                status, answer = self.api.request(method, path, body)
                if status not in (429, 500, 503, 504):
                    return status, answer
            except (OSError, http.client.HTTPException):
                self.api = None
            if time.monotonic() > end:
                raise TimeoutError(f"{method} {path}: no answer within {seconds} s")
            time.sleep(0.2)

    def pods(self):
        status, answer = self.request("GET", PODS)
        if status != 200:
            raise Violation(f"GET {PODS}: found {status}")
        return json.loads(answer)["items"]


def gpus_of(pod):
    return int(pod["spec"]["containers"][0]["resources"]["requests"].get("nvidia.com/gpu", 0))


class Auditor(threading.Thread):
    """Looks at all pods again and again."""

    def __init__(self, plane):
        super().__init__(daemon=True)
        self.server = Server(plane)
        self.node_of = {}  # by uid
        self.half_since = {}  # by group
        self.ended = threading.Event()
        self.violation = None
        self.looks = 0

    def run(self):
        while not self.ended.wait(0.3):
            try:
                self.look()
            except Violation as violation:
                self.violation = str(violation)
                return
            except TimeoutError:
                pass

    def look(self):
        pods = self.server.pods()
        held, groups = {}, {}
        for pod in pods:
            uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
            name = pod["metadata"]["name"]
            if node:
                held[node] = held.get(node, 0) + gpus_of(pod)
                before = self.node_of.setdefault(uid, node)
                if before != node:
                    raise Violation(f"pod {name}: bound to {before}, then to {node}")
            if "deletionTimestamp" not in pod["metadata"] and "schedulingGroup" in pod["spec"]:
                group = pod["spec"]["schedulingGroup"]["podGroupName"]
                groups.setdefault(group, []).append(bool(node))
        for node, gpus in held.items():
            if gpus > GPUS:
                raise Violation(f"node {node}: {gpus} GPUs are held, it has {GPUS}")
        now = time.monotonic()
        for group, bound in groups.items():
            if any(bound) and not all(bound):
                since = self.half_since.setdefault(group, now)
                if now - since > GANG_TIMEOUT_SECONDS + CONVERGED_SECONDS:
                    raise Violation(f"gang {group}: half-bound for {now - since:.0f} s")
            else:
                self.half_since.pop(group, None)
        self.looks += 1


class Replica:
    def __init__(self, plane, binary, number):
        self.log = pathlib.Path(plane.folder) / f"plimsoll-{number}.log"
        command = [
            str(binary),
            "run",
            "--kubeconfig",
            f"{plane.folder}/kubeconfig",
            "--leader-elect",
            "--leader-elect-namespace=default",
            f"--leader-elect-lease-duration={LEASE_SECONDS}",
            f"--leader-elect-renew-deadline={LEASE_SECONDS - 1}",
            "--leader-elect-retry-period=1",
            f"--gang-timeout={GANG_TIMEOUT_SECONDS}",
        ]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def identity(self):
        for line in self.log.read_text().splitlines():
            if " identity=" in line:
                return line.rsplit(" identity=", 1)[1].split()[0]
        return None


class Campaign:
    def __init__(self, plane, options):
        self.plane = plane
        self.options = options
        self.random = random.Random(options.seed)
        self.server = Server(plane)
        self.makers_server = Server(plane)  # one connection a thread
        self.replicas = []
        self.started = 0
        self.expected = set()
        self.made = 0

    def keep_two(self):
        """A replica that ended, as one that lost the lead does, is started again."""
        alive = []
        for replica in self.replicas:
            if replica.process.poll() is None:
                alive.append(replica)
            elif replica.process.returncode not in (1, -signal.SIGKILL):
                raise Violation(
                    f"plimsoll ended with {replica.process.returncode}: "
                    f"{replica.log.read_text()[-2000:]}"
                )
        self.replicas = alive
        while len(self.replicas) < 2:
            self.replicas.append(Replica(self.plane, self.options.plimsoll, self.started))
            self.started += 1

    def leader(self):
        end = time.monotonic() + 4 * LEASE_SECONDS + 10
        while time.monotonic() < end:
            self.keep_two()
            path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/plimsoll"
            status, body = self.server.request("GET", path)
            holder = json.loads(body)["spec"].get("holderIdentity") if status == 200 else None
            for replica in self.replicas:
                if holder and replica.identity() == holder:
                    return replica
            time.sleep(0.2)
        raise Violation("no replica leads")

    # The faults.

    def kill(self, component):
        os.kill(self.plane.running(component), signal.SIGKILL)
        while self.plane.running(component):
            time.sleep(0.01)
        for _ in range(20):  # a client's own connection may sit on the port for a moment
            try:
                return self.plane.restart(component)
            except control_plane.PortTaken:
                time.sleep(0.3)
        raise Violation(f"{component}: its port stays taken")

    def kill_api_server(self):
        self.kill("kube-apiserver")

    def kill_etcd(self):
        self.kill("etcd")

    def hang_api_server(self):
        pid = self.plane.running("kube-apiserver")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(pid, signal.SIGCONT)

    def kill_leader(self):
        self.leader().process.kill()

    def stop_leader_past_its_lease(self):
        leader = self.leader()
        leader.process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + 2)
        leader.process.send_signal(signal.SIGCONT)

    FAULTS = [
        kill_api_server,
        kill_etcd,
        hang_api_server,
        kill_leader,
        stop_leader_past_its_lease,
    ]

    def make(self, name, gpus, group=None):
        spec = {
            "schedulerName": "plimsoll",
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "c",
                    "image": "none",
                    "resources": {
                        "requests": {"cpu": "1", "nvidia.com/gpu": str(gpus)},
                        "limits": {"nvidia.com/gpu": str(gpus)},
                    },
                }
            ],
        }
        if group:
            spec["schedulingGroup"] = {"podGroupName": group}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        status, answer = self.makers_server.request("POST", PODS, body)
        if status not in (201, 409):  # 409: the answer to the first try was lost
            raise Violation(f"pod {name}: found {status} {answer[:200]}")
        self.expected.add(name)

    def make_work(self):
        for _ in range(25):
            self.made += 1
            self.make(f"p-{self.made}", self.random.choice((1, 2)))
        for _ in range(4):
            self.made += 1
            group = f"g-{self.made}"
            body = {
                "apiVersion": "scheduling.k8s.io/v1beta1",
                "kind": "PodGroup",
                "metadata": {"name": group},
                "spec": {"schedulingPolicy": {"gang": {"minCount": 4}}},
            }
            self.makers_server.request("POST", GROUPS, body)
            for member in range(4):
                self.make(f"{group}-{member}", 2, group)

    def delete_work(self):
        """All but what the last round made, so that half of the cluster is asked for at most."""
        for name in sorted(self.expected):
            self.server.request("DELETE", f"{PODS}/{name}")
        self.expected.clear()

    def round(self, number, auditor):
        if number > 1:
            self.delete_work()
        faults = self.random.sample(self.FAULTS, self.random.randint(1, 3))
        at = sorted(self.random.uniform(0, 1.5) for _ in faults)
        made = threading.Thread(target=self.make_work)
        began = time.monotonic()
        made.start()
        for fault, delay in zip(faults, at):
            time.sleep(max(0.0, began + delay - time.monotonic()))
            fault(self)
        last_fault = time.monotonic()
        while True:
            self.keep_two()
            if auditor.violation:
                raise Violation(auditor.violation)
            pods = {pod["metadata"]["name"]: pod for pod in self.server.pods()}
            pending = [n for n in self.expected if not pods.get(n, {}).get("spec", {}).get("nodeName")]
            if not made.is_alive() and not pending:
                break
            if time.monotonic() - last_fault > CONVERGED_SECONDS:
                lost = sorted(n for n in self.expected if n not in pods)
                raise Violation(f"not bound in time: {sorted(pending)[:8]}, lost: {lost[:8]}")
            time.sleep(0.3)
        names = ", ".join(fault.__name__ for fault in faults)
        print(
            f"round {number}: {len(self.expected)} pods; {names}; converged "
            f"{time.monotonic() - last_fault:.1f} s after the last",
            flush=True,
        )

    def run(self):
        self.keep_two()
        self.leader()
        auditor = Auditor(self.plane)
        auditor.start()
        try:
            for number in range(1, self.options.rounds + 1):
                self.round(number, auditor)
            auditor.ended.set()
            auditor.join()
            auditor.look()
            print(f"{auditor.looks} looks at all pods, nothing promised twice", flush=True)
        finally:
            auditor.ended.set()
            for replica in self.replicas:
                replica.process.kill()
                replica.process.wait()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plimsoll", type=pathlib.Path, default=ROOT / "build/release/bin/plimsoll")
    options = parser.parse_args()
    up = [HERE / "up", "--nodes", str(NODES), "--gpus", str(GPUS), "--while-pid", str(os.getpid())]
    kubeconfig = subprocess.run(up, check=True, capture_output=True, text=True).stdout.strip()
    plane = control_plane.ControlPlane.at(kubeconfig)
    try:
        Campaign(plane, options).run()
    except (Violation, TimeoutError) as error:
        print(f"tests/cluster/faults.py: seed {options.seed}: {error}", file=sys.stderr)
        for log in sorted(pathlib.Path(plane.folder).glob("plimsoll-*.log")):
            print(f"--- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
        return 1
    finally:
        plane.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
