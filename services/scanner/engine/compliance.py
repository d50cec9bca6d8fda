"""What the verdicts say of each control: a gap, attention, supporting evidence, or nothing. Never that it is met."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from services.scanner.engine.catalog import Catalog, Control, Framework, Strength
from services.scanner.engine.judging import Judged
from shared.contracts.report import (
    ControlCheck,
    ControlResult,
    ControlStatus,
    ControlTotals,
    FrameworkId,
    FrameworkResult,
)

_DISCLAIMER = (
    "These are technical observations made from the Internet, without credentials, at the times shown, on the assets "
    "listed. They are related to control references to help you prepare. This is not an audit, certification, "
    "attestation or legal opinion, and no statement that a requirement is met. Most of each framework concerns "
    "policies, people, internal systems and operation over time, none of which a scan sees. "
    "Absence of findings is not proof of control."
)
_GRAVE = frozenset({"critical", "high", "medium"})


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A check that speaks to a control, and how strongly."""

    judged: Judged
    strength: Strength

    @property
    def is_gap(self) -> bool:
        row = self.judged.row
        return self.strength != "indicator" and row.severity in _GRAVE and row.control_effect != "attention"


def assess(judged: Iterable[Judged], catalog: Catalog) -> dict[FrameworkId, FrameworkResult]:
    """The six frameworks, each with all its controls that a scan from outside can speak to."""
    mapped: dict[tuple[FrameworkId, str], list[_Mapped]] = {}
    for one in judged:
        for ref in one.row.controls:
            mapped.setdefault((ref.framework, ref.id), []).append(_Mapped(one, ref.strength))
    return {
        name: _framework(framework, [_control(row, mapped.get((name, row.id), [])) for row in framework.controls])
        for name, framework in catalog.frameworks.items()
    }


def _framework(framework: Framework, controls: list[ControlResult]) -> FrameworkResult:
    states = Counter(control.status for control in controls)
    gap, attention, supporting = states["gap_found"], states["attention"], states["supporting_evidence"]
    return FrameworkResult(
        title=framework.title,
        version=framework.version,
        totals=ControlTotals(
            controls=framework.total_controls,
            observable=len(controls),
            assessed=gap + attention + supporting,
            gap=gap,
            attention=attention,
            supporting=supporting,
        ),
        controls=tuple(controls),
        disclaimer=f"{framework.disclaimer} {_DISCLAIMER}",
    )


def _control(control: Control, mapped: list[_Mapped]) -> ControlResult:
    readiness = "readiness" in control.scan_can_show
    status, reason = _readiness(mapped) if readiness else _state(control, mapped)
    return ControlResult(
        id=control.id,
        title=control.title,
        status=status,
        reason=reason,
        checks=tuple(ControlCheck(id=m.judged.row.id, verdict=m.judged.status, strength=m.strength) for m in mapped),
        expected_failures=_expected_failures(mapped) if readiness else None,
    )


def _state(control: Control, mapped: list[_Mapped]) -> tuple[ControlStatus, str]:
    """The first rule that fits."""
    failed = [one for one in mapped if one.judged.status == "fail"]
    gaps = [one for one in failed if one.is_gap and "gap" in control.scan_can_show]
    if gaps:
        return "gap_found", f"Evidence against it: {_titles(gaps)}."
    if failed:
        return "attention", f"To look into: {_titles(failed)}."
    supports = [one for one in mapped if one.judged.status == "pass" and _supports(control, one)]
    if supports:
        citable = _count(len(supports), "passed check")
        return "supporting_evidence", f"May be cited for it: {citable}. {control.note}".strip()
    return "not_assessed", _why_not(mapped)


def _supports(control: Control, one: _Mapped) -> bool:
    citable = one.judged.row.on_pass == "supports" and one.strength != "indicator"  # noqa: S105  no password
    return citable and "support" in control.scan_can_show


def _why_not(mapped: list[_Mapped]) -> str:
    states = Counter(one.judged.status for one in mapped)
    if not mapped:
        return "No check of this scan speaks to it."
    if states["not_tested"] or states["error"]:
        return f"{_count(states['not_tested'] + states['error'], 'check')} that would speak to it could not be made."
    if states["pass"]:
        return "Nothing was found against it, which is no evidence for it."
    return "What it concerns does not exist on the assets scanned."


def _readiness(mapped: list[_Mapped]) -> tuple[ControlStatus, str]:
    failing = _count(len(_expected_failures(mapped)), "item")
    return "readiness_preview", f"Expected ASV result: {failing} would fail. Only an Approved Scanning Vendor may tell."


def _expected_failures(mapped: list[_Mapped]) -> tuple[str, ...]:
    return tuple(
        f"{one.judged.row.title}: {verdict.asset}"
        for one in mapped
        if one.judged.row.pci_asv in ("automatic_failure", "cvss")
        for verdict in one.judged.failures
    )


def _titles(mapped: list[_Mapped]) -> str:
    titles = [one.judged.row.title for one in mapped]
    more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
    return "; ".join(titles[:3]) + more


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
