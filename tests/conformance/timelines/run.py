#!/usr/bin/env python3
"""Runs recorded scenarios in Mainspring and says where they agree: run.py RUNNER [DIR] [NAME...].

Prints one line a scenario: `NAME: agreed`, or `NAME: ` and the first difference. The exit code is 0
only if every scenario named in MUST_AGREE (all those of the folder that are in it) agreed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import compare  # noqa: E402

HERE = Path(__file__).parent
MUST_AGREE = set((HERE / "must_agree.txt").read_text(encoding="utf-8").split())


def check(runner: str, folder: Path, name: str) -> str | None:
    recordings = [
        compare.read(p)
        for p in (folder / f"{name}.jsonl.gz", folder / f"{name}.2.jsonl.gz")
        if p.exists()
    ]
    differences = []
    # Ties between nodes are broken at random by the recorded scheduler: each recording is followed
    # in turn, where the simulated scheduler finds its choice to be among the best.
    for recording in recordings:
        done = subprocess.run(
            [runner, str(folder / f"{name}.json"), *compare.bindings(recording)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            return f"the simulation ended with {done.returncode}: {done.stderr.strip()[-300:]}"
        run = [json.loads(line) for line in done.stdout.splitlines()]
        difference = compare.first_difference(run, recordings)
        if difference is None:
            return None
        differences.append(difference)
    return differences[0] if differences else "no recording"


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
