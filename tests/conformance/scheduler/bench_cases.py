#!/usr/bin/env python3
"""Makes the cases of `./dev conformance scheduler --bench`: workloads of scheduler_perf.

Usage: bench_cases.py [NODES [PODS]] > cases.jsonl

The shapes are those of test/integration/scheduler_perf (v1.35): nodes of 4 CPUs, 32Gi and 110 pods
in three zones, pods of 100m and 500Mi. Of the 2 * PODS pods of a case the second half is
measured. SchedulingDaemonset has scheduler_perf's 15,000 nodes and 30,000 pods, whatever NODES and
PODS say. In PreemptionAsync every 32nd pod needs the room of lower ones; those that have to go are
gone before the next pod comes, and the pod itself, which waits out its backoff, is not counted.
"""

from __future__ import annotations

import json
import sys

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
GREEN = {"matchLabels": {"color": "green"}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def term(key: str) -> dict:
    return {"topologyKey": key, "labelSelector": GREEN}


def weighted(key: str) -> dict:
    return {"weight": 1, "podAffinityTerm": term(key)}


def spread(when: str) -> dict:
    constraint = {
        "maxSkew": 5,
        "topologyKey": ZONE,
        "whenUnsatisfiable": when,
        "labelSelector": GREEN,
    }
    return {"topologySpreadConstraints": [constraint]}


def on_nodes(term: dict) -> dict:
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}}


def one_of(key: str, *values: str) -> dict:
    return {"key": key, "operator": "In", "values": list(values)}


DAEMON_NODE = "scheduler-perf-node"
DEVOPS = {"namespaceSelector": {"matchLabels": {"team": "devops"}}}
# What every pod of a workload has beyond the default pod's spec.
WORKLOADS = {
    "SchedulingBasic": {},
    "SchedulingNodeAffinity": on_nodes({"matchExpressions": [one_of(ZONE, "zone-0", "zone-1")]}),
    "TopologySpreading": spread("DoNotSchedule"),
    "PreferredTopologySpreading": spread("ScheduleAnyway"),
    "SchedulingPodAffinity": {"affinity": {"podAffinity": {REQUIRED: [term(ZONE)]}}},
    "SchedulingPodAntiAffinity": {"affinity": {"podAntiAffinity": {REQUIRED: [term(HOSTNAME)]}}},
    "SchedulingPreferredPodAffinity": {
        "affinity": {"podAffinity": {PREFERRED: [weighted(HOSTNAME)]}}
    },
    "SchedulingPreferredPodAntiAffinity": {
        "affinity": {"podAntiAffinity": {PREFERRED: [weighted(HOSTNAME)]}}
    },
    "SchedulingRequiredPodAntiAffinityWithNSSelector": {
        "affinity": {"podAntiAffinity": {REQUIRED: [term(HOSTNAME) | DEVOPS]}}
    },
}


def namespace(name: str) -> dict:
    meta = {"name": name, "labels": {"team": "devops"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def node(number: int) -> dict:
    name = f"node-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOSTNAME: name, ZONE: f"zone-{number % 3}"}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "32Gi", "pods": "110"}},
    }


def pod(number: int, extra: dict, in_namespace: str = "default", cpu: str = "100m") -> dict:
    requests = {"cpu": cpu, "memory": "500Mi"}
    container = {"name": "pause", "image": "pause:3.10", "resources": {"requests": requests}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number}",
            "namespace": in_namespace,
            "uid": f"uid-{number}",
            "labels": {"color": "green"},
        },
        "spec": {
            "schedulerName": "default-scheduler",
            "priority": 0,
            "containers": [container],
            **extra,
        },
        "status": {"phase": "Pending"},
    }


def steady(nodes: int, pods: int, extra: dict) -> tuple[list[dict], int]:
    """Objects, and how many at the end are measured: as many pods come as are there."""
    spaces = [namespace("default")]
    names = ["default"]
    if "namespaceSelector" in json.dumps(extra):
        names = [f"init-ns-{i}" for i in range(100)]
        spaces += map(namespace, names)
    there = [pod(i, extra, names[i % len(names)]) for i in range(pods)]
    coming = [pod(pods + i, extra) for i in range(pods)]
    return [*spaces, *map(node, range(nodes)), *there, *coming], pods


def daemonset() -> tuple[list[dict], int]:
    """Best-effort pods for one node, by its name, among 15,000."""
    mine = node(15_000)
    mine["metadata"]["name"] = mine["metadata"]["labels"][HOSTNAME] = DAEMON_NODE
    mine["status"]["allocatable"]["pods"] = "90000"
    term_of_one = on_nodes({"matchFields": [one_of("metadata.name", DAEMON_NODE)]})
    coming = [pod(i, term_of_one) for i in range(30_000)]
    for p in coming:
        del p["spec"]["containers"][0]["resources"]
    return [namespace("default"), mine, *map(node, range(15_000)), *coming], len(coming)


def preemption(nodes: int, pods: int) -> tuple[list[dict], int]:
    """Nodes that hold four pods of 900m, so that plain pods fit and ones of 3 CPUs do not."""
    there = [pod(i, {}, cpu="900m") for i in range(4 * nodes)]
    coming = []
    for i in range(pods):
        if i % 32 == 0:
            coming += [pod(10_000_000 + i, {"priority": 10}, cpu="3"), {"reap": True}]
        coming.append(pod(5 * nodes + i, {}))
    return [namespace("default"), *map(node, range(nodes)), *there, *coming], len(coming)


def main() -> int:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    workloads = {name: steady(nodes, pods, extra) for name, extra in WORKLOADS.items()}
    workloads["PreemptionAsync"] = preemption(nodes, pods)
    workloads["SchedulingDaemonset"] = daemonset()
    for name, (parts, measured) in workloads.items():
        steps = [part if "reap" in part else {"put": part} for part in parts]
        case = {"id": name, "measured": measured, "steps": steps}
        print(json.dumps(case, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
