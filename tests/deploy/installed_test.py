#!/usr/bin/env python3
"""What is installed, on a real control plane: the manifests and the chart as an operator applies
them, and what each ServiceAccount may do then. usage: installed_test.py PLIMSOLL [TEST...]

The scheduler runs in the image's root file system as the Deployment says: with its arguments, nobody's
user, and the service account that a pod would have; the API server's audit log tells what it was
refused."""

import contextlib
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "cluster"))

import api  # noqa: E402
import control_plane  # noqa: E402
import image  # noqa: E402

MANIFESTS = ROOT / "deploy" / "manifests"
CHART = ROOT / "deploy" / "helm" / "plimsoll"
SYSTEM = "plimsoll-system"
WAIT_SECONDS = 60
GPUS = 8
NODES = 4
# The chart may be ahead of the program by these flags. What they do is checked where they are there;
# preemption and Events came with the second.
LISTENS = "--listen"
ELECTS = "--leader-elect"
# All that each may do beyond what every account may, as (group, resource, verbs, names).
SCHEDULER = {
    ("", "nodes", "list watch", ""),
    ("", "namespaces", "list watch", ""),
    ("", "persistentvolumes", "list watch", ""),
    ("", "persistentvolumeclaims", "list watch", ""),
    ("storage.k8s.io", "storageclasses", "list watch", ""),
    ("storage.k8s.io", "csinodes", "list watch", ""),
    ("policy", "poddisruptionbudgets", "list watch", ""),
    ("scheduling.k8s.io", "podgroups", "list watch", ""),
    ("scheduling.x-k8s.io", "podgroups", "list watch", ""),
    ("scheduling.volcano.sh", "podgroups", "list watch", ""),
    ("", "pods", "delete get list watch", ""),
    ("", "pods/binding", "create", ""),
    ("", "pods/status", "patch", ""),
    ("scheduling.k8s.io", "podgroups/status", "patch", ""),
    ("events.k8s.io", "events", "create patch", ""),
    ("coordination.k8s.io", "leases", "create", ""),
    ("coordination.k8s.io", "leases", "get update", "plimsoll"),
}
WEBHOOK = {
    ("", "secrets", "get patch update", "plimsoll-webhook"),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "get patch",
        "plimsoll-webhook",
    ),
    ("events.k8s.io", "events", "create patch", ""),
}
# (account, verb, group, resource, namespace, name, whether it may)
QUESTIONS = [
    ("plimsoll", "create", "", "pods/binding", "team", "", True),
    ("plimsoll", "delete", "", "pods", "team", "", True),
    ("plimsoll", "deletecollection", "", "pods", "team", "", False),
    ("plimsoll", "create", "", "pods", "team", "", False),
    ("plimsoll", "update", "", "pods", "team", "", False),
    ("plimsoll", "patch", "", "pods", "team", "", False),
    ("plimsoll", "create", "", "pods/exec", "team", "", False),
    ("plimsoll", "create", "", "pods/eviction", "team", "", False),
    ("plimsoll", "patch", "", "nodes", "", "", False),
    ("plimsoll", "patch", "", "nodes/status", "", "", False),
    ("plimsoll", "get", "", "secrets", "team", "", False),
    ("plimsoll", "list", "", "secrets", "", "", False),
    ("plimsoll", "watch", "", "secrets", SYSTEM, "", False),
    ("plimsoll", "get", "", "secrets", SYSTEM, "plimsoll-webhook", False),
    ("plimsoll", "get", "", "configmaps", "team", "", False),
    ("plimsoll", "create", "", "serviceaccounts/token", SYSTEM, "", False),
    ("plimsoll", "patch", "rbac.authorization.k8s.io", "clusterroles", "", "plimsoll", False),
    ("plimsoll", "bind", "rbac.authorization.k8s.io", "clusterroles", "", "plimsoll", False),
    ("plimsoll", "impersonate", "", "users", "", "", False),
    ("plimsoll", "update", "coordination.k8s.io", "leases", SYSTEM, "plimsoll", True),
    ("plimsoll", "update", "coordination.k8s.io", "leases", SYSTEM, "another", False),
    ("plimsoll", "update", "coordination.k8s.io", "leases", "kube-node-lease", "n", False),
    ("plimsoll", "create", "coordination.k8s.io", "leases", "team", "", False),
    ("plimsoll-webhook", "get", "", "secrets", SYSTEM, "plimsoll-webhook", True),
    ("plimsoll-webhook", "get", "", "secrets", SYSTEM, "another", False),
    ("plimsoll-webhook", "get", "", "secrets", "team", "plimsoll-webhook", False),
    ("plimsoll-webhook", "list", "", "secrets", SYSTEM, "", False),
    ("plimsoll-webhook", "create", "", "secrets", SYSTEM, "", False),
    ("plimsoll-webhook", "delete", "", "secrets", SYSTEM, "plimsoll-webhook", False),
    ("plimsoll-webhook", "list", "", "pods", "team", "", False),
    ("plimsoll-webhook", "create", "", "pods/binding", "team", "", False),
]


