"""Starts and stops a real Kubernetes control plane on loopback, for tests.

A control plane is a folder:

    kubeconfig            the administrator's (system:masters); scheduler.kubeconfig,
                          controller-manager.kubeconfig and kwok.kubeconfig beside it
    pki/NAME.{crt,key}    ca signs apiserver, admin, controller-manager, scheduler, kwok;
                          front-proxy-ca signs front-proxy; sa.{key,pub} sign ServiceAccount tokens
    state/NAME.pid        a component's process and the time at which it started, "PID START"
    state/NAME.log        what it wrote
    state/NAME.command    its command line, a JSON array; `restart` starts it again
    control-plane.json    ports, version, folder of the binaries; without it nothing is removed

Only processes whose start time is still the one in their pid file are ever signalled. Everything
ends by SIGKILL: the data is thrown away, and the API server takes a minute to end otherwise.
"""

import http.client
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import subprocess
import time

import api

HERE = pathlib.Path(__file__).parent
# In the order in which they start. guard is not Kubernetes': see `guard`.
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "guard",
)
# Outside the kernel's range for outgoing connections, so that none of those takes one first.
PORTS = range(20000, 32000)
START_ATTEMPTS = 5
READY_SECONDS = 120  # most of it for a machine that is busy with a build
GATES = {
    "1.37": ("GenericWorkload=true,TopologyAwareWorkloadScheduling=true", "v1beta1"),
    "1.36": ("GenericWorkload=true,GangScheduling=true", "v1alpha2"),
}


class Failure(Exception):
    """What went wrong, in one line, with a log's last lines below it where there are any."""


class PortTaken(Failure):
    """Somebody was quicker: worth another attempt with other ports."""


def free_ports(count):
    found = {}
    candidates = random.SystemRandom().sample(PORTS, 50 * count)
    while len(found) < count:
        if not candidates:
            raise Failure(f"found no {count} free ports between {PORTS[0]} and {PORTS[-1]}")
        probe = socket.socket()
        try:
            probe.bind(("127.0.0.1", candidates.pop()))
        except OSError:
            probe.close()
            continue
        found[probe.getsockname()[1]] = probe
    for probe in found.values():
        probe.close()
    return list(found)


