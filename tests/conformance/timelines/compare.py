"""Compares two timelines of a cluster: a run of Mainspring with recordings of a real control plane.

A timeline is a file of JSON lines as data/README.md describes it. It is boiled down to *tracks*:
one sequence of (time, state) per object, events as one track per reason and message. Names that
the API server generates are replaced by their owner's, because they differ from run to run.

What two runs of the real control plane do not share is not asked of the simulator either:

- states that last less than a resolution are left out, as how far concurrent workers get between
  two writes is a matter of machine noise. The resolution is taken object by object: the finest of
  RESOLUTIONS at which the recordings have the same sequences;
- times agree within 0.5 s or 5 %, whichever is larger, of what a recording has or two of them span;
- where two recordings have different sequences even so, their common part is asked for.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path

# Seconds. Up to the finest the recordings show how busy their machine was (ten pods are created
# in 40 to 100 ms); the coarsest is what their rollouts need to have any states in common.
RESOLUTIONS = (0.1, 0.2, 0.35)
# A state must outlast the resolution by so much to be counted on.
MARGIN = 1.5
# They exist before the clock starts; what the API server touches in them now and then is its own.
BOOTSTRAP_NAMESPACES = {"default", "kube-system", "kube-public", "kube-node-lease"}
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TOLERANCE_SECONDS = 0.5
TOLERANCE_SHARE = 0.05


def read(path: Path) -> list[dict]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


class Names:
    """Replaces generated names by what they stand for."""

    def __init__(self, lines: list[dict]):
        self.of: dict[str, str] = {}
        revisions: dict[str, int] = defaultdict(int)
        for line in lines:
            if line.get("kind") == "ReplicaSet" and line.get("type") == "ADDED":
                meta = line["object"]["metadata"]
                owner = next(iter(meta.get("ownerReferences", [])), None)
                if owner and meta["name"] not in self.of:
                    revisions[owner["name"]] += 1
                    self.of[meta["name"]] = f"{owner['name']}-<rs{revisions[owner['name']]}>"
            # A CronJob's jobs are named after the minute.
            if line.get("kind") == "Job" and line.get("type") == "ADDED":
                meta = line["object"]["metadata"]
                owner = next(iter(meta.get("ownerReferences", [])), None)
                if owner and meta["name"] not in self.of:
                    revisions[owner["name"]] += 1
                    self.of[meta["name"]] = f"{owner['name']}-<job{revisions[owner['name']]}>"
        for line in lines:
            if line.get("kind") in ("Pod", "EndpointSlice") and line.get("type") == "ADDED":
                meta = line["object"]["metadata"]
                if meta.get("generateName"):
                    base = meta["generateName"].rstrip("-")
                    tag = "pod" if line["kind"] == "Pod" else "slice"
                    self.of[meta["name"]] = f"{self.of.get(base, base)}-<{tag}>"
        self.pattern = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

    def __call__(self, text: str) -> str:
        return self.pattern.sub(lambda m: self.meaning(m.group(0)), text)

    def meaning(self, word: str) -> str:
        if UID.fullmatch(word):
            return "<uid>"
        base, _, suffix = word.rpartition("-")
        # Also a pod that was named but never came to be.
        if word not in self.of and len(suffix) == 5 and "<rs" in self.of.get(base, ""):
            return f"{self.of[base]}-<pod>"
        return self.of.get(word, word)


def conditions(status: dict, *types: str) -> dict:
    found = {c["type"]: c for c in status.get("conditions") or []}
    chosen = types or sorted(found)
    return {t: (found[t]["status"], found[t].get("reason", "")) for t in chosen if t in found}


def state_of(kind: str, o: dict, names: Names):
    """What of an object is compared, or None if nothing is."""
    status, spec, meta = o.get("status") or {}, o.get("spec") or {}, o["metadata"]
    going = bool(meta.get("deletionTimestamp"))
    if kind == "Pod":
        return {
            "phase": status.get("phase"),
            "conditions": conditions(status),
            "deleting": going,
            "reason": status.get("reason"),
        }
    if kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"):
        counts = {
            k: v
            for k, v in status.items()
            if isinstance(v, (int, str))
            and not k.endswith(("Time", "Revision", "Hash"))
            and k != "observedGeneration"
        }
        return {
            "replicas": spec.get("replicas"),
            "counts": counts,
            "conditions": conditions(status),
            "deleting": going,
        }
    if kind == "Node":
        taints = sorted(
            f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in spec.get("taints") or []
        )
        return {
            "taints": taints,
            "unschedulable": spec.get("unschedulable", False),
            "conditions": conditions(status),
        }
    if kind == "EndpointSlice":
        seen: dict[str, int] = defaultdict(int)
        for e in o.get("endpoints") or []:
            c = e.get("conditions") or {}
            seen["".join(k[0] for k in ("ready", "serving", "terminating") if c.get(k))] += 1
        return {
            "endpoints": dict(sorted(seen.items())),
            "ports": [
                (p.get("name"), p.get("port"), p.get("protocol")) for p in o.get("ports") or []
            ],
        }
    if kind == "HorizontalPodAutoscaler":
        return {
            "current": status.get("currentReplicas"),
            "desired": status.get("desiredReplicas"),
            "conditions": conditions(status),
        }
    if kind == "PodDisruptionBudget":
        return {
            k: status.get(k)
            for k in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
        }
    if kind == "ResourceQuota":
        return {"used": status.get("used"), "hard": status.get("hard")}
    if kind == "Namespace":
        return {"phase": status.get("phase")}
    if kind in ("Service", "PersistentVolumeClaim"):
        return {"exists": True}
    return None


Track = list[tuple[float, str]]  # when each state was entered


class Timeline:
    """The tracks of a timeline by normalised name; several objects may share one."""

    def __init__(self, lines: list[dict]):
        self.end = max((line["t"] for line in lines if "t" in line), default=0.0)
        self.whole = tracks(lines)

    def settled(self, key: str, resolution: float) -> list[Track]:
        group = [settled(track, self.end, resolution) for track in self.whole.get(key, [])]
        return sorted(group, key=lambda s: ([x for _, x in s], [t for t, _ in s]))


def tracks(lines: list[dict]) -> dict[str, list[Track]]:
    """Per normalised name, the sequences of all objects that share it."""
    names = Names(lines)
    open_tracks: dict[tuple[str, str], Track] = {}
    label: dict[tuple[str, str], str] = {}
    events: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for line in lines:
        kind, t = line.get("kind"), line.get("t", 0.0)
        if kind in (None, "Step", "Metrics"):
            continue
        o = line["object"]
        if kind == "Event":
            if t < 0 or line["type"] == "DELETED":
                continue
            about = o["involvedObject"]
            if about["kind"] == "Endpoints":
                continue  # of the legacy controller, whose objects are not recorded either
            message = re.sub(r" to n-\d+$", " to <node>", names(o.get("message") or ""))
            message = re.sub(r"\b\d+\.\d+(s|ms)\b", "<duration>", message)
            what = f"{about['kind']}/{names(about['name'])}"
            key = f"Event {what} {o.get('type')} {o['reason']}: {message}"
            events[key].append((t, "seen"))
            continue
        uid = (kind, o["metadata"]["uid"])
        if line["type"] == "DELETED":
            open_tracks.setdefault(uid, []).append((t, '"gone"'))
            continue
        if kind == "Namespace" and o["metadata"]["name"] in BOOTSTRAP_NAMESPACES:
            continue
        state = state_of(kind, o, names)
        if state is None:
            continue
        text = json.dumps(state, sort_keys=True)
        track = open_tracks.setdefault(uid, [])
        label.setdefault(
            uid, f"{kind} {o['metadata'].get('namespace', '')}/{names(o['metadata']['name'])}"
        )
        if not track or track[-1][1] != text:
            track.append((t, text))
    result: dict[str, list[Track]] = defaultdict(list)
    for uid, track in open_tracks.items():
        if uid in label:
            result[label[uid]].append(track)
    for key, seen in events.items():
        result[key].append([(seen[0][0], f"{len(seen)} times")])
    return dict(result)


def settled(track: Track, end: float, resolution: float) -> Track:
    kept: Track = []
    for i, (t, state) in enumerate(track):
        until = track[i + 1][0] if i + 1 < len(track) else end + 1e9
        if until - t < resolution:
            continue
        # A state that was passed through on the way from another one begins where that one ended.
        if not kept or kept[-1][1] != state:
            kept.append((t, state))
    return kept


def resolution_of(key: str, recordings: list[Timeline]) -> float:
    """How finely the recordings agree on the objects of this name."""
    for resolution in RESOLUTIONS[:-1] if len(recordings) > 1 else ():
        shapes = [
            [[s for _, s in track] for track in r.settled(key, at)]
            for r in recordings
            for at in (resolution, MARGIN * resolution)
        ]
        if all(s == shapes[0] for s in shapes):
            return resolution
    return RESOLUTIONS[-1]


def bindings(recording: list[dict]) -> list[str]:
    """The nodes that pods were bound to, in the order in which the scheduler saw the pods."""
    created: dict[str, int] = {}
    node_of: dict[str, str] = {}
    for line in recording:
        if line.get("kind") != "Pod" or "object" not in line or line["t"] < 0:
            continue
        meta = line["object"]["metadata"]
        created.setdefault(meta["uid"], int(meta["resourceVersion"]))
        if line["object"]["spec"].get("nodeName"):
            node_of.setdefault(meta["uid"], line["object"]["spec"]["nodeName"])
    return [node_of[uid] for uid in sorted(node_of, key=created.__getitem__)]


def zero_ms(recording: list[dict]) -> int:
    """The wall clock, in milliseconds since 1970, when the recording's clock was at zero."""
    times = [
        (line["object"]["eventTime"], line["t"])
        for line in recording
        if line.get("kind") == "Event" and line["object"].get("eventTime")
    ]
    zeros = [datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() - t for at, t in times]
    # An event arrives after it was made: the latest zero is the best one.
    return round(1000 * max(zeros))


