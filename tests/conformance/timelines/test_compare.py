"""The comparison finds what is wrong: recordings that are altered in one place do not pass."""

from __future__ import annotations

import copy
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import compare  # noqa: E402

DATA = Path(__file__).parent / "data"


def recordings(name: str) -> list[list[dict]]:
    return [compare.read(DATA / f"{name}.jsonl.gz"), compare.read(DATA / f"{name}.2.jsonl.gz")]


class AlteredRecordings(unittest.TestCase):
    def setUp(self):
        self.theirs = recordings("deploy-create")
        self.run = copy.deepcopy(self.theirs[0])

    def objects(self, kind: str, **status):
        return [
            line["object"]
            for line in self.run
            if line.get("kind") == kind
            and line.get("t", -1) >= 0
            and all(line["object"].get("status", {}).get(k) == v for k, v in status.items())
        ]

    def difference(self) -> str:
        found = compare.first_difference(self.run, self.theirs)
        self.assertIsNotNone(found, "the altered recording passes")
        return found

    def test_a_recording_agrees_with_itself_and_its_twin(self):
        for name in ("rolling-update", "node-flap", "hpa-spike", "pause-resume-undo", "cronjob"):
            theirs = recordings(name)
            for run in theirs:
                self.assertIsNone(compare.first_difference(run, theirs), name)

    def test_a_wrong_count_is_named(self):
        for o in self.objects("Deployment", readyReplicas=10):
            o["status"]["readyReplicas"] = 9
        self.assertIn("Deployment default/web", self.difference())
        self.assertIn('"readyReplicas": 9', self.difference())

    def test_a_state_that_never_comes_is_named(self):
        self.run = [
            line
            for line in self.run
            if line.get("kind") != "ReplicaSet"
            or line["object"].get("status", {}).get("readyReplicas") != 10
        ]
        self.assertIn("ReplicaSet default/web-<rs1>", self.difference())

    def test_a_wrong_reason_of_a_condition_is_named(self):
        for o in self.objects("Deployment", readyReplicas=10):
            for c in o["status"]["conditions"]:
                if c["type"] == "Progressing":
                    c["reason"] = "ReplicaSetUpdated"
        self.assertIn("Deployment default/web", self.difference())

    def test_a_wrong_reason_of_an_event_is_named(self):
        for o in self.objects("Event"):
            if o["reason"] == "ScalingReplicaSet":
                o["reason"] = "Scaling"
        self.assertIn("Event Deployment/web Normal Scaling", self.difference())

    def test_an_event_too_few_is_named(self):
        at = next(
            i
            for i, line in enumerate(self.run)
            if line.get("kind") == "Event" and line["object"]["reason"] == "SuccessfulCreate"
        )
        del self.run[at]
        self.assertIn("SuccessfulCreate", self.difference())

    def test_one_pod_that_does_not_become_ready_is_named(self):
        pod = self.objects("Pod", phase="Running")[0]
        for c in pod["status"]["conditions"]:
            if c["type"] == "Ready":
                c["status"] = "False"
        self.assertIn("Pod default/web-<rs1>-<pod>", self.difference())

    def test_an_object_that_should_not_be_is_named(self):
        extra = copy.deepcopy(next(line for line in self.run if line.get("kind") == "Deployment"))
        extra["object"]["metadata"].update(name="other", uid="0")
        self.run.append(extra)
        self.assertIn("Deployment default/other: only in the simulation", self.difference())

    def test_all_that_comes_a_second_late_is_named(self):
        for kind in ("Pod", "Deployment", "ReplicaSet", "EndpointSlice", "Event"):
            self.run = copy.deepcopy(self.theirs[0])
            for line in self.run:
                if line.get("kind") == kind and line["t"] > 0:
                    line["t"] += 1.0
            self.assertRegex(self.difference(), f"^{kind} .* recorded at ")

    def test_the_last_state_of_a_varying_rollout_still_counts(self):
        self.theirs = recordings("taints-cordon")
        self.run = copy.deepcopy(self.theirs[0])
        for o in self.objects("ReplicaSet", replicas=0):
            o["status"]["replicas"] = 1
        self.assertIn("ReplicaSet default/web-<rs1>", self.difference())

    def test_a_common_step_of_a_varying_rollout_still_counts(self):
        self.theirs = recordings("taints-cordon")
        self.run = [
            line
            for line in copy.deepcopy(self.theirs[0])
            if line.get("kind") != "ReplicaSet"
            or line["object"].get("status", {}).get("readyReplicas") != 5
        ]
        self.assertIn("ReplicaSet default/web-<rs", self.difference())


if __name__ == "__main__":
    unittest.main()
