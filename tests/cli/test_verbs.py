"""The verbs that need no run: validate, init, explain, schema, completion, version, usage."""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import PROGRAM, ROOT

MANIFESTS = ROOT / "tests/data/manifests"


# ---- usage ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "words, said",
    [
        ((), "required"),
        (("rnu",), 'did you mean "run"?'),
        (("run",), "SCENARIO"),
        (("run", "x.yaml", "--seed", "many"), "--seed"),
        (("run", "x.yaml", "--seed", "-1"), "expected an integer from 0"),
        (("run", "x.yaml", "--seed", "99999999999999999999"), "expected an integer from 0"),
        (("run", "x.yaml", "--sed", "3"), 'no option "--sed", did you mean "--seed"?'),
        (("run", "x.yaml", "--set", "horizon"), "PATH=VALUE"),
        (("run", "x.yaml", "-o", "xml"), "xml"),
        (("run", "x.yaml", "--fast"), "--fast"),
        (("get", "pods"), "--run"),
        (("completion", "tcsh"), "tcsh"),
    ],
)
def test_a_wrong_command_line_ends_with_2(mainspring, words, said):
    done = mainspring(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr


def test_help_and_version_go_to_stdout(mainspring):
    done = mainspring("--help")
    assert done.returncode == 0 and "Exit codes" in done.stdout and done.stderr == ""
    assert mainspring("--version").stdout.startswith("mainspring ")
    assert json.loads(mainspring("version", "-o", "json").stdout)["kubernetes"] == "v1.35"


# ---- validate ------------------------------------------------------------------------------------
def test_validate_accepts_the_public_manifests(mainspring):
    done = mainspring("validate", MANIFESTS, "-o", "json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["valid"] and report["objects"] > 30
    assert {pathlib.Path(f["file"]).suffix for f in report["files"]} <= {".yaml", ".yml", ".json"}


def test_validate_tells_a_scenario_from_a_manifest(mainspring):
    done = mainspring("validate", ".", "-o", "json")
    kinds = {f["file"]: f["kind"] for f in json.loads(done.stdout)["files"]}
    assert kinds == {"./scenario.yaml": "Scenario", "./web.yaml": "Manifest"}


def test_validate_finds_everything_at_once_with_its_place(mainspring, folder):
    text = (folder / "web.yaml").read_text()
    text = text.replace("replicas: 2", "replicas: many").replace("image:", "imag:")
    (folder / "web.yaml").write_text(text)
    done = mainspring("validate", "web.yaml")
    assert done.returncode == 3
    said = 'web.yaml:6:13: Deployment/web spec.replicas: expected integer, got "many"'
    assert said in done.stderr
    assert 'did you mean "image"' in done.stderr
    assert "web.yaml: 2 errors" in done.stdout
    places = json.loads(mainspring("validate", "web.yaml", "-o", "json").stdout)["files"][0]
    assert {"line": 6, "column": 13}.items() <= places["diagnostics"][0].items()


def test_validate_reads_a_scheduler_configuration_as_the_scheduler_does(mainspring, folder):
    head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
    (folder / "scheduler.yaml").write_text(head + "percentageOfNodesToScore: 101\n")
    done = mainspring("validate", "scheduler.yaml")
    assert done.returncode == 3
    assert "scheduler.yaml:3:27: percentageOfNodesToScore: Invalid value: 101" in done.stderr
    (folder / "scheduler.yaml").write_text(head)
    done = mainspring("validate", "scheduler.yaml")
    assert done.returncode == 0
    assert done.stdout == "scheduler.yaml: ok, a scheduler configuration\n"
    report = json.loads(mainspring("validate", "scheduler.yaml", "-o", "json").stdout)
    assert report["files"][0]["kind"] == "KubeSchedulerConfiguration"


def test_a_file_without_an_end_is_refused(mainspring):
    endless = "cluster.controlPlane.schedulerConfig=/dev/zero"
    done = mainspring("validate", "scenario.yaml", "--set", endless)
    assert done.returncode == 3
    assert "schedulerConfig: /dev/zero: cannot be read, or is larger than 256 MiB" in done.stderr


def test_validate_names_the_kinds_that_are_only_kept_once(mainspring, folder):
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text("apiVersion: x.dev/v1\nkind: Widget\nmetadata: {name: w}\n")
    done = mainspring("validate", "a.yaml", "b.yaml")
    assert done.returncode == 0
    assert done.stderr.count("kept, not simulated") == 1
    assert "note: kept, not simulated: Widget (2)" in done.stderr


def test_validate_names_the_fields_of_devices_without_effect(mainspring, folder):
    (folder / "slice.yaml").write_text(
        "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {name: s}\nspec:\n"
        "  driver: d.example.com\n  allNodes: true\n"
        "  pool: {name: p, generation: 1, resourceSliceCount: 1}\n"
        "  devices: [{name: d, taints: [{key: a, effect: NoSchedule}], bindsToNode: true}]\n"
    )
    done = mainspring("validate", "slice.yaml")
    assert done.returncode == 0
    assert "note: kept, without effect on devices: bindsToNode, taints" in done.stderr


@pytest.mark.parametrize(
    "given, meant",
    [("kind: Deploymnet", "Deployment"), ("apiVersion: app/v1", "apps/v1")],
)
def test_validate_knows_a_misspelt_kind(mainspring, folder, given, meant):
    text = (folder / "web.yaml").read_text()
    key = given.split(":")[0]
    lines = text.splitlines()
    lines[[line.split(":")[0] for line in lines].index(key)] = given
    (folder / "web.yaml").write_text("\n".join(lines))
    done = mainspring("validate", "web.yaml")
    assert done.returncode == 0
    assert f'did you mean "{meant}"?' in done.stderr


def test_a_value_of_the_wrong_type_is_not_missing_as_well(mainspring, folder):
    text = (folder / "web.yaml").read_text()
    (folder / "web.yaml").write_text(text.replace("{app: web}", "3", 1))
    done = mainspring("validate", "web.yaml")
    assert done.stderr.count("selector") == 1, done.stderr


def test_an_empty_file_is_an_error_for_validate_as_for_run(mainspring, folder):
    (folder / "empty.yaml").write_text("")
    for verb in ("validate", "run"):
        done = mainspring(verb, "empty.yaml")
        assert done.returncode == 3 and "empty.yaml:1:1: expected" in done.stderr
    text = (folder / "scenario.yaml").read_text()
    (folder / "scenario.yaml").write_text(text.replace("[web.yaml]", "[web.yaml, empty.yaml]"))
    for verb in ("validate", "run"):
        done = mainspring(verb, "scenario.yaml")
        assert done.returncode == 3 and "empty.yaml:1:1: expected" in done.stderr


def test_validate_of_nothing_is_an_error(mainspring):
    done = mainspring("validate", "*.json")
    assert done.returncode == 3 and "no file matches *.json" in done.stderr


def test_explain_tells_programs_as_well(mainspring):
    done = mainspring("explain", "scenario.cluster", "-o", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kind"] == "Scenario" and told["field"]["name"] == "cluster"
    pools = next(f for f in told["fields"] if f["name"] == "nodePools")
    assert pools["required"] and pools["type"] == "[]NodePoolSpec"
    assert json.loads(mainspring("explain", "deployment", "-o", "json").stdout)["fields"]


def test_explain_knows_the_schedulers_configuration(mainspring):
    told = mainspring("explain", "KubeSchedulerConfiguration.profiles").stdout
    assert "VERSION:  kubescheduler.config.k8s.io/v1" in told and "pluginConfig" in told


# ---- init ----------------------------------------------------------------------------------------
def boutique():
    return MANIFESTS / "online-boutique/kubernetes-manifests.yaml"


def test_init_writes_a_scenario_that_validates_and_runs(mainspring, folder):
    done = mainspring("init", boutique(), "-o", "made.yaml")
    assert done.returncode == 0, done.stderr
    text = (folder / "made.yaml").read_text()
    assert 'service: "frontend-external"' in text  # its LoadBalancer is where users come in
    assert '- service: "productcatalogservice"' in text  # read from an environment variable
    assert mainspring("validate", "made.yaml").returncode == 0
    run = mainspring("run", "made.yaml", "--quiet", "--set", "horizon=3m")
    assert run.returncode in (0, 1), run.stderr


def test_init_makes_the_namespaces_that_manifests_name_and_lack(mainspring, folder):
    (folder / "team.yaml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: there}\n"
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: there}\n"
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: team}\n"
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: kube-system}\n"
    )
    done = mainspring("init", "team.yaml", "-o", "made.yaml")
    assert done.returncode == 0, done.stderr
    made = (folder / "made.yaml").read_text()
    assert made.count('    - "team"\n') == 1 and 'there"' not in made
    assert mainspring("validate", "made.yaml").returncode == 0
    (folder / "made.yaml").write_text(made.replace('    - "team"\n', '    - "Team"\n'))
    refused = mainspring("validate", "made.yaml")
    assert refused.returncode == 3
    assert "cluster.namespaces[0]: a lowercase RFC 1123 label" in refused.stderr
    (folder / "made.yaml").write_text(made.replace('    - "team"\n', ""))
    lacking = mainspring("validate", "made.yaml")
    assert lacking.returncode == 3
    assert 'namespaces "team" not found; cluster.namespaces makes those' in lacking.stderr


