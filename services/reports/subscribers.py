"""The events that reports hears: what badges show, and accounts that are gone."""

from services.reports import repository
from services.reports.repository import BadgeScore
from shared.bus import Bus
from shared.clock import Clock
from shared.contracts.events import AccountDeleted, DomainChanged, Envelope, ScanCompleted
from shared.database import Connection


def subscribe(bus: Bus, clock: Clock) -> None:
    async def scan_completed(conn: Connection, event: ScanCompleted, _envelope: Envelope) -> None:
        if event.full and event.account_id is not None:
            scored = BadgeScore(event.grade, event.score, event.scanned_at)
            await repository.set_badge_score(conn, event.account_id, event.domain, scored)

    async def domain_changed(conn: Connection, event: DomainChanged, _envelope: Envelope) -> None:
        await repository.set_badge_switch(
            conn,
            event.domain_id,
            event.account_id,
            event.domain,
            event.badge_enabled and not event.removed,
            event.version,
            clock.now() if event.removed else None,
        )

    async def account_deleted(conn: Connection, event: AccountDeleted, _envelope: Envelope) -> None:
        await repository.delete_account(conn, event.account_id, clock.now())

    bus.subscribe("reports", ScanCompleted, scan_completed)
    bus.subscribe("reports", DomainChanged, domain_changed)
    bus.subscribe("reports", AccountDeleted, account_deleted)
