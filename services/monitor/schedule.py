"""When a domain is scanned: ticks that no crash loses and no second scheduler doubles."""

from datetime import datetime

from services.monitor import repository
from services.monitor.domains import INTERVAL, Frequency
from shared.bus import Bus
from shared.clock import Clock, Ids
from shared.contracts.events import DomainDue
from shared.database import Database
from shared.service import Stopping, Worker

LOOK_EVERY = 1.0  # seconds
AT_ONCE = 100  # ticks in one transaction


def next_after(scheduled_for: datetime, frequency: Frequency, now: datetime) -> datetime:
    """The next tick later than `now`, in step with `scheduled_for`: one late scan after an outage, not all."""
    interval = INTERVAL[frequency]
    missed = max((now - scheduled_for) // interval, 0)
    return scheduled_for + (missed + 1) * interval


async def make_ticks(database: Database, bus: Bus, clock: Clock, ids: Ids) -> int:
    """Turn what is due into ticks, each with its event, in one transaction; how many there were."""
    async with database.transaction() as conn:
        now = clock.now()
        due = await repository.ticks.due(conn, now, AT_ONCE)
        for domain in due:
            tick_id = ids.number()
            if await repository.ticks.insert(conn, tick_id, domain.id, domain.next_scan_at):
                await bus.publish(
                    conn,
                    DomainDue(
                        tick_id=tick_id,
                        domain_id=domain.id,
                        account_id=domain.account_id,
                        domain=domain.domain,
                        scheduled_for=domain.next_scan_at,
                    ),
                )
            next_scan_at = next_after(domain.next_scan_at, domain.scan_frequency, now)
            await repository.ticks.set_next_scan(conn, domain.id, next_scan_at)
        return len(due)


def scheduler(database: Database, bus: Bus, clock: Clock, ids: Ids) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(LOOK_EVERY):
            while await make_ticks(database, bus, clock, ids) == AT_ONCE and not stopping:
                pass

    return run