def test_init_does_not_overwrite_unless_told_to(mainspring, folder):
    assert mainspring("init", "web.yaml", "-o", "scenario.yaml").returncode == 2
    assert mainspring("init", "web.yaml", "-o", "scenario.yaml", "--force").returncode == 0
    assert "mainspring init" in (folder / "scenario.yaml").read_text()


def test_init_names_the_scenario_after_the_folder(mainspring, folder):
    (folder / "My Shop").mkdir()
    (folder / "web.yaml").rename(folder / "My Shop/web.yaml")
    assert 'name: "my-shop"' in mainspring("init", "My Shop/").stdout


def test_init_prints_to_stdout_without_a_file(mainspring, folder):
    done = mainspring("init", "web.yaml")
    assert done.returncode == 0 and done.stderr == ""
    (folder / "made.yaml").write_text(done.stdout)
    assert mainspring("validate", "made.yaml").returncode == 0


# ---- explain, schema -----------------------------------------------------------------------------
def test_explain_walks_into_the_scenario_and_the_api(mainspring):
    pools = mainspring("explain", "scenario.cluster.nodePools")
    assert pools.returncode == 0 and "bootTime" in pools.stdout
    assert "replicas\t<integer>" in mainspring("explain", "deploy.spec").stdout
    wrong = mainspring("explain", "scenario.cluster.nodePool")
    assert wrong.returncode == 2 and 'did you mean "nodePools"?' in wrong.stderr


