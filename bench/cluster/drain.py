#!/usr/bin/env python3
"""Drains waiting pods onto KWOK nodes with Plimsoll and with kube-scheduler, in turn, on one control
plane, and compares: pods a second, CPU seconds of the scheduler and of the API server, memory.

    tests/cluster/up --nodes 1000 --gpus 8 --arg kwok=--node-lease-duration-seconds=400
    bench/cluster/drain.py KUBECONFIG [--pods 10000] [--pairs 5] [--gangs 750x4 --key LABEL]

Each run makes the pods first, starts the scheduler, and stops the clock when no pod lacks a node,
and again when there is an Event for each of them. Both write one for each binding; kube-scheduler's client limits are raised to 5000 a second.
With --gangs, pods come in PodGroups (scheduling.k8s.io/v1beta1) of 2 GPUs a pod instead.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import api  # noqa: E402

CONNECTIONS = 8
POLL_SECONDS = 0.2
GIVE_UP_SECONDS = 600


class Cluster:
    def __init__(self, kubeconfig):
        self.kubeconfig = pathlib.Path(kubeconfig)
        self.folder = self.kubeconfig.parent
        self.facts = json.loads((self.folder / "control-plane.json").read_text())
        self.pki = self.folder / "pki"
        self.api = self.connection()

    def connection(self):
        return api.Api(self.facts["port"], self.pki, timeout_seconds=120)

    def server_pid(self):
        return int((self.folder / "state" / "kube-apiserver.pid").read_text().split()[0])

    def get(self, path):
        status, body = self.api.request("GET", path)
        if status != 200:
            sys.exit(f"drain.py: GET {path}: found {status} {body[:200]}, expected 200")
        return json.loads(body)

    def post_all(self, path, bodies):
        def some(first):
            connection = self.connection()
            for body in bodies[first::CONNECTIONS]:
                status, answer = connection.request("POST", path, body)
                if status != 201:
                    sys.exit(f"drain.py: POST {path}: found {status} {answer[:300]}, expected 201")

        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(some, range(CONNECTIONS)))


def usage(pid):
    """CPU seconds and the most resident bytes of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return ticks / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) * 1024


def pod(name, scheduler, options, group=None):
    requests = {"cpu": "100m", "memory": "128Mi"}
    limits = {}
    if options.gangs:
        limits["nvidia.com/gpu"] = requests["nvidia.com/gpu"] = "2"
    spec = {
        "schedulerName": scheduler,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "c", "image": "none", "resources": {"requests": requests, "limits": limits}}
        ],
    }
    if group:
        spec["schedulingGroup"] = {"podGroupName": group}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def make_pods(cluster, namespace, scheduler, options):
    path = f"/api/v1/namespaces/{namespace}/pods"
    if not options.gangs:
        cluster.post_all(path, [pod(f"p-{i}", scheduler, options) for i in range(options.pods)])
        return options.pods
    gangs, members = (int(part) for part in options.gangs.split("x"))
    groups = []
    for i in range(gangs):
        spec = {"schedulingPolicy": {"gang": {"minCount": members}}}
        if options.key:
            spec["schedulingConstraints"] = {"topology": [{"key": options.key}]}
        groups.append(
            {
                "apiVersion": "scheduling.k8s.io/v1beta1",
                "kind": "PodGroup",
                "metadata": {"name": f"g-{i}"},
                "spec": spec,
            }
        )
    cluster.post_all(f"/apis/scheduling.k8s.io/v1beta1/namespaces/{namespace}/podgroups", groups)
    pods = [
        pod(f"p-{i}-{m}", scheduler, options, f"g-{i}")
        for i in range(gangs)
        for m in range(members)
    ]
    cluster.post_all(path, pods)
    return len(pods)


