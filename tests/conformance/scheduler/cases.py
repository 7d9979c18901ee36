#!/usr/bin/env python3
"""Makes random cases for the scheduler's conformance tests, the same ones from a seed everywhere.

Usage: cases.py [--first-seed N] [--count M] [--features A,B,...] > cases.jsonl

A case is one line of JSON; README.md says what it holds. Values come from small pools, so that
ties, exact fits, empty selectors and failures are frequent. Each case draws which of the FEATURES
it mixes.
"""

from __future__ import annotations

import argparse
import json
import sys

from case_claims import Claims
from case_volumes import Volumes

MASK = (1 << 64) - 1
EPOCH_TEXT = "2023-11-14T{:02d}:{:02d}:{:02d}Z"


class Random:
    """SplitMix64: whole numbers only, so that every machine and Python draws the same."""

    def __init__(self, seed: int):
        self.state = seed & MASK

    def word(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        return self.word() % n

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def percent(self, p: int) -> bool:
        return self.below(100) < p

    def pick(self, items):
        return items[self.below(len(items))]

    def some(self, items, most: int) -> list:
        """At least one of the items, at most `most`, in their order."""
        left = list(range(len(items)))
        chosen = [
            left.pop(self.below(len(left))) for _ in range(self.between(1, min(most, len(items))))
        ]
        return [items[i] for i in sorted(chosen)]


HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
TOPOLOGIES = [HOSTNAME, ZONE, ZONE, REGION, "rack"]
LABELS = {"app": ["a", "a", "b", "c"], "tier": ["x", "y"], "version": ["1", "2"]}
NAMESPACES = ["default", "east", "west"]
MI = 1 << 20
VOLUME_PLUGINS = ["VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"]
CONFIG_VERSION = "kubescheduler.config.k8s.io/v1"


class Case:
    """One case in the making."""

    def __init__(self, seed: int, features: list[str]):
        self.r = Random(seed)
        r = self.r
        # A quarter of the cases mix nearly everything, the others a few features.
        likely = r.pick([20, 20, 35, 70])
        self.on = {f for f in FEATURES if r.percent(likely) and f in features}
        self.steps: list[dict] = []
        self.nodes: dict[str, dict] = {}
        self.bound: list[dict] = []
        self.arrived: list[dict] = []
        self.pods: list[tuple[str, str]] = []
        self.made = {"node": 0, "pod": 0, "pdb": 0}
        size = r.below(200)
        if size == 0 and "large" in features:
            self.size = r.pick([500, 1000, 2000])
        elif size < 4 and "large" in features:
            self.size = r.pick([99, 100, 101, 120, 250])
        elif size < 30:
            self.size = r.between(9, 30)
        else:
            self.size = r.between(1, 8)
        self.devices: Claims | None = None
        self.zones = ["z1", "z2", "z3"][: r.between(1, 3)]
        self.volumes = Volumes(self)
        self.profiles = ["default-scheduler"]
        if self.has("profiles"):
            self.profiles = r.pick(
                [["default-scheduler", "second"], ["default-scheduler", "second", "third"], ["own"]]
            )

    def has(self, feature: str) -> bool:
        return feature in self.on

    def put(self, obj: dict):
        # The steps keep the state of this moment; later changes put again.
        self.steps.append({"put": json.loads(json.dumps(obj))})

    # ---- nodes

    def node(self) -> dict:
        r = self.r
        name = f"n{self.made['node']}"
        self.made["node"] += 1
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {}},
            "spec": {},
            "status": {"allocatable": self.allocatable()},
        }
        labels = node["metadata"]["labels"]
        if r.percent(97):
            labels[HOSTNAME] = name
        if self.has("zones"):
            if r.percent(85):
                labels[ZONE] = r.pick(self.zones)
            if r.percent(30):
                labels[REGION] = r.pick(["r1", "r2"])
            if r.percent(4):
                labels[OLD_ZONE] = r.pick([*self.zones, ""])
            if r.percent(40):
                labels["rack"] = r.pick(["k1", "k2", "k3"])
        if r.percent(50):
            labels["disk"] = r.pick(["ssd", "hdd"])
        if r.percent(40):
            labels["rank"] = r.pick(["1", "5", "10", "-3", "x"])
        if self.has("unschedulable") and r.percent(20):
            node["spec"]["unschedulable"] = True
        if self.has("taints") and r.percent(50):
            node["spec"]["taints"] = self.taints()
        if self.has("images"):
            node["status"]["images"] = self.node_images()
        self.nodes[name] = node
        return node

    def allocatable(self) -> dict:
        r = self.r
        a = {
            "cpu": r.pick(["1", "2", "2", "4", "4", "1500m", "8"]),
            "memory": r.pick(["1Gi", "2Gi", "4Gi", "4Gi", "3000Mi", "8Gi"]),
            "pods": r.pick(["110", "110", "10", "4", "2", "1"]),
        }
        if r.percent(2):
            del a[r.pick(["cpu", "memory", "pods"])]
        if self.has("resources"):
            if r.percent(60):
                a["ephemeral-storage"] = r.pick(["1Gi", "10Gi"])
            if r.percent(50):
                a["example.com/gpu"] = r.pick(["1", "2", "4", "0"])
            if r.percent(20):
                a["hugepages-2Mi"] = r.pick(["64Mi", "512Mi"])
            if r.percent(20):
                a["example.com/foo"] = r.pick(["1", "3"])
        return a

    def taints(self) -> list[dict]:
        r = self.r
        out = []
        for key in r.some(["t1", "t2", "t3"], 2):
            taint = {
                "key": key,
                "effect": r.pick(
                    ["NoSchedule", "PreferNoSchedule", "PreferNoSchedule", "NoExecute"]
                ),
            }
            if r.percent(60):
                taint["value"] = r.pick(["v", "w"])
            out.append(taint)
        return out

    IMAGES = [
        "app:1",
        "app:latest",
        "reg.io/team/web:2",
        "db@sha256:00ff",
        "reg.io:5000/tool:latest",
    ]
    SIZES = [10 * MI, 23 * MI, 40 * MI, 250 * MI, 900 * MI, 1500 * MI]

    def node_images(self) -> list[dict]:
        r = self.r
        out = []
        for image in self.IMAGES:
            if r.percent(50):
                # One size an image: nodes that disagree make it depend on who came first.
                out.append(
                    {"names": [image], "sizeBytes": self.SIZES[len(image) % len(self.SIZES)]}
                )
        return out

    def change_node(self):
        """One of the nodes changes, goes, or a new one comes."""
        r = self.r
        if not self.nodes or r.percent(25):
            self.put(self.node())
            return
        name = r.pick(sorted(self.nodes))
        node = self.nodes[name]
        what = r.below(6)
        if what == 0:
            del self.nodes[name]
            self.steps.append({"delete": {"apiVersion": "v1", "kind": "Node", "name": name}})
            return
        if what == 1:
            node["status"]["allocatable"] = self.allocatable()
        elif what == 2:
            node["spec"]["unschedulable"] = r.percent(50)
        elif what == 3:
            node["spec"]["taints"] = self.taints() if r.percent(60) else []
        else:
            labels = node["metadata"]["labels"]
            key = r.pick(["disk", "rank", ZONE, "rack"])
            if r.percent(30):
                labels.pop(key, None)
            else:
                labels[key] = r.pick(
                    {"disk": ["ssd", "hdd"], "rank": ["1", "7"], "rack": ["k1", "k2"]}.get(
                        key, self.zones
                    )
                )
        self.put(node)

    def change_pod(self):
        """A pod's labels, tolerations, gates, resources in use, nomination or life changes."""
        r = self.r
        pod = r.pick(self.arrived if self.arrived and r.percent(75) else self.bound or self.arrived)
        change: dict = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {k: pod["metadata"][k] for k in ("name", "namespace")},
            "spec": {"containers": []},
            "status": {},
        }
        what = r.below(7)
        if what == 0:
            change["metadata"]["labels"] = self.labels()
        elif what < 3:
            self.tolerations(change)
            change["spec"]["tolerations"] += pod["spec"].get("tolerations", [])
            pod["spec"]["tolerations"] = change["spec"]["tolerations"]
        elif what == 3 and self.has("gates"):
            change["spec"]["schedulingGates"] = []
        elif what == 4 and self.has("resize"):
            changed = json.loads(json.dumps(pod))
            self.resized(changed)
            change["status"]["containerStatuses"] = changed["status"]["containerStatuses"]
        elif what == 5 and self.has("nominated"):
            change["status"]["nominatedNodeName"] = r.pick(["", "n0", "n1"])
        elif r.percent(70):
            change["metadata"]["labels"] = self.labels()
        else:
            change["metadata"]["deletionTimestamp"] = EPOCH_TEXT.format(12, 0, 0)
        self.steps.append({"change": change})

    # ---- selectors

    def labels(self) -> dict:
        r = self.r
        return {k: r.pick(v) for k, v in LABELS.items() if r.percent(65)}

    def label_selector(self) -> dict | None:
        r = self.r
        kind = r.below(20)
        if kind == 0:
            return None
        if kind == 1:
            return {}
        if kind < 14:
            key = r.pick(["app", "app", "tier"])
            return {"matchLabels": {key: r.pick(LABELS[key])}}
        return {"matchExpressions": [self.requirement(r.pick(sorted(LABELS)))]}

    def requirement(self, key: str) -> dict:
        r = self.r
        operator = r.pick(["In", "In", "NotIn", "Exists", "DoesNotExist"])
        out = {"key": key, "operator": operator}
        if operator in ("In", "NotIn"):
            out["values"] = r.some(sorted(set(LABELS.get(key, ["x", "y"]))), 2)
        return out

    def node_requirement(self) -> dict:
        r = self.r
        key = r.pick(["disk", "rank", ZONE, HOSTNAME, "nothing"])
        pools = {
            "disk": ["ssd", "hdd"],
            "rank": ["1", "5", "10"],
            ZONE: ["z1", "z2"],
            HOSTNAME: ["n0", "n1", "n2"],
        }
        operator = r.pick(["In", "In", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])
        if operator in ("Gt", "Lt"):
            return {"key": "rank", "operator": operator, "values": [r.pick(["1", "4", "10"])]}
        out = {"key": key, "operator": operator}
        if operator in ("In", "NotIn"):
            out["values"] = r.some(pools.get(key, ["x"]), 2)
        return out

    def node_term(self) -> dict:
        r = self.r
        term = {}
        if r.percent(90):
            term["matchExpressions"] = [self.node_requirement() for _ in range(r.between(1, 2))]
        if self.has("node_names") and r.percent(40):
            field = {
                "key": "metadata.name",
                "operator": r.pick(["In", "In", "In", "NotIn"]),
                "values": [r.pick(["n0", "n1", "n2", "n9"])],
            }
            term["matchFields"] = [field]
            if r.percent(60):
                term.pop("matchExpressions", None)
        return term

    # ---- pods

    def pod(self, name: str | None = None) -> dict:
        r = self.r
        if name is None:
            name = f"p{self.made['pod']}"
            self.made["pod"] += 1
        namespace = r.pick(NAMESPACES) if self.has("namespaces") else "default"
        spec = {
            "schedulerName": "nobody" if r.percent(1) else r.pick(self.profiles),
            "priority": 0,
            "containers": self.containers(),
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{name}",
                "labels": self.labels(),
            },
            "spec": spec,
            "status": {"phase": "Pending"},
        }
        if self.has("priorities"):
            spec["priority"] = r.pick([0, 0, 1, 5, 10, 100, -5])
            if r.percent(8):
                spec["preemptionPolicy"] = r.pick(["Never", "PreemptLowerPriority"])
        for feature, add in POD_FEATURES.items():
            if self.has(feature) and r.percent(60):
                add(self, pod)
        return pod

    def containers(self) -> list[dict]:
        r = self.r
        out = []
        for i in range(r.pick([1, 1, 1, 2])):
            c = {
                "name": f"c{i}",
                "image": r.pick([*self.IMAGES, "app", "none:3"]) if self.has("images") else "app:1",
            }
            requests = self.requests()
            if requests:
                c["resources"] = {"requests": requests}
            out.append(c)
        return out

    def requests(self) -> dict:
        r = self.r
        out = {}
        if r.percent(80):
            out["cpu"] = r.pick(
                ["100m", "250m", "500m", "500m", "1", "1", "2", "3", "0", "1.5", "100u"]
            )
        if r.percent(70):
            out["memory"] = r.pick(["100Mi", "512Mi", "1Gi", "1Gi", "2Gi", "0", "1G", "1500M"])
        if self.has("resources"):
            if r.percent(25):
                out["ephemeral-storage"] = r.pick(["1Gi", "2Gi", "100Mi"])
            if r.percent(30):
                out["example.com/gpu"] = r.pick(["1", "1", "2", "0"])
            if r.percent(10):
                out["hugepages-2Mi"] = r.pick(["2Mi", "64Mi"])
            if r.percent(10):
                out["example.com/foo"] = "1"
        return out

    def init_containers(self, pod: dict):
        r = self.r
        out = []
        for i in range(r.between(1, 3)):
            c = {"name": f"i{i}", "image": "init:1", "resources": {"requests": self.requests()}}
            if r.percent(40):
                c["restartPolicy"] = "Always"
                if self.has("ports") and r.percent(30):
                    c["ports"] = [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}]
            out.append(c)
        pod["spec"]["initContainers"] = out

    def pod_resources(self, pod: dict):
        r = self.r
        requests = {}
        if r.percent(70):
            requests["cpu"] = r.pick(["1", "2", "3"])
        if r.percent(70):
            requests["memory"] = r.pick(["1Gi", "3Gi"])
        pod["spec"]["resources"] = {"requests": requests}

    def overhead(self, pod: dict):
        pod["spec"]["overhead"] = {"cpu": self.r.pick(["100m", "250m"]), "memory": "64Mi"}

    def tolerations(self, pod: dict):
        r = self.r
        out = []
        for _ in range(r.between(1, 3)):
            t = {"operator": r.pick(["Equal", "Exists", "Exists"])}
            if r.percent(85):
                t["key"] = r.pick(["t1", "t2", "node.kubernetes.io/unschedulable"])
            else:
                t["operator"] = "Exists"
            if t["operator"] == "Equal":
                t["value"] = r.pick(["v", "w", ""])
            if r.percent(60):
                t["effect"] = r.pick(["NoSchedule", "PreferNoSchedule", "NoExecute"])
            out.append(t)
        pod["spec"]["tolerations"] = out

    def node_selector(self, pod: dict):
        r = self.r
        pod["spec"]["nodeSelector"] = r.pick(
            [{"disk": "ssd"}, {"disk": "hdd"}, {ZONE: "z1"}, {"disk": "ssd", "rank": "1"}, {}]
        )

    def affinity(self, pod: dict) -> dict:
        return pod["spec"].setdefault("affinity", {})

    def node_affinity(self, pod: dict):
        r = self.r
        out = {}
        if r.percent(60):
            out["requiredDuringSchedulingIgnoredDuringExecution"] = {
                "nodeSelectorTerms": [self.node_term() for _ in range(r.between(1, 3))]
            }
        if r.percent(60):
            out["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {
                    "weight": r.pick([1, 1, 5, 10, 100]),
                    "preference": {"matchExpressions": [self.node_requirement()]},
                }
                for _ in range(r.between(1, 3))
            ]
        self.affinity(pod)["nodeAffinity"] = out

    def pod_term(self) -> dict:
        r = self.r
        term = {"topologyKey": r.pick(TOPOLOGIES)}
        selector = self.label_selector()
        if selector is not None:
            term["labelSelector"] = selector
        if self.has("namespaces"):
            if r.percent(25):
                term["namespaces"] = r.some(NAMESPACES, 2)
            if r.percent(25):
                term["namespaceSelector"] = r.pick(
                    [
                        {},
                        {"matchLabels": {"team": "red"}},
                        {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
                        {
                            "matchExpressions": [
                                {"key": "team", "operator": "NotIn", "values": ["red"]}
                            ]
                        },
                        {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
                    ]
                )
        return term

    def pod_terms(self, pod: dict, kind: str):
        r = self.r
        out = self.affinity(pod).setdefault(kind, {})
        required = self.has("required_" + kind)
        if required and (r.percent(60) or not self.has("preferred_" + kind)):
            out["requiredDuringSchedulingIgnoredDuringExecution"] = [
                self.pod_term() for _ in range(r.pick([1, 1, 1, 2]))
            ]
        elif self.has("preferred_" + kind):
            out["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {"weight": r.pick([1, 1, 10, 100]), "podAffinityTerm": self.pod_term()}
                for _ in range(r.pick([1, 1, 2]))
            ]

    def pod_affinity(self, pod: dict):
        self.pod_terms(pod, "podAffinity")

    def pod_anti_affinity(self, pod: dict):
        self.pod_terms(pod, "podAntiAffinity")

    def spread(self, pod: dict):
        r = self.r
        out = []
        for key in r.some([HOSTNAME, ZONE, REGION, "rack"], 2):
            c = {
                "maxSkew": r.pick([1, 1, 2, 3]),
                "topologyKey": key,
                "whenUnsatisfiable": r.pick(["DoNotSchedule", "ScheduleAnyway"]),
            }
            selector = self.label_selector()
            if selector is not None:
                c["labelSelector"] = selector
            if c["whenUnsatisfiable"] == "DoNotSchedule" and r.percent(25):
                c["minDomains"] = r.between(1, 4)
            if r.percent(25):
                c["nodeAffinityPolicy"] = r.pick(["Honor", "Ignore"])
            if r.percent(25):
                c["nodeTaintsPolicy"] = r.pick(["Honor", "Ignore"])
            if r.percent(15) and selector is not None:
                c["matchLabelKeys"] = [r.pick(["version", "tier"])]
            out.append(c)
        pod["spec"]["topologySpreadConstraints"] = out

    def ports(self, pod: dict):
        r = self.r
        ports = []
        for port in r.some([80, 8080, 9090], 2):
            p = {
                "containerPort": port,
                "hostPort": r.pick([port, port, 0]),
                "protocol": r.pick(["TCP", "TCP", "UDP"]),
            }
            if r.percent(30):
                p["hostIP"] = r.pick(["0.0.0.0", "10.0.0.1", "10.0.0.2"])
            ports.append(p)
        pod["spec"]["containers"][0]["ports"] = ports

    def gates(self, pod: dict):
        if self.r.percent(30):
            pod["spec"]["schedulingGates"] = [{"name": "example.com/gate"}]

    def owner(self, pod: dict):
        r = self.r
        kind = r.pick(["ReplicaSet", "StatefulSet", "ReplicationController"])
        pod["metadata"]["ownerReferences"] = [
            {
                "apiVersion": "v1" if kind == "ReplicationController" else "apps/v1",
                "kind": kind,
                "name": r.pick(["own", "lost"]),
                "uid": "uid-own",
                "controller": True,
            }
        ]

    def node_name(self, pod: dict):
        if self.r.percent(40):
            pod["status"]["nominatedNodeName"] = self.r.pick(["n0", "n1", "n2", "n9"])

    def resource_claims(self, pod: dict):
        self.devices.of_pod(pod)

    def bound_pod(self) -> dict:
        """A pod that runs before the case begins; its node may be overcommitted by it."""
        r = self.r
        pod = self.pod()
        pod["spec"]["nodeName"] = r.pick(sorted(self.nodes)) if r.percent(97) else "gone"
        pod["spec"].pop("schedulingGates", None)
        pod["status"] = {
            "phase": "Running",
            "startTime": EPOCH_TEXT.format(r.between(10, 12), r.pick([0, 0, 30]), 0),
        }
        if r.percent(5):
            pod["metadata"]["deletionTimestamp"] = EPOCH_TEXT.format(12, 0, 0)
        if self.has("resize") and r.percent(40):
            self.resized(pod)
        self.bound.append(pod)
        return pod

    def resized(self, pod: dict):
        r = self.r
        statuses = []
        for c in pod["spec"]["containers"]:
            status = {
                "name": c["name"],
                "image": c["image"],
                "imageID": "",
                "ready": True,
                "restartCount": 0,
            }
            if r.percent(80):
                status["resources"] = {"requests": self.requests()}
            if r.percent(50):
                status["allocatedResources"] = self.requests()
            statuses.append(status)
        pod["status"]["containerStatuses"] = statuses
        if r.percent(30):
            pod["status"]["conditions"] = [
                {
                    "type": "PodResizePending",
                    "status": "True",
                    "reason": r.pick(["Infeasible", "Deferred"]),
                }
            ]

    def with_volumes(self, pod: dict):
        self.volumes.add_to(pod)

    # ---- other objects

    def namespaces(self):
        for name, labels in (
            ("default", {}),
            ("east", {"team": "red"}),
            ("west", {"team": "blue"}),
        ):
            if name == "default" or self.has("namespaces"):
                self.put(
                    {
                        "apiVersion": "v1",
                        "kind": "Namespace",
                        "metadata": {"name": name, "labels": labels},
                    }
                )

    def services(self):
        r = self.r
        for i, namespace in enumerate(NAMESPACES if self.has("namespaces") else ["default"]):
            if r.percent(80):
                selector = r.pick(
                    [{"app": "a"}, {"app": "b"}, {"tier": "x"}, {"app": "a", "tier": "x"}]
                )
                self.put(
                    {
                        "apiVersion": "v1",
                        "kind": "Service",
                        "metadata": {"name": f"s{i}", "namespace": namespace},
                        "spec": {"selector": selector},
                    }
                )
            if r.percent(60):
                kind = r.pick(["ReplicaSet", "StatefulSet"])
                self.put(
                    {
                        "apiVersion": "apps/v1",
                        "kind": kind,
                        "metadata": {"name": "own", "namespace": namespace, "uid": "uid-own"},
                        "spec": {
                            "selector": self.label_selector() or {"matchLabels": {"app": "a"}}
                        },
                    }
                )
            if r.percent(20):
                self.put(
                    {
                        "apiVersion": "v1",
                        "kind": "ReplicationController",
                        "metadata": {"name": "own", "namespace": namespace, "uid": "uid-own"},
                        "spec": {"selector": {"app": r.pick(["a", "b"])}},
                    }
                )

    def budget(self):
        r = self.r
        name = f"b{self.made['pdb']}"
        self.made["pdb"] += 1
        pdb = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"minAvailable": 1},
            "status": {
                "disruptionsAllowed": r.pick([0, 0, 1, 2]),
                "currentHealthy": 1,
                "desiredHealthy": 1,
                "expectedPods": 1,
            },
        }
        selector = self.label_selector()
        if selector is not None:
            pdb["spec"]["selector"] = selector
        if r.percent(10):
            pdb["status"]["disruptedPods"] = {"p0": "2023-11-14T12:00:00Z"}
        self.put(pdb)

    # ---- the configuration

    def plugin_args(self) -> list[dict]:
        r = self.r
        makers = {
            "NodeResourcesFit": self.fit_args,
            "NodeResourcesBalancedAllocation": self.balanced_args,
            "InterPodAffinity": self.inter_pod_affinity_args,
            "NodeAffinity": self.node_affinity_args,
            "PodTopologySpread": self.spread_args,
            "DefaultPreemption": self.preemption_args,
            "VolumeBinding": self.volume_binding_args,
        }
        out = []
        for name in r.some(sorted(makers), 3):
            args = {"apiVersion": CONFIG_VERSION, "kind": f"{name}Args", **makers[name]()}
            out.append({"name": name, "args": args})
        return out

    def weighted_resources(self, most: int) -> list[dict]:
        r = self.r
        names = ["cpu", "memory", "ephemeral-storage", "example.com/gpu"]
        return [{"name": n, "weight": r.pick([1, 1, 3, most])} for n in r.some(names, 3)]

    def fit_args(self) -> dict:
        r = self.r
        kind = r.pick(["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"])
        strategy = {"type": kind, "resources": self.weighted_resources(100)}
        if kind == "RequestedToCapacityRatio":
            rising = [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
            bent = [
                {"utilization": 0, "score": 10},
                {"utilization": 40, "score": 3},
                {"utilization": 90, "score": 7},
            ]
            strategy["requestedToCapacityRatio"] = {"shape": r.pick([rising, bent, rising[::-1]])}
            if strategy["requestedToCapacityRatio"]["shape"][0]["utilization"] == 100:
                strategy["requestedToCapacityRatio"]["shape"] = [{"utilization": 50, "score": 5}]
        args = {"scoringStrategy": strategy}
        if r.percent(30):
            args["ignoredResources"] = ["example.com/foo"]
        if r.percent(20):
            args["ignoredResourceGroups"] = ["example.com"]
        return args

    def balanced_args(self) -> dict:
        return {"resources": [{**w, "weight": 1} for w in self.weighted_resources(1)]}

    def inter_pod_affinity_args(self) -> dict:
        r = self.r
        return {
            "hardPodAffinityWeight": r.pick([0, 1, 50, 100]),
            "ignorePreferredTermsOfExistingPods": r.percent(50),
        }

    def node_affinity_args(self) -> dict:
        r = self.r
        added = {}
        if r.percent(50):
            term = {"matchExpressions": [self.node_requirement()]}
            added["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [term]}
        if r.percent(70):
            preferred = {"weight": 7, "preference": {"matchExpressions": [self.node_requirement()]}}
            added["preferredDuringSchedulingIgnoredDuringExecution"] = [preferred]
        return {"addedAffinity": added}

    def spread_args(self) -> dict:
        r = self.r
        if r.percent(20):
            return {"defaultingType": "System"}
        constraints = [
            {
                "maxSkew": r.pick([1, 2]),
                "topologyKey": key,
                "whenUnsatisfiable": r.pick(["DoNotSchedule", "ScheduleAnyway"]),
            }
            for key in r.some([HOSTNAME, ZONE, "rack"], 2)
        ]
        return {"defaultingType": "List", "defaultConstraints": constraints}

    def preemption_args(self) -> dict:
        r = self.r
        return {
            "minCandidateNodesPercentage": r.pick([0, 10, 50, 100]),
            "minCandidateNodesAbsolute": r.pick([1, 2, 100]),
        }

    def volume_binding_args(self) -> dict:
        return {"bindTimeoutSeconds": self.r.pick([1, 2, 5, 600])}

    def plugins(self) -> dict:
        """Weights of score plugins, and plugins that are off."""
        r = self.r
        scoring = [
            "TaintToleration",
            "NodeAffinity",
            "NodeResourcesFit",
            "PodTopologySpread",
            "InterPodAffinity",
            "NodeResourcesBalancedAllocation",
            "ImageLocality",
        ]
        out: dict = {}
        if r.percent(60):
            out["score"] = {
                "disabled": [{"name": n} for n in r.some(scoring, 3)] if r.percent(70) else [],
                "enabled": [{"name": r.pick(scoring), "weight": r.pick([1, 5, 10])}],
            }
        if r.percent(30):
            filters = ["TaintToleration", "NodePorts", "NodeVolumeLimits", "VolumeZone"]
            out["filter"] = {"disabled": [{"name": n} for n in r.some(filters, 2)]}
        if r.percent(4):  # filters that build on it err
            plugins = ["NodeResourcesFit", "NodePorts", "NodeAffinity", "PodTopologySpread"]
            plugins += ["InterPodAffinity", *VOLUME_PLUGINS]
            out["preFilter"] = {"disabled": [{"name": r.pick(plugins)}]}
        if r.percent(15):
            out["postFilter"] = {"disabled": [{"name": r.pick(["DefaultPreemption", "*"])}]}
        if r.percent(15):
            plugins = ["PodTopologySpread", "InterPodAffinity", "ImageLocality", *VOLUME_PLUGINS]
            off = r.some(plugins, 4)
            out["multiPoint"] = {"disabled": [{"name": n} for n in off]}
        return out

    def configuration(self) -> dict:
        r = self.r
        out = {"apiVersion": CONFIG_VERSION, "kind": "KubeSchedulerConfiguration"}
        if r.percent(30):
            out["percentageOfNodesToScore"] = r.pick([1, 30, 100])
        out["profiles"] = [self.profile(name) for name in self.profiles]
        return out

    def profile(self, name: str) -> dict:
        r = self.r
        profile: dict = {"schedulerName": name}
        if r.percent(70):
            profile["pluginConfig"] = self.plugin_args()
        if r.percent(50):
            profile["plugins"] = self.plugins()
        if r.percent(30):
            profile["percentageOfNodesToScore"] = r.pick([0, 1, 50, 100])
        return profile

    # ---- the whole

    def arrival(self):
        """A new pod; pods of one owner come in groups of equals."""
        r = self.r
        pod = self.pod()
        for i in range(r.pick([1, 1, 1, 1, 2, 3]) if self.size < 90 else r.between(1, 4)):
            if i > 0:
                name = f"p{self.made['pod']}"
                self.made["pod"] += 1
                pod["metadata"]["name"] = name
                pod["metadata"]["uid"] = f"uid-{name}"
                if self.devices:
                    pod["spec"].pop("resourceClaims", None)
                    pod["status"].pop("resourceClaimStatuses", None)
                    self.devices.of_pod(pod)
            self.put(pod)
            self.arrived.append(json.loads(json.dumps(pod)))
            self.pods.append((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def event(self):
        r = self.r
        if self.devices and r.percent(25):
            self.devices.event()
            return
        if self.has("time") and r.percent(30):
            self.steps.append({"wait": r.pick([1, 1, 2, 3, 5, 9, 17, 41, 331])})
            return
        if self.has("volumes") and r.percent(45):
            self.volumes.event()
            return
        if self.has("changes") and r.percent(70):
            self.change_pod() if r.percent(65) and self.arrived else self.change_node()
            return
        what = r.below(100)
        if what < 70 or not self.has("churn"):
            self.arrival()
        elif what < 80 and (self.bound or self.pods):
            gone = r.pick(
                [(p["metadata"]["namespace"], p["metadata"]["name"]) for p in self.bound]
                + self.pods
            )
            self.bound = [
                p for p in self.bound if (p["metadata"]["namespace"], p["metadata"]["name"]) != gone
            ]
            self.pods = [p for p in self.pods if p != gone]
            self.steps.append(
                {
                    "delete": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "namespace": gone[0],
                        "name": gone[1],
                    }
                }
            )
        elif what < 88:
            self.change_node()
        elif what < 92 and (self.arrived or self.bound):
            self.change_pod()
        elif what < 95 and self.bound:
            pod = r.pick(self.bound)
            pod["metadata"]["labels"] = self.labels()
            self.put(pod)
        elif not self.has("time") and not self.has("volumes"):
            # Several pods at once: whether cycles lie between is a race.
            self.steps.append({"reap": True})

    def make(self, identity: str) -> dict:
        r = self.r
        self.namespaces()
        if self.has("services"):
            self.services()
        for _ in range(self.size):
            self.put(self.node())
        if self.has("volumes"):
            self.volumes.setup()
        if self.has("claims"):
            self.devices = Claims(self)
            self.devices.begin()
        if self.has("budgets"):
            for _ in range(r.between(1, 3)):
                self.budget()
        crowd = r.pick([0, 1, 2, 3]) if self.size < 90 else 1
        for _ in range(self.size * crowd // r.pick([1, 2])):
            self.put(self.bound_pod())
        for _ in range(r.pick([1, 2, 3, 5, 8, 12]) + (20 if self.has("changes") else 0)):
            self.event()
        if self.has("volumes"):
            self.steps.append({"wait": r.pick([1, 1, 2, 12])})
        case: dict = {"id": identity, "steps": self.steps}
        if self.has("priorities"):
            case["random"] = r.below(1000)
        if self.has("configuration") or self.has("profiles"):
            case["config"] = self.configuration()
        return case


POD_FEATURES = {
    "init_containers": Case.init_containers,
    "pod_resources": Case.pod_resources,
    "overhead": Case.overhead,
    "taints": Case.tolerations,
    "node_selector": Case.node_selector,
    "node_affinity": Case.node_affinity,
    "required_podAffinity": Case.pod_affinity,
    "preferred_podAffinity": Case.pod_affinity,
    "required_podAntiAffinity": Case.pod_anti_affinity,
    "preferred_podAntiAffinity": Case.pod_anti_affinity,
    "spread": Case.spread,
    "ports": Case.ports,
    "gates": Case.gates,
    "services": Case.owner,
    "nominated": Case.node_name,
    "volumes": Case.with_volumes,
    "claims": Case.resource_claims,
}
# What a case may mix. "large" allows clusters beyond 30 nodes.
FEATURES = [
    *POD_FEATURES,
    "zones",
    "unschedulable",
    "images",
    "resources",
    "node_names",
    "namespaces",
    "priorities",
    "budgets",
    "resize",
    "churn",
    "changes",
    "time",
    "large",
    "configuration",
    "profiles",
]


def make_case(seed: int, features: list[str]) -> dict:
    return Case(seed, features).make(f"seed-{seed}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--features", default=",".join(FEATURES))
    arguments = parser.parse_args()
    features = arguments.features.split(",")
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.count):
        sys.stdout.write(json.dumps(make_case(seed, features), separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
