"""Scans, reports and the quota ledger in PostgreSQL. The only file of this service with SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from asyncpg import Record

from services.scanner.scans import NOBODY, Asked, NewScan, Scan
from shared.contracts.report import JobStatus, Module, ModuleState, Profile, Source
from shared.database import Connection

COLUMNS = """id, account_id, domain, modules, profile, intrusive, source, monitored_domain_id, status, attempt,
             revision, progress, queued_at, started_at, completed_at, failure_reason, score, grade, grade_reason,
             risk_level, duration_ms, issues"""

CHANGED = "scan_changed"  # the channel that carries the id of a scan whose row changed
CLAIMS = 7_301_447  # the advisory lock that makes claims one at a time


def _scan(record: Record | None) -> Scan:
    assert record is not None  # a row that the statement itself made or locked
    values = dict(record)
    values["modules"] = tuple(Module(name) for name in values["modules"])
    values["profile"] = Profile(values["profile"])
    values["progress"] = {Module(name): state for name, state in values["progress"].items()}
    return Scan(**values)


def _by_name(progress: Mapping[Module, ModuleState]) -> dict[str, ModuleState]:
    return {module.value: state for module, state in progress.items()}


def _asked(asked: Asked) -> tuple[str, list[Module], Profile, bool]:
    return asked.domain, list(asked.modules), asked.profile, asked.intrusive


# --- accepting -------------------------------------------------------------------------------------------------


async def lock_account(conn: Connection, account_id: int) -> None:
    """Accept one scan of an account at a time, so that its bounds hold exactly."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended('scanner.account', $1))", account_id)


async def active_scan(conn: Connection, scan: NewScan) -> Scan | None:
    """The queued or running scan that the same request joins."""
    record = await conn.fetchrow(
        f"""select {COLUMNS} from scan
            where account_id = $1 and domain = $2 and modules = $3 and profile = $4 and intrusive = $5
              and status in ('queued', 'running')""",
        scan.account_id,
        *_asked(scan.asked),
    )
    return _scan(record) if record else None


async def queued_count(conn: Connection, account_id: int) -> int:
    count: int = await conn.fetchval(
        "select count(*) from scan where account_id = $1 and status = 'queued'", account_id
    )
    return count


async def insert_scan(conn: Connection, scan_id: str, scan: NewScan, month: date | None, now: datetime) -> Scan:
    record = await conn.fetchrow(
        f"""insert into scan (id, account_id, domain, modules, profile, intrusive, source, monitored_domain_id, status,
                              scans_at_once, charged_month, queued_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, $11) returning {COLUMNS}""",
        scan_id,
        scan.account_id,
        *_asked(scan.asked),
        scan.source,
        scan.monitored_domain_id,
        scan.scans_at_once,
        month,
        now,
    )
    return _scan(record)


async def charge(conn: Connection, account_id: int, scan_id: str, month: date, limit: int, now: datetime) -> bool:
    """One scan of the month's quota; False when it is spent."""
    used = await conn.fetchval(
        """insert into usage (account_id, month, used) select $1, $2, 1 where $3 > 0
           on conflict (account_id, month) do update set used = usage.used + 1 where usage.used < $3
           returning used""",
        account_id,
        month,
        limit,
    )
    if used is None:
        return False
    await conn.execute(
        """insert into ledger (scan_id, kind, account_id, month, amount, created_at)
           values ($1, 'charge', $2, $3, 1, $4)""",
        scan_id,
        account_id,
        month,
        now,
    )
    return True


async def refund(conn: Connection, scan_id: str, now: datetime) -> None:
    """Give a charged scan back, once."""
    await conn.execute(
        """with given as (
               insert into ledger (scan_id, kind, account_id, month, amount, created_at)
               select scan_id, 'refund', account_id, month, -1, $2 from ledger where scan_id = $1 and kind = 'charge'
               on conflict do nothing returning account_id, month
           )
           update usage set used = usage.used - 1 from given
           where usage.account_id = given.account_id and usage.month = given.month""",
        scan_id,
        now,
    )


