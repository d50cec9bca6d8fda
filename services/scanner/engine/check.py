"""A check: a pure function from evidence to verdicts. The types of its parameters say which evidence it needs."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_type_hints

from services.scanner.engine.evidence.base import Fault, Unseen

Status = Literal["pass", "fail", "not_applicable", "not_tested", "error"]
Confidence = Literal["confirmed", "inferred"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of one asset."""

    status: Status
    asset: str  # "www.example.com:443", "example.com", "ns1.example.com"
    reason: str = ""  # one sentence; for not_tested and not_applicable, why
    fault: Fault | None = None  # of a not_tested
    evidence: Mapping[str, Any] = field(default_factory=dict)  # the values observed, JSON-ready
    reproduce: str = ""  # a shell command that repeats the observation
    subject: str = ""  # what tells two failures on one asset apart (a cookie's name, a path)
    confidence: Confidence = "confirmed"


def passed(asset: str, reason: str = "", **evidence: Any) -> Verdict:
    return Verdict("pass", asset, reason, evidence=evidence)


def failed(
    asset: str, reason: str, *, reproduce: str, subject: str = "", confidence: Confidence = "confirmed", **evidence: Any
) -> Verdict:
    return Verdict(
        "fail", asset, reason, evidence=evidence, reproduce=reproduce, subject=subject, confidence=confidence
    )


def not_applicable(asset: str, reason: str) -> Verdict:
    return Verdict("not_applicable", asset, reason)


def not_tested(asset: str, unseen: Unseen) -> Verdict:
    return Verdict("not_tested", asset, unseen.reason, fault=unseen.fault)


def merged(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """One answer an asset over all its addresses: its distinct failures, else what the target hid, else the first."""
    by_asset: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_asset.setdefault(verdict.asset, []).append(verdict)
    for found in by_asset.values():
        failures = {verdict.subject: verdict for verdict in reversed(found) if verdict.status == "fail"}
        hidden = [verdict for verdict in found if verdict.fault == "target"]
        seen = [verdict for verdict in found if verdict.status in ("pass", "not_applicable")]
        if failures:
            yield from reversed(failures.values())
        else:
            yield (hidden or seen or found)[0]


CheckFunction = Callable[..., Iterable[Verdict]]


@dataclass(frozen=True, slots=True)
class Check:
    id: str
    needs: Mapping[str, type]  # parameter name -> evidence type
    function: CheckFunction


_registry: dict[str, Check] = {}


def check(check_id: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a generator function as the check `check_id`: it yields one verdict an asset."""

    def register(function: CheckFunction) -> CheckFunction:
        if check_id in _registry:
            raise ValueError(f"check {check_id} is declared twice")
        hints = get_type_hints(function)
        needs = {name: hints[name] for name in inspect.signature(function).parameters}
        _registry[check_id] = Check(check_id, MappingProxyType(needs), function)
        return function

    return register


def registered() -> Mapping[str, Check]:
    """All checks by id, once their modules are imported (`engine.checks.load()`)."""
    return MappingProxyType(_registry)
