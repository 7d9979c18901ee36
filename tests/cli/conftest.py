"""What the transcripts share: the program under test and a small scenario."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MAINSPRING", str(ROOT / "build/bin/mainspring"))

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: example/web:1
          resources:
            requests: {cpu: 100m, memory: 64Mi}
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 80}]
"""
SCENARIO = """\
apiVersion: mainspring.dev/v1
kind: Scenario
metadata:
  name: small
horizon: 2m
cluster:
  nodePools:
    - name: default
      count: 2
manifests: [web.yaml]
services:
  - service: web
traffic:
  - name: users
    service: web
    rate: "20"
    from: 30s
expectations:
  - name: pods find a place
    podsPending: {longerThan: 1m}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with scenario.yaml and web.yaml."""
    (tmp_path / "web.yaml").write_text(MANIFEST)
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    return tmp_path


@pytest.fixture
def mainspring(folder):
    """Runs the program in the folder: mainspring("run", "x.yaml", env={...}), or in another."""

    def run(*words, env=None, cwd=folder):
        return subprocess.run(
            [PROGRAM, *map(str, words)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def recorded(mainspring, folder):
    """The folder of a run of the scenario."""
    done = mainspring("run", "scenario.yaml", "--quiet", "--out", "out")
    assert done.returncode == 0, done.stderr
    return folder / "out"