async def used(conn: Connection, account_id: int, month: date) -> int:
    count: int | None = await conn.fetchval(
        "select used from usage where account_id = $1 and month = $2", account_id, month
    )
    return count or 0


async def record_tick(conn: Connection, tick_id: int, scan_id: str, now: datetime) -> None:
    await conn.execute("insert into tick (id, scan_id, created_at) values ($1, $2, $3)", tick_id, scan_id, now)


async def tick_exists(conn: Connection, tick_id: int) -> bool:
    return bool(await conn.fetchval("select true from tick where id = $1", tick_id))


# --- the queue -------------------------------------------------------------------------------------------------


async def claim(conn: Connection, now: datetime, lease: timedelta) -> Scan | None:
    """The next scan, fair among accounts: fewest running first, then who was served longest ago.

    A running scan whose lease ran out goes first: its worker is gone. No account gets more than its plan allows.
    """
    await conn.execute("select pg_advisory_xact_lock($1)", CLAIMS)
    scan_id = await conn.fetchval(
        "select id from scan where status = 'running' and lease_until < $1 order by lease_until limit 1", now
    )
    if scan_id is None:
        scan_id = await conn.fetchval(
            """with recursive waiting as (
                   (select account_id from scan where status = 'queued' order by account_id limit 1)
                   union all
                   select (select s.account_id from scan s where s.status = 'queued' and s.account_id > w.account_id
                           order by s.account_id limit 1)
                   from waiting w where w.account_id is not null
               ), running as (
                   select account_id, count(*) as count from scan where status = 'running' group by account_id
               )
               select first.id
               from waiting
               join lateral (select id, scans_at_once from scan
                             where status = 'queued' and account_id = waiting.account_id
                             order by queued_at, id limit 1) first on true
               left join running using (account_id)
               left join turn using (account_id)
               where coalesce(running.count, 0) < first.scans_at_once
               order by coalesce(running.count, 0), turn.served_at nulls first
               limit 1"""
        )
    if scan_id is None:
        return None
    record = await conn.fetchrow(
        f"""update scan set status = 'running', attempt = attempt + 1, lease_until = $2, revision = revision + 1,
                            started_at = coalesce(started_at, $3)
            where id = $1 returning {COLUMNS}""",
        scan_id,
        now + lease,
        now,
    )
    scan = _scan(record)
    await conn.execute(
        """insert into turn (account_id, served_at) values ($1, $2)
           on conflict (account_id) do update set served_at = excluded.served_at""",
        scan.account_id,
        now,
    )
    await notify(conn, scan_id)
    return scan


async def renew(conn: Connection, scan: Scan, until: datetime) -> bool:
    """False when the lease is no longer this attempt's."""
    result = await conn.execute(
        "update scan set lease_until = $3 where id = $1 and attempt = $2 and status = 'running'",
        scan.id,
        scan.attempt,
        until,
    )
    return bool(result == "UPDATE 1")


async def hand_back(conn: Connection, scan: Scan) -> None:
    """At a shutdown: the scan is queued again at once, and the attempt does not count."""
    await conn.execute(
        """update scan set status = 'queued', lease_until = null, attempt = attempt - 1, revision = revision + 1,
                           progress = '{}'
           where id = $1 and attempt = $2 and status = 'running'""",
        scan.id,
        scan.attempt,
    )
    await notify(conn, scan.id)


async def set_progress(conn: Connection, scan: Scan, progress: Mapping[Module, ModuleState]) -> None:
    await conn.execute(
        """update scan set progress = $3, revision = revision + 1
           where id = $1 and attempt = $2 and status = 'running'""",
        scan.id,
        scan.attempt,
        _by_name(progress),
    )
    await notify(conn, scan.id)


