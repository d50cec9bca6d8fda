"""Ticks: none is lost, none is made twice."""

import asyncio
from datetime import timedelta

from services.monitor import repository
from services.monitor.schedule import make_ticks
from shared.clock import Ids
from shared.contracts.events import DomainDue
from shared.database import Database
from tests.support.clock import SetClock
from tests.support.monitor import NOON, Desk, Outbox


async def tick(desk: Desk) -> list[str]:
    """One look at the schedule; the domains that it made due."""
    before = len(desk.bus.published)
    await make_ticks(desk.database, desk.bus, desk.clock, desk.ids)
    return [event.domain for event in desk.bus.published[before:] if isinstance(event, DomainDue)]


async def test_the_first_scan_is_due_at_once_and_the_next_in_step(desk: Desk) -> None:
    await desk.watch(scan_frequency="hourly")
    desk.later(minutes=10)
    assert await tick(desk) == ["example.test"] and await tick(desk) == []
    assert (await desk.domain()).next_scan_at == NOON + timedelta(hours=1)
    desk.later(minutes=49, seconds=59)
    assert await tick(desk) == []
    desk.later(seconds=1)
    assert await tick(desk) == ["example.test"]
    ticks = desk.bus.of(DomainDue)
    assert [event.scheduled_for for event in ticks] == [NOON, NOON + timedelta(hours=1)]
    assert len({event.tick_id for event in ticks}) == 2


async def test_after_an_outage_there_is_one_late_scan(desk: Desk) -> None:
    await desk.watch(scan_frequency="hourly")
    await tick(desk)
    desk.later(days=3, minutes=20)
    assert await tick(desk) == ["example.test"] and await tick(desk) == []
    assert (await desk.domain()).next_scan_at == NOON + timedelta(days=3, hours=1)


async def test_three_schedulers_and_a_clock_that_jumps_make_every_tick_once(desk: Desk) -> None:
    names = [f"d{number}.test" for number in range(20)]
    for name in names:
        await desk.watch(name, scan_frequency="hourly")
    clocks = [SetClock(NOON) for _ in range(3)]
    jumps = (0, 5400, -7200, 3600, 3600, -1800, 7200, 3600)

    async def scheduler(database: Database, bus: Outbox, clock: SetClock) -> None:
        for jump in jumps:
            clock.forward(jump)
            await make_ticks(database, bus, clock, Ids())

    await asyncio.gather(*(scheduler(desk.database, desk.bus, clock) for clock in clocks))
    ticks = [(event.domain, event.scheduled_for) for event in desk.bus.of(DomainDue)]
    assert len(ticks) == len(set(ticks)) and {name for name, _ in ticks} == set(names)
    assert all((moment - NOON) % timedelta(hours=1) == timedelta() for _, moment in ticks)
    async with desk.rows() as conn:
        rows = await conn.fetch("select domain.domain, scheduled_for from tick join domain on domain.id = domain_id")
    assert sorted(ticks) == sorted((row["domain"], row["scheduled_for"]) for row in rows)


async def test_a_tick_that_was_made_before_is_not_made_again(desk: Desk) -> None:
    domain = await desk.watch()
    await tick(desk)
    async with desk.rows() as conn:
        await repository.ticks.set_next_scan(conn, domain.id, NOON)
    assert await tick(desk) == []
    assert (await desk.domain()).next_scan_at == NOON + timedelta(days=1)


async def test_more_than_fits_into_one_transaction_is_still_made(desk: Desk) -> None:
    async with desk.rows() as conn:
        await conn.executemany(
            """insert into domain (id, account_id, domain, scan_frequency, alert_threshold, alert_on_score_drop,
                                   alert_on_critical, created_at, next_scan_at)
               values ($1, $1, 'd.test', 'daily', 10, true, true, $2, $2)""",
            [(number, NOON) for number in range(1, 131)],
        )
    made = [await make_ticks(desk.database, desk.bus, desk.clock, desk.ids) for _ in range(3)]
    assert made == [100, 30, 0]