class Cluster:
    """The control plane, as its administrator, with the manifests applied."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.version = os.environ.get("PLIMSOLL_KUBERNETES") or "1.37"
        self.audit = self.folder / "audit.log"
        policy = self.folder / "audit.json"
        policy.write_text(json.dumps(audit_policy()))
        build = [ROOT / "tests/cluster/build", "--kubernetes", self.version, "--where"]
        self.binaries = output(*build).strip()
        options = types.SimpleNamespace(
            kubernetes=self.version,
            binaries=self.binaries,
            scheduler=True,
            scheduler_qps=5000,
            kwok=True,
            nodes=NODES,
            cpu="16",
            memory="64Gi",
            pods=110,
            gpus=GPUS,
            gpu_product="NVIDIA-H100-80GB-HBM3",
            racks=2,
            zones=0,
            label=[],
            while_pid=os.getpid(),
            arg=[
                ("kube-apiserver", f"--audit-policy-file={policy}"),
                ("kube-apiserver", f"--audit-log-path={self.audit}"),
                ("kube-apiserver", "--audit-log-mode=blocking"),
            ],
        )
        self.plane = control_plane.up(self.folder / "plane", options)
        self.port = self.plane.facts()["port"]
        self.api = api.Api(self.port, self.plane.pki)
        self.flags = output(binary, "run", "--help")
        self.groups = control_plane.GATES[self.version][1]

    def kubectl(self, *arguments, body=None):
        kubeconfig = f"--kubeconfig={self.plane.folder}/kubeconfig"
        return output(f"{self.binaries}/kubectl", kubeconfig, *arguments, body=body)

    def get(self, path):
        status, body = self.api.request("GET", path)
        return json.loads(body) if status == 200 else None

    def create(self, path, body):
        status, answer = self.api.request("POST", path, body)
        if status != 201:
            raise AssertionError(f"{path}: {status} {answer.decode()}")
        return json.loads(answer)

    def namespace(self, name):
        self.create("/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        self.wait(lambda: self.api.ok(account), f"the ServiceAccount of {name}")
        return f"/api/v1/namespaces/{name}/pods"

    def wait(self, done, what):
        api.wait_until(done, WAIT_SECONDS, what)

    def token(self, account):
        path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/{account}/token"
        return self.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]

    def as_account(self, account, method, path, body=None):
        """The status and the answer that a ServiceAccount gets."""
        context = ssl.create_default_context(cafile=f"{self.plane.pki}/ca.crt")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self.token(account)}", "Content-Type": kind}
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def mount_account(self, account, root):
        """As a kubelet does into a container."""
        folder = root / "var/run/secrets/kubernetes.io/serviceaccount"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(self.token(account))
        (folder / "namespace").write_text(SYSTEM)
        (folder / "ca.crt").write_bytes((self.plane.pki / "ca.crt").read_bytes())

    def refused(self, account):
        """What the API server refused an account that is not answered by `as_account`."""
        user = f"system:serviceaccount:{SYSTEM}:{account}"
        events = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in events
            if event["user"]["username"] == user
            and event.get("userAgent", "").startswith("plimsoll/")
            and event["responseStatus"]["code"] == 403
        ]


def audit_policy():
    users = [f"system:serviceaccount:{SYSTEM}:{name}" for name in ("plimsoll", "plimsoll-webhook")]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": users}, {"level": "None"}],
    }


def output(*command, body=None):
    done = subprocess.run(
        [str(part) for part in command], input=body, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise AssertionError(f"{command[-3:]}: {done.stdout}{done.stderr}")
    return done.stdout


def pod(name, requests, **spec):
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "schedulerName": "plimsoll",
            "containers": [
                {
                    "name": "main",
                    "image": "none",
                    "resources": {"requests": requests, "limits": requests},
                }
            ],
            **spec,
        },
    }


def gpus(count):
    return {"cpu": "1", "nvidia.com/gpu": str(count)}


def condition(found, kind):
    return next((c for c in found["status"].get("conditions", ()) if c["type"] == kind), {})


@contextlib.contextmanager
def scheduler(log):
    """The scheduler's container as the Deployment in the API server has it."""
    deployment = cluster.get(f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/plimsoll")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (port,) = control_plane.free_ports(1)
    listen = [f"--listen=127.0.0.1:{port}"] if LISTENS in cluster.flags else []
    ahead = [flag for flag in (LISTENS, ELECTS) if flag == LISTENS or flag not in cluster.flags]
    arguments = [a for a in container["args"] if not a.startswith(tuple(ahead))] + listen
    root = cluster.folder / "root"
    if not root.exists():
        image.make(binary, root)
        cluster.mount_account("plimsoll", root)
    service = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)}
    with open(log, "ab") as file:
        process = subprocess.Popen(
            [*image.inside(root), image.PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stderr=file,
            env=service,
        )
    try:
        yield types.SimpleNamespace(port=port, container=container, process=process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Installed(unittest.TestCase):
    def test_manifests_apply_twice_and_the_pods_run(self):
        for _ in range(2):
            cluster.kubectl("apply", "--server-side", f"--filename={MANIFESTS}")
        # As restricted as the namespace wants its pods, and beside a running kube-scheduler.
        for name in ("plimsoll", "plimsoll-webhook"):
            status = f"deployment/{name}"
            cluster.kubectl("rollout", "status", "-n", SYSTEM, status, f"--timeout={WAIT_SECONDS}s")

    def test_accounts_may_do_exactly_what_is_listed(self):
        for account, expected in (("plimsoll", SCHEDULER), ("plimsoll-webhook", WEBHOOK)):
            self.assertEqual(rules(account) - rules("default"), expected)
        self.assertEqual({rule[1] for rule in rules("default") if "secret" in rule[1]}, set())

    def test_questions_to_the_authorizer(self):
        for account, verb, group, resource, namespace, name, allowed in QUESTIONS:
            resource, _, subresource = resource.partition("/")
            attributes = {
                "verb": verb,
                "group": group,
                "resource": resource,
                "subresource": subresource,
                "namespace": namespace,
                "name": name,
            }
            review = cluster.create(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                {
                    "spec": {
                        "user": f"system:serviceaccount:{SYSTEM}:{account}",
                        "groups": [
                            "system:serviceaccounts",
                            f"system:serviceaccounts:{SYSTEM}",
                            "system:authenticated",
                        ],
                        "resourceAttributes": attributes,
                    }
                },
            )
            with self.subTest(account=account, **attributes):
                self.assertEqual(review["status"]["allowed"], allowed)

    def test_the_webhook_has_its_own_secret_only(self):
        secrets = f"/api/v1/namespaces/{SYSTEM}/secrets"
        another = {"metadata": {"name": "another"}, "data": {"key": "c2VjcmV0"}}
        cluster.create(secrets, another)
        mine = f"{secrets}/plimsoll-webhook"
        hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        certificate = {"data": {"tls.crt": "Y2VydGlmaWNhdGU="}}
        for account, method, path, body, status in (
            ("plimsoll-webhook", "GET", mine, None, 200),
            ("plimsoll-webhook", "PATCH", mine, certificate, 200),
            ("plimsoll-webhook", "DELETE", mine, None, 403),
            ("plimsoll-webhook", "GET", f"{secrets}/another", None, 403),
            ("plimsoll-webhook", "PATCH", f"{secrets}/another", certificate, 403),
            ("plimsoll-webhook", "GET", secrets, None, 403),
            ("plimsoll-webhook", "POST", secrets, another, 403),
            ("plimsoll-webhook", "GET", f"{hooks}/plimsoll-webhook", None, 200),
            ("plimsoll-webhook", "PATCH", f"{hooks}/another", {"webhooks": []}, 403),
            ("plimsoll-webhook", "GET", hooks, None, 403),
            ("plimsoll", "GET", mine, None, 403),
            ("plimsoll", "GET", f"{secrets}/another", None, 403),
            ("plimsoll", "GET", secrets, None, 403),
            ("plimsoll", "GET", "/api/v1/secrets", None, 403),
            ("plimsoll", "PATCH", f"{hooks}/plimsoll-webhook", {"webhooks": []}, 403),
        ):
            with self.subTest(account=account, method=method, path=path):
                self.assertEqual(cluster.as_account(account, method, path, body)[0], status)
        # Applying again leaves what the webhook wrote.
        cluster.kubectl("apply", "--server-side", f"--filename={MANIFESTS}")
        self.assertEqual(cluster.get(mine)["data"], certificate["data"])


def rules(account):
    """What an account may do in the namespace that it is installed in: (group, resource, verbs,
    names)."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    body = {"spec": {"namespace": SYSTEM}}
    status, review = cluster.as_account(account, "POST", path, body)
    assert status == 201 and not review["status"]["incomplete"], review
    return {
        (group, resource, " ".join(sorted(rule["verbs"])), " ".join(rule.get("resourceNames", ())))
        for rule in review["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def holder():
    lease = cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/plimsoll")
    return lease and lease["spec"].get("holderIdentity")


class Scheduling(unittest.TestCase):
    def test_the_account_is_enough(self):
        pods = cluster.namespace("work")
        log = cluster.folder / "scheduler.log"
        cluster.create(
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            {"metadata": {"name": "urgent"}, "value": 1000},
        )

        def node(name):
            found = cluster.get(f"{pods}/{name}")
            return found and found["spec"].get("nodeName")

        def all_bound(*names):
            cluster.wait(lambda: all(node(name) for name in names), f"{names} to be bound")

        with scheduler(log) as running:
            for name in ("plain-0", "plain-1"):
                cluster.create(pods, pod(name, {"cpu": "1"}))
            all_bound("plain-0", "plain-1")

            members = [f"member-{index}" for index in range(NODES - 1)]
            for name in members:
                group = {"schedulingGroup": {"podGroupName": "gang"}, "priorityClassName": "urgent"}
                cluster.create(pods, pod(name, gpus(GPUS), **group))
            groups = f"/apis/scheduling.k8s.io/{cluster.groups}/namespaces/work/podgroups"
            policy = {"gang": {"minCount": len(members)}}
            group = {"metadata": {"name": "gang"}, "spec": {"schedulingPolicy": policy}}
            cluster.create(groups, group)
            all_bound(*members)

            cluster.create(pods, pod("too-big", gpus(GPUS + 1)))
            cluster.wait(
                lambda: condition(cluster.get(f"{pods}/too-big"), "PodScheduled").get("reason")
                == "Unschedulable",
                "too-big to be told that it is unschedulable",
            )
            if ELECTS in cluster.flags:
                cluster.create(pods, pod("victim", gpus(GPUS)))
                all_bound("victim")
                cluster.create(pods, pod("urgent", gpus(GPUS), priorityClassName="urgent"))
                all_bound("urgent")
                self.assertIsNone(node("victim"))
                events = "/apis/events.k8s.io/v1/namespaces/work/events"
                reasons = {"Scheduled", "Preempted", "FailedScheduling"}
                cluster.wait(
                    lambda: reasons <= {event["reason"] for event in cluster.get(events)["items"]},
                    "Events of what was done",
                )
                self.assertTrue(holder())
            if LISTENS in cluster.flags:
                self.check_probes(running)
            self.assertIsNone(running.process.poll())

        self.assertEqual(cluster.refused("plimsoll"), [])
        self.assertNotRegex(log.read_text(), "(?i)forbidden")

    def test_the_other_replica_goes_on_when_the_leader_stops(self):
        if ELECTS not in cluster.flags:
            self.skipTest("this program elects no leader")
        pods = cluster.namespace("shift")
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(scheduler(cluster.folder / "first.log"))
            cluster.wait(holder, "the first replica to lead")
            leader = holder()
            stack.enter_context(scheduler(cluster.folder / "second.log"))
            cluster.wait(
                lambda: "scheduling" in (cluster.folder / "second.log").read_text(),
                "the second replica to follow",
            )
            self.assertEqual(holder(), leader)
            first.process.terminate()
            cluster.create(pods, pod("late", {"cpu": "1"}))
            cluster.wait(
                lambda: "nodeName" in cluster.get(f"{pods}/late")["spec"],
                "the second replica to place a pod",
            )
            self.assertEqual(first.process.wait(10), 0)
            self.assertNotIn(holder(), (None, leader))
        self.assertEqual(cluster.refused("plimsoll"), [])

    def check_probes(self, running):
        container = running.container
        paths = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")}
        for path in (*paths, "/metrics"):
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", path)
                self.assertEqual(connection.getresponse().status, 200, path)


class HandedOver(unittest.TestCase):
    """Nobody schedules for plimsoll here; kube-scheduler runs."""

    def setUp(self):
        self.environment = os.environ | {
            "KUBECONFIG": f"{cluster.plane.folder}/kubeconfig",
            "PATH": f"{cluster.binaries}:{os.environ['PATH']}",
        }

    def hand_over(self, *arguments):
        return subprocess.run(
            [ROOT / "deploy" / "hand-over", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def test_what_waits_moves_to_kube_scheduler_and_what_runs_stays(self):
        pods = cluster.namespace("moving")
        base = "/namespaces/moving"
        running = cluster.create(pods, pod("running", {"cpu": "1"}))
        target = {"apiVersion": "v1", "kind": "Node", "name": api.node_name(0)}
        binding = {"metadata": {"name": "running"}, "target": target}
        cluster.create(f"{pods}/running/binding", binding)

        def template(name, **spec):
            made = pod(name, {"cpu": "1"}, **spec)
            return {"metadata": {"labels": made["metadata"]["labels"]}, "spec": made["spec"]}

        cluster.create(pods, pod("bare", {"cpu": "1"}))
        web = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
        cluster.create(
            f"/apis/apps/v1{base}/deployments",
            {"metadata": {"name": "web"}, "spec": web | {"template": template("web")}},
        )
        sizes = {"parallelism": 2, "completions": 2, "backoffLimit": 0}
        job = template("train", restartPolicy="Never")
        cluster.create(
            f"/apis/batch/v1{base}/jobs",
            {"metadata": {"name": "train"}, "spec": sizes | {"template": job}},
        )

        def items():
            return cluster.get(pods)["items"]

        cluster.wait(lambda: len(items()) == 6, "the controllers to make their pods")
        self.assertEqual(sum("nodeName" in found["spec"] for found in items()), 1)
        done = self.hand_over("moving")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        cluster.wait(
            lambda: len(items()) == 6 and all("nodeName" in found["spec"] for found in items()),
            "kube-scheduler to bind them all",
        )
        names = {found["metadata"]["name"]: found for found in items()}
        self.assertEqual(names["running"]["metadata"]["uid"], running["metadata"]["uid"])
        self.assertEqual(names["bare"]["spec"]["schedulerName"], "default-scheduler")
        status = cluster.get(f"/apis/batch/v1{base}/jobs/train")["status"]
        self.assertEqual(status.get("failed", 0), 0)

        self.assertEqual(self.hand_over("--back", "moving").returncode, 0)
        cluster.wait(
            lambda: self.scheduler_of_a_new_pod(pods) == "plimsoll", "pods to be Plimsoll's again"
        )

    def scheduler_of_a_new_pod(self, pods):
        made = cluster.create(f"{pods}?dryRun=All", pod("probe", {"cpu": "1"}))
        return made["spec"]["schedulerName"]

    def test_a_namespace_that_is_not_there_is_one_line(self):
        done = self.hand_over("nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr.splitlines(), ['Error from server (NotFound): namespaces "nowhere" not found']
        )
        self.assertEqual(self.hand_over().returncode, 2)
        self.assertEqual(self.hand_over("--scheduler-name", "No", "moving").returncode, 2)


class Released(unittest.TestCase):
    def test_helm_installs_upgrades_rolls_back_and_removes_all(self):
        namespace = "gpu-system"

        def helm(*arguments):
            where = output(ROOT / "tests/cluster/build", "--helm", "--where").strip()
            kubeconfig = f"--kubeconfig={cluster.plane.folder}/kubeconfig"
            return output(f"{where}/helm", kubeconfig, f"--namespace={namespace}", *arguments)

        def replicas():
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments/gpu-plimsoll"
            return cluster.get(path)["spec"]["replicas"]

        wait = ("--wait", f"--timeout={WAIT_SECONDS}s")
        values = ("--set=webhook.enabled=true", "--set=schedulerName=gpu")
        helm("install", "gpu", CHART, "--create-namespace", *wait, *values)
        self.assertEqual(replicas(), 2)
        helm("upgrade", "gpu", CHART, *wait, *values, "--set=replicas=3")
        self.assertEqual(replicas(), 3)
        helm("rollback", "gpu", "1", *wait)
        self.assertEqual(replicas(), 2)
        helm("uninstall", "gpu", *wait)
        kinds = (
            "deployments,services,serviceaccounts,secrets,roles,rolebindings,networkpolicies,"
            "poddisruptionbudgets,clusterroles,clusterrolebindings,mutatingwebhookconfigurations"
        )
        self.assertNotIn("gpu-plimsoll", cluster.kubectl("get", kinds, "-A", "-o", "name"))


binary = None
cluster = None


def setUpModule():
    global cluster
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    os.chmod(folder.name, 0o755)  # the scheduler is somebody else
    for kind in ("CACHE", "CONFIG", "DATA"):
        os.environ[f"HELM_{kind}_HOME"] = f"{folder.name}/helm"
    cluster = Cluster(folder.name)
    unittest.addModuleCleanup(cluster.plane.down)
    cluster.kubectl("apply", "--server-side", f"--filename={MANIFESTS}")


if __name__ == "__main__":
    binary = sys.argv.pop(1)
    unittest.main()
