"""What reports keeps of others' events, and what its retention pass removes."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.reports import repository
from services.reports.app import service
from services.reports.repository import BadgeScore, IssuedReport
from services.reports.retention import Retention
from services.reports.storage import DirectoryStorage
from services.reports.subscribers import subscribe
from shared.bus import connect
from shared.clock import Clock, Ids
from shared.contracts.events import AccountDeleted, DomainChanged, Event, ScanCompleted, ScanFacts
from shared.contracts.report import Module
from shared.database import Database
from shared.metrics import Metrics
from tests.conftest import RETRY_DELAYS, OpenDatabase

Publishers = dict[str, Callable[[Event], Awaitable[None]]]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOY_MIGRATIONS = Path(__file__).parents[2] / "support" / "toy_migrations"
ISSUED = IssuedReport(
    id="cl_rpt_" + "a" * 26,
    domain="example.com",
    grade="B",
    score=80,
    coverage=0.9,
    scanned_at=NOW,
    issued_at=NOW,
    issuer="reports.example.com",
    key_fingerprint="cd" * 32,
    engine_version="1",
    catalog_version="1",
    sha256="ab" * 32,
    status="valid",
)


class FixedClock(Clock):
    def now(self) -> datetime:
        return NOW


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    assert service.migrations is not None
    return await open_database("reports", service.migrations)


@pytest.fixture
async def publishers(database: Database, open_database: OpenDatabase) -> AsyncIterator[Publishers]:
    """Publishes as the services that own the events, to reports' own subscribers, over the local bus."""
    bus = connect("local:", clock=Clock(), ids=Ids(), metrics=Metrics(), retry_delays=RETRY_DELAYS)
    subscribe(bus.bind("reports", database), FixedClock())

    async def publisher(name: str) -> Callable[[Event], Awaitable[None]]:
        own = await open_database(name, TOY_MIGRATIONS)
        bound = bus.bind(name, own)

        async def publish(event: Event) -> None:
            async with own.transaction() as conn:
                await bound.publish(conn, event)

        return publish

    made = {name: await publisher(name) for name in ("auth", "scanner", "monitor")}
    await bus.start()
    await bus.consume()
    yield made
    await bus.drain()
    await bus.close()


def scanned(score: int = 80, *, full: bool = True, account_id: int | None = 7, at: datetime = NOW) -> ScanCompleted:
    return ScanCompleted(
        job_id=f"job_{score}",
        account_id=account_id,
        domain="example.com",
        monitored_domain_id=None,
        source="api",
        full=full,
        score=score,
        grade="B",
        risk_level="low-medium",
        coverage=1.0,
        total_issues=0,
        critical_issues=0,
        high_issues=0,
        medium_issues=0,
        low_issues=0,
        module_scores={Module.DNS: 100},
        findings=(),
        facts=ScanFacts(),
        scanned_at=at,
        scan_duration_ms=1,
    )


def changed(version: int, *, enabled: bool, removed: bool = False) -> DomainChanged:
    return DomainChanged(
        domain_id=1, account_id=7, version=version, domain="example.com", badge_enabled=enabled, removed=removed
    )


async def shown(database: Database, expected: int | None) -> None:
    """The badge comes to show `expected`."""
    async with asyncio.timeout(20):
        while True:
            async with database.connection() as conn:
                score = await repository.badge_score(conn, "example.com")
            if (score.score if score else None) == expected:
                return
            await asyncio.sleep(0.02)


async def test_a_badge_follows_its_switch_and_the_full_scans(database: Database, publishers: Publishers) -> None:
    scanner, monitor = publishers["scanner"], publishers["monitor"]
    await monitor(changed(1, enabled=True))
    await scanner(scanned(80))
    await shown(database, 80)
    await scanner(scanned(11, full=False, at=NOW + timedelta(hours=1)))
    await scanner(scanned(12, account_id=None, at=NOW + timedelta(hours=1)))
    await scanner(scanned(13, at=NOW - timedelta(hours=1)))
    await scanner(scanned(90, at=NOW + timedelta(hours=2)))
    await shown(database, 90)
    await monitor(changed(2, enabled=False))
    await shown(database, None)
    await monitor(changed(3, enabled=True))
    await shown(database, 90)
    await monitor(changed(4, enabled=True, removed=True))
    await shown(database, None)


async def test_a_deleted_account_leaves_revoked_reports_and_no_badge(
    database: Database, publishers: Publishers
) -> None:
    async with database.transaction() as conn:
        await repository.insert(conn, ISSUED, "job_1", "a4", 7)
        await repository.set_badge_switch(conn, 1, 7, "example.com", True, 1, None)
        await repository.set_badge_score(conn, 7, "example.com", BadgeScore("B", 80, NOW))
    await publishers["auth"](AccountDeleted(account_id=7))
    await shown(database, None)
    async with database.connection() as conn:
        found = await repository.by_id(conn, ISSUED.id)
    assert found is not None
    assert found.status == "revoked"


async def test_an_older_version_changes_nothing(database: Database) -> None:
    async with database.transaction() as conn:
        await repository.set_badge_score(conn, 7, "example.com", BadgeScore("B", 80, NOW))
        await repository.set_badge_switch(conn, 1, 7, "example.com", False, 5, NOW)
        await repository.set_badge_switch(conn, 1, 7, "example.com", True, 4, None)
        assert await repository.badge_score(conn, "example.com") is None


async def test_retention_removes_what_nothing_needs(database: Database, tmp_path: Path) -> None:
    storage = DirectoryStorage(tmp_path)
    old, revoked, kept = (replace(ISSUED, id="cl_rpt_" + letter * 26, sha256=letter * 64) for letter in "abc")
    async with database.transaction() as conn:
        for account_id, report in ((1, replace(old, issued_at=NOW - timedelta(days=400))), (2, revoked), (3, kept)):
            await repository.insert(conn, report, f"job_{account_id}", "a4", account_id)
        await repository.delete_account(conn, 2, NOW)
        await repository.set_badge_switch(conn, 1, 7, "gone.example", False, 1, NOW - timedelta(days=31))
        await repository.set_badge_score(conn, 7, "stale.example", BadgeScore("B", 80, NOW - timedelta(days=91)))
        await repository.set_badge_score(conn, 7, "fresh.example", BadgeScore("B", 80, NOW))
    names = [
        *(f"{report.id}.pdf" for report in (old, revoked, kept)),
        ".partial-x",
        "cl_rpt_orphan.pdf",
        "cl_rpt_new.pdf",
    ]
    for name in names:
        storage.put(name, b"content")
        os.utime(tmp_path / name, (NOW.timestamp() - 3600,) * 2)
    os.utime(tmp_path / "cl_rpt_new.pdf", (NOW.timestamp(),) * 2)

    retention = Retention(database, storage, FixedClock(), timedelta(days=365))
    await retention.sweep()
    await retention.sweep()

    assert {path.name for path in tmp_path.iterdir()} == {f"{kept.id}.pdf", "cl_rpt_new.pdf"}
    async with database.connection() as conn:
        assert await conn.fetchval("select count(*) from report") == 3
        assert await conn.fetchval("select count(*) from badge_switch") == 0
        assert await conn.fetchval("select array_agg(domain) from badge_score") == ["fresh.example"]
