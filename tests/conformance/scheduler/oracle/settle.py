#!/usr/bin/env python3
"""Settles orders that the real scheduler leaves to Go's maps, in what `go build` compiles.

Usage: settle.py FOLDER   writes FOLDER/oracle.mod and the changed module, for go build -modfile

Of dynamic resource allocation, pools and slices are taken in the order of their names. Nothing else
is changed.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODULE = "k8s.io/dynamic-resource-allocation"
FILE = "structured/internal/incubating/pools_incubating.go"
# What takes whose place, each exactly once.
CHANGES = [
    ("import (\n", 'import (\n\t"sort"\n'),
    (
        "\tpools := make(map[PoolID][]*draapi.ResourceSlice)\n",
        "\tslices = append([]*resourceapi.ResourceSlice{}, slices...)\n"
        "\tsort.Slice(slices, func(i, j int) bool { return slices[i].Name < slices[j].Name })\n"
        "\tpools := make(map[PoolID][]*draapi.ResourceSlice)\n",
    ),
    (
        "\tfor poolID, slicesForPool := range pools {\n",
        "\tvar ids []PoolID\n"
        "\tfor id := range pools {\n"
        "\t\tids = append(ids, id)\n"
        "\t}\n"
        "\tsort.Slice(ids, func(i, j int) bool {\n"
        "\t\ta, b := ids[i], ids[j]\n"
        "\t\tif a.Driver != b.Driver {\n"
        "\t\t\treturn a.Driver.String() < b.Driver.String()\n"
        "\t\t}\n"
        "\t\treturn a.Pool.String() < b.Pool.String()\n"
        "\t})\n"
        "\tfor _, poolID := range ids {\n"
        "\t\tslicesForPool := pools[poolID]\n",
    ),
]


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    command = ["go", "list", "-m", "-f", "{{.Dir}}", MODULE]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    copy = folder / "dynamic-resource-allocation"
    shutil.rmtree(copy, ignore_errors=True)
    # Without the modes of the module cache, where nothing can be written.
    shutil.copytree(done.stdout.strip(), copy, copy_function=shutil.copyfile)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    file = copy / FILE
    text = file.read_text(encoding="utf-8")
    for before, after in CHANGES:
        if text.count(before) != 1:
            print(f"{file}: not once: {before!r}", file=sys.stderr)
            return 1
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    module = (HERE / "go.mod").read_text(encoding="utf-8")
    module = re.sub(f"{re.escape(MODULE)} => .*", f"{MODULE} => {copy}", module)
    (folder / "oracle.mod").write_text(module, encoding="utf-8")
    shutil.copyfile(HERE / "go.sum", folder / "oracle.sum")
    return 0


if __name__ == "__main__":
    sys.exit(main())