def agree(mine: float, theirs: list[float]) -> bool:
    def slack(t: float) -> float:
        return max(TOLERANCE_SECONDS, TOLERANCE_SHARE * abs(t))

    first, last = min(theirs), max(theirs)
    return first - slack(first) <= mine <= last + slack(last)


def group_by_shape(group):
    shapes = defaultdict(list)
    for track in group:
        shapes[tuple(s for _, s in track)].append([t for t, _ in track])
    for members in shapes.values():
        members.sort()
    return shapes


def brief(state: str) -> str:
    return state if len(state) < 300 else state[:300] + "..."


def first_difference(run: list[dict], recordings: list[list[dict]]) -> str | None:
    """None if the run agrees with the recordings, else the first difference in words."""
    ours = Timeline(run)
    theirs = [Timeline(r) for r in recordings]
    differences: list[tuple[float, str]] = []
    for key in sorted(set(ours.whole).union(*(t.whole for t in theirs))):
        present = [t for t in theirs if key in t.whole]
        if not present:
            if not (key.startswith("Event ") and varies(form(key), theirs)):
                differences.append((ours.whole[key][0][0][0], f"{key}: only in the simulation"))
        elif key not in ours.whole:
            if len(present) == len(theirs):
                first = present[0].whole[key][0][0][0]
                differences.append((first, f"{key}: missing in the simulation"))
        else:
            resolution = resolution_of(key, present)
            groups = [p.settled(key, resolution) for p in present]
            mine = [ours.settled(key, at) for at in (resolution, MARGIN * resolution)]
            verdicts = [compare_group(key, m, g, groups) for m in mine for g in groups]
            if all(verdicts):
                differences.append(min(v for v in verdicts if v))
    return min(differences)[1] if differences else None


