#!/usr/bin/env python3
"""Makes cases of one pod, one claim and one device whose selector is a random expression in CEL.

Usage: selector_cases.py [--first-seed N] [--count M] > cases.jsonl

Most expressions have the types they should, some do not, and some ask for what the device lacks:
the answers hold values, failures and what the compiler says, word for word.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cases import Random  # noqa: E402

ATTRIBUTES = 'device.attributes["gpu.example.com"]'
CAPACITY = 'device.capacity["gpu.example.com"]'
# By type: bool, int, double, string, quantity, semver, list.
LEAVES = {
    "b": [
        "true",
        "false",
        f"{ATTRIBUTES}.b",
        f"{ATTRIBUTES}.none",
        f'"b" in {ATTRIBUTES}',
        f"has({ATTRIBUTES}.s)",
        f"has({ATTRIBUTES}.none)",
        "has(device.attributes.x)",
        '"x" in device.attributes',
        "has(device.driver)",
    ],
    "i": [
        "0",
        "1",
        "2",
        "-3",
        "7",
        "9223372036854775807",
        f"{ATTRIBUTES}.i",
        f"{ATTRIBUTES}.none",
        "device.driver.size()",
        f"size({ATTRIBUTES})",
    ],
    "d": ["0.0", "1.5", "-2.0", "1e3"],
    "s": [
        '"a"',
        '"abc"',
        "'b'",
        "device.driver",
        f"{ATTRIBUTES}.s",
        '"1.2.3"',
        '"v1.2"',
        '"10Gi"',
        '"5x"',
        '""',
        f"{ATTRIBUTES}.none",
    ],
    "q": [
        'quantity("10Gi")',
        'quantity("1k")',
        f"{CAPACITY}.m",
        f"{CAPACITY}.none",
        'quantity("500m")',
        f"quantity({ATTRIBUTES}.s)",
    ],
    "v": [
        'semver("1.2.3")',
        'semver("2.0.0-rc.1")',
        f"{ATTRIBUTES}.v",
        'semver("v1.2", true)',
        'semver("1.2")',
    ],
    "l": ["[1, 2]", '["a", "abc"]', "[true]", "[1.5]", "[device.driver]"],
}


MACROS = ["all", "exists", "exists_one"]
PATTERNS = ["r'^a.c$'", "'[0-9]+'", "'(a|b)+c?'", "'('"]


class Expressions:
    def __init__(self, seed: int):
        self.r = Random(seed * 7919 + 13)

    def of(self, kind: str, depth: int) -> str:
        r = self.r
        if r.percent(3):
            kind = r.pick("bidsqvl")
        if depth <= 0 or r.percent(12):
            return r.pick(LEAVES[kind])
        return getattr(self, f"of_{kind}")(lambda k: self.of(k, depth - 1))

    def of_b(self, of) -> str:
        r = self.r
        kind = r.pick("idsbqvl")
        return r.pick(
            [
                lambda: f"({of('b')} && {of('b')})",
                lambda: f"({of('b')} || {of('b')})",
                lambda: f"!{of('b')}",
                lambda: f"({of('s')} {r.pick(['<', '<=', '>', '>='])} {of('s')})",
                lambda: f"({of('i')} {r.pick(['<', '<=', '>', '>='])} {of(r.pick('id'))})",
                lambda: f"({of(kind)} {r.pick(['==', '!='])} {of(kind)})",
                lambda: f"({of('b')} ? {of('b')} : {of('b')})",
                lambda: f"{of('s')}.{r.pick(['startsWith', 'endsWith', 'contains'])}({of('s')})",
                lambda: f"{of('s')}.matches({r.pick([*PATTERNS, of('s')])})",
                lambda: f"{of('q')}.{r.pick(['isGreaterThan', 'isLessThan'])}({of('q')})",
                lambda: f"{of('v')}.{r.pick(['isGreaterThan', 'isLessThan'])}({of('v')})",
                lambda: f"({of(r.pick('is'))} in {of('l')})",
                lambda: f"{r.pick(['isQuantity', 'isSemver'])}({of('s')})",
                lambda: f"{of('q')}.isInteger()",
                lambda: f'["a", "abc"].{r.pick(MACROS)}(x, x == {of("s")})',
                lambda: f"cel.bind(y, {of('i')}, y > {of('i')})",
            ]
        )()

    def of_i(self, of) -> str:
        r = self.r
        return r.pick(
            [
                lambda: f"({of('i')} {r.pick('+-*/%')} {of('i')})",
                lambda: f"{of('q')}.compareTo({of('q')})",
                lambda: f"{of('q')}.asInteger()",
                lambda: f"{of('v')}.{r.pick(['major', 'minor', 'patch'])}()",
                lambda: f"size({of(r.pick('sl'))})",
                lambda: f"-({of('i')})",
                lambda: f"sign({of('q')})",
                lambda: f"[1, 2][{of('i')}]",
            ]
        )()

    def of_d(self, of) -> str:
        return f"({of('d')} {self.r.pick('+-*/')} {of('d')})"

    def of_s(self, of) -> str:
        return self.r.pick(
            [
                lambda: f"({of('s')} + {of('s')})",
                lambda: f"{of('s')}.{self.r.pick(['lowerAscii', 'upperAscii'])}()",
                lambda: f"({of('b')} ? {of('s')} : {of('s')})",
            ]
        )()

    def of_q(self, of) -> str:
        return f"quantity({of('s')})"

    def of_v(self, of) -> str:
        return self.r.pick(
            [lambda: f"semver({of('s')})", lambda: f"semver({of('s')}, {of('b')})"]
        )()

    def of_l(self, of) -> str:
        return f'["a", {of("s")}]'


def make_case(seed: int) -> dict:
    expressions = Expressions(seed)
    expression = expressions.of("b", expressions.r.between(1, 4))
    api = "resource.k8s.io/v1"
    device = {
        "name": "d0",
        "attributes": {
            "s": {"string": "abc"},
            "i": {"int": 2},
            "b": {"bool": True},
            "v": {"version": "1.5.0"},
            "other/x": {"string": "y"},
        },
        "capacity": {"m": {"value": "16Gi"}},
    }
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    exactly = {
        "deviceClassName": "gpu",
        "allocationMode": "ExactCount",
        "count": 1,
        "selectors": [{"cel": {"expression": expression}}],
    }
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n0"},
            "spec": {},
            "status": {"allocatable": {"pods": "110"}},
        },
        {"apiVersion": api, "kind": "DeviceClass", "metadata": {"name": "gpu"}, "spec": {}},
        {
            "apiVersion": api,
            "kind": "ResourceSlice",
            "metadata": {"name": "s"},
            "spec": {
                "driver": "gpu.example.com",
                "pool": pool,
                "nodeName": "n0",
                "devices": [device],
            },
        },
        {
            "apiVersion": api,
            "kind": "ResourceClaim",
            "metadata": {"name": "c", "namespace": "default", "uid": "uid-c"},
            "spec": {"devices": {"requests": [{"name": "r", "exactly": exactly}]}},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default", "uid": "uid-p"},
            "spec": {
                "schedulerName": "default-scheduler",
                "priority": 0,
                "containers": [{"name": "c"}],
                "resourceClaims": [{"name": "c", "resourceClaimName": "c"}],
            },
            "status": {"phase": "Pending"},
        },
    ]
    return {"id": f"selector-{seed}", "steps": [{"put": o} for o in objects]}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.count):
        sys.stdout.write(json.dumps(make_case(seed), separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