def refs_of(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from refs_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs_of(value)


def test_the_schema_is_whole(mainspring):
    schema = json.loads(mainspring("schema").stdout)
    for ref in refs_of(schema):
        assert ref.removeprefix("#/$defs/") in schema["$defs"], ref
    assert set(schema["required"]) == {"apiVersion", "kind", "metadata", "horizon", "cluster"}
    count = schema["$defs"]["NodePoolSpec"]["properties"]["count"]
    assert (count["type"], count["default"], count["maximum"]) == ("integer", 3, 15000)
    assert schema["$defs"]["TrafficSpec"]["properties"]["shape"]["enum"] == sorted(
        ["Constant", "Poisson", "Ramp", "Spike", "Diurnal", "Trace"]
    )


# ---- completion ----------------------------------------------------------------------------------
def complete(words):
    """What bash would offer for the last of the words."""
    script = subprocess.run([PROGRAM, "completion", "bash"], capture_output=True, text=True).stdout
    quoted = " ".join(f"'{w}'" for w in words)
    # compopt only works inside a real completion.
    script += f"\ncompopt() {{ :; }}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n"
    script += "_mainspring\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_verbs_options_and_values():
    assert complete(["mainspring", "va"]) == ["validate"]
    assert complete(["mainspring", "run", "--q"]) == ["--quiet"]
    assert complete(["mainspring", "run", "-o", ""]) == ["table", "json", "yaml"]
    assert complete(["mainspring", "get", "hor"]) == ["horizontalpodautoscalers"]
    assert complete(["mainspring", "run", "--out", ""]) == []  # bash's own files
    offered = complete(["mainspring", "explain", ""])
    assert {"pod", "scenario", "deployment"} <= set(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_parse(mainspring, shell):
    script = mainspring("completion", shell)
    assert script.returncode == 0 and "validate" in script.stdout
    if subprocess.run(["which", shell], capture_output=True).returncode == 0:
        parsed = subprocess.run([shell, "-n"], input=script.stdout, capture_output=True, text=True)
        assert parsed.returncode == 0, parsed.stderr


# ---- documentation -------------------------------------------------------------------------------
def test_the_documentation_is_what_the_program_says(mainspring):
    """MAINSPRING_UPDATE_DOCS=1 rewrites docs/cli.md."""
    path = ROOT / "docs/cli.md"
    text = path.read_text()
    head, marker, _ = text.partition("<!-- From here on: what --help prints. -->\n")
    assert marker
    made = head + marker
    help_text = mainspring("--help").stdout
    verbs = [
        line.split()[0]
        for line in help_text.split("Subcommands:\n")[1].split("\n\n")[0].splitlines()
    ]
    for verb in verbs:
        shown = mainspring(verb, "--help").stdout.split("\nExit codes:")[0].rstrip()
        made += f"\n## mainspring {verb}\n\n```\n{shown}\n```\n"
    if os.environ.get("MAINSPRING_UPDATE_DOCS"):
        path.write_text(made)
    assert text == made or os.environ.get("MAINSPRING_UPDATE_DOCS")