def start(cluster, which, options):
    log = open(cluster.folder / f"bench-{which}.log", "w")
    if which == "plimsoll":
        command = [str(options.plimsoll), "run", "--kubeconfig", str(cluster.kubeconfig)]
    else:
        config = cluster.folder / "bench-scheduler.yaml"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "kubescheduler.config.k8s.io/v1",
                    "kind": "KubeSchedulerConfiguration",
                    "leaderElection": {"leaderElect": False},
                    "clientConnection": {
                        "kubeconfig": str(cluster.folder / "scheduler.kubeconfig"),
                        "qps": 5000,
                        "burst": 5000,
                    },
                }
            )
        )
        command = [
            f"{cluster.facts['binaries']}/kube-scheduler",
            f"--config={config}",
            "--secure-port=0",
            "--feature-gates=GenericWorkload=true,TopologyAwareWorkloadScheduling=true",
        ]
    return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def one_run(cluster, which, number, options):
    namespace = f"drain-{os.getpid()}-{number}"
    scheduler = "plimsoll" if which == "plimsoll" else "default-scheduler"
    cluster.api.request(
        "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}, "kind": "Namespace"}
    )
    wait(lambda: cluster.api.ok(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"), 30)
    count = make_pods(cluster, namespace, scheduler, options)
    time.sleep(2)  # what made them settles
    server_before, _ = usage(cluster.server_pid())
    began = time.monotonic()
    process = start(cluster, which, options)
    path = f"/api/v1/namespaces/{namespace}/pods?fieldSelector=spec.nodeName%3D&limit=1"

    def drained():
        if process.poll() is not None:
            sys.exit(f"drain.py: {which} ended: see {cluster.folder}/bench-{which}.log")
        return not cluster.get(path)["items"]

    wait(drained, GIVE_UP_SECONDS)
    seconds = time.monotonic() - began
    wait(lambda: events_in(cluster, namespace) >= count, GIVE_UP_SECONDS)
    seconds_told = time.monotonic() - began
    time.sleep(3)  # the last status updates belong to the run
    cpu, memory = usage(process.pid)
    server_after, _ = usage(cluster.server_pid())
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    result = {
        "scheduler": which,
        "pods": count,
        "seconds": round(seconds, 2),
        "pods_per_second": round(count / seconds, 1),
        "seconds_with_events": round(seconds_told, 2),
        "pods_per_second_with_events": round(count / seconds_told, 1),
        "cpu_seconds": round(cpu, 2),
        "server_cpu_seconds": round(server_after - server_before, 2),
        "memory_mib": round(memory / 2**20, 1),
    }
    print(json.dumps(result), flush=True)
    clear(cluster, namespace)
    return result


def events_in(cluster, namespace):
    """How many Events there are, without reading them."""
    listed = cluster.get(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events?limit=1")
    return len(listed["items"]) + listed["metadata"].get("remainingItemCount", 0)


def clear(cluster, namespace):
    """Deletes the pods, however often the server runs out of time over it, and the namespace."""
    pods = f"/api/v1/namespaces/{namespace}/pods"

    def empty():
        try:
            cluster.api.request("DELETE", pods, {"kind": "DeleteOptions", "apiVersion": "v1"})
        except (OSError, http.client.HTTPException):
            pass
        return not cluster.get(pods + "?limit=1")["items"]

    wait(empty, 300)
    cluster.api.request("DELETE", f"/api/v1/namespaces/{namespace}")
    wait(lambda: cluster.api.request("GET", f"/api/v1/namespaces/{namespace}")[0] == 404, 300)


def wait(done, seconds):
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            sys.exit(f"drain.py: not done within {seconds} s")
        time.sleep(POLL_SECONDS)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kubeconfig")
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", choices=["plimsoll", "kube-scheduler"])
    parser.add_argument("--gangs", help="COUNTxMEMBERS in place of --pods")
    parser.add_argument("--key", help="the topology key that each gang requires")
    parser.add_argument("--plimsoll", type=pathlib.Path, default=ROOT / "build/release/bin/plimsoll")
    options = parser.parse_args()
    cluster = Cluster(options.kubeconfig)
    order = [options.only] if options.only else ["plimsoll", "kube-scheduler"]
    runs = []
    for pair in range(options.pairs):
        for i, which in enumerate(order if pair % 2 == 0 else order[::-1]):
            runs.append(one_run(cluster, which, pair * 2 + i, options))
    for which in order:
        mine = [run for run in runs if run["scheduler"] == which]
        median = {
            key: statistics.median(run[key] for run in mine)
            for key in mine[0]
            if key not in ("scheduler", "pods")
        }
        print(which, "median", json.dumps(median))


if __name__ == "__main__":
    main()
