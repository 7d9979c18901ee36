#!/usr/bin/env python3
"""Reduces a case on which the two schedulers disagree to the smallest that still does.

Usage: shrink.py ORACLE SCHEDULER_CASES < disagreements.jsonl > shrunk.jsonl

Greedy: takes away steps, then parts of the objects, largest parts first, as long as the case still
disagrees. A round tries all candidates at once and then takes as many of them together as it can.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# A part without which an object is no object.
KEPT = set(
    "apiVersion kind name namespace metadata spec status uid containers startTime topologyKey"
    " maxSkew whenUnsatisfiable weight operator key schedulerName phase driver pool generation"
    " resourceSliceCount deviceClassName allocationMode count expression request device".split()
)


class Judge:
    """Says which of many cases disagree."""

    def __init__(self, oracle: str, cases: str):
        self.oracle = oracle
        self.cases = cases

    def answered(self, candidates: list[dict]) -> list[str]:
        text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in candidates)
        done = subprocess.run([self.oracle], input=text, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def disagree(self, candidates: list[dict]) -> list[bool]:
        marked = [{**c, "id": str(i)} for i, c in enumerate(candidates)]
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "disagreements"
            subprocess.run(
                [self.cases, "check", "--disagreements", str(out)],
                input="\n".join(self.answered(marked)),
                stdout=subprocess.DEVNULL,
                text=True,
                check=False,
            )
            bad = {
                int(both["case"]["id"])
                for both in map(json.loads, out.read_text(encoding="utf-8").splitlines())
                if "error" not in both["answer"]
            }
        return [i in bad for i in range(len(candidates))]


def paths(value, at: tuple = ()) -> Iterator[tuple]:
    """The places of everything that can be taken out of an object, the outer ones first."""
    children = []
    if isinstance(value, dict):
        children = [(k, v) for k, v in value.items()]
    elif isinstance(value, list):
        children = list(enumerate(value))
    yield from ((*at, key) for key, _ in children if key not in KEPT)
    for key, child in children:
        yield from paths(child, (*at, key))


def without(case: dict, removals: list) -> dict:
    """A copy of the case that lacks the steps (numbers) or parts (step, path...) named."""
    copy = json.loads(json.dumps(case))
    for removal in sorted(
        removals, key=lambda r: r if isinstance(r, tuple) else (r,), reverse=True
    ):
        if isinstance(removal, int):
            del copy["steps"][removal]
            continue
        holder = copy["steps"][removal[0]]["put"]
        for key in removal[1:-1]:
            holder = holder[key]
        del holder[removal[-1]]
    return copy


def round_of(judge: Judge, case: dict, groups: list[list]) -> dict:
    """The case without those groups that can go, all at once if possible."""
    verdicts = judge.disagree([without(case, g) for g in groups])
    useful = [g for g, bad in zip(groups, verdicts, strict=True) if bad]
    while useful:
        together = without(case, [r for g in useful for r in g])
        if judge.disagree([together])[0]:
            return together
        useful = useful[: len(useful) // 2]
    return case


def shrink(judge: Judge, case: dict) -> dict:
    size = max(1, len(case["steps"]) // 2)
    while True:
        before = len(case["steps"])
        numbers = list(range(before))
        case = round_of(judge, case, [numbers[i : i + size] for i in range(0, before, size)])
        if len(case["steps"]) == before:
            if size == 1:
                break
            size = max(1, size // 2)
    while True:
        parts = [
            (i, *p) for i, s in enumerate(case["steps"]) if "put" in s for p in paths(s["put"])
        ]
        parts.sort(key=len)
        before = case
        for depth in sorted({len(p) for p in parts}):
            still = [p for p in parts if len(p) == depth and exists(case, p)]
            if still:
                case = round_of(judge, case, [[p] for p in still])
        if case == before:
            return case


def exists(case: dict, path: tuple) -> bool:
    value = case["steps"][path[0]]["put"]
    for key in path[1:]:
        if (
            isinstance(value, list)
            and key >= len(value)
            or isinstance(value, dict)
            and key not in value
        ):
            return False
        value = value[key]
    return True


def main() -> int:
    judge = Judge(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        case = json.loads(line)["case"]
        if judge.disagree([case])[0]:
            print(judge.answered([shrink(judge, case)])[0], flush=True)
        else:
            print(f"{case['id']} agrees", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
