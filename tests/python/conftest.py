"""The package under test and the program to compare it with."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELLO = ROOT / "scenarios/library/hello.yaml"


@pytest.fixture(scope="session")
def program():
    """The command line program of the same build."""
    import mainspring

    beside = pathlib.Path(mainspring.__file__).parents[2] / "bin/mainspring"
    return os.environ.get("MAINSPRING", str(beside))


@pytest.fixture
def command_line(program):
    def run(*words):
        return subprocess.run([program, *map(str, words)], capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def scenario():
    import mainspring

    return mainspring.load(HELLO)


@pytest.fixture(scope="session")
def run(scenario):
    return scenario.run(seed=7)
