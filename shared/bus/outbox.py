"""The outbox, which events leave with their transaction, and the inbox, which takes each of them in once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.events import Envelope
from shared.database import Connection, Database

OUTBOX_KEPT = timedelta(days=7)
INBOX_KEPT = timedelta(days=30)
BATCH = 100
PURGE_BATCH = 10_000


def channel(schema: str) -> str:
    """Where a commit with an event in it is notified."""
    return f"outbox_{schema}"


async def put(conn: Connection, envelope: Envelope, schema: str) -> None:
    await conn.execute(
        """with put as (insert into outbox (envelope, created_at) values ($1, $2))
           select pg_notify($3, '')""",
        envelope.model_dump(mode="json"),
        envelope.occurred_at,
        channel(schema),
    )


async def waiting(conn: Connection) -> list[tuple[int, Envelope]]:
    """The oldest unpublished rows that no other relay holds, locked until the transaction ends."""
    rows = await conn.fetch(
        """select id, envelope from outbox where published_at is null
           order by id limit $1 for update skip locked""",
        BATCH,
    )
    return [(row["id"], Envelope.model_validate(row["envelope"])) for row in rows]


async def mark_published(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    await conn.execute("update outbox set published_at = $2 where id = any($1)", ids, now)


async def publish_again(conn: Connection, now: datetime) -> int:
    """Put all that is kept back among the unpublished; the number of rows."""
    status = await conn.execute("update outbox set published_at = null where published_at > $1", now - OUTBOX_KEPT)
    return int(status.split()[-1])


async def is_new(conn: Connection, consumer: str, envelope: Envelope, now: datetime) -> bool:
    """Take the event into the inbox; False when `consumer` has had it before."""
    status = await conn.execute(
        "insert into inbox (consumer, event_id, received_at) values ($1, $2, $3) on conflict do nothing",
        consumer,
        envelope.id,
        now,
    )
    return status == "INSERT 0 1"


async def purge(database: Database, now: datetime) -> None:
    """One retention pass, in transactions of a bounded size: delete what is older than it is kept."""
    outbox = "delete from outbox where id in (select id from outbox where published_at < $1 limit $2)"
    inbox = """delete from inbox where (consumer, event_id) in
               (select consumer, event_id from inbox where received_at < $1 limit $2)"""
    for statement, kept in ((outbox, OUTBOX_KEPT), (inbox, INBOX_KEPT)):
        deleted = PURGE_BATCH
        while deleted == PURGE_BATCH:
            async with database.transaction() as conn:
                status = await conn.execute(statement, now - kept, PURGE_BATCH)
            deleted = int(status.split()[-1])
