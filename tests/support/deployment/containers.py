"""A container as Kubernetes or compose starts it, and whether its variables are what its process reads."""

import ast
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from shared.settings import PREFIX, FleetSettings, ServiceSettings, variable

ROOT = Path(__file__).parents[3]
MIGRATE = ("python", "-m", "services", "migrate")
MIGRATION_SETTINGS = {"environment", "log_level", "default_plan", "database_url", "database_passwords_file"}
OF_ROUTES = {"public_url", "keys_dir"}  # what a worker, which has none, does without
URLS = ("auth_url", "billing_url", "scanner_url", "monitor_url", "reports_url")  # the gateway needs each
# Readers of a property read these fields.
PROPERTIES = {"keys_path": "keys_dir", "plan_of_new_accounts": "default_plan", "production": "environment"}


class WrongManifest(Exception):
    """What a manifest refers to is not there, or is of a kind that nothing here needs."""


@dataclass(frozen=True)
class Probe:
    """Asks by HTTP at `path` of `port`, or by `command`; `attempts` times, `period` seconds apart."""

    attempts: int
    period: float
    timeout: float
    path: str = ""
    port: int = 0
    command: tuple[str, ...] = ()

    @property
    def patience(self) -> float:
        return self.attempts * self.period


@dataclass(frozen=True)
class Mount:
    """Files, read-only; or a volume, which those share that name it."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    volume: str = ""


@dataclass(frozen=True)
class Container:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, Mount]  # by path
    ports: frozenset[int] = frozenset()
    probes: Sequence[Probe] = ()  # in the order in which they have to pass at the start
    after: frozenset[str] = frozenset()  # those that it waits for
    grace: float = 10.0  # seconds from SIGTERM to SIGKILL

    @property
    def service(self) -> str | None:
        """The name of its service; None for the migration, which ends."""
        return None if self.command == MIGRATE else self.command[2].removeprefix("services.")


@dataclass(frozen=True)
class Deployment:
    containers: Sequence[Container]
    addresses: Mapping[tuple[str, int], tuple[str, int]]  # a service's name and port -> container and its port


def wrong_variables(container: Container) -> list[str]:
    """A sentence for each variable that its process does not know, does not read, or cannot do without."""
    needs = _needs(container)
    reads = MIGRATION_SETTINGS if container.service is None else fields_read(container.service)
    if is_worker(container):
        reads = reads - OF_ROUTES
    given = {name for name in container.environment if name.startswith(PREFIX)}
    found = {
        "is no setting of its process": given - _variables(_known(container)),
        "is read by nothing in its process": given & _variables(_known(container) - reads),
        "is not set": _variables(needs) - {name for name in given if container.environment[name]},
    }
    return [f"{container.name}: {name} {what}" for what, names in found.items() for name in sorted(names)]


def is_worker(container: Container) -> bool:
    return container.environment.get("CL_SCANNER_ROLE") == "worker"


def _variables(fields: set[str]) -> set[str]:
    return set(map(variable, fields))


def _known(container: Container) -> set[str]:
    kind = FleetSettings if container.service is None else settings_of(container.service)
    return {*FleetSettings.model_fields, *kind.model_fields}


def _needs(container: Container) -> set[str]:
    """Settings whose defaults do not do for a process that runs alone in a container."""
    production = {"default_plan"} if container.environment.get("CL_ENVIRONMENT") == "production" else set()
    if container.service is None:
        return production | {"database_url", "database_passwords_file"}
    alone = {"default_plan", "host", "port", "metrics_port", "bus_url"}
    own = set(URLS) if container.service == "gateway" else {"database_url"}
    return alone | own | (set() if is_worker(container) else OF_ROUTES)


def settings_of(service: str) -> type[ServiceSettings]:
    kind: type[ServiceSettings] = importlib.import_module(f"services.{service}.app").service.settings
    return kind


@cache
def fields_read(service: str) -> set[str]:
    """The names of settings that the code of `shared` or of the service looks up."""
    files = [path for path in (ROOT / "shared").rglob("*.py") if path.name != "settings.py"]
    files += (ROOT / "services" / service).rglob("*.py")
    names = {
        node.attr for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)
    }
    names |= {field for property_, field in PROPERTIES.items() if property_ in names}
    if service == "gateway":
        names |= set(URLS)  # looked up by name: GatewaySettings.url_of
    return names & {*FleetSettings.model_fields, *settings_of(service).model_fields}
