"""A report as its templates need it: counted, ordered, worded, cut to size. No I/O, no clock."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType
from typing import Any

from shared.contracts.report import ControlResult, FrameworkResult, Grade, Issue, Module, ModuleResult, Report, Severity

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")

MODULE_TITLES: Mapping[Module, str] = MappingProxyType(
    {
        Module.SSL_TLS: "TLS and certificates",
        Module.DNS: "DNS",
        Module.DNSSEC: "DNSSEC",
        Module.DNS_EMAIL: "E-mail authentication",
        Module.MAIL_TRANSPORT: "Mail transport",
        Module.HTTP_HEADERS: "HTTP security headers",
        Module.CSP: "Content Security Policy",
        Module.COOKIES: "Cookies",
        Module.HTTP_BEHAVIOUR: "HTTP behaviour",
        Module.OPEN_PORTS: "Open ports",
        Module.EXPOSURE: "Exposed files and information",
        Module.SUBDOMAINS: "Subdomains and take-over",
        Module.WHOIS: "Registration",
        Module.REPUTATION: "Reputation",
        Module.TECH_STACK: "Software and versions",
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
OBSERVATIONS_A_FINDING = 12


@dataclass(frozen=True)
class Issuance:
    """What makes a document a registered one: printed on the cover and behind the QR code."""

    report_id: str
    verify_url: str
    issued_at: datetime
    issuer: str  # the host that issued it
    fingerprint: str  # SHA-256 of the signing certificate, hex


@dataclass(frozen=True)
class ObservationView:
    """A finding on one asset."""

    issue: Issue
    evidence: tuple[tuple[str, str], ...]
    evidence_cut: bool
    evidence_sha256: str


@dataclass(frozen=True)
class FindingView:
    """A check that failed, with every asset that it failed on."""

    number: str  # "3.2": the second of the third module
    issue: Issue  # any of them: title, remediation, references and controls are the same
    controls: tuple[tuple[str, str], ...]  # framework title, control ids
    observations: tuple[ObservationView, ...]
    left_out: int


@dataclass(frozen=True)
class ModuleView:
    title: str
    result: ModuleResult
    counts: Mapping[Severity, int]
    passed: int
    findings: tuple[FindingView, ...]  # the most severe first


@dataclass(frozen=True)
class FrameworkView:
    name: str
    result: FrameworkResult
    shown: tuple[ControlResult, ...]  # every control that has a state of its own
    not_assessed: tuple[tuple[str, tuple[str, ...]], ...]  # reason, control ids
    disclaimer: str  # what of it is this framework's own


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
    disclaimer: str  # common to all frameworks
    untested: tuple[UntestedView, ...]


def build_view(report: Report, issuance: Issuance | None = None) -> ReportView:
    """The view of `report`; without `issuance` it has no report id and no QR code."""
    counts = _counts(report.issues)
    modules = tuple(
        _module(number, name, result) for number, (name, result) in enumerate(report.modules.items(), start=1)
    )
    disclaimer = _common_end([result.disclaimer for result in report.compliance.values()])
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
        frameworks=tuple(_framework(name, result, disclaimer) for name, result in report.compliance.items()),
        disclaimer=disclaimer,
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
    groups = [list(issues) for _, issues in groupby(ordered, key=lambda issue: (issue.severity, issue.id))]
    verdicts = result.detail.get("checks", {})
    return ModuleView(
        title=MODULE_TITLES[name],
        result=result,
        counts=_counts(result.issues),
        passed=sum(verdict == "pass" for verdict in verdicts.values()) if isinstance(verdicts, dict) else 0,
        findings=tuple(_finding(f"{number}.{place}", issues) for place, issues in enumerate(groups, start=1)),
    )


def _finding(number: str, issues: Sequence[Issue]) -> FindingView:
    first = issues[0]
    return FindingView(
        number=number,
        issue=first,
        controls=tuple((FRAMEWORK_NAMES[name], ", ".join(ids)) for name, ids in first.controls.items() if ids),
        observations=tuple(map(_observation, issues[:OBSERVATIONS_A_FINDING])),
        left_out=max(0, len(issues) - OBSERVATIONS_A_FINDING),
    )


def _observation(issue: Issue) -> ObservationView:
    rows = [(key.replace("_", " "), _text(value)) for key, value in issue.evidence.items()]
    return ObservationView(
        issue=issue,
        evidence=tuple((key, _cut(text)) for key, text in rows[:EVIDENCE_ROWS]),
        evidence_cut=len(rows) > EVIDENCE_ROWS or any(len(text) > EVIDENCE_CHARACTERS for _, text in rows),
        evidence_sha256=hashlib.sha256(_canonical(issue.evidence).encode()).hexdigest(),
    )


def _framework(name: str, result: FrameworkResult, common_disclaimer: str) -> FrameworkView:
    reasons: dict[str, list[str]] = {}
    for control in result.controls:
        if control.status == "not_assessed":
            reasons.setdefault(control.reason, []).append(control.id)
    return FrameworkView(
        name=FRAMEWORK_NAMES[name],
        result=result,
        shown=tuple(control for control in result.controls if control.status != "not_assessed"),
        not_assessed=tuple((reason, tuple(ids)) for reason, ids in reasons.items()),
        disclaimer=result.disclaimer.removesuffix(common_disclaimer).strip(),
    )


def _common_end(texts: Sequence[str]) -> str:
    """The sentences that all `texts` end with; of a single text, all of it."""
    sentences = [text.split(". ") for text in texts]
    common = 0
    while sentences and all(
        len(parts) > common and parts[-1 - common] == sentences[0][-1 - common] for parts in sentences
    ):
        common += 1
    return ". ".join(sentences[0][-common:]) if common else ""


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
