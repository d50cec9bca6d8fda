"""A scan's life in the table: charges, claims, leases and fences, on a real PostgreSQL."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import services.scanner
from services.scanner import repository
from services.scanner.jobs import LEASE, MAX_ATTEMPTS, Jobs
from services.scanner.scans import NOBODY, Asked, Scan
from services.scanner.summary import Findings
from shared.clock import Clock, Ids
from shared.contracts.events import DomainDue, Event, ScanCompleted, ScanFacts, ScanFailed, ScanQueued
from shared.contracts.plans import load_plans
from shared.contracts.report import Module, ModuleState, Report
from shared.database import Connection, Database
from shared.errors import ApiError
from tests.conftest import OpenDatabase
from tests.support.app import principal
from tests.support.reports import make_report

MIGRATIONS = Path(services.scanner.__file__).parent / "migrations"


class SetClock(Clock):
    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


@dataclass
class Outbox:
    """Keeps what was published in transactions that committed."""

    published: list[Event] = field(default_factory=list)

    async def publish(self, conn: Connection, event: Event) -> None:
        self.published.append(event)

    def subscribe(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    def broadcast(self, *_: Any) -> None:
        raise NotImplementedError

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.published if isinstance(event, kind)]


@dataclass
class Table:
    """The jobs of a fresh database."""

    jobs: Jobs
    database: Database
    clock: SetClock
    outbox: Outbox

    async def accept(self, account_id: int = 1, domain: str = "example.test", plan: str = "agency") -> Scan:
        async with self.database.transaction() as conn:
            return await self.jobs.accept(conn, principal(account_id, plan=plan), Asked(domain), "api")

    async def used(self, account_id: int = 1) -> int:
        async with self.database.connection() as conn:
            return await repository.used(conn, account_id, self.clock.now().date().replace(day=1))

    async def scan(self, scan_id: str) -> Scan:
        async with self.database.connection() as conn:
            found = await repository.scan(conn, scan_id)
        assert found is not None
        return found


@pytest.fixture
async def table(open_database: OpenDatabase) -> Table:
    database = await open_database("scanner", MIGRATIONS)
    clock, outbox = SetClock(), Outbox()
    return Table(Jobs(database, outbox, clock, Ids(), load_plans()["free"]), database, clock, outbox)


def report(scan_id: str, scanned_at: datetime | None = None) -> Report:
    changes = {"job_id": scan_id} | ({"scanned_at": scanned_at} if scanned_at else {})
    return make_report(3).model_copy(update=changes)


def findings(evidence: Mapping[str, Any] | None = None) -> Findings:
    return Findings((), ScanFacts(), (), evidence or {})


async def test_a_scan_is_queued_charged_and_announced(table: Table) -> None:
    scan = await table.accept()
    assert scan.status == "queued" and await table.used() == 1
    assert table.outbox.of(ScanQueued) == [ScanQueued(job_id=scan.id)]


async def test_the_same_request_joins_the_scan_under_way(table: Table) -> None:
    first, again = await table.accept(), await table.accept()
    assert again.id == first.id and await table.used() == 1
    assert (await table.accept(domain="other.test")).id != first.id
    assert (await table.accept(account_id=2)).id != first.id


async def test_the_quota_is_exact_under_concurrent_requests(table: Table) -> None:
    async def one(number: int) -> str:
        try:
            return (await table.accept(domain=f"d{number}.test", plan="free")).id
        except ApiError as refused:
            return refused.code

    outcomes = await asyncio.gather(*(one(number) for number in range(40)))
    assert outcomes.count("quota_exceeded") == 30
    assert await table.used() == 10


async def test_a_failed_scan_is_given_back_once(table: Table) -> None:
    scan = await table.accept()
    running = await table.jobs.claim()
    assert running is not None
    assert await table.jobs.fail(running, "does not resolve")
    assert not await table.jobs.fail(running, "again")
    assert await table.used() == 0
    assert (await table.scan(scan.id)).failure_reason == "does not resolve"
    assert len(table.outbox.of(ScanFailed)) == 1


async def test_a_completed_scan_keeps_report_and_charge(table: Table) -> None:
    scan = await table.accept()
    running = await table.jobs.claim()
    assert running is not None and running.id == scan.id
    body = report(scan.id)
    assert await table.jobs.complete(running, body, findings({"seen": 1}))
    done = await table.scan(scan.id)
    assert (done.status, done.score, done.grade) == ("completed", body.score, body.grade)
    assert await table.used() == 1
    async with table.database.connection() as conn:
        assert await repository.report(conn, scan.id) == body.model_dump(mode="json")
        assert await repository.evidence(conn, scan.id) == {"seen": 1}
    (event,) = table.outbox.of(ScanCompleted)
    assert isinstance(event, ScanCompleted) and event.full and event.score == body.score


async def test_a_worker_that_lost_its_lease_changes_nothing(table: Table) -> None:
    scan = await table.accept()
    slow = await table.jobs.claim()
    assert slow is not None
    table.clock.moment += LEASE + timedelta(seconds=1)
    quick = await table.jobs.claim()
    assert quick is not None and quick.id == slow.id and quick.attempt == 2
    assert not await table.jobs.renew(slow)
    assert not await table.jobs.complete(slow, report(scan.id), findings())
    assert not await table.jobs.fail(slow, "late")
    assert await table.jobs.complete(quick, report(scan.id), findings())
    assert len(table.outbox.of(ScanCompleted)) == 1 and not table.outbox.of(ScanFailed)


async def test_a_renewed_lease_is_not_taken_over(table: Table) -> None:
    await table.accept()
    running = await table.jobs.claim()
    assert running is not None
    table.clock.moment += LEASE - timedelta(seconds=1)
    assert await table.jobs.renew(running)
    table.clock.moment += LEASE - timedelta(seconds=1)
    assert await table.jobs.claim() is None


async def test_a_scan_that_never_ends_is_given_up_and_given_back(table: Table) -> None:
    scan = await table.accept()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        running = await table.jobs.claim()
        assert running is not None and running.attempt == attempt
        table.clock.moment += LEASE + timedelta(seconds=1)
    assert await table.jobs.claim() is None
    assert (await table.scan(scan.id)).status == "failed" and await table.used() == 0


async def test_a_handed_back_scan_is_run_again_as_the_same_attempt(table: Table) -> None:
    await table.accept()
    running = await table.jobs.claim()
    assert running is not None
    await table.jobs.hand_back(running)
    again = await table.jobs.claim()
    assert again is not None and again.id == running.id and again.attempt == 1


async def test_a_long_backlog_does_not_hold_up_another_account(table: Table) -> None:
    for number in range(20):
        await table.accept(account_id=1, domain=f"d{number}.test")
    table.clock.moment += timedelta(seconds=1)
    await table.accept(account_id=2)
    owners = []
    for _ in range(6):
        claimed = await table.jobs.claim()
        assert claimed is not None
        owners.append(claimed.account_id)
    assert 2 in owners[:2]


async def test_accounts_are_served_in_turn(table: Table) -> None:
    for number in range(6):
        for account in (1, 2, 3):
            await table.accept(account_id=account, domain=f"d{number}.test")
    served = []
    for _ in range(9):
        table.clock.moment += timedelta(milliseconds=10)
        claimed = await table.jobs.claim()
        assert claimed is not None
        served.append(claimed.account_id)
        await table.jobs.fail(claimed, "done with")
    assert sorted(served[:3]) == sorted(served[3:6]) == sorted(served[6:]) == [1, 2, 3]


async def test_no_account_runs_more_at_once_than_its_plan_allows(table: Table) -> None:
    at_once = load_plans()["free"].limits.scans_at_once
    for number in range(at_once + 2):
        await table.accept(domain=f"d{number}.test", plan="free")
    claimed = [await table.jobs.claim() for _ in range(at_once + 1)]
    assert claimed[-1] is None and None not in claimed[:-1]


async def test_two_workers_never_claim_the_same_scan(table: Table) -> None:
    for number in range(10):
        await table.accept(domain=f"d{number}.test")
    claimed = [scan for scan in await asyncio.gather(*(table.jobs.claim() for _ in range(10))) if scan]
    assert len({scan.id for scan in claimed}) == 10


async def test_the_queue_of_an_account_is_bounded(table: Table) -> None:
    async with table.database.transaction() as conn:
        await conn.execute(
            """insert into scan (id, account_id, domain, modules, source, status, scans_at_once, queued_at)
               select 'job_' || n, 1, 'd' || n || '.test', '{dns}', 'api', 'queued', 100, now()
               from generate_series(1, 1000) n"""
        )
    with pytest.raises(ApiError) as refused:
        await table.accept(domain="one-more.test")
    assert refused.value.code == "rate_limit_exceeded" and "scan limit" in refused.value.message
    assert await table.used() == 0


async def test_a_tick_makes_one_uncharged_scan(table: Table) -> None:
    due = DomainDue(tick_id=9, domain_id=5, account_id=1, domain="example.test", scheduled_for=table.clock.now())
    for _ in range(3):
        async with table.database.transaction() as conn:
            await table.jobs.accept_due(conn, due)
    claimed = await table.jobs.claim()
    assert claimed is not None and claimed.source == "monitor" and claimed.monitored_domain_id == 5
    assert await table.jobs.claim() is None
    assert await table.used() == 0


async def test_cancelled_scans_are_given_back(table: Table) -> None:
    await table.accept()
    async with table.database.transaction() as conn:
        await table.jobs.cancel(conn, await repository.queued_of_account(conn, 1), "the account is disabled")
    assert await table.jobs.claim() is None and await table.used() == 0


async def test_progress_is_written_for_the_current_attempt_alone(table: Table) -> None:
    await table.accept()
    stale = await table.jobs.claim()
    assert stale is not None
    table.clock.moment += LEASE + timedelta(seconds=1)
    current = await table.jobs.claim()
    assert current is not None
    done: dict[Module, ModuleState] = {Module.DNS: "done"}
    await table.jobs.set_progress(current, done)
    await table.jobs.set_progress(stale, {Module.CSP: "done"})
    assert (await table.scan(current.id)).progress == done


async def test_free_scans_belong_to_nobody_and_cost_nothing(table: Table) -> None:
    async with table.database.transaction() as conn:
        scan = await table.jobs.accept_free(conn, Asked("example.test", (Module.DNS,)))
    assert scan.account_id == NOBODY and not scan.feeds_monitoring
    async with table.database.connection() as conn:
        assert await conn.fetchval("select count(*) from ledger") == 0


async def test_retention_follows_the_plan(table: Table) -> None:
    for account, days in ((1, 30), (2, 730)):
        scan = await table.accept(account_id=account)
        async with table.database.transaction() as conn:
            await repository.set_plan(conn, account, 1, "x", 5, days)
        running = await table.jobs.claim()
        assert running is not None
        await table.jobs.complete(running, report(scan.id, table.clock.now()), findings())
    table.clock.moment += timedelta(days=31)
    async with table.database.transaction() as conn:
        assert await repository.delete_old(conn, table.clock.now(), 30) == 1
    async with table.database.connection() as conn:
        assert await conn.fetchval("select array_agg(account_id) from scan") == [2]


async def test_only_a_newer_plan_is_kept(table: Table) -> None:
    async with table.database.transaction() as conn:
        await repository.set_plan(conn, 1, 5, "agency", 100, 1000)
        await repository.set_plan(conn, 1, 4, "free", 5, 30)
        assert await repository.scans_at_once(conn, 1, 1) == 100
