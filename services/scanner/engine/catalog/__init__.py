"""What each check means, how grave it is, how to mend it, and which controls it speaks to: data, in TOML."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.contracts.report import FrameworkId, Module, Severity

Strength = Literal["direct", "partial", "indicator"]
_STRENGTHS: tuple[Strength, ...] = get_args(Strength)  # strongest first
_META = "meta"  # rows that are evidence for controls alone: no module, no issue, no score

Text = Annotated[str, Field(min_length=1)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ControlRef(_Row):
    framework: FrameworkId
    id: str
    strength: Strength
    why: Text


class CheckRow(_Row):
    id: str
    module: Module | None  # None: external_scan_performed
    title: Text  # what is wrong where it fails
    severity: Severity
    severity_reason: Text
    remediation: Text
    references: tuple[Text, ...]
    cwe: Annotated[str, Field(pattern=r"^CWE-\d+$")] | None = None
    tier: Literal["core", "extended"] = "core"
    intrusive: bool = False  # looked at only where the scan was asked to go beyond what an ordinary client does
    on_pass: Literal["supports", "neutral"]  # whether a pass may be cited as supporting evidence
    pci_asv: Literal["automatic_failure", "cvss", "special_note"] | None = None
    control_effect: Literal["attention"] | None = None  # a failure never makes more of a control than this
    controls: tuple[ControlRef, ...]


class ModuleRow(_Row):
    title: Text
    weight: Annotated[int, Field(gt=0)]


class Control(_Row):
    id: str
    title: Text
    evidence: Strength  # the most that a scan from outside can be to it
    scan_can_show: frozenset[Literal["gap", "support", "readiness"]]
    note: str = ""


class Framework(_Row):
    title: Text
    version: Text
    total_controls: int
    disclaimer: Text
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    version: str
    checks: Mapping[str, CheckRow]
    modules: Mapping[Module, ModuleRow]
    frameworks: Mapping[FrameworkId, Framework]

    def of(self, modules: frozenset[Module], *, intrusive: bool = False) -> Iterator[CheckRow]:
        """The rows of these modules, and those of none; the intrusive ones only where they are asked for."""
        rows = (row for row in self.checks.values() if row.module is None or row.module in modules)
        return (row for row in rows if intrusive or not row.intrusive)


@cache
def load() -> Catalog:
    """The catalog shipped with the engine. ValueError names what is wrong in it."""
    root = files(__name__)
    texts = {path.name: path.read_text("utf-8") for path in _tables(root)}
    modules = TypeAdapter(dict[Module, ModuleRow]).validate_python(tomllib.loads(texts["modules.toml"]))
    frameworks = {
        framework: Framework.model_validate(tomllib.loads(texts[f"{framework}.toml"]))
        for framework in get_args(FrameworkId)
    }
    checks: dict[str, CheckRow] = {}
    for module in (*Module, _META):
        for check_id, row in tomllib.loads(texts[f"{module}.toml"]).items():
            if check_id in checks:
                raise ValueError(f"check {check_id} stands in two tables")
            owner = None if module == _META else module
            checks[check_id] = CheckRow.model_validate({"id": check_id, "module": owner, **row})
    catalog = Catalog(_version(texts), checks, modules, frameworks)
    _cross_check(catalog)
    return catalog


def _tables(folder: Traversable) -> Iterator[Traversable]:
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.is_dir():
            yield from _tables(path)
        elif path.name.endswith(".toml"):
            yield path


def _version(texts: Mapping[str, str]) -> str:
    """Changes with any row, so that two reports can be told to stand on the same one."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{name}\0{texts[name]}\0".encode())
    return f"2026.11+{digest.hexdigest()[:12]}"


def _cross_check(catalog: Catalog) -> None:
    if missing := set(Module) - set(catalog.modules):
        raise ValueError(f"modules.toml gives no weight to {', '.join(sorted(missing))}")
    controls = {(name, control.id): control for name, row in catalog.frameworks.items() for control in row.controls}
    for row in catalog.checks.values():
        for ref in row.controls:
            control = controls.get((ref.framework, ref.id))
            if control is None:
                raise ValueError(f"{row.id}: {ref.framework} has no control {ref.id}")
            if _STRENGTHS.index(ref.strength) < _STRENGTHS.index(control.evidence):
                raise ValueError(f"{row.id}: {ref.strength} evidence is more than {ref.framework} {ref.id} allows")
