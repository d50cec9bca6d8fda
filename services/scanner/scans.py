"""A scan as it is kept, and its translation into the wire's job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from shared.contracts.report import (
    Grade,
    Job,
    JobProgress,
    JobResult,
    JobStatus,
    Module,
    ModuleState,
    Profile,
    RiskLevel,
    ScanRow,
    Severity,
    Source,
)

NOBODY = 0  # the account of free scans
ALL_MODULES: tuple[Module, ...] = tuple(sorted(Module))
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at, and how widely. Two that are equal are one scan."""

    domain: str
    modules: tuple[Module, ...] = ALL_MODULES  # sorted
    profile: Profile = Profile.STANDARD
    intrusive: bool = False


@dataclass(frozen=True, slots=True)
class NewScan:
    """A scan to be queued, and for whom."""

    account_id: int
    asked: Asked
    source: Source
    scans_at_once: int
    monitored_domain_id: int | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """One examination of one domain."""

    id: str
    account_id: int
    domain: str
    modules: tuple[Module, ...]
    profile: Profile
    intrusive: bool
    source: Source
    monitored_domain_id: int | None
    status: JobStatus
    attempt: int
    revision: int  # grows with every change that a client can see
    progress: Mapping[Module, ModuleState]
    queued_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    failure_reason: str | None
    score: int | None
    grade: Grade | None
    grade_reason: str | None
    risk_level: RiskLevel | None
    duration_ms: int | None
    issues: Mapping[str, int] | None  # by severity

    @property
    def finished(self) -> bool:
        return self.status in ("completed", "failed")

    @property
    def feeds_monitoring(self) -> bool:
        """Like is compared with like: a free scan, or one that looks at less or at more than the monitor's own do,
        never feeds a badge, a last score or an alert.
        """
        return self.account_id != NOBODY and self.asked == Asked(self.domain)

    @property
    def asked(self) -> Asked:
        return Asked(self.domain, self.modules, self.profile, self.intrusive)


def count_issues(issues: Mapping[str, int]) -> dict[str, int]:
    """The counters of the wire, from the number of issues by severity."""
    total = sum(issues.values())
    counts = {f"{severity}_issues": issues.get(severity, 0) for severity in SEVERITIES if severity != "info"}
    return {"total_issues": total, "issues_count": total, **counts}


def job(scan: Scan) -> Job:
    """The scan in the wire's words."""
    progress = {module: scan.progress.get(module, "waiting") for module in scan.modules}
    return Job(
        job_id=scan.id,
        domain=scan.domain,
        status=scan.status,
        source=scan.source,
        queued_at=scan.queued_at,
        started_at=scan.started_at,
        completed_at=scan.completed_at,
        failure_reason=scan.failure_reason,
        requested_modules=scan.modules,
        profile=scan.profile,
        intrusive=scan.intrusive,
        progress=JobProgress(
            done=sum(state in ("done", "not_tested") for state in progress.values()),
            total=len(progress),
            modules=progress,
        ),
        result=_result(scan) if scan.status == "completed" else None,
    )


def _result(scan: Scan) -> JobResult:
    return JobResult.model_validate(
        {
            "score": scan.score,
            "grade": scan.grade,
            "grade_reason": scan.grade_reason,
            "risk_level": scan.risk_level,
            "scanned_at": scan.completed_at,
            "scan_duration_ms": scan.duration_ms,
            "report_url": f"/v1/scan/jobs/{scan.id}/report",
            **count_issues(scan.issues or {}),
        }
    )


def row(scan: Scan) -> ScanRow:
    """The scan as a line of the history."""
    counts = count_issues(scan.issues) if scan.issues is not None else {}
    return ScanRow(
        job_id=scan.id,
        domain=scan.domain,
        score=scan.score,
        grade=scan.grade,
        status=scan.status,
        source=scan.source,
        scanned_at=scan.completed_at,
        scan_duration_ms=scan.duration_ms,
        total_issues=counts.get("total_issues"),
        critical_issues=counts.get("critical_issues"),
        high_issues=counts.get("high_issues"),
        risk_level=scan.risk_level,
    )
