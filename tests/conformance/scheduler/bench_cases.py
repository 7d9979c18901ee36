#!/usr/bin/env python3
"""Makes the cases of `./dev conformance scheduler --bench`: workloads of scheduler_perf.

Usage: bench_cases.py [NODES [PODS]] > cases.jsonl

The shapes are those of test/integration/scheduler_perf (v1.35): nodes of 4 CPUs, 32Gi and 110 pods
in three zones, pods of 100m and 500Mi. Of the 2 * PODS pods of a case the second half is
measured.
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


WORKLOADS = {
    "SchedulingBasic": {},
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
}


def node(number: int) -> dict:
    name = f"node-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOSTNAME: name, ZONE: f"zone-{number % 3}"}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "32Gi", "pods": "110"}},
    }


def pod(number: int, extra: dict) -> dict:
    requests = {"cpu": "100m", "memory": "500Mi"}
    container = {"name": "pause", "image": "pause:3.10", "resources": {"requests": requests}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{number}",
            "namespace": "default",
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


def main() -> int:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
    for name, extra in WORKLOADS.items():
        objects = [namespace, *map(node, range(nodes))]
        objects += [pod(i, extra) for i in range(2 * pods)]
        case = {"id": name, "measured": pods, "steps": [{"put": o} for o in objects]}
        print(json.dumps(case, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
