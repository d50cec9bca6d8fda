"""The events that the scanner hears."""

from services.scanner import repository
from services.scanner.jobs import Jobs
from services.scanner.worker import Worker
from shared.bus import Bus
from shared.contracts.events import (
    AccountDeleted,
    AccountDisabled,
    DomainChanged,
    DomainDue,
    Envelope,
    ScanQueued,
    SubscriptionChanged,
)
from shared.database import Connection


def subscribe_worker(bus: Bus, worker: Worker) -> None:
    async def scan_queued(_conn: Connection, _event: ScanQueued, _envelope: Envelope) -> None:
        worker.ring()

    bus.subscribe("scanner", ScanQueued, scan_queued)


def subscribe_api(bus: Bus, jobs: Jobs) -> None:
    async def domain_due(conn: Connection, event: DomainDue, _envelope: Envelope) -> None:
        await jobs.accept_due(conn, event)

    async def domain_changed(conn: Connection, event: DomainChanged, _envelope: Envelope) -> None:
        if event.removed:
            queued = await repository.queued_of_domain(conn, event.account_id, event.domain_id)
            await jobs.cancel(conn, queued, "the domain is no longer monitored")

    async def subscription_changed(conn: Connection, event: SubscriptionChanged, _envelope: Envelope) -> None:
        limits = event.limits
        await repository.set_plan(
            conn, event.account_id, event.version, event.plan, limits.scans_at_once, limits.history_days
        )

    async def account_disabled(conn: Connection, event: AccountDisabled, _envelope: Envelope) -> None:
        queued = await repository.queued_of_account(conn, event.account_id)
        await jobs.cancel(conn, queued, "the account is disabled")

    async def account_deleted(conn: Connection, event: AccountDeleted, _envelope: Envelope) -> None:
        await repository.delete_account(conn, event.account_id)

    bus.subscribe("scanner", DomainDue, domain_due)
    bus.subscribe("scanner", DomainChanged, domain_changed)
    bus.subscribe("scanner", SubscriptionChanged, subscription_changed)
    bus.subscribe("scanner", AccountDisabled, account_disabled)
    bus.subscribe("scanner", AccountDeleted, account_deleted)
