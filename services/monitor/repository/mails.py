"""Mails on their way."""

from datetime import datetime, timedelta

from services.monitor.mail import LeasedMail, Mail
from shared.database import Connection


async def insert(conn: Connection, mail: Mail, now: datetime) -> None:
    await conn.execute(
        """insert into mail (id, account_id, recipient, subject, body, status, next_attempt_at, created_at)
           values ($1, $2, $3, $4, $5, 'pending', $6, $6)""",
        mail.id,
        mail.account_id,
        mail.recipient,
        mail.subject,
        mail.body,
        now,
    )


async def lease(conn: Connection, now: datetime, period: timedelta, limit: int) -> list[LeasedMail]:
    """At most `limit` due mails, which nobody else takes before `now + period`."""
    records = await conn.fetch(
        """update mail set next_attempt_at = $2
           where id in (select id from mail where status = 'pending' and next_attempt_at <= $1
                        order by next_attempt_at limit $3 for update skip locked)
           returning id, account_id, recipient, subject, body, retry_count, next_attempt_at as leased_until""",
        now,
        now + period,
        limit,
    )
    return [LeasedMail(**dict(record)) for record in records]


async def record(
    conn: Connection, mail: LeasedMail, error: str | None, retry_at: datetime | None, now: datetime
) -> None:
    """What became of an attempt, unless its lease was lost; a failure without `retry_at` is final."""
    status = "sent" if error is None else "pending" if retry_at else "failed"
    await conn.execute(
        """update mail set status = $3::text, error_message = $4, retry_count = retry_count + $5,
                           next_attempt_at = coalesce($6, $7::timestamptz),
                           sent_at = case when $3::text = 'sent' then $7::timestamptz end
           where id = $1 and status = 'pending' and next_attempt_at = $2""",
        mail.id,
        mail.leased_until,
        status,
        error,
        int(status == "pending"),
        retry_at,
        now,
    )


async def delete_old(conn: Connection, before: datetime) -> None:
    await conn.execute("delete from mail where next_attempt_at < $1", before)
