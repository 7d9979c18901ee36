"""The volumes of random cases: classes, claims, PersistentVolumes, what nodes can attach.

`Volumes` belongs to one case of `cases.py` and draws from its random numbers.
"""

from __future__ import annotations

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
OLD_REGION = "failure-domain.beta.kubernetes.io/region"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"

DELAYED = "WaitForFirstConsumer"
# Name: when its claims are bound, and by whom. README.md says what the provisioners do.
CLASSES = {
    "fast": (DELAYED, "disk.example.com"),
    "local": (DELAYED, "kubernetes.io/no-provisioner"),
    "now": ("Immediate", "disk.example.com"),
    "ebs": (DELAYED, "kubernetes.io/aws-ebs"),
    "file": (DELAYED, "kubernetes.io/azure-file"),
    "slow": (DELAYED, "slow.example.com"),
    "failing": (DELAYED, "failing.example.com"),
    "far": (DELAYED, "far.example.com"),
    "odd": (None, "disk.example.com"),
}
FREQUENT = ["fast", "fast", "local", "local", "local", "now", "slow"]
DRIVERS = [
    "disk.example.com",
    "disk.example.com",
    "ebs.csi.aws.com",
    "pd.csi.storage.gke.io",
    "cinder.csi.openstack.org",
    "disk.csi.azure.com",
    "pxd.portworx.com",
]
PLUGINS = ["aws-ebs", "gce-pd", "cinder", "azure-disk", "portworx-volume"]
SIZES = ["1Gi", "1Gi", "2Gi", "2Gi", "3Gi", "5Gi"]
MODES = ["ReadWriteOnce", "ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class Volumes:
    def __init__(self, case):
        self.case = case
        self.r = case.r
        self.classes: dict[str, dict] = {}
        self.claims: dict[tuple[str, str], dict] = {}
        self.volumes: dict[str, dict] = {}
        self.csi_nodes: dict[str, dict] = {}
        self.capacities: dict[str, dict] = {}
        self.attachments: dict[str, dict] = {}
        self.ephemeral: list[tuple] = []  # claims that pods wait for
        self.drivers: list[str] = []
        self.made = 0
        self.names = [f"c{i}" for i in range(self.r.between(2, 6))]
        self.namespaces = ["default", "east"] if case.has("namespaces") else ["default"]

    def setup(self):
        r = self.r
        for name in CLASSES:
            if r.percent(85):
                self.put_class(name)
        for _ in range(r.between(0, 8)):
            self.volume(r.pick(FREQUENT))
        for namespace in self.namespaces:
            for name in self.names:
                if r.percent(93):
                    self.claim(namespace, name)
        if r.percent(60):
            for name in self.case.nodes:
                if r.percent(80):
                    self.csi_node(name)
        if r.percent(50):
            self.driver()
            for _ in range(r.between(0, 4)):
                self.capacity()
        if r.percent(40):
            for _ in range(r.between(1, 4)):
                self.attachment()

    # ---- classes, drivers, nodes

    def put(self, kind: str, name: str, parts: dict, namespace: str | None = None) -> dict:
        version = "v1" if kind.startswith("PersistentVolume") else "storage.k8s.io/v1"
        metadata = {"name": name, **parts.pop("metadata", {})}
        if namespace is not None:
            metadata["namespace"] = namespace
        obj = {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}
        self.case.put(obj)
        return obj

    def delete(self, obj: dict):
        meta = obj["metadata"]
        gone = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"]}
        if "namespace" in meta:
            gone["namespace"] = meta["namespace"]
        self.case.steps.append({"delete": gone})

    def put_class(self, name: str):
        mode, provisioner = CLASSES[name]
        parts: dict = {"provisioner": provisioner}
        if mode:
            parts["volumeBindingMode"] = mode
        if self.r.percent(20):
            parts["allowedTopologies"] = [self.topology() for _ in range(self.r.between(1, 2))]
        self.classes[name] = self.put("StorageClass", name, parts)

    def topology(self) -> dict:
        r = self.r
        if r.percent(5):
            return {}
        pools = {ZONE: ["z1", "z2", "z3"], HOSTNAME: ["n0", "n1", "n2"], "rack": ["k1", "k2"]}
        keys = r.some([ZONE, HOSTNAME, "rack"], 2) if r.percent(20) else [r.pick(list(pools))]
        return {"matchLabelExpressions": [{"key": k, "values": r.some(pools[k], 2)} for k in keys]}

    def csi_node(self, name: str):
        r = self.r
        drivers = []
        for driver in r.some(sorted(set(DRIVERS)), 4):
            d = {"name": driver, "nodeID": name, "topologyKeys": []}
            count = r.pick([0, 1, 1, 2, 2, 3, None, None])
            if count is not None:
                d["allocatable"] = {"count": count}
            elif r.percent(20):
                d["allocatable"] = {}
            drivers.append(d)
        metadata = {}
        if r.percent(50):
            migrated = ",".join("kubernetes.io/" + p for p in r.some(PLUGINS, 5))
            metadata["annotations"] = {MIGRATED: migrated}
        parts = {"metadata": metadata, "spec": {"drivers": drivers}}
        self.csi_nodes[name] = self.put("CSINode", name, parts)

    def driver(self):
        r = self.r
        name = r.pick(["disk.example.com", "disk.example.com", "slow.example.com"])
        spec = {}
        if r.percent(90):
            spec["storageCapacity"] = r.percent(75)
        self.drivers.append(name)
        self.put("CSIDriver", name, {"spec": spec})

    def capacity(self, name: str | None = None):
        r = self.r
        if name is None:
            name = f"capacity{len(self.capacities)}"
        parts: dict = {"storageClassName": r.pick(["fast", "fast", "slow"])}
        if r.percent(90):
            labels = r.pick([{ZONE: "z1"}, {ZONE: "z2"}, {HOSTNAME: "n0"}, {"disk": "ssd"}])
            parts["nodeTopology"] = {"matchLabels": labels} if r.percent(85) else {}
        if r.percent(90):
            parts["capacity"] = r.pick(SIZES)
        if r.percent(30):
            parts["maximumVolumeSize"] = r.pick(SIZES)
        self.capacities[name] = self.put("CSIStorageCapacity", name, parts, "default")

    def attachment(self):
        r = self.r
        name = f"attachment{len(self.attachments)}"
        source = {}
        if r.percent(90):
            source["persistentVolumeName"] = r.pick([*sorted(self.volumes), "lost"])
        spec = {
            "attacher": r.pick([*DRIVERS, ""]),
            "nodeName": r.pick(sorted(self.case.nodes) or ["n0"]),
            "source": source,
        }
        self.attachments[name] = self.put("VolumeAttachment", name, {"spec": spec})

    # ---- volumes

    def volume(self, class_name: str, bound_to: dict | None = None) -> dict:
        r = self.r
        name = f"v{self.made}"
        self.made += 1
        spec: dict = {
            "capacity": {"storage": r.pick(SIZES)},
            "accessModes": r.some(sorted(set(MODES)), 3) if r.percent(30) else ["ReadWriteOnce"],
            "storageClassName": class_name,
            **self.source(name),
        }
        if r.percent(5):
            spec["volumeMode"] = "Block"
        if r.percent(4):
            spec["volumeAttributesClassName"] = "gold"
        if r.percent(35):
            terms = [self.case.node_term() for _ in range(r.between(1, 2))]
            if r.percent(75):
                key, values = r.pick([(HOSTNAME, ["n0", "n1", "n2"]), (ZONE, ["z1", "z2", "z3"])])
                expression = {"key": key, "operator": "In", "values": r.some(values, 2)}
                terms = [{"matchExpressions": [expression]}]
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
        status = {"phase": r.pick(["Available"] * 8 + ["Pending", "Released"])}
        metadata: dict = {"labels": self.labels()}
        if r.percent(3):
            metadata["deletionTimestamp"] = "2023-11-14T12:00:00Z"
        if r.percent(4):
            metadata["annotations"] = {BETA_CLASS: r.pick(FREQUENT)}
        if bound_to:
            spec["claimRef"] = self.reference(bound_to)
            status["phase"] = "Bound"
        elif r.percent(10):
            namespace, claim = r.pick(self.namespaces), r.pick(self.names)
            spec["claimRef"] = {"kind": "PersistentVolumeClaim", "namespace": namespace}
            spec["claimRef"]["name"] = claim
            if r.percent(60):
                spec["claimRef"]["uid"] = r.pick([f"uid-{namespace}-{claim}", "uid-other"])
        parts = {"metadata": metadata, "spec": spec, "status": status}
        self.volumes[name] = self.put("PersistentVolume", name, parts)
        return self.volumes[name]

    def reference(self, claim: dict) -> dict:
        meta = claim["metadata"]
        kept = {k: meta[k] for k in ("name", "namespace", "uid")}
        return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", **kept}

    def labels(self) -> dict:
        r = self.r
        labels = {k: r.pick(v) for k, v in {"disk": ["ssd", "hdd"]}.items() if r.percent(50)}
        if r.percent(40):
            zones = ["z1", "z2", "z1__z2", "z2__ z3", "z1__", "us-a-1__us-a-2"]
            labels[r.pick([ZONE, ZONE, OLD_ZONE])] = r.pick(zones)
            if r.percent(40):
                labels[r.pick([REGION, OLD_REGION])] = r.pick(["r1", "r2"])
        return labels

    def source(self, name: str) -> dict:
        r = self.r
        if r.percent(60):
            handle = r.pick([name, name, name, "shared", ""])
            return {"csi": {"driver": r.pick(DRIVERS), "volumeHandle": handle}}
        return self.disk()

    def disk(self) -> dict:
        """A source that a PersistentVolume or a pod can name directly."""
        r = self.r
        read_only = r.percent(50)
        disk = {"diskName": "a", "diskURI": r.pick(["uri-a", "uri-b"])}
        if r.percent(30):
            disk["kind"] = r.pick(["Managed", "Dedicated"])
        iqn = r.pick(["iqn-a", "iqn-b"])
        return r.pick(
            [
                {"gcePersistentDisk": {"pdName": r.pick(["d1", "d2"]), "readOnly": read_only}},
                {"gcePersistentDisk": {"pdName": "d1", "readOnly": read_only}},
                {"awsElasticBlockStore": {"volumeID": r.pick(["vol-1", "aws://z1/vol-1"])}},
                {"awsElasticBlockStore": {"volumeID": r.pick(["vol-2", "disk-2", "aws:///a/b"])}},
                {"cinder": {"volumeID": r.pick(["cinder-1", "cinder-2"])}},
                {"azureDisk": disk},
                {"portworxVolume": {"volumeID": r.pick(["px-1", "px-2"])}},
                {"azureFile": {"secretName": "s", "shareName": "share"}},
                {"vsphereVolume": {"volumePath": "[store] a/b.vmdk"}},
                {
                    "iscsi": {
                        "targetPortal": "10.0.0.9",
                        "iqn": iqn,
                        "lun": 0,
                        "readOnly": read_only,
                    }
                },
                {"nfs": {"server": "10.0.0.9", "path": "/"}},
                {"hostPath": {"path": "/data"}},
            ]
        )

    # ---- claims

    def claim(self, namespace: str, name: str, owner: dict | None = None):
        r = self.r
        metadata: dict = {"uid": f"uid-{namespace}-{name}"}
        spec: dict = {
            "accessModes": [r.pick(MODES)],
            "resources": {"requests": {"storage": r.pick(SIZES)}},
        }
        class_name = r.pick(FREQUENT) if r.percent(75) else r.pick([*CLASSES, "missing", ""])
        if r.percent(97):
            spec["storageClassName"] = class_name
        if r.percent(5):
            spec["volumeMode"] = "Block"
        if r.percent(3):
            spec["volumeAttributesClassName"] = "gold"
        if r.percent(10):
            spec["selector"] = {"matchLabels": {"disk": r.pick(["ssd", "hdd"])}}
        if r.percent(3):
            spec["resources"] = {}
        if r.percent(3):
            metadata["annotations"] = {BETA_CLASS: r.pick(FREQUENT)}
        if owner:
            metadata["ownerReferences"] = [owner]
        parts = {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
        state = r.below(100)
        key = (namespace, name)
        self.claims[key] = self.put("PersistentVolumeClaim", name, parts, namespace)
        if state < 35:
            self.bind(self.claims[key])
        elif state < 42:
            self.trouble(self.claims[key])

    def bind(self, claim: dict):
        """The claim gets a volume of its own, as from the controller of volumes."""
        volume = self.volume(claim["spec"].get("storageClassName", ""), claim)
        claim["spec"]["volumeName"] = volume["metadata"]["name"]
        if self.r.percent(92):
            claim["metadata"].setdefault("annotations", {})[BIND_COMPLETED] = "yes"
        claim["status"] = {"phase": "Bound"}
        self.case.put(claim)

    def trouble(self, claim: dict):
        r = self.r
        what = r.below(5)
        if what == 0:
            claim["status"] = {"phase": "Lost"}
        elif what == 1:
            claim["metadata"]["deletionTimestamp"] = "2023-11-14T12:00:00Z"
        elif what == 2:
            claim["spec"]["volumeName"] = r.pick(["lost", *sorted(self.volumes)])
            claim["metadata"].setdefault("annotations", {})[BIND_COMPLETED] = "yes"
        elif what == 3:
            claim["metadata"].setdefault("annotations", {})[SELECTED_NODE] = r.pick(
                ["n0", "n1", "n9"]
            )
        else:
            claim["spec"]["volumeName"] = r.pick(["lost", *sorted(self.volumes)])
        self.case.put(claim)

    # ---- pods

    def add_to(self, pod: dict):
        r = self.r
        out = []
        meta = pod["metadata"]
        for i in range(r.pick([1, 1, 1, 2, 2, 3])):
            name = f"x{i}"
            kind = r.below(100)
            if kind < 70:
                claim = "none" if r.percent(2) else r.pick(self.names)
                out.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
            elif kind < 78:
                template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {}}}
                out.append({"name": name, "ephemeral": {"volumeClaimTemplate": template}})
                owner = {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": meta["name"],
                    "uid": meta["uid"] if r.percent(85) else "uid-other",
                    "controller": True,
                }
                if r.percent(5):
                    del owner["controller"]
                claim = (meta["namespace"], f"{meta['name']}-{name}", owner)
                if r.percent(60):
                    self.claim(*claim)
                else:
                    self.ephemeral.append(claim)
            elif kind < 94:
                disk = self.disk()
                if r.percent(20):
                    disk = {
                        "rbd": {
                            "monitors": r.some(["m1", "m2", "m3"], 2),
                            "image": r.pick(["i1", "i1", "i2"]),
                            "pool": r.pick(["rbd", "rbd", "other"]),
                            "readOnly": r.percent(40),
                        }
                    }
                out.append({"name": name, **disk})
            elif kind < 97:
                out.append({"name": name, "csi": {"driver": "disk.example.com"}})
            else:
                out.append({"name": name, "emptyDir": {}})
        pod["spec"]["volumes"] = out

    # ---- what happens

    def event(self):
        r = self.r
        what = r.below(100)
        if self.ephemeral and r.percent(30):
            self.claim(*self.ephemeral.pop(r.below(len(self.ephemeral))))
        elif what < 25:
            self.case.steps.append({"wait": r.pick([1, 1, 1, 2, 3, 9])})
        elif what < 35:
            self.volume(r.pick(FREQUENT))
        elif what < 43:
            self.claim(r.pick(self.namespaces), r.pick([*self.names, "none"]))
        elif what < 63 and self.claims:
            claim = self.claims[r.pick(sorted(self.claims))]
            self.bind(claim) if r.percent(80) else self.trouble(claim)
        elif what < 67 and self.claims:
            self.delete(self.claims.pop(r.pick(sorted(self.claims))))
        elif what < 77 and self.volumes:
            self.change_volume(self.volumes[r.pick(sorted(self.volumes))])
        elif what < 83:
            self.put_class(r.pick(list(CLASSES)))
        elif what < 90 and self.case.nodes:
            self.csi_node(r.pick(sorted(self.case.nodes)))
        elif what < 93:
            self.driver()
        elif what < 97:
            self.capacity(r.pick([None, *self.capacities]))
        elif self.attachments and r.percent(60):
            self.delete(self.attachments.pop(r.pick(sorted(self.attachments))))
        else:
            self.attachment()

    def change_volume(self, volume: dict):
        r = self.r
        what = r.below(4)
        if what == 0:
            del self.volumes[volume["metadata"]["name"]]
            self.delete(volume)
            return
        if what == 1:
            volume["metadata"]["labels"] = self.labels()
        elif what == 2:
            volume["spec"].pop("claimRef", None)
            volume["status"]["phase"] = "Available"
        else:
            volume["status"]["phase"] = r.pick(["Available", "Released"])
        self.case.put(volume)
