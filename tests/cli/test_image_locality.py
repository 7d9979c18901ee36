"""ImageLocality sees which images the kubelets have pulled."""

import json

import pytest

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers:
    - {{name: c, image: "{image}", resources: {{requests: {{cpu: 100m, memory: 64Mi}}}}}}
"""
SCENARIO = """\
apiVersion: mainspring.dev/v1
kind: Scenario
metadata: {{name: pulled}}
horizon: 6m
cluster:
  nodePools:
    - {{name: pool, count: 3}}
  images:
    - {{name: "{image}", size: 3Gi}}
timeline:
  - {{at: 1m, kubectl: "apply -f -", files: [first.yaml]}}
  - {{at: {at}, kubectl: "apply -f -", files: [second.yaml]}}
"""


@pytest.fixture
def attempts(mainspring, folder):
    """How the first pod with a big image was placed, and the second, some time later."""

    def run(image, at):
        (folder / "first.yaml").write_text(POD.format(name="first", image=image))
        (folder / "second.yaml").write_text(POD.format(name="second", image=image))
        (folder / "pulled.yaml").write_text(SCENARIO.format(image=image, at=at))
        done = mainspring("run", "pulled.yaml", "--quiet", "--out", "out")
        assert done.returncode == 0, done.stderr
        return [explain(mainspring, pod) for pod in ("first", "second")]

    return run


def explain(mainspring, pod):
    done = mainspring("explain", "pod", pod, "--run", "out", "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["attempts"][-1]


def locality(attempt):
    return {c["node"]: c["scores"].get("ImageLocality", 0) for c in attempt["candidates"]}


def test_a_pod_prefers_the_node_that_has_its_image(mainspring, attempts):
    first, second = attempts("registry.example.com/model:1", "4m")
    assert set(locality(first).values()) == {0}
    # 3 GiB, on one node of three: 1 GiB, more than the 1000 MiB that count for a container.
    others = locality(second)
    assert others.pop(first["node"]) == 100
    assert set(others.values()) == {0}
    assert second["node"] == first["node"]

    node = json.loads(mainspring("get", "node", first["node"], "--run", "out", "-o", "json").stdout)
    assert node["status"]["images"] == [
        {"names": ["registry.example.com/model:1"], "sizeBytes": 3 << 30}
    ]


def test_an_image_counts_once_the_kubelet_has_reported_it(attempts):
    # The pull ends at 1m54s; the kubelet's loops see it within 40.4 s.
    _, second = attempts("registry.example.com/model:1", "2m")
    assert set(locality(second).values()) == {0}


def test_a_short_name_matches_no_image(attempts):
    """The runtime stores `model:1` as docker.io/library/model:1, the plugin looks for `model:1`."""
    first, second = attempts("model:1", "4m")
    assert set(locality(second).values()) == {0}
    assert second["node"] != first["node"]
