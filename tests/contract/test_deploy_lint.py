"""The deployment's files against their formats' own rules; `make lint` runs this file too."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support.deployment.containers import ROOT
from tests.support.deployment.fleet import BASE, COMPOSE
from tests.support.deployment.kustomize import Resource, render

PROGRAMS = Path(sys.executable).parent
DOCKERFILE = ROOT / "deploy" / "Dockerfile"

base = render(BASE)


@pytest.mark.parametrize("version", ["1.31.0", "1.37.0"])
@pytest.mark.parametrize("resource", base, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_resources_fit_the_schemas_of_kubernetes(resource: Resource, version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_kubectl_renders_the_same() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on this machine")
    output = subprocess.run([kubectl, "kustomize", BASE], capture_output=True, text=True, timeout=60, check=True).stdout
    theirs = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(output)}
    for resource in theirs.values():
        assert resource["metadata"].pop("namespace", None) == (
            None if resource["kind"] == "Namespace" else "compliancelayer"
        )
    ours = {(one["kind"], one["metadata"]["name"]): one for one in base}
    assert _sorted(ours) == _sorted(theirs)


def _sorted(value: object) -> object:
    """Every list in one order: kustomize chooses its own."""
    if isinstance(value, dict):
        return {key: _sorted(part) for key, part in value.items()}
    return sorted(map(_sorted, value), key=partial(json.dumps, sort_keys=True)) if isinstance(value, list) else value


def test_compose_fits_its_schema() -> None:
    command = [str(PROGRAMS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_hadolint_has_no_objection_to_the_dockerfile() -> None:
    hadolint = PROGRAMS / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint has no wheel for this machine")
    done = subprocess.run(
        [hadolint, DOCKERFILE], capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stdout
