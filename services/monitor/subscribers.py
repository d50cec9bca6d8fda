"""The events that monitor hears."""

from services.monitor import alerts, repository
from services.monitor.alerts import Certificate
from services.monitor.notify import Notifier
from shared.bus import Bus
from shared.contracts.base import iso
from shared.contracts.events import (
    AccountCreated,
    AccountDeleted,
    AccountDisabled,
    Envelope,
    ScanCompleted,
    ScanFailed,
    SubscriptionChanged,
)
from shared.database import Connection


def subscribe(bus: Bus, notifier: Notifier) -> None:
    async def account_created(conn: Connection, event: AccountCreated, _envelope: Envelope) -> None:
        await repository.set_email(conn, event.account_id, event.email)

    async def account_disabled(conn: Connection, event: AccountDisabled, _envelope: Envelope) -> None:
        await repository.disable_account(conn, event.account_id)

    async def account_deleted(conn: Connection, event: AccountDeleted, _envelope: Envelope) -> None:
        await repository.delete_account(conn, event.account_id)

    async def subscription_changed(conn: Connection, event: SubscriptionChanged, _envelope: Envelope) -> None:
        await repository.lock_account(conn, event.account_id)
        if await repository.set_limit(conn, event.account_id, event.version, event.limits.domains):
            await repository.pause_over_limit(conn, event.account_id, event.limits.domains)

    async def scan_completed(conn: Connection, event: ScanCompleted, _envelope: Envelope) -> None:
        if event.account_id is None:
            return
        await notifier.webhook(
            conn,
            event.account_id,
            "scan.completed",
            {
                "scan_id": None,
                "job_id": event.job_id,
                "domain": event.domain,
                "score": event.score,
                "grade": event.grade,
                "issues_count": event.total_issues,
                "critical_issues": event.critical_issues,
                "high_issues": event.high_issues,
                "medium_issues": event.medium_issues,
                "low_issues": event.low_issues,
                "scanned_at": iso(event.scanned_at),
                "scan_duration_ms": event.scan_duration_ms,
            },
        )
        if event.full:
            await _follow(conn, notifier, event, event.account_id)

    async def scan_failed(conn: Connection, event: ScanFailed, _envelope: Envelope) -> None:
        if event.account_id is None:
            return
        await notifier.webhook(
            conn,
            event.account_id,
            "scan.failed",
            {
                "scan_id": None,
                "job_id": event.job_id,
                "domain": event.domain,
                "reason": event.reason,
                "failed_at": iso(event.failed_at),
            },
        )
        domain = await repository.domain_by_name(conn, event.account_id, event.domain)
        newer = domain and (domain.last_scanned_at is None or domain.last_scanned_at < event.failed_at)
        if domain and newer and event.source == "monitor":
            alert = alerts.of_failure(domain, event)
            await repository.record_failure(conn, domain.id)
            if alert:
                await notifier.alert(conn, domain, alert)

    bus.subscribe("monitor", AccountCreated, account_created)
    bus.subscribe("monitor", AccountDisabled, account_disabled)
    bus.subscribe("monitor", AccountDeleted, account_deleted)
    bus.subscribe("monitor", SubscriptionChanged, subscription_changed)
    bus.subscribe("monitor", ScanCompleted, scan_completed)
    bus.subscribe("monitor", ScanFailed, scan_failed)


async def _follow(conn: Connection, notifier: Notifier, event: ScanCompleted, account_id: int) -> None:
    """What a full scan changes for a monitored domain. An older scan than the last one known changes nothing."""
    domain = await repository.domain_by_name(conn, account_id, event.domain)
    if domain is None or (domain.last_scanned_at is not None and event.scanned_at <= domain.last_scanned_at):
        return
    raised = list(alerts.of_scan(domain, event))
    critical = [finding.fingerprint for finding in event.findings if finding.severity == "critical"]
    await repository.record_scan(conn, domain.id, event.score, event.grade, event.scanned_at, critical)
    if event.facts.certificates_tested:
        await repository.replace_certificates(
            conn,
            domain.id,
            [
                Certificate(domain.id, fact.host, fact.port, fact.sha256, fact.issuer, fact.not_after)
                for fact in event.facts.certificates
            ],
        )
    if domain.last_score is not None and domain.last_score != event.score and not event.source_unavailable:
        change = {
            "domain_id": domain.id,
            "domain": domain.domain,
            "job_id": event.job_id,
            "old_score": domain.last_score,
            "new_score": event.score,
            "old_grade": domain.last_grade,
            "new_grade": event.grade,
            "scanned_at": iso(event.scanned_at),
        }
        await notifier.webhook(conn, account_id, "score.changed", change)
        if domain.last_score - event.score >= domain.alert_threshold:
            await notifier.webhook(conn, account_id, "score.dropped", change)
    for alert in raised:
        await notifier.alert(conn, domain, alert)
