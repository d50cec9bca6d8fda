"""The part of kustomize that `deploy/k8s/base` uses, so that its tests need no program that this machine may lack."""

import re
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

UNDERSTOOD = {"apiVersion", "kind", "namespace", "resources", "patches"}
# Kubernetes' merge keys: a list under this name is patched item by item, any other is replaced.
MERGE_KEYS = {
    "containers": "name", "env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumes": "name",
}  # fmt: skip


def render(folder: Path) -> list[Resource]:
    """The resources of a kustomization, patched, without their namespace. ValueError: it uses more than is here."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if strange := kustomization.keys() - UNDERSTOOD:
        raise ValueError(f"{folder}: not understood here: {', '.join(sorted(strange))}")
    resources = [
        resource for name in kustomization["resources"] for resource in yaml.safe_load_all((folder / name).read_text())
    ]
    for patch in kustomization["patches"]:
        changes = yaml.safe_load((folder / patch["path"]).read_text())["spec"]
        for resource in resources:
            if re.fullmatch(patch["target"]["kind"], resource["kind"]):
                resource["spec"] = _merged(resource["spec"], changes)
    return resources


def _merged(base: Any, changes: Any, name: str = "") -> Any:
    if isinstance(base, dict) and isinstance(changes, dict):
        return base | {key: _merged(base.get(key), value, key) for key, value in changes.items()}
    if isinstance(base, list) and name in MERGE_KEYS:
        key = MERGE_KEYS[name]
        items = {item[key]: item for item in base}
        return list((items | {item[key]: _merged(items.get(item[key]), item) for item in changes}).values())
    return changes
