"""`mainspring get` and `digest` on a recorded run."""

import json
import re

import pytest


def test_pods_look_as_kubectl_shows_them(mainspring, recorded):
    done = mainspring("get", "pods", "--run", "out")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len(lines) == 3
    for line in lines[1:]:
        assert re.match(r"web-\S+ +1/1 +Running +0 +\S+$", line), line


def test_at_goes_back_in_time(mainspring, recorded):
    done = mainspring("get", "pods", "--run", "out", "--at", "1s")
    assert "Running" not in done.stdout
    late = mainspring("get", "pods", "--run", "out", "--at", "3h")
    assert late.returncode == 0 and "ended at 2m" in late.stderr


@pytest.mark.parametrize(
    "words, first",
    [
        (("nodes",), "NAME"),
        (("deploy", "web"), "NAME"),
        (("svc", "-A"), "NAMESPACE"),
        (("pods", "-o", "wide"), "NAME"),
        (("all",), "NAME"),
    ],
)
def test_tables_have_headers(mainspring, recorded, words, first):
    done = mainspring("get", *words, "--run", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == first


def test_only_the_name_says_the_kind_among_several(mainspring, recorded):
    both = mainspring("get", "deploy,events", "--run", "out").stdout
    deployments, events = both.split("\n\n")
    assert deployments.splitlines()[1].startswith("deployment.apps/web ")
    assert events.split()[:2] == ["LAST", "SEEN"]
    assert not any(line.startswith("event") for line in events.splitlines()[1:])
    wide = mainspring("get", "deploy,events", "--run", "out", "-o", "wide").stdout
    for line in wide.split("\n\n")[1].splitlines()[1:]:
        assert line.split()[-1].startswith("event/"), line


def test_json_yaml_and_name(mainspring, recorded):
    one = json.loads(mainspring("get", "deploy", "web", "--run", "out", "-o", "json").stdout)
    assert one["kind"] == "Deployment" and one["status"]["readyReplicas"] == 2
    many = json.loads(mainspring("get", "pods", "--run", "out", "-o", "json").stdout)
    assert many["kind"] == "List" and len(many["items"]) == 2
    names = mainspring("get", "deploy/web", "--run", "out", "-o", "name").stdout
    assert names == "deployment.apps/web\n"
    text = mainspring("get", "svc", "web", "--run", "out", "-o", "yaml").stdout
    assert text.startswith("apiVersion: v1\nkind: Service\n")


def test_selectors_and_namespaces_choose(mainspring, recorded):
    assert mainspring("get", "pods", "--run", "out", "-l", "app=web").stdout.count("web-") == 2
    none = mainspring("get", "pods", "--run", "out", "-l", "app!=web")
    assert none.stdout == "" and "No resources found" in none.stderr
    assert "No resources found" in mainspring("get", "pods", "--run", "out", "-n", "x").stderr


def test_what_is_not_there_is_said_as_kubectl_says_it(mainspring, recorded):
    done = mainspring("get", "pod", "nope", "--run", "out")
    assert done.returncode == 1
    assert 'pods "nope" not found' in done.stderr
    kind = mainspring("get", "wombats", "--run", "out")
    assert kind.returncode == 2 and 'resource type "wombats"' in kind.stderr


def test_a_folder_without_a_run_is_an_input_error(mainspring, folder):
    for words in (("get", "pods", "--run", "."), ("digest", "."), ("digest", "nowhere")):
        done = mainspring(*words)
        assert done.returncode == 3, words
        assert "mainspring run" in done.stderr


def test_digest_is_one_line_and_that_of_the_results(mainspring, recorded):
    done = mainspring("digest", "out")
    assert re.fullmatch(r"[0-9a-f]{32}\n", done.stdout)
    assert json.loads((recorded / "run.json").read_text())["digest"] == done.stdout.strip()


def test_a_journal_that_was_cut_off_is_not_taken_for_a_whole_one(mainspring, recorded):
    journal = recorded / "journal.mspj"
    journal.write_bytes(journal.read_bytes()[:-100])
    done = mainspring("digest", "out")
    assert done.returncode == 3 and done.stderr.count("journal.mspj") == 1
    shown = mainspring("get", "pods", "--run", "out")
    assert shown.returncode == 3 and shown.stderr.count("journal.mspj") == 1