def form(key: str) -> str:
    """What an event says, whatever the numbers in it are."""
    return re.sub(r"\b\d+\b", "<n>", key)


def varies(said: str, theirs: list[Timeline]) -> bool:
    """Whether the recordings have different events of one form."""
    sets = [{key for key in t.whole if form(key) == said} for t in theirs]
    return any(s != sets[0] for s in sets)


def common(a: list[str], b: list[str]) -> list[str]:
    """The longest common subsequence."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            best[i][j] = (
                best[i + 1][j + 1] + 1 if a[i] == b[j] else max(best[i + 1][j], best[i][j + 1])
            )
    out, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            out.append(a[i])
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return out


def within(mine: list[str], recorded: list[list[str]]) -> bool:
    """Whether a sequence goes the way that differing recordings have in common, to the same end,
    in no more states than the longer one."""
    if mine in recorded:
        return True
    if len(recorded) < 2 or all(r == recorded[0] for r in recorded):
        return False
    needed = common(recorded[0], recorded[1])
    rest = iter(mine)
    return (
        all(any(s == m for m in rest) for s in needed)
        and any(mine[-1:] == r[-1:] for r in recorded)
        and len(mine) <= max(map(len, recorded))
    )


def compare_group(key, mine, reference, all_references):
    """(time, difference) of one group of tracks against one recording, or None."""
    single = len(mine) == 1 and all(len(r) == 1 for r in all_references)
    if single and within([s for _, s in mine[0]], [[s for _, s in r[0]] for r in all_references]):
        return compare_times(key, mine, all_references)
    a, b = group_by_shape(mine), group_by_shape(reference)
    others = [group_by_shape(r) for r in all_references]
    for shape in sorted(set(a) | set(b), key=str):
        na, nb = len(a.get(shape, [])), len(b.get(shape, []))
        counts = [len(o.get(shape, [])) for o in others]
        if na != nb and not min(counts) <= na <= max(counts):
            when = (a.get(shape) or b.get(shape))[0]
            mine_shapes = [" > ".join(brief(s) for s in x) for x in a if x not in b]
            return (
                when[0] if when else 0.0,
                f"{key}: {na} of {nb} tracks "
                f"{' > '.join(brief(s) for s in shape)}"
                + (f"; the simulation has {mine_shapes[0]}" if mine_shapes and nb else ""),
            )
    return compare_times(key, mine, all_references)


def compare_times(key, mine, all_references):
    """When each state is entered, by all objects of the group together: which of several alike
    objects goes first, and which of them live longer, is chance (random UIDs break ties)."""

    def entries(group):
        pool = defaultdict(list)
        for track in group:
            for t, state in track:
                pool[state].append(t)
        for times in pool.values():
            times.sort()
        return pool

    ours, seen = entries(mine), [entries(r) for r in all_references]
    for state, times in ours.items():
        theirs = [p[state] for p in seen if state in p]
        for i, t in enumerate(times):
            their_times = [s[min(i, len(s) - 1)] for s in theirs]
            if not their_times:
                continue
            if not agree(t, their_times):
                return (
                    t,
                    f"{key}: {brief(state)} at {t:.2f} s, recorded at {their_times[0]:.2f} s",
                )
    return None
