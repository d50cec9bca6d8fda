"""A service's door to PostgreSQL: types, transactions, what becomes of a lost server, and notifications."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared import database
from shared.database import Database, Unavailable
from tests.conftest import OpenDatabase

WAIT_SECONDS = 20
OWN_LISTENERS = """select count(*) from pg_stat_activity
                   where application_name = 'listen' and datname = current_database()"""


@pytest.fixture
async def notes(open_database: OpenDatabase, tmp_path: Path) -> Database:
    (tmp_path / "0001_note.sql").write_text("create table note (id bigint primary key, body jsonb, at timestamptz);")
    return await open_database("notes", tmp_path)


async def count(notes: Database) -> Any:
    async with notes.connection() as conn:
        return await conn.fetchval("select count(*) from note")


async def test_json_is_objects_and_times_are_aware(notes: Database) -> None:
    body = {"list": [1, 2.5, None, True], "text": "ä\u2028"}
    at = datetime(2026, 11, 24, 12, 30, 0, 123456, tzinfo=UTC)
    async with notes.transaction() as conn:
        await conn.execute("insert into note values ($1, $2, $3)", 2**53 - 1, body, at)
    async with notes.connection() as conn:
        row = await conn.fetchrow("select id, body, body::json as text, at from note")
        assert row is not None
        assert tuple(row) == (2**53 - 1, body, body, at)
        assert row["at"].tzinfo is UTC


async def test_a_transaction_is_all_or_nothing(notes: Database) -> None:
    with pytest.raises(LookupError):
        async with notes.transaction() as conn:
            await conn.execute("insert into note values (1)")
            raise LookupError
    assert await count(notes) == 0


async def test_mistakes_of_ours_are_not_called_an_outage(notes: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with notes.transaction() as conn:
            await conn.execute("insert into note values (1), (1)")
    with pytest.raises(asyncpg.UndefinedTableError):
        async with notes.connection() as conn:
            await conn.execute("select * from nothing")
    with pytest.raises(ConnectionResetError):
        async with notes.connection():
            raise ConnectionResetError("another peer's")


async def test_a_lost_connection_is_an_outage_and_the_next_one_works(notes: Database) -> None:
    with pytest.raises(Unavailable):
        async with notes.transaction() as conn:
            await conn.execute("select pg_terminate_backend(pg_backend_pid())")
    assert await count(notes) == 0


async def test_no_server_is_an_outage(tmp_path: Path) -> None:
    away = await Database.open(f"postgresql://a:b@/c?host={tmp_path}", schema="notes")
    with pytest.raises(Unavailable, match="no connection to PostgreSQL"):
        async with away.connection():
            pass
    await away.close()


async def test_waiting_for_a_connection_has_an_end(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ACQUIRE_SECONDS", 0.1)
    one = await Database.open(database_url, schema="public", size=1)
    async with one.connection():
        with pytest.raises(Unavailable):
            async with one.connection():
                pass
    await one.close()


async def test_a_statement_over_its_time_is_ended(notes: Database) -> None:
    with pytest.raises(Unavailable, match="statement timeout"):
        async with notes.transaction() as conn:
            await conn.execute("set local statement_timeout = 10")
            await conn.execute("select pg_sleep(10)")


async def test_notifications_come_when_they_are_committed(notes: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await notes.listen("notes_changed", heard.put_nowait)
    assert await asyncio.wait_for(heard.get(), WAIT_SECONDS) == ""
    async with notes.transaction() as conn:
        await conn.execute("select pg_notify('notes_changed', '1')")
        assert heard.empty()
    assert await asyncio.wait_for(heard.get(), WAIT_SECONDS) == "1"


async def test_every_listener_of_every_channel_shares_one_connection(notes: Database) -> None:
    queues: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in range(3)]
    for queue, channel in zip(queues, ("one", "one", "two"), strict=True):
        await notes.listen(channel, queue.put_nowait)
    async with asyncio.timeout(WAIT_SECONDS):
        assert [await queues[0].get(), await queues[2].get()] == ["", ""]
    async with notes.transaction() as conn:
        await conn.execute("select pg_notify('one', 'a'), pg_notify('two', 'b')")
        assert await conn.fetchval(OWN_LISTENERS) == 1
    async with asyncio.timeout(WAIT_SECONDS):
        assert await queues[2].get() == "b"
        while await queues[1].get() != "a":
            pass


async def test_no_more_calls_after_the_end_of_listening(notes: Database) -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    going_on: asyncio.Queue[str] = asyncio.Queue()
    end = await notes.listen("notes_changed", ended.put_nowait)
    await notes.listen("notes_changed", going_on.put_nowait)
    assert await asyncio.wait_for(going_on.get(), WAIT_SECONDS) == ""
    end()
    while not ended.empty():
        ended.get_nowait()
    async with notes.transaction() as conn:
        await conn.execute("select pg_notify('notes_changed', '1')")
    assert await asyncio.wait_for(going_on.get(), WAIT_SECONDS) == "1"
    assert ended.empty()


async def test_a_lost_listening_connection_is_made_again_and_says_so(notes: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await notes.listen("notes_changed", heard.put_nowait)
    await asyncio.wait_for(heard.get(), WAIT_SECONDS)
    async with notes.connection() as conn:
        await conn.execute(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where application_name = 'listen' and datname = current_database()"""
        )
    assert await asyncio.wait_for(heard.get(), WAIT_SECONDS) == ""
    async with notes.transaction() as conn:
        await conn.execute("select pg_notify('notes_changed', '1')")
    assert await asyncio.wait_for(heard.get(), WAIT_SECONDS) == "1"
