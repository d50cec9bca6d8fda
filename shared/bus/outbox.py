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
        "insert into outbox (envelope, created_at) values ($1, $2)",
        envelope.model_dump(mode="json"),
        envelope.occurred_at,
    )
    await conn.execute("select pg_notify($1, '')", channel(schema))


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
    """One retention pass: delete what is older than it is kept, at most 10,000 rows a table."""
    async with database.transaction() as conn:
        await conn.execute(
            "delete from outbox where id in (select id from outbox where published_at < $1 limit $2)",
            now - OUTBOX_KEPT,
            PURGE_BATCH,
        )
        await conn.execute(
            """delete from inbox where (consumer, event_id) in
               (select consumer, event_id from inbox where received_at < $1 limit $2)""",
            now - INBOX_KEPT,
            PURGE_BATCH,
        )
