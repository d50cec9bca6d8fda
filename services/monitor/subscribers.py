"""The events that monitor hears."""

from services.monitor import alerts, repository
from services.monitor.alerts import Certificate
from services.monitor.domains import Baseline, rebased
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
        await repository.accounts.set_email(conn, event.account_id, event.email)

    async def account_disabled(conn: Connection, event: AccountDisabled, _envelope: Envelope) -> None:
        await repository.accounts.disable(conn, event.account_id)

    async def account_deleted(conn: Connection, event: AccountDeleted, _envelope: Envelope) -> None:
        await repository.accounts.delete(conn, event.account_id)

    async def subscription_changed(conn: Connection, event: SubscriptionChanged, _envelope: Envelope) -> None:
        await repository.accounts.lock(conn, event.account_id)
        if await repository.accounts.advance(conn, event.account_id, event.version):
            await repository.domains.keep_within(conn, event.account_id, event.limits.domains)

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
        domain = await repository.domains.find_by_name(conn, event.account_id, event.domain)
        if domain is None or domain.id != event.monitored_domain_id or domain.knows_of(event.failed_at):
            return
        if event.source == "monitor":
            alert = alerts.of_failure(domain, event)
            await repository.domains.record_failure(conn, domain.id, event.failed_at)
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
    domain = await repository.domains.find_by_name(conn, account_id, event.domain)
    if domain is None or domain.knows_of(event.scanned_at):
        return
    await repository.domains.record_scan(
        conn,
        domain.id,
        event.score,
        event.grade,
        event.scanned_at,
        rebased(domain.baselines, Baseline(event.score, event.grade, event.unavailable)),
        alerts.known_critical(domain, event),
    )
    if event.facts.certificates_tested:
        seen = [
            Certificate(domain.id, fact.host, fact.port, fact.sha256, fact.issuer, fact.not_after)
            for fact in event.facts.certificates
        ]
        await repository.certificates.replace(conn, domain.id, seen)
    before = domain.baseline(event.unavailable)
    if before is not None and before.score != event.score:
        change = {
            "domain_id": domain.id,
            "domain": domain.domain,
            "job_id": event.job_id,
            "old_score": before.score,
            "new_score": event.score,
            "old_grade": before.grade,
            "new_grade": event.grade,
            "scanned_at": iso(event.scanned_at),
        }
        await notifier.webhook(conn, account_id, "score.changed", change)
        if before.score - event.score >= domain.alert_threshold:
            await notifier.webhook(conn, account_id, "score.dropped", change)
    for alert in alerts.of_scan(domain, event):
        await notifier.alert(conn, domain, alert)
