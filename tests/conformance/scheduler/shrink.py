#!/usr/bin/env python3
"""Reduces a case on which the two schedulers disagree to the smallest that still does.

Usage: shrink.py ORACLE SCHEDULER_CASES < disagreements.jsonl > shrunk.jsonl

Greedy: takes away steps, then parts of the objects and of the configuration, largest parts first,
as long as the case still disagrees and an API server would refuse nothing that it did not before.
A round tries all candidates at once and then takes as many of them together as it can.
"""

from __future__ import annotations

import json
import re
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
    """Says which of many cases disagree and are as good as the one they come from."""

    def __init__(self, oracle: str, cases: str):
        self.oracle = oracle
        self.cases = cases
        self.known: set[str] = set()  # problems of the case itself

    def answered(self, candidates: list[dict]) -> list[str]:
        text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in candidates)
        done = subprocess.run([self.oracle], input=text, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def problems(self, candidates: list[dict]) -> list[set[str]]:
        """What an API server would refuse the objects of each for, list indices left out."""
        text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in candidates)
        done = subprocess.run(
            [self.cases, "problems"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        return [
            {re.sub(r"\[\d+\]", "[]", problem) for problem in json.loads(line)}
            for line in done.stdout.splitlines()
        ]

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
            # An answer with an error is of a case, or a configuration, that is none.
            bad = {
                int(both["case"]["id"])
                for both in map(json.loads, out.read_text(encoding="utf-8").splitlines())
                if "error" not in both["answer"]
            }
        return [i in bad for i in range(len(candidates))]

    def good(self, candidates: list[dict]) -> list[bool]:
        """Which of them disagree, and have no problem that the case has not."""
        fine = [p <= self.known for p in self.problems(candidates)]
        asked = [c for c, is_fine in zip(candidates, fine, strict=True) if is_fine]
        bad = iter(self.disagree(asked) if asked else [])
        return [is_fine and next(bad) for is_fine in fine]


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


def parts_of(case: dict) -> Iterator[tuple]:
    """The places of all parts of a case but for its steps as a whole."""
    for i, step in enumerate(case["steps"]):
        if "put" in step:
            yield from paths(step["put"], ("steps", i, "put"))
    if case.get("config"):
        yield ("config",)
        yield from paths(case["config"], ("config",))


def without(case: dict, removals: list[tuple]) -> dict:
    """A copy of the case that lacks the parts at the places named."""
    copy = json.loads(json.dumps(case))
    # Later places first, so that those of earlier ones stay true; inner ones before outer ones.
    for place in sorted(removals, key=lambda p: [str(k).zfill(9) for k in p], reverse=True):
        holder = copy
        for key in place[:-1]:
            holder = holder[key]
        del holder[place[-1]]
    return copy


def round_of(judge: Judge, case: dict, groups: list[list[tuple]]) -> dict:
    """The case without those groups that can go, all at once if possible."""
    verdicts = judge.good([without(case, g) for g in groups])
    useful = [g for g, bad in zip(groups, verdicts, strict=True) if bad]
    while useful:
        together = without(case, [r for g in useful for r in g])
        if judge.good([together])[0]:
            return together
        useful = useful[: len(useful) // 2]
    return case


def shrink_steps(judge: Judge, case: dict) -> dict:
    size = max(1, len(case["steps"]) // 2)
    while True:
        before = len(case["steps"])
        steps = [("steps", i) for i in range(before)]
        case = round_of(judge, case, [steps[i : i + size] for i in range(0, before, size)])
        if len(case["steps"]) == before:
            if size == 1:
                return case
            size = max(1, size // 2)


def shrink(judge: Judge, case: dict) -> dict:
    judge.known = judge.problems([case])[0]
    case = shrink_steps(judge, case)
    while True:
        before = case
        depths = sorted({len(p) for p in parts_of(case)})
        for depth in depths:
            places = [p for p in parts_of(case) if len(p) == depth]
            if places:
                case = round_of(judge, case, [[p] for p in places])
        case = shrink_steps(judge, case)
        if case == before:
            return case


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
