"""Mainspring: a deterministic digital twin of Kubernetes, from Python.

>>> import mainspring
>>> scenario = mainspring.load("scenarios/library/hello.yaml", {"cluster.nodePools[0].count": 5})
>>> run = scenario.run(seed=7)
>>> run.passed, run.digest
>>> t, value = run.series("requests_ok", service="default/hello")

Times are seconds of virtual time since the start of the run. The same scenario and seed give the
same digest as ``mainspring run`` on the command line.
"""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from . import _core
from ._core import InvariantError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

__all__ = [
    "Diagnostic",
    "Expectation",
    "InvariantError",
    "Mark",
    "Metric",
    "Run",
    "Scenario",
    "ScenarioError",
    "__version__",
    "load",
    "scenario_schema",
]
__version__: str = _core.version


@dataclass(frozen=True)
class Diagnostic:
    """A problem of an input, with its place: 1-based line and column, 0 if unknown."""

    severity: str  # "error" or "warning"
    file: str
    line: int
    column: int
    path: str  # "Scenario/demo traffic[0].rate"
    message: str

    def __str__(self) -> str:
        place = f"{self.file}: " if self.file else ""
        if self.line:
            place = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        return f"{place}{path}{self.message}"


class ScenarioError(ValueError):
    """The scenario, or a manifest that it names, has errors.

    ``diagnostics`` holds all of them; ``file``, ``line``, ``column``, ``path`` and ``message`` are
    those of the first.
    """

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = diagnostics
        first = diagnostics[0]
        self.file = first.file
        self.line = first.line
        self.column = first.column
        self.path = first.path
        self.message = first.message
        super().__init__("\n".join(str(d) for d in diagnostics))


@dataclass(frozen=True)
class Metric:
    """What a recorded series is of."""

    metric: str
    unit: str  # "1/s", "ms", "pods", ...
    labels: dict[str, str]
    kind: str  # "step": a value holds until the next; "sampled": a line between the points
    points: int


@dataclass(frozen=True)
class Mark:
    """A thing of note on the timeline; times in seconds, ``end`` only for what lasts."""

    t: float
    end: float | None
    kind: str  # "fault", "recovery", "action", "scale", "incident"
    title: str
    detail: str
    object: str


@dataclass(frozen=True)
class Expectation:
    """An expectation of the scenario and what was measured."""

    name: str
    outcome: str  # "passed", "failed", "notEvaluated"
    measured: float | None
    op: str
    bound: float
    unit: str
    explanation: str
    t: float | None  # seconds; where it was first violated

    @property
    def passed(self) -> bool:
        """Whether it was measured and holds."""
        return self.outcome == "passed"


