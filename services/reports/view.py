"""A report as its templates need it: counted, ordered, worded, cut to size. No I/O, no clock."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from shared.contracts.report import ControlResult, FrameworkResult, Grade, Issue, Module, ModuleResult, Report, Severity

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")

MODULE_TITLES: Mapping[Module, str] = MappingProxyType(
    {
        Module.SSL_TLS: "TLS and certificates",
        Module.DNS: "DNS",
        Module.DNS_EMAIL: "E-mail authentication",
        Module.HTTP_HEADERS: "HTTP security headers",
        Module.CSP: "Content Security Policy",
        Module.COOKIES: "Cookies",
        Module.HTTP_BEHAVIOUR: "HTTP behaviour",
        Module.OPEN_PORTS: "Open ports",
        Module.EXPOSURE: "Exposed files and information",
    }
)

GRADES: tuple[tuple[Grade, str, str, str], ...] = (
    ("A", "90 to 100", "low risk", "What is visible from outside is set up with care; keep it that way."),
    ("B", "75 to 89", "low to medium risk", "Sound on the whole, with gaps that are worth closing soon."),
    ("C", "55 to 74", "medium risk", "Several protections are missing or weak; plan the work now."),
    ("D", "35 to 54", "high risk", "Weaknesses that an attacker can use without much effort."),
    ("F", "0 to 34", "critical risk", "Serious weaknesses are open to anybody; act at once."),
)

FAULTS = MappingProxyType({"target": "the target", "source": "an outside source", "ours": "this scanner"})

EVIDENCE_ROWS = 24
EVIDENCE_CHARACTERS = 600
FINDINGS_A_MODULE = 200


@dataclass(frozen=True)
class Issuance:
    """What makes a document a registered one: printed on the cover and behind the QR code."""

    report_id: str
    verify_url: str
    issued_at: datetime
    issuer: str  # the host that issued it
    fingerprint: str  # SHA-256 of the signing certificate, hex


@dataclass(frozen=True)
class FindingView:
    number: str  # "3.2": the second of the third module
    issue: Issue
    evidence: tuple[tuple[str, str], ...]
    evidence_cut: bool
    evidence_sha256: str
    controls: tuple[tuple[str, str], ...]  # framework title, control ids


@dataclass(frozen=True)
class ModuleView:
    title: str
    result: ModuleResult
    counts: Mapping[Severity, int]
    passed: int
    findings: tuple[FindingView, ...]
    findings_left_out: int


@dataclass(frozen=True)
class FrameworkView:
    name: str
    result: FrameworkResult
    shown: tuple[ControlResult, ...]  # every control that has a state of its own
    not_assessed: tuple[tuple[str, tuple[str, ...]], ...]  # reason, control ids


@dataclass(frozen=True)
class UntestedView:
    module: str
    check: str
    reason: str
    fault: str


@dataclass(frozen=True)
class ReportView:
    report: Report
    issuance: Issuance | None
    coverage_percent: int
    grade_title: str
    grade_meaning: str
    counts: Mapping[Severity, int]
    largest_count: int
    modules: tuple[ModuleView, ...]
    frameworks: tuple[FrameworkView, ...]
    untested: tuple[UntestedView, ...]


def build_view(report: Report, issuance: Issuance | None = None) -> ReportView:
    """The view of `report`; without `issuance` it has no report id and no QR code."""
    counts = _counts(report.issues)
    modules = tuple(
        _module(number, name, result) for number, (name, result) in enumerate(report.modules.items(), start=1)
    )
    meaning = next(row for row in GRADES if row[0] == report.grade)
    return ReportView(
        report=report,
        issuance=issuance,
        coverage_percent=int(report.coverage * 100),  # rounded down: never more than was seen
        grade_title=meaning[2],
        grade_meaning=meaning[3],
        counts=counts,
        largest_count=max(counts.values()),
        modules=modules,
        frameworks=tuple(_framework(name, result) for name, result in report.compliance.items()),
        untested=tuple(
            UntestedView(MODULE_TITLES[name], row.id, row.reason, FAULTS[row.fault])
            for name, result in report.modules.items()
            for row in result.not_tested
        ),
    )


FRAMEWORK_NAMES = MappingProxyType(
    {
        "soc2": "SOC 2",
        "pci_dss": "PCI DSS",
        "hipaa": "HIPAA Security Rule",
        "nist_csf": "NIST CSF",
        "iso27001": "ISO/IEC 27001",
        "cis_controls": "CIS Controls",
    }
)


def _counts(issues: Iterable[Issue]) -> Mapping[Severity, int]:
    found = Counter(issue.severity for issue in issues)
    return MappingProxyType({severity: found[severity] for severity in SEVERITIES})


def _module(number: int, name: Module, result: ModuleResult) -> ModuleView:
    ordered = sorted(result.issues, key=lambda issue: (SEVERITIES.index(issue.severity), issue.id, issue.asset))
    verdicts = result.detail.get("checks", {})
    return ModuleView(
        title=MODULE_TITLES[name],
        result=result,
        counts=_counts(result.issues),
        passed=sum(verdict == "pass" for verdict in verdicts.values()) if isinstance(verdicts, dict) else 0,
        findings=tuple(
            _finding(f"{number}.{place}", issue) for place, issue in enumerate(ordered[:FINDINGS_A_MODULE], 1)
        ),
        findings_left_out=max(0, len(ordered) - FINDINGS_A_MODULE),
    )


def _finding(number: str, issue: Issue) -> FindingView:
    rows = [(key.replace("_", " "), _text(value)) for key, value in issue.evidence.items()]
    shown = tuple((key, _cut(text)) for key, text in rows[:EVIDENCE_ROWS])
    return FindingView(
        number=number,
        issue=issue,
        evidence=shown,
        evidence_cut=len(rows) > EVIDENCE_ROWS or any(len(text) > EVIDENCE_CHARACTERS for _, text in rows),
        evidence_sha256=hashlib.sha256(_canonical(issue.evidence).encode()).hexdigest(),
        controls=tuple((FRAMEWORK_NAMES[name], ", ".join(ids)) for name, ids in issue.controls.items() if ids),
    )


def _framework(name: str, result: FrameworkResult) -> FrameworkView:
    reasons: dict[str, list[str]] = {}
    for control in result.controls:
        if control.status == "not_assessed":
            reasons.setdefault(control.reason, []).append(control.id)
    return FrameworkView(
        name=FRAMEWORK_NAMES[name],
        result=result,
        shown=tuple(control for control in result.controls if control.status != "not_assessed"),
        not_assessed=tuple((reason, tuple(ids)) for reason, ids in reasons.items()),
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value)) or "(none)"
    if value is None or value == {}:
        return "(none)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str) -> str:
    return text if len(text) <= EVIDENCE_CHARACTERS else text[:EVIDENCE_CHARACTERS] + " …"
