"""The notebooks show what the package does today."""

import json

from conftest import ROOT

import mainspring

NOTEBOOK = ROOT / "docs/notebooks/boutique-black-friday.ipynb"


def outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [o for cell in cells if cell["cell_type"] == "code" for o in cell["outputs"]]


def test_the_digest_in_the_notebook_is_that_of_the_scenario():
    """When this fails, behaviour has changed: `./dev notebook` executes the notebook again."""
    shown = ["".join(o.get("data", {}).get("text/plain", "")) for o in outputs()]
    run = mainspring.load(ROOT / "scenarios/library/boutique-black-friday.yaml").run(seed=1)
    assert repr(run.digest) in shown


def test_the_notebook_was_executed_without_errors_and_has_its_plots():
    kinds = [o["output_type"] for o in outputs()]
    assert "error" not in kinds
    assert sum("image/png" in o.get("data", {}) for o in outputs()) == 2
    assert NOTEBOOK.stat().st_size < 300_000
