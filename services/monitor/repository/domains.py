"""Monitored domains.

Whoever changes what belongs to a domain holds its row first, `for no key update`: rows that refer to it may be
inserted meanwhile, and nobody waits in a circle.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from asyncpg import Record

from services.monitor.domains import Baseline, DomainChange, MonitoredDomain, NewDomain
from shared.contracts.report import Grade
from shared.database import Connection

COLUMNS = """id, account_id, domain, scan_frequency, alert_threshold, alert_on_score_drop, alert_on_critical,
             badge_enabled, is_paused, over_limit, version, created_at, next_scan_at, last_score, last_grade,
             last_scanned_at, last_failed_at, baselines, critical_findings"""
MONITORED = """not is_paused and not over_limit
               and not exists (select from account where account.account_id = domain.account_id and disabled)"""


def from_record(record: Record | dict[str, Any] | None) -> MonitoredDomain:
    assert record is not None  # a row that the statement itself made or locked
    values = dict(record)
    values["critical_findings"] = tuple(values["critical_findings"])
    values["baselines"] = tuple(
        Baseline(one["score"], one["grade"], tuple(one["unavailable"])) for one in values["baselines"]
    )
    return MonitoredDomain(**values)


async def of_account(conn: Connection, account_id: int) -> list[MonitoredDomain]:
    records = await conn.fetch(f"select {COLUMNS} from domain where account_id = $1 order by domain", account_id)
    return [from_record(record) for record in records]


async def count(conn: Connection, account_id: int) -> int:
    number: int = await conn.fetchval("select count(*) from domain where account_id = $1", account_id)
    return number


async def find(conn: Connection, account_id: int, domain_id: int, *, to_change: bool = False) -> MonitoredDomain | None:
    """`to_change`: nobody else changes it until the transaction ends."""
    lock = "for no key update" if to_change else ""
    record = await conn.fetchrow(
        f"select {COLUMNS} from domain where account_id = $1 and id = $2 {lock}", account_id, domain_id
    )
    return from_record(record) if record else None


async def find_by_name(conn: Connection, account_id: int, name: str) -> MonitoredDomain | None:
    """To change: nobody else does until the transaction ends."""
    record = await conn.fetchrow(
        f"select {COLUMNS} from domain where account_id = $1 and domain = $2 for no key update", account_id, name
    )
    return from_record(record) if record else None


async def insert(conn: Connection, domain_id: int, account_id: int, new: NewDomain, now: datetime) -> MonitoredDomain:
    """Its first scan is due at once."""
    record = await conn.fetchrow(
        f"""insert into domain (id, account_id, domain, scan_frequency, alert_threshold, alert_on_score_drop,
                                alert_on_critical, created_at, next_scan_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $8) returning {COLUMNS}""",
        domain_id,
        account_id,
        new.domain,
        new.scan_frequency,
        new.alert_threshold,
        new.alert_on_score_drop,
        new.alert_on_critical,
        now,
    )
    return from_record(record)


async def change(conn: Connection, domain_id: int, change: DomainChange, next_scan_at: datetime) -> MonitoredDomain:
    record = await conn.fetchrow(
        f"""update domain set scan_frequency = coalesce($2, scan_frequency),
                alert_threshold = coalesce($3, alert_threshold),
                alert_on_score_drop = coalesce($4, alert_on_score_drop),
                alert_on_critical = coalesce($5, alert_on_critical),
                badge_enabled = coalesce($6, badge_enabled), is_paused = coalesce($7, is_paused),
                next_scan_at = $8, version = version + 1
            where id = $1 returning {COLUMNS}""",
        domain_id,
        change.scan_frequency,
        change.alert_threshold,
        change.alert_on_score_drop,
        change.alert_on_critical,
        change.badge_enabled,
        change.is_paused,
        next_scan_at,
    )
    return from_record(record)


async def delete(conn: Connection, domain_id: int) -> None:
    await conn.execute("delete from domain where id = $1", domain_id)


async def keep_within(conn: Connection, account_id: int, limit: int) -> None:
    """The oldest `limit` domains are monitored; the newer ones wait for a larger plan."""
    await conn.execute(
        """update domain set over_limit = ranked.place > $2
           from (select id, row_number() over (order by created_at, id) as place
                 from domain where account_id = $1) ranked
           where domain.id = ranked.id and over_limit <> (ranked.place > $2)""",
        account_id,
        limit,
    )


async def record_scan(
    conn: Connection,
    domain_id: int,
    score: int,
    grade: Grade,
    scanned_at: datetime,
    baselines: Sequence[Baseline],
    critical: Sequence[str],
) -> None:
    await conn.execute(
        """update domain set last_score = $2, last_grade = $3, last_scanned_at = $4, baselines = $5,
                             critical_findings = $6
           where id = $1""",
        domain_id,
        score,
        grade,
        scanned_at,
        [asdict(baseline) for baseline in baselines],
        critical,
    )


async def record_failure(conn: Connection, domain_id: int, failed_at: datetime) -> None:
    await conn.execute(
        "update domain set last_failed_at = greatest(last_failed_at, $2) where id = $1", domain_id, failed_at
    )
