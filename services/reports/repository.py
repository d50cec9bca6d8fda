"""All SQL of reports."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.reports.document import Paper
from shared.contracts.report import Grade
from shared.database import Connection

Status = Literal["valid", "superseded", "revoked"]

# A report is superseded by any later scan of the same account and domain that was printed too.
_SELECT = """
    select r.id, r.domain, r.grade, r.score, r.coverage, r.scanned_at, r.issued_at, r.issuer, r.key_fingerprint,
        r.engine_version, r.catalog_version, r.sha256,
        case
            when r.revoked_at is not null then 'revoked'
            when exists (
                select from report n
                where n.account_id = r.account_id and n.domain = r.domain and n.scanned_at > r.scanned_at
            ) then 'superseded'
            else 'valid'
        end as status
    from report r
"""


@dataclass(frozen=True)
class IssuedReport:
    """A row of the registry."""

    id: str
    domain: str
    grade: Grade
    score: int
    coverage: float
    scanned_at: datetime
    issued_at: datetime
    issuer: str
    key_fingerprint: str
    engine_version: str
    catalog_version: str
    sha256: str
    status: Status


@dataclass(frozen=True)
class BadgeScore:
    grade: Grade
    score: int
    scanned_at: datetime


async def lock_issue(conn: Connection, job_id: str, paper: Paper) -> None:
    """Until the transaction ends, only the caller issues this report."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"reports.issue {job_id} {paper}")


async def by_job(conn: Connection, job_id: str, paper: Paper) -> IssuedReport | None:
    return _issued(await conn.fetchrow(f"{_SELECT} where r.job_id = $1 and r.paper = $2", job_id, paper))


async def by_id(conn: Connection, report_id: str) -> IssuedReport | None:
    return _issued(await conn.fetchrow(f"{_SELECT} where r.id = $1", report_id))


async def by_hash(conn: Connection, sha256: str) -> IssuedReport | None:
    return _issued(await conn.fetchrow(f"{_SELECT} where r.sha256 = $1", sha256))


async def insert(conn: Connection, report: IssuedReport, job_id: str, paper: Paper, account_id: int) -> None:
    await conn.execute(
        """insert into report (id, job_id, paper, account_id, domain, grade, score, coverage, scanned_at, issued_at,
            issuer, key_fingerprint, engine_version, catalog_version, sha256)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)""",
        report.id,
        job_id,
        paper,
        account_id,
        report.domain,
        report.grade,
        report.score,
        report.coverage,
        report.scanned_at,
        report.issued_at,
        report.issuer,
        report.key_fingerprint,
        report.engine_version,
        report.catalog_version,
        report.sha256,
    )


async def set_badge_switch(
    conn: Connection,
    domain_id: int,
    account_id: int,
    domain: str,
    enabled: bool,
    version: int,
    removed_at: datetime | None,
) -> None:
    """Only a newer version is written: neither the order nor the repetition of events matters."""
    await conn.execute(
        """insert into badge_switch as s (domain_id, account_id, domain, enabled, version, removed_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (domain_id) do update
        set domain = excluded.domain, enabled = excluded.enabled, version = excluded.version,
            removed_at = excluded.removed_at
        where excluded.version > s.version""",
        domain_id,
        account_id,
        domain,
        enabled,
        version,
        removed_at,
    )


async def set_badge_score(conn: Connection, account_id: int, domain: str, scored: BadgeScore) -> None:
    await conn.execute(
        """insert into badge_score as s (account_id, domain, grade, score, scanned_at) values ($1, $2, $3, $4, $5)
        on conflict (account_id, domain) do update
        set grade = excluded.grade, score = excluded.score, scanned_at = excluded.scanned_at
        where excluded.scanned_at > s.scanned_at""",
        account_id,
        domain,
        scored.grade,
        scored.score,
        scored.scanned_at,
    )


async def badge_score(conn: Connection, domain: str) -> BadgeScore | None:
    """The newest score among the accounts that show this domain's badge."""
    row = await conn.fetchrow(
        """select grade, score, scanned_at from badge_score join badge_switch using (account_id, domain)
        where domain = $1 and enabled order by scanned_at desc limit 1""",
        domain,
    )
    return BadgeScore(**row) if row else None


async def delete_account(conn: Connection, account_id: int, now: datetime) -> None:
    """Revoke the account's reports and forget its badges."""
    await conn.execute(
        "update report set revoked_at = $2 where account_id = $1 and revoked_at is null", account_id, now
    )
    await conn.execute("delete from badge_switch where account_id = $1", account_id)
    await conn.execute("delete from badge_score where account_id = $1", account_id)


async def reports_to_unstore(conn: Connection, issued_before: datetime, limit: int) -> list[str]:
    """Ids whose files may go: of revoked reports, and of those that no plan keeps any longer."""
    rows = await conn.fetch(
        "select id from report where stored and (revoked_at is not null or issued_at < $1) limit $2",
        issued_before,
        limit,
    )
    return [row["id"] for row in rows]


async def mark_unstored(conn: Connection, report_ids: list[str]) -> None:
    await conn.execute("update report set stored = false where id = any($1)", report_ids)


async def registered(conn: Connection, report_ids: list[str]) -> set[str]:
    """Those of `report_ids` that have a file to keep."""
    rows = await conn.fetch("select id from report where stored and id = any($1)", report_ids)
    return {row["id"] for row in rows}


async def forget_badges(conn: Connection, removed_before: datetime, scanned_before: datetime) -> None:
    await conn.execute("delete from badge_switch where removed_at < $1", removed_before)
    await conn.execute("delete from badge_score where scanned_at < $1", scanned_before)


def _issued(row: object) -> IssuedReport | None:
    return IssuedReport(**dict(row)) if row else None  # type: ignore[call-overload]
