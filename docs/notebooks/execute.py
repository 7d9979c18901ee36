#!/usr/bin/env python3
"""Runs the notebooks of this folder and keeps their output, as `./dev notebook` does.

Needs the packages nbclient, ipykernel and matplotlib, and mainspring on PYTHONPATH. Nothing that
differs between two executions (times, versions, ids) is kept, so that a notebook changes only when
its results do.
"""

import pathlib
import sys

import nbformat
from nbclient import NotebookClient

HERE = pathlib.Path(__file__).resolve().parent


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.execute(cwd=str(HERE.parents[1]))
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i}"
        cell.metadata = {}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(str(p) for p in HERE.glob("*.ipynb")):
        execute(pathlib.Path(name))
