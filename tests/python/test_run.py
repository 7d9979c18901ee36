"""Loading and running scenarios from Python."""

import gc
import json
import os
import signal
import threading

import numpy
import pytest
from conftest import HELLO

import mainspring


def test_the_digest_is_the_command_lines(run, command_line, tmp_path):
    done = command_line("run", HELLO, "--seed", 7, "--quiet", "--out", tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert run.digest == command_line("digest", tmp_path).stdout.strip()
    assert run.passed == (done.returncode == 0)


def test_save_writes_what_the_command_line_writes(run, command_line, tmp_path):
    command_line("run", HELLO, "--seed", 7, "--quiet", "--out", tmp_path / "a")
    run.save(tmp_path / "b")
    assert sorted(os.listdir(tmp_path / "a")) == sorted(os.listdir(tmp_path / "b"))
    for name in ("journal.mspj", "results.json", "junit.xml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert command_line("get", "pods", "-A", "--run", tmp_path / "b").returncode == 0
    with pytest.raises(OSError, match="junit.xml"):
        run.save(tmp_path / "b/junit.xml")


def test_another_seed_gives_another_digest_and_the_same_seed_the_same(scenario, run):
    assert scenario.run(seed=7).digest == run.digest
    assert scenario.run(seed=8).digest != run.digest


def test_series_are_read_only_views(run):
    metric = run.metrics()[0]
    t, value = run.series(metric.metric, **metric.labels)
    again, _ = run.series(metric.metric, **metric.labels)
    assert t.dtype == value.dtype == numpy.float64
    assert len(t) == len(value) == metric.points > 0
    assert not t.flags.writeable and not t.flags.owndata
    assert numpy.shares_memory(t, again)
    assert (numpy.diff(t) >= 0).all()
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 1


def test_a_view_keeps_the_run_alive():
    own = mainspring.load(HELLO).run(until=30)
    metric = own.metrics()[0]
    t, _ = own.series(metric.metric, **metric.labels)
    before = t.copy()
    del own
    gc.collect()
    numpy.testing.assert_array_equal(t, before)


def test_a_series_that_is_not_there_names_those_that_are(run):
    with pytest.raises(KeyError, match=run.metrics()[0].metric):
        run.series("no_such_metric")
    with pytest.raises(KeyError, match="no series has the labels"):
        run.series(run.metrics()[0].metric, colour="blue")


def test_until_ends_early(scenario):
    assert scenario.run(until=20).ended == 20
    assert scenario.run(until="20s").ended == 20
    with pytest.raises(ValueError, match="12m30s"):
        scenario.run(until="soon")
    with pytest.raises(ValueError, match="greater than 0"):
        scenario.run(until=-1)


def test_overrides_are_those_of_set(command_line):
    shorter = mainspring.load(HELLO, {"horizon": "25s"})
    assert shorter.horizon == 25 and shorter.run().ended == 25


def test_results_timeline_expectations_and_report(run):
    assert run.results()["kind"] == "RunResults"
    assert all(isinstance(m, mainspring.Mark) for m in run.timeline)
    assert [m.t for m in run.timeline] == sorted(m.t for m in run.timeline)
    assert run.passed == all(e.passed for e in run.expectations)
    assert run.report_html().lstrip().lower().startswith("<!doctype html")
    assert run.digest in run._repr_html_() and run.digest[:12] in repr(run)
    assert "--seed 7" in run.reproduce and run.events > 0


def test_threads_run_side_by_side(scenario, run):
    digests = [None] * 4

    def work(i):
        digests[i] = scenario.run(seed=7).digest

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(digests) == {run.digest}


def test_ctrl_c_is_heard_while_it_runs():
    endless = mainspring.load(HELLO, {"horizon": "9000h"})
    # What a shell starts in the background ignores the signal, unless told otherwise.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            endless.run()
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_errors_have_their_place(tmp_path):
    bad = tmp_path / "bad.yaml"
    text = HELLO.read_text().replace("kind: Scenario", "kind: Scenario\nseed: none\nseeed: 4")
    bad.write_text(text)
    with pytest.raises(mainspring.ScenarioError) as caught:
        mainspring.load(bad)
    error = caught.value
    line = text.split("\n").index("seed: none") + 1
    assert (error.file, error.line, error.column) == (str(bad), line, 7)
    assert "seed" in error.path and "integer" in error.message
    assert str(error.diagnostics[0]) in str(error)
    assert f"bad.yaml:{line}:7: " in str(error)
    assert 'did you mean "seed"?' in error.diagnostics[1].message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(mainspring.ScenarioError, match="nowhere.yaml"):
        mainspring.load(tmp_path / "nowhere.yaml")


def test_the_schema_is_the_command_lines(command_line):
    assert mainspring.scenario_schema() == json.loads(command_line("schema").stdout)


def test_the_stub_names_what_the_module_has():
    import ast
    import pathlib

    from mainspring import _core

    stub = ast.parse((pathlib.Path(mainspring.__file__).parent / "_core.pyi").read_text())
    for node in stub.body:
        if isinstance(node, ast.ClassDef) and node.bases == []:
            named = {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
            there = {n for n in vars(getattr(_core, node.name)) if not n.startswith("_")}
            assert named == there, node.name
        elif isinstance(node, ast.FunctionDef):
            assert hasattr(_core, node.name)