class Run:
    """A finished run. Arrays are views of its memory and keep it alive."""

    def __init__(self, core: _core.Run) -> None:
        self._core = core
        self._metrics = [Metric(**m) for m in core.series_list()]

    @property
    def digest(self) -> str:
        """128 bits over everything that happened, as 32 hexadecimal digits."""
        return self._core.digest

    @property
    def seed(self) -> int:
        """The seed of the run, the scenario's or the one given to ``run()``."""
        return self._core.seed

    @property
    def passed(self) -> bool:
        """Whether no expectation failed."""
        return self._core.passed

    @property
    def ended(self) -> float:
        """Virtual time reached, seconds."""
        return self._core.ended

    @property
    def events(self) -> int:
        """Events executed."""
        return self._core.events

    @property
    def reproduce(self) -> str:
        """The command line that gives the same run."""
        return self._core.reproduce

    def metrics(self) -> list[Metric]:
        """All recorded series."""
        return list(self._metrics)

    def series(
        self, metric: str, **labels: str
    ) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
        """Times (seconds) and values (``Metric.unit``) of the one series that matches.

        Both arrays are read-only views without a copy. NaN is "no value". Raises KeyError if no
        series matches, and if several do.
        """
        found = [
            i
            for i, m in enumerate(self._metrics)
            if m.metric == metric and labels.items() <= m.labels.items()
        ]
        if len(found) == 1:
            return self._core.series_at(found[0])
        if found:
            choices = "; ".join(str(self._metrics[i].labels) for i in found)
            raise KeyError(f"{metric}: {len(found)} series match, give labels: {choices}")
        names = sorted({m.metric for m in self._metrics})
        if metric in names:
            choices = "; ".join(str(m.labels) for m in self._metrics if m.metric == metric)
            raise KeyError(f"{metric}: no series has the labels {labels}; there are {choices}")
        raise KeyError(f"no series {metric}; there are {', '.join(names)}")

    @property
    def timeline(self) -> list[Mark]:
        """Faults, recoveries, actions and their consequences, in order of time."""
        return [Mark(**m) for m in self._core.marks()]

    @property
    def expectations(self) -> list[Expectation]:
        """What the scenario expects, with what was measured."""
        return [Expectation(**e) for e in self._core.expectations()]

    def results(self) -> dict[str, Any]:
        """What results.json holds."""
        return json.loads(self._core.results_json())

    def report_html(self) -> str:
        """The report: one self-contained HTML page."""
        return self._core.report_html()

    def summary(self) -> str:
        """The summary that the command line prints."""
        return self._core.summary()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes what ``mainspring run --out FOLDER`` writes. Raises OSError."""
        self._core.save(os.fspath(folder))

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return (
            f"<mainspring.Run {self._core.scenario} seed={self.seed} {self.ended:g} s "
            f"{verdict} digest={self.digest[:12]}>"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(label)}</td><td>{value:,.6g} {html.escape(unit)}</td>"
            f"<td>{html.escape(detail)}</td></tr>"
            for label, value, unit, detail in self._core.numbers()
        )
        checks = "".join(
            f"<tr><td>{html.escape(e.outcome)}</td><td>{html.escape(e.name)}</td>"
            f"<td>{_measured(e)}</td></tr>"
            for e in self.expectations
        )
        return (
            f"<b>{html.escape(self._core.scenario)}</b> seed {self.seed}, {self.ended:g} s, "
            f"digest <code>{self.digest}</code><table>{rows}</table><table>{checks}</table>"
        )


def _measured(e: Expectation) -> str:
    if e.measured is None:
        return html.escape(e.explanation)
    return html.escape(f"{e.measured:,.6g} {e.op} {e.bound:,.6g} {e.unit}")


class Scenario:
    """A scenario that was read and found good; it can be run any number of times."""

    def __init__(self, core: _core.Scenario, warnings: list[Diagnostic]) -> None:
        self._core = core
        self.warnings = warnings

    @property
    def name(self) -> str:
        """``metadata.name`` of the scenario file."""
        return self._core.name

    @property
    def description(self) -> str:
        """``metadata.description`` of the scenario file."""
        return self._core.description

    @property
    def file(self) -> str:
        """The path it was loaded from."""
        return self._core.file

    @property
    def seed(self) -> int:
        """What a run takes if it is given none."""
        return self._core.seed

    @property
    def horizon(self) -> float:
        """How long a run lasts, seconds of virtual time."""
        return self._core.horizon

    @property
    def notes(self) -> list[str]:
        """What of the input is kept and not acted on."""
        return self._core.notes

    def run(self, seed: int | None = None, until: float | str | None = None) -> Run:
        """Runs it: without Python's lock, so that threads run scenarios side by side.

        ``until`` ends the run early, in seconds of virtual time or as "12m30s". Ctrl-C raises
        KeyboardInterrupt.
        """
        seconds = _core.parse_duration(until) if isinstance(until, str) else until
        return Run(self._core.run(seed, seconds))

    def __repr__(self) -> str:
        return f"<mainspring.Scenario {self.name} {self.horizon:g} s, {self._core.objects} objects>"


def load(path: str | os.PathLike[str], overrides: Mapping[str, object] | None = None) -> Scenario:
    """Reads a scenario file and the manifests that it names.

    ``overrides`` are as ``--set`` on the command line, of Python's types:
    {"cluster.nodePools[0].count": 5, "horizon": "2m"}.
    Raises ScenarioError with everything that is wrong.
    """
    pairs = [(path_, json.dumps(value)) for path_, value in (overrides or {}).items()]
    core, problems = _core.load(os.fspath(path), pairs)
    diagnostics = [Diagnostic(**p) for p in problems]
    if core is None:
        raise ScenarioError([d for d in diagnostics if d.severity == "error"])
    return Scenario(core, diagnostics)


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of the scenario file."""
    return json.loads(_core.scenario_schema())
