#!/usr/bin/env python3
"""The chart by Helm's own lint and templates: usage: chart_test.py PLIMSOLL [TEST...]"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "plimsoll"
# Everything that a value can switch, switched.
FULL = (
    "webhook.enabled=true",
    "createNamespace=true",
    "schedulerName=default-scheduler",
    "verbose=true",
    "extraArgs={--policy,best_fit}",
    "image.repository=registry.example/plimsoll",
    f"image.digest=sha256:{'0' * 64}",
    "imagePullSecrets[0].name=registry",
    "nodeSelector.pool=control",
    "tolerations[0].operator=Exists",
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
    "podLabels.team=platform",
    "podAnnotations.note=n",
    "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
    "networkPolicy.apiServer[0].ipBlock.cidr=10.0.0.1/32",
)
binary = None


def run(*command):
    with tempfile.TemporaryDirectory() as home:
        folders = {f"HELM_{kind}_HOME": home for kind in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            env=os.environ | folders,
        )


def helm(*arguments, values=()):
    where = run(ROOT / "tests/cluster/build", "--helm", "--where").stdout.strip()
    settings = [part for value in values for part in ("--set", value)]
    return run(f"{where}/helm", *arguments, *settings)


def template(*values, version="1.37"):
    return helm("template", "gpu", CHART, "--kube-version", version, values=values)


def kinds(rendered):
    return sorted(re.findall(r"^kind: (\w+)$", rendered, re.MULTILINE))


class Chart(unittest.TestCase):
    def test_lint_finds_nothing(self):
        for values in ((), FULL):
            done = helm("lint", "--strict", CHART, values=values)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("0 chart(s) failed", done.stdout)

    def test_what_is_switched_on_is_there_and_nothing_else(self):
        scheduler = (
            "ClusterRole ClusterRoleBinding Deployment Role RoleBinding Service ServiceAccount"
        ).split()
        policies = ["NetworkPolicy", "PodDisruptionBudget"]
        bare = template("networkPolicy.enabled=false", "podDisruptionBudget.enabled=false")
        self.assertEqual(kinds(bare.stdout), sorted(scheduler), bare.stderr)
        self.assertEqual(kinds(template().stdout), sorted(scheduler + policies))
        webhook = scheduler + policies + ["MutatingWebhookConfiguration", "Secret"]
        full = template(*FULL)
        self.assertEqual(
            kinds(full.stdout), sorted(scheduler + policies + webhook + ["Namespace"]), full.stderr
        )

    def test_values_reach_the_pods(self):
        rendered = template(*FULL).stdout
        for expected in (
            f'image: "registry.example/plimsoll@sha256:{"0" * 64}"',
            "- --scheduler-name=default-scheduler",
            '- "--policy"',
            "expression: object.spec.schedulerName == 'default-scheduler'",
            "cidr: 10.0.0.1/32",
            "pool: control",
            "team: platform",
        ):
            self.assertIn(expected, rendered)

    def test_a_value_that_is_none_is_refused_by_name(self):
        for value, found in (
            ("replica=3", "'replica' not allowed"),
            ("replicas=0", "'/replicas'"),
            ("schedulerName=No_Name", "'/schedulerName'"),
            ("image.digest=latest", "'/image/digest'"),
            ("logFormat=xml", "'/logFormat'"),
            ("webhook.timeoutSeconds=31", "'/webhook/timeoutSeconds'"),
            ("resources.limits.memory=much", "'/resources/limits/memory'"),
        ):
            done = template(value)
            self.assertNotEqual(done.returncode, 0, value)
            self.assertIn(found, done.stderr)

    def test_supported_versions_of_kubernetes_only(self):
        for version, well in (("1.35.4", False), ("1.36.0", True), ("1.37.2", True)):
            self.assertEqual(template(version=version).returncode == 0, well, version)

    def test_it_installs_the_version_that_is_built(self):
        version = run(binary, "--version").stdout.split()[-1]
        self.assertIn(f'appVersion: "{version}"', (CHART / "Chart.yaml").read_text())

    def test_manifests_are_what_the_chart_renders(self):
        manifests = ROOT / "deploy" / "manifests"
        with tempfile.TemporaryDirectory() as folder:
            done = run(ROOT / "deploy" / "render", folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            rendered = {path.name: path.read_text() for path in pathlib.Path(folder).iterdir()}
        kept = {path.name: path.read_text() for path in manifests.iterdir()}
        self.assertEqual(kept, rendered, "run deploy/render")


if __name__ == "__main__":
    binary = sys.argv.pop(1)
    unittest.main()
