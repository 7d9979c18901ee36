#!/usr/bin/env python3
"""Runs recorded scenarios in Mainspring and says where they agree: run.py RUNNER [DIR] [NAME...].

Prints one line a scenario: `NAME: agreed`, or `NAME: ` and the first difference. The exit code is 0
only if every scenario named in MUST_AGREE (all those of the folder that are in it) agreed.

A recording is one draw of a process that the machine's noise has a hand in: a millisecond decides
whether a controller's cache has a change already, and from there rollouts go different ways. So is
a run. A scenario agrees if one of SEEDS runs, which differ in the latencies of requests and watches
only, goes a way that the recordings allow.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import compare  # noqa: E402

HERE = Path(__file__).parent
SEEDS = 24
MUST_AGREE = set((HERE / "must_agree.txt").read_text(encoding="utf-8").split())


def check(runner: str, folder: Path, name: str) -> str | None:
    recordings = [
        compare.read(p)
        for p in (folder / f"{name}.jsonl.gz", folder / f"{name}.2.jsonl.gz")
        if p.exists()
    ]
    if not recordings:
        return "no recording"
    # Ties between nodes are broken at random by the recorded scheduler: each recording is followed
    # in turn, where the simulated scheduler finds its choice to be among the best. Its wall clock
    # too, by which CronJobs go.
    followed = [(compare.zero_ms(r), compare.bindings(r)) for r in recordings]
    first = None
    for seed in range(1, SEEDS + 1):
        for zero, nodes in followed:
            run = simulate(runner, folder / f"{name}.json", seed, zero, nodes)
            difference = compare.first_difference(run, recordings)
            if difference is None:
                return None
            first = first or difference
    return first


def simulate(runner: str, scenario: Path, seed: int, zero: int, nodes: list[str]) -> list[dict]:
    done = subprocess.run(
        [runner, str(scenario), str(seed), str(zero), *nodes],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{scenario}: the simulation ended with {done.returncode}: {done.stderr[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> int:
    runner = sys.argv[1]
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "data"
    names = sys.argv[3:] or sorted(p.stem for p in folder.glob("*.json"))
    if not names:
        print(f"no scenario in {folder}")
        return 2
    failed = []
    agreed = 0
    for name in names:
        difference = check(runner, folder, name)
        print(f"{name}: {difference or 'agreed'}", flush=True)
        agreed += difference is None
        if difference is not None and name in MUST_AGREE:
            failed.append(name)
    print(f"{agreed} agreed, {len(names) - agreed} differ")
    if failed:
        print(f"these must agree: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