def process_start(pid):
    """When the process started, in the kernel's ticks; None where it is gone or a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


class ControlPlane:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.pki = self.folder / "pki"
        self.state = self.folder / "state"
        self.children = {}

    @staticmethod
    def at(path):
        """The control plane of a folder, or of a kubeconfig in it, that `up` made."""
        folder = pathlib.Path(path).resolve()
        folder = folder.parent if folder.is_file() else folder
        if not (folder / "control-plane.json").is_file():
            raise Failure(f"{path}: found no control plane, expected a folder that up made")
        return ControlPlane(folder)

    def facts(self):
        return json.loads((self.folder / "control-plane.json").read_text())

    # Processes.

    def start(self, name, command):
        command = [str(part) for part in command]
        (self.state / f"{name}.command").write_text(json.dumps(command))
        with open(self.state / f"{name}.log", "ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.children[name] = child
        pid = self.state / f"{name}.pid"
        pid.with_suffix(".new").write_text(f"{child.pid} {process_start(child.pid)}\n")
        pid.with_suffix(".new").rename(pid)

    def running(self, name):
        """The component's pid, or None where it does not run."""
        try:
            pid, started = (self.state / f"{name}.pid").read_text().split()
        except FileNotFoundError:
            return None
        now = process_start(int(pid))
        return int(pid) if now is not None and str(now) == started else None

    def check_children(self):
        """Raises with the last lines of a component that has ended."""
        for name, child in self.children.items():
            if child.poll() is None:
                continue
            lines = (self.state / f"{name}.log").read_text(errors="replace").splitlines()
            kind = PortTaken if any("address already in use" in line for line in lines) else Failure
            raise kind(
                f"{name} ended with status {child.returncode} at its start; its last lines:\n  "
                + "\n  ".join(line[:300] for line in lines[-5:])
            )

    def end_processes(self, but=()):
        pids = [(name, self.running(name)) for name in reversed(COMPONENTS) if name not in but]
        pids = [(name, pid) for name, pid in pids if pid is not None]
        for _, pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for child in self.children.values():
            child.poll()
        api.wait_until(
            lambda: all(self.running(name) is None for name, _ in pids), 10, "processes to end"
        )

    # Starting.

    def certificates(self):
        self.pki.mkdir()
        run_openssl(
            self.pki,
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key",
            "pkey -in sa.key -pubout -out sa.pub",
        )
        for ca in ("ca", "front-proxy-ca"):
            run_openssl(
                self.pki,
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650"
                f" -subj /CN=plimsoll-{ca} -addext basicConstraints=critical,CA:TRUE"
                f" -addext keyUsage=critical,keyCertSign,cRLSign -keyout {ca}.key -out {ca}.crt",
            )
        hosts = "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1"
        self.certificate("apiserver", "/CN=kube-apiserver", hosts)
        self.certificate("admin", "/O=system:masters/CN=admin")
        self.certificate("controller-manager", "/CN=system:kube-controller-manager")
        self.certificate("scheduler", "/CN=system:kube-scheduler")
        self.certificate("kwok", "/O=system:masters/CN=kwok")
        self.certificate("front-proxy", "/CN=front-proxy-client", ca="front-proxy-ca")

    def certificate(self, name, subject, hosts="DNS:client.invalid", ca="ca"):
        (self.pki / f"{name}.ext").write_text(
            f"subjectAltName={hosts}\nextendedKeyUsage=clientAuth,serverAuth\n"
        )
        run_openssl(
            self.pki,
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            f" -subj {subject} -keyout {name}.key -out {name}.csr",
            f"x509 -req -in {name}.csr -CA {ca}.crt -CAkey {ca}.key -CAcreateserial -days 3650"
            f" -extfile {name}.ext -out {name}.crt",
        )

    def kubeconfig(self, name, user, server):
        path = self.folder / name
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "plimsoll-test",
                    "cluster": {"server": server, "certificate-authority": f"{self.pki}/ca.crt"},
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate": f"{self.pki}/{user}.crt",
                        "client-key": f"{self.pki}/{user}.key",
                    },
                }
            ],
            "contexts": [
                {"name": "plimsoll-test", "context": {"cluster": "plimsoll-test", "user": user}}
            ],
            "current-context": "plimsoll-test",
        }
        path.write_text(json.dumps(config, indent=1) + "\n")  # JSON is YAML
        return path

    def up(self, options):
        self.state.mkdir()
        binaries = pathlib.Path(options.binaries)
        etcd, peer, port, scheduler_port = free_ports(4)
        server = f"https://127.0.0.1:{port}"
        facts = {
            "kubernetes": options.kubernetes,
            "binaries": str(binaries),
            "server": server,
            "port": port,
            "etcd": f"http://127.0.0.1:{etcd}",
            "scheduler_port": scheduler_port if options.scheduler else None,
        }
        (self.folder / "control-plane.json").write_text(json.dumps(facts, indent=1) + "\n")
        gates, groups = GATES[options.kubernetes]

        def start(name, *arguments):
            extra = [flag for component, flag in options.arg if component == name]
            self.start(name, [binaries / name, *arguments, *extra])

        if options.while_pid:
            self.start("guard", [HERE / "down", "--when-ended", options.while_pid, self.folder])
        start(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        self.certificates()
        start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.pki}/apiserver.crt",
            f"--tls-private-key-file={self.pki}/apiserver.key",
            f"--client-ca-file={self.pki}/ca.crt",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.pki}/sa.pub",
            f"--service-account-signing-key-file={self.pki}/sa.key",
            f"--requestheader-client-ca-file={self.pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={self.pki}/front-proxy.crt",
            f"--proxy-client-key-file={self.pki}/front-proxy.key",
            f"--runtime-config=scheduling.k8s.io/{groups}=true",
            f"--feature-gates={gates}",
        )
        self.kubeconfig("kubeconfig", "admin", server)
        # Short: somebody else may listen there and never answer.
        client = api.Api(port, self.pki, timeout_seconds=2)
        self.wait(lambda: client.ok("/readyz"), "kube-apiserver to be ready")
        client = api.Api(port, self.pki)

        config = self.kubeconfig("controller-manager.kubeconfig", "controller-manager", server)
        start(
            "kube-controller-manager",
            *self.identity(config),
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.pki}/sa.key",
            f"--root-ca-file={self.pki}/ca.crt",
            f"--cluster-signing-cert-file={self.pki}/ca.crt",
            f"--cluster-signing-key-file={self.pki}/ca.key",
            f"--requestheader-client-ca-file={self.pki}/front-proxy-ca.crt",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--horizontal-pod-autoscaler-downscale-stabilization=5s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
            # One write less a node; it tells kubelets how long to keep Secrets.
            "--controllers=*,-ttl-controller",
            # A thousand new nodes and their taints would take a minute at the default of 20.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            f"--feature-gates={gates}",
        )
        config = self.kubeconfig("scheduler.kubeconfig", "scheduler", server)
        if options.scheduler:
            scheduler = self.folder / "scheduler.yaml"
            scheduler.write_text(json.dumps(scheduler_configuration(config, options)) + "\n")
            start(
                "kube-scheduler",
                f"--config={scheduler}",
                *self.identity(config)[1:],
                f"--secure-port={scheduler_port}",
                f"--feature-gates={gates}",
            )
        if options.kwok:
            start(
                "kwok",
                f"--kubeconfig={self.kubeconfig('kwok.kubeconfig', 'kwok', server)}",
                f"--config={binaries}/stages.yaml",
                "--manage-all-nodes=true",
                "--node-ip=127.0.0.1",
                "--node-lease-duration-seconds=40",
            )
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.wait(lambda: client.ok(account), "the ServiceAccount of namespace default")
        if options.nodes:
            api.make_nodes(port, self.pki, options)
            # Without KWOK, until the controller manager has missed their leases for 40 s.
            self.wait(api.NodesReady(client, options), "nodes to be Ready")
        self.check_children()

    @staticmethod
    def identity(config):
        return (
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--bind-address=127.0.0.1",
        )

    def wait(self, done, what):
        api.wait_until(done, READY_SECONDS, what, self.check_children)

    # Afterwards.

    def restart(self, name):
        """Starts a component that was killed with the command line that it had, and waits until it
        serves."""
        command = self.state / f"{name}.command"
        if name not in COMPONENTS or not command.is_file():
            raise Failure(f"component: found '{name}', expected one that this control plane has")
        if self.running(name) is not None:
            raise Failure(f"{name} runs already")
        self.start(name, json.loads(command.read_text()))
        facts = self.facts()
        if name == "kube-apiserver":
            client = api.Api(facts["port"], self.pki)
            self.wait(lambda: client.ok("/readyz"), "kube-apiserver to be ready")
        if name == "etcd":
            address = facts["etcd"].removeprefix("http://")
            self.wait(lambda: healthy(address), "etcd to be healthy")

    def down(self, but=()):
        self.end_processes(but)
        shutil.rmtree(self.folder)

    def guard(self, pid):
        """Waits until process `pid` has ended, then takes the control plane down: a test that was
        killed leaves nothing behind."""
        try:
            owner = os.pidfd_open(pid)
        except ProcessLookupError:
            owner = None
        if owner is not None:
            select.select([owner], [], [])
        self.down(but=("guard",))


def healthy(address):
    try:
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def scheduler_configuration(kubeconfig, options):
    client = {"kubeconfig": str(kubeconfig)}
    if options.scheduler_qps:
        client |= {"qps": options.scheduler_qps, "burst": options.scheduler_qps}
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": client,
        "leaderElection": {"leaderElect": False},
    }


def run_openssl(folder, *commands):
    for command in commands:
        done = subprocess.run(
            ["openssl", *command.split()], cwd=folder, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Failure(f"openssl {command.split()[0]}: {done.stderr.strip()}")


def up(folder, options):
    """A control plane in `folder` (empty), ready. On any failure nothing of it is left."""
    for attempt in range(START_ATTEMPTS):
        plane = ControlPlane(folder)
        plane.folder.mkdir(parents=True, exist_ok=True)
        try:
            plane.up(options)
            return plane
        except BaseException as error:
            plane.down()
            if not isinstance(error, PortTaken) or attempt == START_ATTEMPTS - 1:
                raise
            time.sleep(random.random())
    raise AssertionError
