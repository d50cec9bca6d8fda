"""The scan as clients see it: job, report, issue. The wire's own words ("job", "issue") live here alone."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from shared.contracts.base import Contract, Timestamp

Severity = Literal["critical", "high", "medium", "low", "info"]
Grade = Literal["A", "B", "C", "D", "F"]
RiskLevel = Literal["low", "low-medium", "medium", "high", "critical"]
VerdictStatus = Literal["pass", "fail", "not_applicable", "not_tested", "error"]
Fault = Literal["target", "source", "ours"]
Confidence = Literal["confirmed", "inferred"]
JobStatus = Literal["queued", "running", "completed", "failed"]
Source = Literal["api", "free", "batch", "monitor"]
ModuleState = Literal["waiting", "running", "done", "not_tested"]
FrameworkId = Literal["soc2", "pci_dss", "hipaa", "nist_csf", "iso27001", "cis_controls"]
ControlStatus = Literal["gap_found", "attention", "supporting_evidence", "not_assessed", "readiness_preview"]


class Module(StrEnum):
    """A scored group of checks, by its name on the wire."""

    SSL_TLS = "ssl_tls"
    DNS = "dns"
    DNSSEC = "dnssec"
    DNS_EMAIL = "dns_email"
    MAIL_TRANSPORT = "mail_transport"
    HTTP_HEADERS = "http_headers"
    CSP = "csp"
    COOKIES = "cookies"
    HTTP_BEHAVIOUR = "http_behaviour"
    OPEN_PORTS = "open_ports"
    EXPOSURE = "exposure"
    SUBDOMAINS = "subdomains"
    WHOIS = "whois"
    REPUTATION = "reputation"
    TECH_STACK = "tech_stack"


class Profile(StrEnum):
    """How widely a scan looks."""

    STANDARD = "standard"
    FULL = "full"  # more ports and paths


class Issue(Contract):
    """A failed check joined with its catalog row."""

    severity: Severity
    finding: str  # the title
    remediation: str
    id: str  # the stable check id
    module: Module
    asset: str  # what it was seen on: "www.example.com:443"
    evidence: dict[str, Any]
    reproduce: str  # the shell command that repeats the observation
    references: tuple[str, ...]
    cwe: str | None = None
    confidence: Confidence = "confirmed"
    controls: dict[FrameworkId, tuple[str, ...]] = Field(default_factory=dict)
    fingerprint: str  # stable over scans: check, asset and what makes this one distinct


class NotTested(Contract):
    """A check that gave no verdict, why, and whose doing it was."""

    id: str
    reason: str
    fault: Fault
    status: Literal["not_tested", "error"] = "not_tested"


class ModuleResult(Contract):
    """`score` and `grade` are null when nothing of the module could be looked at."""

    score: int | None
    grade: Grade | None
    weight: float
    status: Literal["completed", "not_tested"]
    issues: tuple[Issue, ...] = ()
    not_tested: tuple[NotTested, ...] = ()
    detail: dict[str, Any] = Field(default_factory=dict)  # checks, weights, severities: docs/scoring.md


class ControlCheck(Contract):
    id: str
    verdict: VerdictStatus
    strength: Literal["direct", "partial", "indicator"]


class ControlResult(Contract):
    id: str
    title: str
    status: ControlStatus
    reason: str
    checks: tuple[ControlCheck, ...] = ()
    expected_failures: tuple[str, ...] | None = None  # PCI 11.3.2 alone


class ControlTotals(Contract):
    controls: int
    observable: int
    assessed: int
    gap: int
    attention: int
    supporting: int


class FrameworkResult(Contract):
    title: str
    version: str
    totals: ControlTotals
    controls: tuple[ControlResult, ...]
    disclaimer: str


class ScopeAsset(Contract):
    """One address that was looked at."""

    host: str
    address: str | None
    ports: tuple[int, ...] = ()
    role: Literal["web", "mail", "nameserver", "subdomain"]


class ScanScope(Contract):
    """What was looked at, from where, and when."""

    assets: tuple[ScopeAsset, ...]
    vantage: str
    started_at: Timestamp
    completed_at: Timestamp
    profile: Profile = Profile.STANDARD
    intrusive: bool = False
    modules: tuple[Module, ...]
    notes: tuple[str, ...] = ()  # limits that were reached: "time limit", "more than 4 addresses", ...


class Report(Contract):
    """All that one scan found. `job_id` is null for a scan made without a server."""

    job_id: str | None
    domain: str
    score: int
    grade: Grade
    grade_reason: Literal["insufficient_evidence"] | None = None
    risk_level: RiskLevel
    score_max: int
    coverage: float  # 0 to 1: weight seen over weight applicable and asked for
    scanned_at: Timestamp
    scan_duration_ms: int
    modules: dict[Module, ModuleResult]
    issues: tuple[Issue, ...]
    total_issues: int
    issues_count: int
    critical_issues: int
    high_issues: int
    medium_issues: int
    low_issues: int
    recommendations: tuple[str, ...]
    compliance: dict[FrameworkId, FrameworkResult]
    raw_results: dict[str, Any] = Field(default_factory=dict)  # the evidence, only when asked for
    scope: ScanScope
    scoring_version: str
    catalog_version: str
    engine_version: str


class ReportDocument(Contract):
    """A report with its owner, as the scanner signs it for the service that prints it."""

    account_id: int
    report: Report


class JobProgress(Contract):
    done: int
    total: int
    modules: dict[Module, ModuleState]


class JobResult(Contract):
    """The summary in a completed job."""

    score: int
    grade: Grade
    risk_level: RiskLevel
    total_issues: int
    issues_count: int
    critical_issues: int
    high_issues: int
    medium_issues: int
    low_issues: int
    grade_reason: Literal["insufficient_evidence"] | None
    scanned_at: Timestamp
    scan_duration_ms: int
    report_url: str


class Job(Contract):
    job_id: str
    domain: str
    status: JobStatus
    source: Source
    queued_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None
    failure_reason: str | None
    requested_modules: tuple[Module, ...]
    profile: Profile
    intrusive: bool
    progress: JobProgress
    result: JobResult | None


class ScanRow(Contract):
    """One line of the history; the keys are always there."""

    job_id: str
    domain: str
    score: int | None
    grade: Grade | None
    status: JobStatus
    source: Source
    scanned_at: Timestamp | None
    scan_duration_ms: int | None
    total_issues: int | None
    critical_issues: int | None
    high_issues: int | None
    risk_level: RiskLevel | None
    legacy_scan_id: None = None
