#!/usr/bin/env python3
"""Compares Mainspring's scheduler with the real one: recorded answers, then fresh random cases.

Usage: run.py ORACLE SCHEDULER_CASES [--first-seed N] [--count M]

First the recorded answers are checked to still come out of the oracle, then M random cases from
seed N go through both. Cases that disagree are shrunk into build/conformance/disagreements.jsonl.
The last line is `N agreed, M disagreed`; the exit code is 0 only if all agree.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import cases  # noqa: E402

HERE = Path(__file__).parent
CHUNK = 500  # cases that go through both at a time


def recorded_lines(path: Path) -> list[str]:
    if path.suffix != ".zst":
        return path.read_text(encoding="utf-8").splitlines()
    done = subprocess.run(["zstd", "-dcq", "--long=27", str(path)], capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def answers(oracle: str, lines: list[str]) -> list[str]:
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run([oracle], input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def stale(oracle: str) -> int:
    """How many recorded answers the oracle gives otherwise."""
    wrong = 0
    for path in sorted((HERE / "recorded").iterdir()):
        recorded = [json.loads(line) for line in recorded_lines(path)]
        asked = [json.dumps(both["case"], separators=(",", ":")) for both in recorded]
        fresh = [json.loads(line)["answer"] for line in answers(oracle, asked)]
        pairs = zip(recorded, fresh, strict=True)
        differing = [both["case"]["id"] for both, answer in pairs if both["answer"] != answer]
        print(f"{path.name}: {len(recorded)} recorded answers, {len(differing)} of them stale")
        for name in differing[:5]:
            print(f"  {name}")
        wrong += len(differing)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("oracle")
    parser.add_argument("scheduler_cases")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    a = parser.parse_args()
    wrong = stale(a.oracle)

    out = Path("build/conformance/disagreements.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    chunk = out.with_suffix(".chunk")
    bad: list[str] = []
    for first in range(a.first_seed, a.first_seed + a.count, CHUNK):
        last = min(first + CHUNK, a.first_seed + a.count)
        asked = [
            json.dumps(cases.make_case(seed, cases.FEATURES), separators=(",", ":"))
            for seed in range(first, last)
        ]
        done = subprocess.run(
            [a.scheduler_cases, "check", "--disagreements", str(chunk)],
            input="".join(line + "\n" for line in answers(a.oracle, asked)),
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"seeds {first}..{last - 1}: {done.stdout.splitlines()[-1]}", flush=True)
        print("".join(line + "\n" for line in done.stdout.splitlines()[:-1]), end="")
        bad += chunk.read_text(encoding="utf-8").splitlines()
    chunk.unlink(missing_ok=True)
    if bad:
        shrink = [sys.executable, str(HERE / "shrink.py"), a.oracle, a.scheduler_cases]
        text = "".join(line + "\n" for line in bad[:20])
        done = subprocess.run(shrink, input=text, capture_output=True, text=True, check=False)
        out.write_text(done.stdout, encoding="utf-8")
        print(done.stderr, end="")
        print(f"the smallest cases that still disagree: {out}")
    print(f"{a.count - len(bad)} agreed, {len(bad)} disagreed")
    return 1 if bad or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
