"""The timer on certificates' ends."""

import asyncio
from datetime import datetime, timedelta

from services.monitor import certificates, repository
from services.monitor.domains import DomainChange
from shared.contracts.events import AccountDisabled, CertificateFact, ScanFacts
from tests.support.monitor import NOON, Desk, completed

END = NOON + timedelta(days=40)


def served(*hosts: str, sha256: str = "aa", end: datetime = END) -> ScanFacts:
    return ScanFacts(
        certificates=tuple(
            CertificateFact(host=host, port=443, not_after=end, issuer="A CA", sha256=sha256) for host in hosts
        ),
        certificates_tested=True,
    )


async def scanned(desk: Desk, facts: ScanFacts) -> None:
    """A scan now, which saw `facts`."""
    await desk.hear(completed(job_id=desk.ids.uuid(), scanned_at=desk.clock.now(), facts=facts))


async def warnings(desk: Desk) -> list[str]:
    """The timer looks; what it has told up to now."""
    while await certificates.warn(desk.database, desk.notifier):
        pass
    return [alert.title.partition(": ")[2] for alert in await desk.alerts()]


async def test_each_threshold_is_told_once_between_scans(desk: Desk) -> None:
    await desk.watch()
    endpoint = await desk.endpoint(events=["certificate.expiring"])
    await scanned(desk, served("example.test"))
    told = []
    for left in (31, 30, 29, 14, 8, 7, 1, 0, -5):
        desk.later(seconds=(END - timedelta(days=left) - desk.clock.now()).total_seconds())
        told.append(len(await warnings(desk)))
    assert told == [0, 1, 1, 2, 2, 3, 4, 5, 5]
    assert [alert.severity for alert in await desk.alerts()] == ["medium", "medium", "high", "high", "critical"]
    assert await desk.sent(endpoint) == ["certificate.expiring"] * 5


async def test_a_scan_of_the_same_certificate_warns_no_second_time(desk: Desk) -> None:
    await desk.watch()
    await scanned(desk, served("example.test"))
    desk.later(days=12)
    assert len(await warnings(desk)) == 1
    await scanned(desk, served("example.test"))
    assert len(await warnings(desk)) == 1


async def test_a_renewed_certificate_begins_anew(desk: Desk) -> None:
    await desk.watch()
    await scanned(desk, served("example.test"))
    desk.later(days=12)
    await warnings(desk)
    await scanned(desk, served("example.test", sha256="bb", end=END + timedelta(days=90)))
    desk.later(days=30)
    assert len(await warnings(desk)) == 1, "the old one's end is past, and nobody serves it"
    desk.later(days=60)
    assert len(await warnings(desk)) == 2


async def test_one_certificate_on_several_hosts_is_told_once(desk: Desk) -> None:
    await desk.watch()
    await scanned(desk, served("example.test", "www.example.test"))
    desk.later(days=12)
    assert await warnings(desk) == ["the certificate of example.test:443 expires on 2027-01-03 12:00 UTC"]


async def test_a_certificate_that_is_served_no_more_is_forgotten(desk: Desk) -> None:
    await desk.watch()
    await scanned(desk, served("example.test", "old.example.test"))
    desk.later(days=1)
    await scanned(desk, ScanFacts())  # not tested: what was not looked at is not gone
    desk.later(days=1)
    await scanned(desk, served("example.test", sha256="bb", end=END + timedelta(days=90)))
    desk.later(days=15)
    assert await warnings(desk) == []


async def test_what_was_not_tested_is_still_watched(desk: Desk) -> None:
    await desk.watch()
    await scanned(desk, served("example.test"))
    desk.later(days=1)
    await scanned(desk, ScanFacts())
    desk.later(days=15)
    assert len(await warnings(desk)) == 1


async def test_one_that_is_over_already_is_told_once(desk: Desk) -> None:
    await desk.watch()
    await scanned(desk, served("example.test", end=NOON - timedelta(days=3)))
    assert await warnings(desk) == ["the certificate of example.test:443 expired on 2026-11-21 12:00 UTC"]


async def test_removed_paused_and_disabled_are_not_warned_of(desk: Desk) -> None:
    domain = await desk.watch()
    await scanned(desk, served("example.test"))
    desk.later(days=15)
    async with desk.rows() as conn:
        await repository.domains.change(conn, domain.id, DomainChange(is_paused=True), NOON)
    assert await warnings(desk) == []
    async with desk.rows() as conn:
        await repository.domains.change(conn, domain.id, DomainChange(is_paused=False), NOON)
    await desk.hear(AccountDisabled(account_id=1, version=2))
    assert await warnings(desk) == []
    async with desk.rows() as conn:
        await repository.domains.delete(conn, domain.id)
    assert await warnings(desk) == []


async def test_timers_and_scans_at_once_wait_in_no_circle(desk: Desk) -> None:
    names = [f"d{number}.test" for number in range(12)]
    for name in names:
        await desk.watch(name)
        await desk.hear(completed(domain=name, facts=served(name, sha256=name, end=NOON)))
    moment = desk.later(hours=1)

    async def scan(name: str) -> None:
        await desk.hear(completed(job_id=f"again {name}", domain=name, scanned_at=moment, facts=served(name)))

    async def remove(name: str) -> None:
        async with desk.rows() as conn:
            domain = await repository.domains.find_by_name(conn, 1, name)
            if domain:
                await repository.domains.delete(conn, domain.id)

    timers = [certificates.warn(desk.database, desk.notifier) for _ in range(3)]
    await asyncio.gather(*timers, *(scan(name) for name in names), *(remove(name) for name in names[:4]))
    assert len({alert.domain for alert in await desk.alerts()}) == len(await desk.alerts())
