"""Resource claims in random cases: device classes, slices, claims, and what becomes of them.

Values come from small pools, so that devices run out, selectors miss and constraints conflict. A
pod names at most one claim that others may use too: which of several such claims is given back is
left to chance in the real scheduler.
"""

from __future__ import annotations

GPU = "gpu.example.com"
NIC = "nic.example.com"
ROOT = "resource.example.org/root"
API = "resource.k8s.io/v1"
CLASSES = ["gpu", "nic", "any", "big"]
ATTRIBUTES = f'device.attributes["{GPU}"]'
SELECTORS = [
    f'device.driver == "{GPU}"',
    f'device.driver == "{NIC}"',
    "true",
    f'device.driver == "{GPU}" && {ATTRIBUTES}.model == "a100"',
    f'has({ATTRIBUTES}.model) && {ATTRIBUTES}.model in ["a100", "h100"]',
    f'has({ATTRIBUTES}.model) && {ATTRIBUTES}.model.startsWith("h")',
    f'has({ATTRIBUTES}.model) ? {ATTRIBUTES}.model.matches("^[ah]100$") : false',
    f'"memory" in device.capacity["{GPU}"] && '
    f'device.capacity["{GPU}"].memory.compareTo(quantity("40Gi")) >= 0',
    f'device.driver != "{GPU}" || device.capacity["{GPU}"].memory.isLessThan(quantity("80Gi"))',
    f"has({ATTRIBUTES}.index) && {ATTRIBUTES}.index % 2 == 0",
    f'has({ATTRIBUTES}.version) && {ATTRIBUTES}.version.isGreaterThan(semver("1.5.0"))',
    f"cel.bind(gpu, {ATTRIBUTES}, has(gpu.shared) && gpu.shared)",
    '["x", "y"].exists(r, device.attributes["resource.example.org"].root == r)',
    f'!(device.driver == "{GPU}")',
]
# What fails when it is evaluated, for some device at least, or does not compile.
BAD_SELECTORS = [
    f'{ATTRIBUTES}.model == "a100"',
    f'device.capacity["{GPU}"].memory.isGreaterThan(quantity("1Gi"))',
    f"{ATTRIBUTES}.model > 3",
    f"{ATTRIBUTES}.index / 0 == 1 || true",
    f"{ATTRIBUTES}.index / 0 == 1",
    f"quantity({ATTRIBUTES}.model).sign() == 1",
    f"sign(quantity({ATTRIBUTES}.model)) == 1",
    f"semver({ATTRIBUTES}.model).major() == 1",
    f'{ATTRIBUTES}.model.startsWith("a") && {ATTRIBUTES}.index.startsWith("a")',
    f"{ATTRIBUTES}.model",
    f"{ATTRIBUTES}.index",
    f"{ATTRIBUTES}.version",
]


