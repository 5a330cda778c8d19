"""The little of the Kubernetes API that starting a control plane for tests takes: requests over
mTLS with the standard library, and KWOK nodes made over several connections."""

import concurrent.futures
import http.client
import json
import ssl
import time

NODE_CONNECTIONS = 4


class Api:
    """One keep-alive connection as the administrator. Not for several threads at once."""

    def __init__(self, port, pki):
        context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=10, context=context
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


def node(index, shape):
    """Node number `index`: racks and zones are runs of neighbours, as even as they can be."""
    name = f"node-{index:05d}"
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
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
        "status": {"allocatable": resources, "capacity": resources},
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


def nodes_ready(api, wanted):
    """Whether so many nodes are Ready and free of the taint that new nodes carry."""
    status, body = api.request("GET", "/api/v1/nodes?resourceVersion=0")
    if status != 200:
        return False
    return wanted <= sum(
        not any(t["key"] == "node.kubernetes.io/not-ready" for t in n["spec"].get("taints", ()))
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in n["status"].get("conditions", ())
        )
        for n in json.loads(body)["items"]
    )


def wait_until(done, seconds, what, check=lambda: None):
    """Calls `check` and `done` until `done` says so; raises TimeoutError with `what` in it."""
    end = time.monotonic() + seconds
    while not done():
        check()
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
