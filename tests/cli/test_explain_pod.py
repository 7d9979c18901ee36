"""`mainspring explain pod`: why a pod of a recorded run is on its node, or on none."""

import json
import shutil

import pytest

PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: first}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - {name: c, image: example/c:1, resources: {requests: {cpu: 1500m}}}
---
apiVersion: v1
kind: Pod
metadata: {name: second}
spec:
  containers:
    - {name: c, image: example/c:1, resources: {requests: {cpu: 1500m}}}
"""
SCENARIO = """\
apiVersion: mainspring.dev/v1
kind: Scenario
metadata: {name: waiting}
horizon: 2m
cluster:
  nodePools:
    - {name: small, count: 1, cpu: "2"}
manifests: [pods.yaml]
timeline:
  - {at: 1m, kubectl: delete pod first}
"""


@pytest.fixture
def waited(mainspring, folder):
    """A run in which `second` waits a minute for `first` to go."""
    (folder / "pods.yaml").write_text(PODS)
    (folder / "waiting.yaml").write_text(SCENARIO)
    done = mainspring("run", "waiting.yaml", "--quiet", "--out", "out")
    assert done.returncode == 0, done.stderr


def explain(mainspring, pod, *words):
    done = mainspring("explain", "pod", pod, "--run", "out", "-o", "json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["attempts"]


def test_scores_add_up_and_the_chosen_node_has_the_greatest_total(mainspring, recorded):
    names = mainspring("get", "pods", "--run", "out", "-o", "name").stdout.split()
    for name in names:
        attempt = explain(mainspring, name.removeprefix("pod/"))[-1]
        totals = {c["node"]: c["total"] for c in attempt["candidates"]}
        assert len(totals) == 2
        assert all(sum(c["scores"].values()) == c["total"] for c in attempt["candidates"])
        assert totals[attempt["node"]] == max(totals.values())
        assert attempt["ties"] == list(totals.values()).count(max(totals.values()))


def test_a_pod_that_waited_tells_for_what(mainspring, waited):
    early, refused, placed = explain(mainspring, "second")
    assert early["rejected"][0]["plugin"] == "TaintToleration"  # the node is not ready yet
    assert early["rejected"][0]["detail"] == "node.kubernetes.io/not-ready:NoSchedule"
    assert refused["node"] == ""
    assert refused["rejected"] == [
        {
            "plugin": "NodeResourcesFit",
            "reasons": ["Insufficient cpu"],
            "detail": "",
            "nodes": ["small-1"],
        }
    ]
    assert refused["message"].startswith("0/1 nodes are available: 1 Insufficient cpu.")
    assert [(w["event"], w["object"]) for w in placed["wokenBy"]] == [
        ("AssignedPodDelete", "pod/default/first")
    ]
    assert placed["node"] == "small-1" and placed["at"].startswith("1m")


def test_at_leaves_out_what_came_later(mainspring, waited):
    everything = explain(mainspring, "default/second")
    assert explain(mainspring, "default/second", "--at", "30s") == everything[:-1]


CROWD = """\
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 1000
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: middle}
value: 100
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: keep}
spec: {minAvailable: 1, selector: {matchLabels: {app: kept}}}
"""


def crowd_pod(name, cpu, node=None, priority=None):
    spec = {
        "containers": [{"name": "c", "image": "example/c:1", "resources": {"requests": cpu}}],
        **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
        **({"priorityClassName": priority} if priority else {}),
    }
    labels = {"app": name}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
        }
    )


def test_preemption_shows_every_candidate_and_why_one_was_chosen(mainspring, folder):
    most, half = {"cpu": "1500m"}, {"cpu": "700m"}
    pods = [
        crowd_pod("kept", most, "small-1"),
        crowd_pod("important", most, "small-2", "middle"),
        crowd_pod("a", half, "small-3"),
        crowd_pod("b", half, "small-3"),
        crowd_pod("equal", most, "small-4", "high"),
    ]
    (folder / "pods.yaml").write_text(CROWD + "".join(f"---\n{p}\n" for p in pods))
    (folder / "urgent.yaml").write_text(crowd_pod("urgent", most, None, "high"))
    scenario = SCENARIO.replace("count: 1", "count: 4").replace(
        "delete pod first", "apply -f urgent.yaml"
    )
    (folder / "crowd.yaml").write_text(scenario.replace("2m", "3m"))
    done = mainspring("run", "crowd.yaml", "--quiet", "--out", "out")
    assert done.returncode == 0, done.stderr
    first = explain(mainspring, "urgent")[0]
    search = first["preemptionSearch"]
    # The chosen one first; the budget counts before the priority.
    assert search["candidates"][0]["node"] == "small-3"
    figures = ("victims", "pdbViolations", "highestPriority", "prioritySum")
    assert {c["node"]: [c[f] for f in figures] for c in search["candidates"]} == {
        "small-1": [["default/kept"], 1, 0, 2**31],
        "small-2": [["default/important"], 0, 100, 2**31 + 100],
        "small-3": [["default/b", "default/a"], 0, 0, 2**32],
    }
    assert search["decidedBy"] == "the lowest priority of the most important victim"
    assert search["rejected"] == [
        {
            "plugin": "",
            "reasons": ["No preemption victims found for incoming pod"],
            "detail": "",
            "nodes": ["small-4"],
        }
    ]
    assert first["nominatedNode"] == "small-3"
    assert first["preemptions"] == [{"node": "small-3", "victims": ["default/b", "default/a"]}]
    out = mainspring("explain", "pod", "urgent", "--run", "out").stdout
    assert "small-3  chosen   0 " in out and "chosen: the lowest priority" in out


HELD = """\
apiVersion: v1
kind: Pod
metadata: {name: gated}
spec:
  schedulingGates: [{name: example.com/wait}]
  containers: [{name: c, image: example/c:1}]
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere}
spec:
  schedulerName: other
  containers: [{name: c, image: example/c:1}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: late}