async def notify(conn: Connection, scan_id: str) -> None:
    await conn.execute("select pg_notify($1, $2)", CHANGED, scan_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a completed scan adds to its row."""

    progress: Mapping[Module, ModuleState]
    score: int
    grade: str
    grade_reason: str | None
    risk_level: str
    duration_ms: int
    issues: Mapping[str, int]


async def complete(conn: Connection, scan: Scan, outcome: Outcome, now: datetime) -> bool:
    """Fenced by the attempt: False, and nothing changes, when another worker has taken the scan over."""
    done = await conn.fetchval(
        """update scan set status = 'completed', completed_at = $3, lease_until = null, revision = revision + 1,
                           progress = $4, score = $5, grade = $6, grade_reason = $7, risk_level = $8,
                           duration_ms = $9, issues = $10
           where id = $1 and attempt = $2 and status = 'running' returning true""",
        scan.id,
        scan.attempt,
        now,
        _by_name(outcome.progress),
        outcome.score,
        outcome.grade,
        outcome.grade_reason,
        outcome.risk_level,
        outcome.duration_ms,
        dict(outcome.issues),
    )
    return bool(done)


async def fail(conn: Connection, scan: Scan, reason: str, now: datetime) -> bool:
    """Fenced by the attempt, as `complete`."""
    done = await conn.fetchval(
        """update scan set status = 'failed', completed_at = $4, lease_until = null, revision = revision + 1,
                           failure_reason = $3
           where id = $1 and attempt = $2 and status in ('queued', 'running') returning true""",
        scan.id,
        scan.attempt,
        reason,
        now,
    )
    return bool(done)


async def save_report(conn: Connection, scan_id: str, body: Mapping[str, Any], evidence: Mapping[str, Any]) -> None:
    await conn.execute(
        "insert into report (scan_id, body, evidence) values ($1, $2, $3)", scan_id, dict(body), dict(evidence)
    )


async def queued_of_account(conn: Connection, account_id: int) -> list[Scan]:
    records = await conn.fetch(
        f"select {COLUMNS} from scan where account_id = $1 and status = 'queued' for update", account_id
    )
    return [_scan(record) for record in records]


async def queued_of_domain(conn: Connection, account_id: int, domain_id: int) -> list[Scan]:
    records = await conn.fetch(
        f"""select {COLUMNS} from scan where account_id = $1 and monitored_domain_id = $2 and status = 'queued'
            for update""",
        account_id,
        domain_id,
    )
    return [_scan(record) for record in records]


async def backlog(conn: Connection) -> Mapping[str, int]:
    """How many scans are queued and running: what workers scale by."""
    records = await conn.fetch(
        "select status, count(*) as count from scan where status in ('queued', 'running') group by status"
    )
    return {"queued": 0, "running": 0, **{record["status"]: record["count"] for record in records}}


# --- reading ---------------------------------------------------------------------------------------------------


async def scan(conn: Connection, scan_id: str, account_id: int | None = None) -> Scan | None:
    """One scan; with `account_id`, only if it is that account's."""
    record = await conn.fetchrow(
        f"select {COLUMNS} from scan where id = $1 and ($2::bigint is null or account_id = $2)", scan_id, account_id
    )
    return _scan(record) if record else None


async def scans(conn: Connection, scan_ids: Sequence[str]) -> dict[str, Scan]:
    records = await conn.fetch(f"select {COLUMNS} from scan where id = any($1)", list(scan_ids))
    return {record["id"]: _scan(record) for record in records}


async def report(conn: Connection, scan_id: str) -> dict[str, Any] | None:
    body: dict[str, Any] | None = await conn.fetchval("select body from report where scan_id = $1", scan_id)
    return body


async def reports(conn: Connection, scan_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    records = await conn.fetch("select scan_id, body from report where scan_id = any($1)", list(scan_ids))
    return {record["scan_id"]: record["body"] for record in records}


async def evidence(conn: Connection, scan_id: str) -> dict[str, Any]:
    value: dict[str, Any] | None = await conn.fetchval("select evidence from report where scan_id = $1", scan_id)
    return value or {}


async def history(
    conn: Connection,
    account_id: int,
    *,
    limit: int,
    domain: str | None = None,
    status: JobStatus | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[Scan]:
    """Newest first; `before` is the place of the last row of the page before."""
    records = await conn.fetch(
        f"""select {COLUMNS} from scan
            where account_id = $1 and ($2::text is null or domain = $2) and ($3::text is null or status = $3)
              and ($4::timestamptz is null or (queued_at, id) < ($4, $5::text))
            order by queued_at desc, id desc limit $6""",
        account_id,
        domain,
        status,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_scan(record) for record in records]


async def usage_by_day(
    conn: Connection, account_id: int, start: datetime, end: datetime
) -> list[tuple[date, Source, JobStatus, int]]:
    records = await conn.fetch(
        """select (queued_at at time zone 'UTC')::date as day, source, status, count(*) as count from scan
           where account_id = $1 and queued_at >= $2 and queued_at < $3 group by 1, 2, 3 order by 1""",
        account_id,
        start,
        end,
    )
    return [(record["day"], record["source"], record["status"], record["count"]) for record in records]


# --- batches ---------------------------------------------------------------------------------------------------


async def recent_batch(
    conn: Connection, account_id: int, request_hash: bytes, since: datetime
) -> dict[str, Any] | None:
    value: dict[str, Any] | None = await conn.fetchval(
        "select scans from batch where account_id = $1 and request_hash = $2 and created_at >= $3",
        account_id,
        request_hash,
        since,
    )
    return value


async def save_batch(
    conn: Connection, account_id: int, request_hash: bytes, scans_by_domain: Mapping[str, Any], now: datetime
) -> None:
    await conn.execute(
        """insert into batch (account_id, request_hash, scans, created_at) values ($1, $2, $3, $4)
           on conflict (account_id, request_hash) do update
           set scans = excluded.scans, created_at = excluded.created_at""",
        account_id,
        request_hash,
        dict(scans_by_domain),
        now,
    )


# --- projections and retention ---------------------------------------------------------------------------------


async def set_plan(
    conn: Connection, account_id: int, version: int, plan: str, scans_at_once: int, history_days: int
) -> None:
    """Only a newer version is written: neither order nor repetition of the event matters."""
    await conn.execute(
        """insert into account (account_id, version, plan, scans_at_once, history_days) values ($1, $2, $3, $4, $5)
           on conflict (account_id) do update
           set version = excluded.version, plan = excluded.plan, scans_at_once = excluded.scans_at_once,
               history_days = excluded.history_days
           where account.version < excluded.version""",
        account_id,
        version,
        plan,
        scans_at_once,
        history_days,
    )


async def scans_at_once(conn: Connection, account_id: int, default: int) -> int:
    value: int | None = await conn.fetchval("select scans_at_once from account where account_id = $1", account_id)
    return default if value is None else value


async def delete_account(conn: Connection, account_id: int) -> None:
    for table in ("scan", "ledger", "usage", "batch", "turn", "account"):
        await conn.execute(f"delete from {table} where account_id = $1", account_id)


async def delete_old(conn: Connection, now: datetime, default_days: int, limit: int = 1000) -> int:
    """One retention pass: finished scans beyond their account's history, and what outlived its use."""
    await conn.execute("delete from batch where created_at < $1", now - timedelta(hours=1))
    await conn.execute("delete from tick where created_at < $1", now - timedelta(days=30))
    await conn.execute("delete from ledger where created_at < $1", now - timedelta(days=800))
    deleted: int = await conn.fetchval(
        """with old as (
               select scan.id from scan left join account using (account_id)
               where completed_at < $1::timestamptz - make_interval(days => case when scan.account_id = $4 then 1
                                                               else coalesce(account.history_days, $2) end)
               limit $3
           ), gone as (delete from scan using old where scan.id = old.id returning 1)
           select count(*) from gone""",
        now,
        default_days,
        limit,
        NOBODY,
    )
    return deleted