class Claims:
    """The part of a case that holds devices and claims."""

    def __init__(self, case):
        self.case = case
        self.r = case.r
        self.made = 0
        self.slices: dict[str, dict] = {}
        self.claims: list[dict] = []  # those that any pod may name
        # A third of the cases have selectors that fail.
        self.careless = self.r.percent(30)

    # ---- classes and slices

    def selectors(self, most: int) -> list[dict]:
        r = self.r
        out = []
        for _ in range(r.between(0, most)):
            bad = self.careless and r.percent(15)
            out.append({"cel": {"expression": r.pick(BAD_SELECTORS if bad else SELECTORS)}})
        return out

    def device_class(self, name: str) -> dict:
        spec: dict = {}
        if selectors := self.selectors(1):
            spec["selectors"] = selectors
        if self.r.percent(15):
            opaque = {"driver": self.r.pick([GPU, NIC]), "parameters": {"a": 1}}
            spec["config"] = [{"opaque": opaque}] * self.r.between(1, 2)
        return {
            "apiVersion": API,
            "kind": "DeviceClass",
            "metadata": {"name": name},
            "spec": spec,
        }

    def device(self, name: str, driver: str) -> dict:
        r = self.r
        attributes: dict = {}
        if r.percent(85):
            attributes["model"] = {"string": r.pick(["a100", "a100", "h100", "t4"])}
        if r.percent(60):
            attributes["index"] = {"int": r.below(4)}
        if r.percent(40):
            attributes["version"] = {"version": r.pick(["1.0.0", "1.6.2", "2.0.0-rc.1"])}
        if r.percent(30):
            attributes["shared"] = {"bool": r.percent(50)}
        if r.percent(60):
            attributes[ROOT] = {"string": r.pick(["x", "y"])}
        if r.percent(10):
            attributes[f"{driver}/numa"] = {"int": r.below(2)}
        if r.percent(30):
            attributes["numa"] = {"int": r.below(2)}
        device = {"name": name}
        if attributes:
            device["attributes"] = attributes
        if r.percent(70):
            device["capacity"] = {"memory": {"value": r.pick(["16Gi", "40Gi", "80Gi"])}}
        return device

    def slice(self, name: str, driver: str, pool: str, where: dict, part: int, parts: int) -> dict:
        r = self.r
        spec = {
            "driver": driver,
            "pool": {"name": pool, "generation": 1, "resourceSliceCount": parts},
            **where,
            "devices": [
                # Now and then a name is taken twice.
                self.device(f"d{0 if r.percent(2) else part * 10 + i}", driver)
                for i in range(r.pick([0, 1, 1, 2, 2, 3, 4]))
            ],
        }
        if r.percent(4):
            spec["pool"]["resourceSliceCount"] += r.pick([-1, 1]) if parts > 1 else 1
        if r.percent(4):
            spec["pool"]["generation"] = r.pick([0, 2])
        return {
            "apiVersion": API,
            "kind": "ResourceSlice",
            "metadata": {"name": name},
            "spec": spec,
        }

    def pool(self, driver: str, pool: str, where: list[dict]):
        for part, place in enumerate(where):
            name = f"s-{driver[:3]}-{pool}-{part}"
            self.slices[name] = self.slice(name, driver, pool, place, part, len(where))
            self.case.put(self.slices[name])

    def shared_place(self) -> dict:
        r = self.r
        if r.percent(50):
            return {"allNodes": True}
        requirement = r.pick(
            [
                {"key": "disk", "operator": "In", "values": ["ssd"]},
                {"key": "disk", "operator": "Exists"},
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["z1", "z2"]},
                {"key": "rank", "operator": "NotIn", "values": ["1"]},
            ]
        )
        return {"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}

    def begin(self):
        r = self.r
        for name in CLASSES:
            if r.percent(92):
                self.case.put(self.device_class(name))
        for node in sorted(self.case.nodes):
            if r.percent(65):
                self.pool(GPU, node, [{"nodeName": node}] * r.pick([1, 1, 1, 2]))
            if r.percent(25):
                self.pool(NIC, node, [{"nodeName": node}])
        for i in range(r.pick([0, 0, 1, 1, 2])):
            self.pool(NIC, f"net{i}", [self.shared_place() for _ in range(r.pick([1, 1, 2]))])
        for _ in range(r.between(0, 3)):
            claim = self.claim(f"c{self.made}", "default")
            if r.percent(20):
                self.allocate(claim)
            self.claims.append(claim)
            self.case.put(claim)

    # ---- claims

    def request(self, name: str) -> dict:
        r = self.r
        if r.percent(20):
            alternatives = []
            for i in range(r.between(1, 3)):
                alternatives.append({"name": f"s{i}", **self.exactly(False)})
            return {"name": name, "firstAvailable": alternatives}
        return {"name": name, "exactly": self.exactly(True)}

    def exactly(self, admin: bool) -> dict:
        r = self.r
        out: dict = {"deviceClassName": r.pick([*CLASSES, "gpu", "gpu"])}
        if r.percent(12):
            out["allocationMode"] = "All"
        else:
            out["allocationMode"] = "ExactCount"
            out["count"] = r.pick([1, 1, 1, 1, 2, 2, 3, 33 if r.percent(5) else 1])
        if selectors := self.selectors(2):
            out["selectors"] = selectors
        if admin and r.percent(8):
            out["adminAccess"] = True
        return out

    def claim(self, name: str, namespace: str, owner: dict | None = None) -> dict:
        r = self.r
        self.made += 1
        requests = [self.request(f"r{i}") for i in range(r.pick([0, 1, 1, 1, 1, 1, 2, 2, 3]))]
        devices: dict = {"requests": requests}
        names = [q["name"] for q in requests]
        names += [f"{q['name']}/{s['name']}" for q in requests for s in q.get("firstAvailable", [])]
        if requests and r.percent(25):
            constraint = {"matchAttribute": r.pick([ROOT, f"{GPU}/numa", f"{GPU}/model", "x/y"])}
            if r.percent(40):
                constraint["requests"] = r.some(names, 2)
            devices["constraints"] = [constraint]
        if requests and r.percent(15):
            config: dict = {"opaque": {"driver": r.pick([GPU, NIC]), "parameters": {"b": 2}}}
            if r.percent(60):
                config["requests"] = r.some(names, 2)
            devices["config"] = [config]
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}-{self.made}"}
        if owner:
            metadata["ownerReferences"] = [
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": owner["metadata"]["name"],
                    "uid": owner["metadata"]["uid"],
                    "controller": not r.percent(3),
                }
            ]
        return {
            "apiVersion": API,
            "kind": "ResourceClaim",
            "metadata": metadata,
            "spec": {"devices": devices},
        }

    def allocate(self, claim: dict):
        """As if an earlier pod had got it."""
        r = self.r
        allocation: dict = {"devices": {}}
        where = r.pick([*sorted(self.case.nodes)[:2], None])
        if claim["spec"]["devices"]["requests"]:
            result = {
                "request": "r0",
                "driver": GPU,
                "pool": where or "n0",
                "device": r.pick(["d0", "d1"]),
            }
            allocation["devices"]["results"] = [result]
        if where:
            field = {"key": "metadata.name", "operator": "In", "values": [where]}
            allocation["nodeSelector"] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        claim["status"] = {"allocation": allocation}
        users = r.pick([0, 0, 1, 2, 256 if r.percent(20) else 1])
        if users:
            claim["status"]["reservedFor"] = [
                {"resource": "pods", "name": f"user{i}", "uid": f"uid-user{i}"}
                for i in range(users)
            ]

    def of_pod(self, pod: dict):
        """Gives the pod claims; those made from a template are put first, mostly."""
        r = self.r
        if r.percent(30):
            return
        entries = []
        statuses = []
        namespace = pod["metadata"]["namespace"]
        if r.percent(35):
            known = [c["metadata"]["name"] for c in self.claims]
            name = r.pick([*known, *known, f"c{self.made}"])
            entries.append({"name": "shared", "resourceClaimName": name})
        for i in range(r.pick([0, 1, 1, 1, 2])):
            entry = f"own{i}"
            name = f"{pod['metadata']['name']}-{entry}-x"
            entries.append({"name": entry, "resourceClaimTemplateName": "template"})
            if r.percent(92):
                if r.percent(94):
                    self.case.put(self.claim(name, namespace, pod))
                    statuses.append({"name": entry, "resourceClaimName": name})
                else:
                    statuses.append({"name": entry})
        if entries:
            pod["spec"]["resourceClaims"] = entries
        if statuses:
            pod["status"]["resourceClaimStatuses"] = statuses

    # ---- what happens

    def remove(self, kind: str, name: str, namespace: str | None = None):
        gone = {"apiVersion": API, "kind": kind, "name": name}
        if namespace:
            gone["namespace"] = namespace
        self.case.steps.append({"delete": gone})

    def event(self):
        r = self.r
        what = r.below(100)
        if what < 15 and self.slices:
            name = r.pick(sorted(self.slices))
            spec = self.slices[name]["spec"]
            where = {k: spec[k] for k in ("nodeName", "allNodes", "nodeSelector") if k in spec}
            parts = spec["pool"]["resourceSliceCount"]
            part = int(name.rsplit("-", 1)[1])
            self.slices[name] = self.slice(
                name, spec["driver"], spec["pool"]["name"], where, part, max(parts, 1)
            )
            self.case.put(self.slices[name])
        elif what < 22 and self.slices:
            name = r.pick(sorted(self.slices))
            del self.slices[name]
            self.remove("ResourceSlice", name)
        elif what < 32:
            self.case.put(self.device_class(r.pick(CLASSES)))
        elif what < 35:
            self.remove("DeviceClass", r.pick(CLASSES))
        elif what < 50:
            claim = self.claim(f"c{self.made}", "default")
            if r.percent(30):
                self.allocate(claim)
            self.claims.append(claim)
            self.case.put(claim)
        elif what < 55 and self.claims:
            gone = self.claims.pop(r.below(len(self.claims)))
            self.remove("ResourceClaim", gone["metadata"]["name"], "default")
        elif what < 85 and self.claims:
            name = r.pick(self.claims)["metadata"]["name"]
            self.case.steps.append(
                {
                    "free": {
                        "apiVersion": API,
                        "kind": "ResourceClaim",
                        "namespace": "default",
                        "name": name,
                    }
                }
            )
        elif self.case.arrived:
            self.late_claim()

    def late_claim(self):
        """What a pod waits for is made, and said on the pod."""
        pod = self.r.pick(self.case.arrived)
        statuses = pod["status"].setdefault("resourceClaimStatuses", [])
        for entry in pod["spec"].get("resourceClaims", []):
            if "resourceClaimTemplateName" not in entry:
                continue
            if any(s["name"] == entry["name"] for s in statuses):
                continue
            name = f"{pod['metadata']['name']}-{entry['name']}-x"
            self.case.put(self.claim(name, pod["metadata"]["namespace"], pod))
            statuses.append({"name": entry["name"], "resourceClaimName": name})
        if statuses:
            self.case.steps.append(
                {
                    "change": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": {
                            "name": pod["metadata"]["name"],
                            "namespace": pod["metadata"]["namespace"],
                        },
                        "status": {"resourceClaimStatuses": statuses},
                    }
                }
            )