provisioner: example.com/disk
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: late
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: stored}
spec:
  containers: [{name: c, image: example/c:1, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Pod
metadata: {name: large}
spec:
  containers: [{name: c, image: example/c:1, resources: {requests: {cpu: 64}}}]
"""


@pytest.fixture
def held(mainspring, folder):
    """Pods that are kept from trying, on their way, and too large for any node."""
    (folder / "pods.yaml").write_text(HELD)
    scenario = SCENARIO.replace("count: 1", "count: 2")
    (folder / "held.yaml").write_text(scenario.replace("delete pod first", "cordon small-1"))
    done = mainspring("run", "held.yaml", "--quiet", "--out", "out")
    assert done.returncode == 0, done.stderr


def test_what_keeps_a_pod_from_trying_is_told(mainspring, held):
    words = ("--run", "out")
    gated = mainspring("explain", "pod", "gated", *words)
    assert gated.returncode == 0
    assert "SchedulingGates keeps it from trying: waiting for scheduling gates: [" in gated.stdout
    told = json.loads(mainspring("explain", "pod", "gated", *words, "-o", "json").stdout)
    assert told["attempts"] == [] and told["heldBackBy"][0]["plugin"] == "SchedulingGates"
    elsewhere = mainspring("explain", "pod", "elsewhere", *words)
    assert elsewhere.returncode == 1
    assert 'its schedulerName is "other"' in elsewhere.stderr
    nobody = mainspring("explain", "pod", "pod/gatet", *words)
    assert nobody.returncode == 1
    assert 'there is no such pod; did you mean "gated"?' in nobody.stderr


def test_what_a_pod_waits_for_on_its_way_is_told(mainspring, held):
    last = explain(mainspring, "stored")[-1]
    assert [(w["point"], w["plugin"]) for w in last["waitedFor"]] == [("PreBind", "VolumeBinding")]
    assert float(last["boundAt"].removesuffix("s")) > 1  # a volume takes seconds to make
    out = mainspring("explain", "pod", "stored", "--run", "out").stdout
    assert "waits for VolumeBinding at PreBind" in out and "bound at" in out


def test_equal_attempts_are_told_once(mainspring, folder):
    (folder / "pods.yaml").write_text(f"{PODS}---\n{crowd_pod('large', {'cpu': '64'})}")
    scenario = SCENARIO.replace("count: 1", "count: 3").replace(
        "timeline:\n", "timeline:\n  - {at: 30s, kubectl: delete pod second}\n"
    )
    (folder / "large.yaml").write_text(scenario)
    done = mainspring("run", "large.yaml", "--quiet", "--out", "out")
    assert done.returncode == 0, done.stderr
    attempts = explain(mainspring, "large")
    assert len(attempts) > 3
    assert len({a["at"] for a in attempts}) == len(attempts)  # times are not rounded
    out = mainspring("explain", "pod", "large", "--run", "out").stdout
    assert out.count("Attempt ") < len(attempts)
    assert "the same (-o json has them)" in out


def test_scores_that_were_not_reached_are_not_told(mainspring, folder):
    (folder / "pods.yaml").write_text(PODS)
    (folder / "broken.yaml").write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        "profiles: [{plugins: {preScore: {disabled: [{name: TaintToleration}]}}}]\n"
    )
    scenario = SCENARIO[: SCENARIO.index("timeline:")].replace("count: 1", "count: 3")
    (folder / "unscored.yaml").write_text(
        scenario.replace("cluster:\n", "cluster:\n  controlPlane: {schedulerConfig: broken.yaml}\n")
    )
    done = mainspring("run", "unscored.yaml", "--quiet", "--out", "out")
    assert done.returncode == 0, done.stderr
    last = explain(mainspring, "first")[-1]
    assert last["error"] and last["ties"] == 0 and last["node"] == ""
    out = mainspring("explain", "pod", "first", "--run", "out").stdout
    assert "share the greatest total" not in out
    assert "an error: it tries again after its backoff" in out


def test_the_table_shows_attempts_one_by_one(mainspring, waited):
    out = mainspring("explain", "pod", "second", "--run", "out").stdout
    assert "Attempt 1 at" in out and "no node" in out
    assert "AssignedPodDelete of pod/default/first lets it try again" in out
    assert "small-1 is the only node found to fit" in out


def test_a_run_is_explained_from_any_folder(mainspring, folder, waited):
    elsewhere = folder / "a" / "b"
    elsewhere.mkdir(parents=True)
    words = ["explain", "pod", "second", "-o", "json", "--run"]
    here = mainspring(*words, "out").stdout
    for out in ("../../out", folder / "out"):
        there = mainspring(*words, out, cwd=elsewhere)
        assert there.returncode == 0, there.stderr
        assert there.stdout == here
    # Both may move together, and the run folder alone if the scenario is where it was given.
    moved = elsewhere / "moved"
    moved.mkdir()
    for name in ("out", "pods.yaml", "waiting.yaml"):
        shutil.move(folder / name, moved / name)
    assert mainspring(*words, "moved/out", cwd=elsewhere).stdout == here
    shutil.move(moved / "out", elsewhere / "out")
    assert mainspring(*words, "../out", cwd=moved).stdout == here
    lost = mainspring(*words, "out", cwd=elsewhere)
    assert lost.returncode == 3 and "waiting.yaml: no such file" in lost.stderr


def test_what_cannot_be_explained_is_said(mainspring, folder, waited):
    nobody = mainspring("explain", "pod", "third", "--run", "out")
    assert nobody.returncode == 1 and "no attempt to schedule pod default/third" in nobody.stderr
    assert mainspring("explain", "pod", "second").returncode == 2
    assert mainspring("explain", "deploy", "web", "--run", "out").returncode == 2
    assert mainspring("explain", "pod", "second", "--run", "nowhere").returncode == 3
    (folder / "pods.yaml").write_text(PODS.replace("1500m", "1600m"))
    changed = mainspring("explain", "pod", "second", "--run", "out")
    assert changed.returncode == 3 and "changed since the run" in changed.stderr
