"""Alerts."""

from datetime import datetime

from services.monitor.alerts import AlertView, NewAlert
from services.monitor.domains import MonitoredDomain
from shared.contracts.report import Severity
from shared.database import Connection

COLUMNS = """id, alert_type, severity, title, message, is_read, created_at, old_value, new_value, job_id, domain_id,
             domain"""


async def insert(conn: Connection, alert_id: int, owner: MonitoredDomain, alert: NewAlert, now: datetime) -> bool:
    """False when the same cause has raised it before."""
    return bool(
        await conn.fetchval(
            """insert into alert (id, account_id, domain_id, domain, alert_type, severity, title, message, old_value,
                                  new_value, job_id, created_at, cause)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
               on conflict (domain_id, cause) do nothing returning true""",
            alert_id,
            owner.account_id,
            owner.id,
            owner.domain,
            alert.alert_type,
            alert.severity,
            alert.title,
            alert.message,
            alert.old_value,
            alert.new_value,
            alert.job_id,
            now,
            alert.cause,
        )
    )


async def page(
    conn: Connection,
    account_id: int,
    *,
    limit: int,
    unread_only: bool = False,
    severity: Severity | None = None,
    domain_id: int | None = None,
    before: tuple[datetime, int] | None = None,
) -> list[AlertView]:
    """Newest first; `before` is the place of the last one of the page before."""
    records = await conn.fetch(
        f"""select {COLUMNS} from alert
            where account_id = $1 and (not $2 or not is_read) and ($3::text is null or severity = $3)
              and ($4::bigint is null or domain_id = $4)
              and ($5::timestamptz is null or (created_at, id) < ($5, $6::bigint))
            order by created_at desc, id desc limit $7""",
        account_id,
        unread_only,
        severity,
        domain_id,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [AlertView.model_validate(dict(record)) for record in records]


async def mark_read(conn: Connection, account_id: int, alert_id: int) -> AlertView | None:
    record = await conn.fetchrow(
        f"update alert set is_read = true where account_id = $1 and id = $2 returning {COLUMNS}", account_id, alert_id
    )
    return AlertView.model_validate(dict(record)) if record else None


async def mark_all_read(conn: Connection, account_id: int) -> int:
    result: str = await conn.execute(
        "update alert set is_read = true where account_id = $1 and not is_read", account_id
    )
    return int(result.removeprefix("UPDATE "))


async def delete_old(conn: Connection, before: datetime) -> None:
    await conn.execute("delete from alert where created_at < $1", before)
