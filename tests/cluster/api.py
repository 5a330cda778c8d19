"""The little of the Kubernetes API that starting a control plane for tests takes: requests over
mTLS with the standard library, and KWOK nodes made over several connections."""

import concurrent.futures
import http.client
import json
import ssl
import time

NODE_CONNECTIONS = 4
# As a kubelet reports them.
CONDITIONS = {
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "enough memory"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "enough process ids"),
    "NetworkUnavailable": ("False", "RouteCreated", "routes are there"),
}


class Api:
    """One keep-alive connection as the administrator. Not for several threads at once."""

    def __init__(self, port, pki, timeout_seconds=10):
        context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=timeout_seconds, context=context
        )

    def request(self, method, path, body=None):
        """The status and the body; raises OSError or HTTPException where the server is not."""
        try:
            self.connection.request(
                method,
                path,
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def ok(self, path):
        """Whether GET answers 200; no server is no."""
        try:
            return self.request("GET", path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def node_name(index):
    return f"node-{index:05d}"


def node(index, shape):
    """Node number `index`: racks and zones are runs of neighbours, as even as they can be.

    It is made as KWOK and the controllers would have left it: each of their writes to a new node
    costs the API server as much as the making does.
    """
    name = node_name(index)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        "type": "kwok",
    }
    if shape.racks:
        labels["cloud.provider.com/topology-rack"] = f"rack-{index * shape.racks // shape.nodes}"
    if shape.zones:
        labels["topology.kubernetes.io/region"] = "region-0"
        labels["topology.kubernetes.io/zone"] = f"zone-{index * shape.zones // shape.nodes}"
    resources = {
        "cpu": shape.cpu,
        "memory": shape.memory,
        "ephemeral-storage": "1Ti",
        "pods": str(shape.pods),
    }
    if shape.gpus:
        resources["nvidia.com/gpu"] = str(shape.gpus)
        labels["nvidia.com/gpu.count"] = str(shape.gpus)
        labels["nvidia.com/gpu.product"] = shape.gpu_product
    labels.update(shape.label)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {
            "allocatable": resources,
            "capacity": resources,
            "phase": "Running",
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
                for kind, (status, reason, message) in CONDITIONS.items()
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": "",
                "containerRuntimeVersion": "kwok",
                "kernelVersion": "kwok",
                "kubeProxyVersion": "",
                "kubeletVersion": "kwok",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "kwok",
                "systemUUID": "",
            },
        },
    }


def make_nodes(port, pki, shape):
    """Creates shape.nodes nodes; raises RuntimeError with the server's answer to a bad one."""

    def make(first):
        api = Api(port, pki)
        for index in range(first, shape.nodes, NODE_CONNECTIONS):
            status, body = api.request("POST", "/api/v1/nodes", node(index, shape))
            if status != 201:
                message = json.loads(body).get("message", body.decode())
                raise RuntimeError(f"node {index}: {message}")

    with concurrent.futures.ThreadPoolExecutor(NODE_CONNECTIONS) as pool:
        for _ in pool.map(make, range(NODE_CONNECTIONS)):
            pass


def ready(found):
    """Whether a node is Ready and free of the taint that new nodes carry."""
    taints = found["spec"].get("taints", ())
    return not any(t["key"] == "node.kubernetes.io/not-ready" for t in taints) and any(
        c["type"] == "Ready" and c["status"] == "True" for c in found["status"].get("conditions", ())
    )


class NodesReady:
    """Whether all nodes from make_nodes are ready, asked again and again: one at a time, since a
    list of thousands costs the server more than the nodes do."""

    def __init__(self, api, shape):
        self.api = api
        self.left = list(range(shape.nodes))

    def __call__(self):
        while self.left:
            path = f"/api/v1/nodes/{node_name(self.left[-1])}?resourceVersion=0"
            status, body = self.api.request("GET", path)
            if status != 200 or not ready(json.loads(body)):
                return False
            self.left.pop()
        return True


def wait_until(done, seconds, what, check=lambda: None):
    """Calls `check` and `done` until `done` says so; raises TimeoutError with `what` in it."""
    end = time.monotonic() + seconds
    while not done():
        check()
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
