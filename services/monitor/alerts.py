"""What a scan's outcome, or a certificate's end, makes worth telling."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from services.monitor.domains import MonitoredDomain
from shared.contracts.base import Contract, Timestamp, iso
from shared.contracts.events import FindingRef, ScanCompleted, ScanFailed
from shared.contracts.report import Severity

AlertType = Literal["score_drop", "critical_issue", "cert_expiry", "config_change", "scan_failed"]

MAX_CRITICAL = 20  # alerts one scan may raise for new critical findings
MAX_KNOWN = 500  # critical findings kept of a domain
WARN_DAYS = (30, 14, 7, 1, 0)  # before a certificate's end


@dataclass(frozen=True, slots=True)
class NewAlert:
    """`cause` is what raised it: the same cause raises no second alert."""

    alert_type: AlertType
    severity: Severity
    title: str
    message: str
    cause: str
    old_value: str | None = None
    new_value: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a scan saw a host serve."""

    domain_id: int
    host: str
    port: int
    sha256: str
    issuer: str
    not_after: datetime


class AlertView(Contract):
    id: int
    alert_type: AlertType
    severity: Severity
    title: str
    message: str
    is_read: bool
    created_at: Timestamp
    old_value: str | None
    new_value: str | None
    scan_id: None = None
    job_id: str | None
    domain_id: int
    domain: str


class AlertList(Contract):
    alerts: tuple[AlertView, ...]
    next_cursor: str | None


class Preferences(BaseModel):
    """Which alerts are also mailed."""

    score_drop: bool = True
    critical_issue: bool = True
    cert_expiry: bool = True
    config_change: bool = True


def of_scan(domain: MonitoredDomain, event: ScanCompleted) -> Iterator[NewAlert]:
    """The alerts of a completed full scan, against what was known of the domain before it."""
    if dropped := score_drop(domain, event):
        yield dropped
    if domain.alert_on_critical:
        known = set(domain.critical_findings)
        new = [finding for finding in event.findings if finding.severity == "critical" and _key(finding) not in known]
        for finding in new[:MAX_CRITICAL]:
            yield NewAlert(
                alert_type="critical_issue",
                severity="critical",
                title=f"{domain.domain}: {finding.title}",
                message=f"The scan found a critical issue on {finding.asset}: {finding.title}.",
                cause=f"critical {event.job_id} {finding.fingerprint}",
                new_value=finding.id,
                job_id=event.job_id,
            )


def known_critical(domain: MonitoredDomain, event: ScanCompleted) -> list[str]:
    """The critical findings known after `event`: those it found, and those it could not look for by our doing."""
    found = [_key(finding) for finding in event.findings if finding.severity == "critical"]
    kept = [key for key in domain.critical_findings if key.partition(" ")[0] in event.unavailable]
    return list(dict.fromkeys(found + kept))[:MAX_KNOWN]


def _key(finding: FindingRef) -> str:
    return f"{finding.id} {finding.fingerprint}"


def score_drop(domain: MonitoredDomain, event: ScanCompleted) -> NewAlert | None:
    """A drop of the threshold or more since the last scan that is comparable."""
    before = domain.baseline(event.unavailable)
    if before is None or not domain.alert_on_score_drop:
        return None
    drop = before.score - event.score
    if drop < domain.alert_threshold:
        return None
    return NewAlert(
        alert_type="score_drop",
        severity="high" if drop >= 20 or event.grade == "F" else "medium",
        title=f"{domain.domain}: the score fell by {drop} to {event.score}",
        message=(
            f"The score of {domain.domain} fell from {before.score} ({before.grade}) to {event.score} "
            f"({event.grade}); you asked to be told of a drop of {domain.alert_threshold:g} or more."
        ),
        cause=f"score {event.job_id}",
        old_value=str(before.score),
        new_value=str(event.score),
        job_id=event.job_id,
    )


def of_failure(domain: MonitoredDomain, event: ScanFailed) -> NewAlert | None:
    """The first of a row of failed scans."""
    if domain.failing:
        return None
    return NewAlert(
        alert_type="scan_failed",
        severity="medium",
        title=f"{domain.domain}: the scan failed",
        message=f"The scan of {domain.domain} failed: {event.reason}. You are told again only after a scan that works.",
        cause=f"failed {event.job_id}",
        new_value=event.reason,
        job_id=event.job_id,
    )


def first_warning(not_after: datetime) -> datetime:
    """When the first warning of a certificate's end is due."""
    return _before(not_after, max(WARN_DAYS))


def next_warning(not_after: datetime, now: datetime) -> datetime | None:
    """When the next warning is due, later than `now`; None after the last."""
    moments = (_before(not_after, days) for days in WARN_DAYS)
    return min((moment for moment in moments if moment > now), default=None)


def _before(moment: datetime, days: int) -> datetime:
    """`days` before `moment`, or the calendar's beginning: a certificate may name any year from 1 on."""
    try:
        return moment - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def of_certificate(domain: str, certificate: Certificate, now: datetime) -> NewAlert:
    """The nearest warning that is due by `now`. One certificate raises it once, however many hosts serve it."""
    left = certificate.not_after - now
    days = min((days for days in WARN_DAYS if left <= timedelta(days=days)), default=max(WARN_DAYS))
    where = f"{certificate.host}:{certificate.port}"
    end = f"{certificate.not_after:%Y-%m-%d %H:%M} UTC"
    when = f"expired on {end}" if left <= timedelta() else f"expires on {end}"
    return NewAlert(
        alert_type="cert_expiry",
        severity="critical" if days == 0 else "high" if days <= 7 else "medium",
        title=f"{domain}: the certificate of {where} {when}",
        message=f"The certificate that {where} serves, issued by {certificate.issuer}, {when}. Renew it.",
        cause=f"certificate {certificate.sha256} {days}",
        new_value=iso(certificate.not_after),
    )
