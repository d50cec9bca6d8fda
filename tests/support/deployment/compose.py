"""The containers of `docker-compose.yml`, its variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.deployment.containers import Container, Deployment, Mount, Probe, WrongManifest

OURS = "compliancelayer-"  # how the name of an image of ours begins

_VARIABLE = re.compile(r"\$(?:(?P<literal>\$)|\{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\})")


def read(file: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The file with `environ` filled in. WrongManifest: a required variable is not set."""
    filled: dict[str, Any] = _filled(yaml.safe_load(file.read_text()), environ)
    return filled


def deployment(file: Path, environ: Mapping[str, str]) -> Deployment:
    """The containers of our images; the others' are the outside world."""
    project = read(file, environ)
    ours = {name: one for name, one in project["services"].items() if one["image"].startswith(OURS)}
    containers = [_container(name, one, project, ours.keys()) for name, one in ours.items()]
    addresses = {(one.name, port): (one.name, port) for one in containers for port in one.ports}
    return Deployment(containers, addresses)


def _container(name: str, service: dict[str, Any], project: dict[str, Any], ours: Any) -> Container:
    mounts = {path: Mount(volume=f"{name}-tmpfs") for path in service.get("tmpfs", ())}
    for text in service.get("volumes", ()):
        volume, path = text.split(":")
        if volume not in project["volumes"]:
            raise WrongManifest(f"{name} mounts {volume}, which is declared nowhere")
        mounts[path] = Mount(volume=volume)
    for config in service.get("configs", ()):
        target = Path(config["target"])
        content = project["configs"][config["source"]]["content"].encode()
        mounts[str(target.parent)] = Mount(files={target.name: content})
    return Container(
        name=name,
        command=tuple(service["command"]),
        environment=service["environment"],
        mounts=mounts,
        ports=frozenset(map(int, service.get("expose", ()))),
        probes=[_probe(service["healthcheck"])] if "healthcheck" in service else [],
        after=frozenset(service["depends_on"]) & ours,
        grace=_seconds(service.get("stop_grace_period", "10s")),
    )


def _probe(check: dict[str, Any]) -> Probe:
    how, *command = check["test"]
    if how != "CMD":
        raise WrongManifest(f"a healthcheck by {how}")
    period = _seconds(check["start_interval"])
    return Probe(
        attempts=int(_seconds(check["start_period"]) / period),
        period=period,
        timeout=_seconds(check["timeout"]),
        command=tuple(command),
    )


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, environ) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, environ) for part in value]
    return _VARIABLE.sub(lambda match: _word(match, environ), value) if isinstance(value, str) else value


def _word(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match["literal"]:
        return "$"
    found = environ.get(match["name"], "")
    if not found and match["how"] == "?":
        raise WrongManifest(f"{match['name']} is required")
    return found or match["word"] or ""
