"""The outbox and the inbox by themselves: order, batches, what is kept and what is deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from shared.bus import outbox
from shared.bus.envelope import MAX_BYTES, PermanentError, decode, encode, unwrap, wrap
from shared.contracts.events import AccountDeleted, Envelope, ScanFailed
from shared.database import Database
from tests.conftest import OpenDatabase

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
async def database(open_database: OpenDatabase, tmp_path: Path) -> Database:
    (tmp_path / "0001_nothing.sql").write_text("select 1;")
    return await open_database("auth", tmp_path)


def envelope(number: int = 1) -> Envelope:
    return wrap(AccountDeleted(account_id=number), str(uuid4()), NOW)


async def test_batches_are_bounded_and_in_order(database: Database) -> None:
    async with database.transaction() as conn:
        for number in range(outbox.BATCH + 1):
            await outbox.put(conn, envelope(number), "auth")
    async with database.transaction() as conn:
        rows = await outbox.waiting(conn)
        assert [int(each.key) for _, each in rows] == list(range(outbox.BATCH))
        await outbox.mark_published(conn, [row for row, _ in rows], NOW)
    async with database.transaction() as conn:
        assert [each.key for _, each in await outbox.waiting(conn)] == [str(outbox.BATCH)]


async def test_two_relays_never_hold_the_same_row(database: Database) -> None:
    async with database.transaction() as conn:
        await outbox.put(conn, envelope(1), "auth")
    async with database.transaction() as one, database.transaction() as two:
        assert len(await outbox.waiting(one)) == 1
        assert await outbox.waiting(two) == []


async def test_an_event_is_new_once_for_each_consumer(database: Database) -> None:
    event = envelope()
    async with database.transaction() as conn:
        assert await outbox.is_new(conn, "one", event, NOW)
        assert not await outbox.is_new(conn, "one", event, NOW)
        assert await outbox.is_new(conn, "two", event, NOW)


async def test_what_is_kept_can_be_published_again(database: Database) -> None:
    async with database.transaction() as conn:
        for age in (timedelta(days=6), timedelta(days=8)):
            await outbox.put(conn, envelope(age.days), "auth")
            ((row, _),) = await outbox.waiting(conn)
            await outbox.mark_published(conn, [row], NOW - age)
        assert await outbox.publish_again(conn, NOW) == 1
        assert [each.key for _, each in await outbox.waiting(conn)] == ["6"]


async def test_retention_deletes_what_is_older_than_it_is_kept(database: Database) -> None:
    async with database.transaction() as conn:
        for days in (6, 8):
            await outbox.put(conn, envelope(days), "auth")
            ((row, _),) = await outbox.waiting(conn)
            await outbox.mark_published(conn, [row], NOW - timedelta(days=days))
        await outbox.put(conn, wrap(AccountDeleted(account_id=99), str(uuid4()), NOW - timedelta(days=99)), "auth")
        for days in (29, 31):
            await outbox.is_new(conn, f"{days} days ago", envelope(), NOW - timedelta(days=days))
    await outbox.purge(database, NOW)
    async with database.connection() as conn:
        left = await conn.fetch("select envelope ->> 'key' as key from outbox order by id")
        assert [row["key"] for row in left] == ["6", "99"]  # the second was never published
        assert await conn.fetchval("select array_agg(consumer) from inbox") == ["29 days ago"]


def test_an_envelope_survives_the_wire() -> None:
    sent = envelope(7)
    assert decode(encode(sent)) == sent
    assert unwrap(decode(encode(sent))) == AccountDeleted(account_id=7)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", encode(envelope())[:-20]], ids=["nothing", "no JSON", "no object", "cut off"]
)
def test_what_is_no_envelope_is_given_up(body: bytes) -> None:
    with pytest.raises(PermanentError, match="no envelope"):
        decode(body)


@pytest.mark.parametrize("change", [{"name": "never.heard.v1"}, {"data": {"account_id": "x"}}])
def test_what_is_no_event_of_ours_is_given_up(change: dict[str, object]) -> None:
    with pytest.raises(PermanentError):
        unwrap(envelope().model_copy(update=change))


def test_an_event_has_a_largest_size() -> None:
    event = ScanFailed(
        job_id="job_1",
        account_id=1,
        domain="example.com",
        monitored_domain_id=None,
        source="api",
        reason="x" * MAX_BYTES,
        failed_at=NOW,
    )
    with pytest.raises(ValueError, match="more than an event may have"):
        wrap(event, str(uuid4()), NOW)
