"""`mainspring run`: exit codes, outputs, overrides, interrupts."""

import json
import pathlib
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest
from conftest import PROGRAM

FAILING = "expectations=[{name: cheap, cost: {atMost: '0.0000001'}}]"


def test_a_run_that_meets_its_expectations_ends_with_0(mainspring, folder):
    done = mainspring("run", "scenario.yaml")
    assert done.returncode == 0, done.stderr
    assert "seed" in done.stdout and "mainspring run scenario.yaml --seed 1" in done.stdout
    assert sorted(p.name for p in folder.iterdir()) == ["scenario.yaml", "web.yaml"]


def test_an_expectation_that_fails_ends_with_1(mainspring):
    price = "cluster.nodePools[0].pricePerHour='1'"
    done = mainspring("run", "scenario.yaml", "--set", price, "--set", FAILING)
    assert done.returncode == 1, done.stderr
    assert "cheap" in done.stdout


def test_quiet_says_nothing(mainspring):
    done = mainspring("run", "scenario.yaml", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_out_holds_everything_that_other_verbs_and_people_read(recorded):
    names = sorted(p.name for p in recorded.iterdir())
    assert names == [
        "journal.mspj",
        "junit.xml",
        "report.html",
        "results.json",
        "run.json",
        "scenario.yaml",
    ]
    results = json.loads((recorded / "results.json").read_text())
    assert results["apiVersion"] == "mainspring.dev/v1"
    assert ET.parse(recorded / "junit.xml").getroot().tag.startswith("testsuite")
    page = (recorded / "report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html") and "</html>" in page


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_digest(mainspring, folder):
    for seed, out in ((1, "a"), (1, "b"), (2, "c")):
        mainspring("run", "scenario.yaml", "--seed", seed, "--quiet", "--out", out)
    digest = {out: mainspring("digest", out).stdout for out in "abc"}
    assert digest["a"] == digest["b"] != digest["c"]
    for name in ("journal.mspj", "results.json", "junit.xml"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes(), name


def test_json_and_yaml_go_to_stdout_alone(mainspring):
    done = mainspring("run", "scenario.yaml", "-o", "json")
    assert json.loads(done.stdout)["kind"] == "RunResults"
    assert mainspring("run", "scenario.yaml", "-o", "yaml").stdout.startswith("apiVersion:")


def test_colours_only_when_asked(mainspring):
    assert "\033[" not in mainspring("run", "scenario.yaml").stdout
    assert "\033[" in mainspring("run", "scenario.yaml", "--color", "always").stdout
    always = mainspring("run", "scenario.yaml", "--color", "always", env={"NO_COLOR": "1"})
    assert "\033[" in always.stdout  # a flag beats the environment


def test_set_changes_a_value_and_is_in_the_command_that_reproduces(mainspring):
    done = mainspring("run", "scenario.yaml", "--set", "horizon=45s", "-o", "json")
    assert done.returncode in (0, 1), done.stderr
    assert "--set horizon=45s" in done.stdout


def test_set_takes_a_single_digit(mainspring):
    words = ("--quiet", "--set", "cluster.nodePools[0].count=4", "--out", "out")
    assert mainspring("run", "scenario.yaml", *words).returncode == 0
    assert mainspring("get", "nodes", "--run", "out", "-o", "name").stdout.count("node/") == 4


def test_set_of_a_place_that_is_not_there_is_an_input_error(mainspring):
    done = mainspring("run", "scenario.yaml", "--set", "cluster.nodePools[7].count=1")
    assert done.returncode == 3
    assert "cluster.nodePools[7].count" in done.stderr


def test_errors_name_file_line_and_column(mainspring, folder):
    text = (folder / "scenario.yaml").read_text().replace("count: 2", "count: two")
    (folder / "bad.yaml").write_text(text)
    done = mainspring("run", "bad.yaml", "--out", "out")
    assert done.returncode == 3
    assert done.stdout == ""
    line = text.split("\n").index("      count: two") + 1
    assert f"bad.yaml:{line}:14: " in done.stderr and '"two"' in done.stderr
    assert not (folder / "out").exists()


def test_a_file_that_is_not_there_is_an_input_error(mainspring):
    done = mainspring("run", "nowhere.yaml")
    assert done.returncode == 3 and "nowhere.yaml" in done.stderr


@pytest.mark.parametrize("out", ["web.yaml/out", "web.yaml", "/proc/x"])
def test_a_folder_that_cannot_be_made_is_said_before_the_run(mainspring, out):
    done = mainspring("run", "scenario.yaml", "--out", out)
    assert done.returncode == 3 and out in done.stderr
    assert done.stdout == ""


def test_warnings_about_the_input_are_said_even_if_quiet(mainspring, folder):
    text = (folder / "web.yaml").read_text()
    (folder / "web.yaml").write_text(text.replace("  replicas: 2", "  replicas: 2\n  replica: 3"))
    done = mainspring("run", "scenario.yaml", "--quiet")
    assert done.returncode == 0 and done.stdout == ""
    assert "web.yaml:7:3: warning: Deployment/web spec.replica" in done.stderr


def test_objects_that_the_api_server_refuses_make_the_input_invalid(mainspring, folder):
    text = (folder / "scenario.yaml").read_text()
    (folder / "team.yaml").write_text(text + "namespace: team-a\n")
    lost = 'namespaces "team-a" not found; cluster.namespaces makes those that no manifest has'
    said = [f"web.yaml:1:1: Deployment/web: {lost}", f"web.yaml:19:1: Service/web: {lost}"]
    done = mainspring("run", "team.yaml", "--out", "out")
    assert done.returncode == 3 and done.stderr.splitlines() == said
    assert done.stdout == "" and not (folder / "out").exists()
    checked = mainspring("validate", "team.yaml")
    assert checked.returncode == 3 and checked.stderr.splitlines()[:2] == said


def test_a_delete_names_every_object_that_is_not_there(mainspring, folder):
    text = (folder / "scenario.yaml").read_text()
    (folder / "delete.yaml").write_text(
        text + "timeline: [{at: 40s, kubectl: delete deployment x web y}]\n"
    )
    done = mainspring("run", "delete.yaml", "-o", "json", "--out", "out")
    story = " ".join(entry["text"] for entry in json.loads(done.stdout)["story"])
    assert 'deployments.apps "x" not found' in story and '"y" not found' in story
    assert mainspring("get", "deploy", "web", "--run", "out").returncode == 1


def test_an_apply_goes_on_after_an_object_that_is_refused(mainspring, folder):
    pod = (
        "---\n{apiVersion: v1, kind: Pod, metadata: {name: %s}, "
        "spec: {%scontainers: [{name: c, image: a:1}]}}\n"
    )
    (folder / "pods.yaml").write_text(
        pod % ("a", "priorityClassName: nope, ")
        + pod % ("b, namespace: nowhere", "")
        + pod % ("c", "")
    )
    text = (folder / "scenario.yaml").read_text()
    (folder / "apply.yaml").write_text(
        text + "timeline: [{at: 40s, kubectl: apply -f -, files: [pods.yaml]}]\n"
    )
    done = mainspring("run", "apply.yaml", "-o", "json", "--out", "out")
    story = " ".join(entry["text"] for entry in json.loads(done.stdout)["story"])
    assert 'pods "a" is forbidden: no PriorityClass with name nope was found' in story
    assert 'namespaces "nowhere" not found' in story
    assert mainspring("get", "pod", "c", "--run", "out").returncode == 0


def catches(pid, number):
    """Whether a process has a handler for a signal: before that, the signal would end it."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return int(caught.split()[1], 16) >> (number - 1) & 1


def test_an_interrupt_writes_what_was_reached(folder):
    words = ["run", "scenario.yaml", "--set", "horizon=9000h", "--out", "out"]
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not catches(process.pid, signal.SIGINT):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 130, stderr
    assert json.loads((folder / "out" / "run.json").read_text())["interrupted"] is True
    digest = subprocess.run([PROGRAM, "digest", "out"], cwd=folder, capture_output=True, text=True)
    assert digest.returncode == 0 and len(digest.stdout) == 33
