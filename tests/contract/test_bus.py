"""What a service may rely on, whatever carries its events: one suite, on `local:` and on RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.bus import DeadLetter, PermanentError, dead_letters, replay
from shared.clock import Clock
from shared.contracts.events import AccountDeleted, CredentialRevoked, Envelope, ScanQueued
from shared.database import Connection
from shared.trace import correlation_id, traceparent
from tests.conftest import OpenDatabase
from tests.support.bus import (
    EFFECTS,
    RETRY_DELAYS,
    WAIT_SECONDS,
    World,
    connected,
    deleted,
    effects_are,
    outcomes_are,
    write,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(params=["local:", "amqp:"])
def bus_url(request: pytest.FixtureRequest) -> str:
    url: str = "local:" if request.param == "local:" else request.getfixturevalue("amqp_url")
    return url


@pytest.fixture
async def world(bus_url: str, open_database: OpenDatabase, tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "0001_effect.sql").write_text(EFFECTS)
    databases = {name: await open_database(name, tmp_path) for name in ("auth", "billing", "scanner")}
    world = World(bus_url, databases)
    yield world
    await world.bus.close()


async def dead_letters_of(world: World) -> list[DeadLetter]:
    """As soon as there are any."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (letters := await dead_letters(world.url, world.databases["billing"])):
            await asyncio.sleep(0.05)
    return letters


async def test_an_event_has_its_effect_in_the_consumer(world: World) -> None:
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await world.publish(deleted(1))
    await effects_are(world, 1)


async def test_events_of_a_transaction_that_is_rolled_back_are_never_published(world: World) -> None:
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    with pytest.raises(LookupError):
        async with world.databases["auth"].transaction() as conn:
            await world.auth.publish(conn, deleted(1))
            raise LookupError
    await world.publish(deleted(2))
    await effects_are(world, 2)


async def test_what_is_committed_before_the_bus_starts_is_delivered_after(world: World) -> None:
    await world.publish(*(deleted(number) for number in range(10, 40)))
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await effects_are(world, *range(10, 40))


async def test_a_delivery_comes_with_its_identity_and_its_trace(world: World) -> None:
    seen: asyncio.Queue[tuple[Envelope, str | None, str | None]] = asyncio.Queue()

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        seen.put_nowait((envelope, correlation_id.get(), traceparent.get()))

    world.billing.subscribe("billing", AccountDeleted, handler)
    await world.start()
    restore = correlation_id.set("request-1"), traceparent.set(TRACE)
    await world.publish(deleted(7))
    correlation_id.reset(restore[0])
    traceparent.reset(restore[1])
    envelope, correlation, trace = await asyncio.wait_for(seen.get(), WAIT_SECONDS)
    assert (envelope.name, envelope.key, envelope.data) == ("account.deleted.v1", "7", {"account_id": 7})
    assert (correlation, trace) == ("request-1", TRACE)
    assert (envelope.correlation_id, envelope.traceparent) == ("request-1", TRACE)


async def test_publishing_does_not_wait_for_the_handler(world: World) -> None:
    may_end = asyncio.Event()

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        await may_end.wait()
        await write(conn, event, envelope)

    world.billing.subscribe("billing", AccountDeleted, handler)
    await world.start()
    await world.publish(deleted(1))
    assert await world.effects() == []
    may_end.set()
    await effects_are(world, 1)


async def test_deliveries_run_at_once_up_to_the_bound(world: World) -> None:
    running, most = 0, 0
    all_in = asyncio.Event()

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            all_in.set()
        await all_in.wait()
        running -= 1
        await write(conn, event, envelope)

    world.billing.subscribe("billing", AccountDeleted, handler, concurrency=3)
    await world.start()
    await world.publish(*(deleted(number) for number in range(10, 19)))
    await effects_are(world, *range(10, 19))
    assert most == 3


async def test_a_handler_that_fails_is_rolled_back_and_tried_again(world: World) -> None:
    tries = 0

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        nonlocal tries
        tries += 1
        await write(conn, event, envelope)
        if tries < 3:
            raise LookupError("not yet")

    world.billing.subscribe("billing", AccountDeleted, handler)
    await world.start()
    await world.publish(deleted(1))
    await effects_are(world, 1)
    assert tries == 3
    assert world.outcomes("retried") == 2


async def test_a_failing_message_does_not_hold_up_the_others(world: World) -> None:
    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        if event.account_id == 1:
            raise LookupError("never")
        await write(conn, event, envelope)

    world.billing.subscribe("billing", AccountDeleted, handler, concurrency=1)
    await world.start()
    await world.publish(deleted(1), deleted(2))
    await effects_are(world, 2)


async def test_after_the_last_try_a_message_is_a_dead_letter_and_can_be_replayed(world: World) -> None:
    broken = True
    tries = 0

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        nonlocal tries
        tries += 1
        if broken:
            raise LookupError("no such account")
        await write(conn, event, envelope)

    world.billing.subscribe("billing", AccountDeleted, handler)
    await world.start()
    await world.publish(deleted(1))
    (letter,) = await dead_letters_of(world)
    assert tries == len(RETRY_DELAYS) + 1
    assert letter.attempts == len(RETRY_DELAYS) + 1
    assert letter.error == "LookupError: no such account"
    assert letter.queue.endswith("billing.account.deleted.v1")
    assert letter.died_at is not None
    assert world.outcomes("dead") == 1

    broken = False
    assert await replay(world.url, world.databases["billing"], ["another:id"], clock=Clock()) == 0
    assert await replay(world.url, world.databases["billing"], [letter.id], clock=Clock()) == 1
    await effects_are(world, 1)
    assert await dead_letters(world.url, world.databases["billing"]) == []


async def test_a_permanent_error_is_a_dead_letter_at_once(world: World) -> None:
    tries = 0

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        nonlocal tries
        tries += 1
        raise PermanentError("no such thing")

    world.billing.subscribe("billing", AccountDeleted, handler)
    await world.start()
    await world.publish(deleted(1))
    await outcomes_are(world, "dead", 1)
    assert tries == 1


async def test_an_event_delivered_twice_has_one_effect(world: World) -> None:
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await world.publish(deleted(1))
    await effects_are(world, 1)
    async with world.databases["auth"].transaction() as conn:
        await conn.execute("update outbox set published_at = null")
    world.auth.wake()
    await outcomes_are(world, "delivered", 2)
    assert await world.effects() == ["1"]


async def test_a_handler_that_is_cut_off_runs_again_after_a_restart(world: World) -> None:
    begun = asyncio.Event()

    async def hang(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        await write(conn, event, envelope)
        begun.set()
        await asyncio.Event().wait()

    world.billing.subscribe("billing", AccountDeleted, hang)
    await world.start()
    await world.publish(deleted(1))
    await asyncio.wait_for(begun.wait(), WAIT_SECONDS)
    await world.bus.drain(0)
    await world.restart()
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await effects_are(world, 1)


async def test_draining_lets_a_running_handler_finish_and_takes_no_more(world: World) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def handler(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        begun.set()
        await may_end.wait()
        await write(conn, event, envelope)

    world.billing.subscribe("billing", AccountDeleted, handler, concurrency=1)
    await world.start()
    await world.publish(deleted(1), deleted(2))
    await asyncio.wait_for(begun.wait(), WAIT_SECONDS)
    draining = asyncio.create_task(world.bus.drain(WAIT_SECONDS))
    await asyncio.sleep(0)
    may_end.set()
    await draining
    assert len(await world.effects()) == 1


async def test_an_event_without_consumers_is_published_all_the_same(world: World) -> None:
    await world.start()
    await world.publish(CredentialRevoked(account_id=1))
    await outcomes_are(world, "published", 1)


async def test_every_consumer_has_its_own_copy(world: World) -> None:
    heard: list[str] = []

    async def in_scanner(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        heard.append(envelope.id)

    world.billing.subscribe("billing", AccountDeleted, write)
    world.services["scanner"].subscribe("scanner", AccountDeleted, in_scanner)
    await world.start()
    await world.publish(deleted(1))
    await effects_are(world, 1)
    await outcomes_are(world, "delivered", 2)
    assert len(heard) == 1


async def test_a_broadcast_reaches_a_listener_without_a_database(world: World) -> None:
    heard: asyncio.Queue[CredentialRevoked] = asyncio.Queue()
    world.gateway.broadcast(CredentialRevoked, heard.put_nowait)
    await world.start()
    await connected(world)
    await world.publish(CredentialRevoked(account_id=5))
    assert (await asyncio.wait_for(heard.get(), WAIT_SECONDS)).account_id == 5


async def test_flush_publishes_what_is_left(world: World) -> None:
    await world.start()
    await connected(world)
    await world.publish(deleted(1), deleted(2))
    await world.bus.flush()
    async with world.databases["auth"].connection() as conn:
        assert await conn.fetchval("select count(*) from outbox where published_at is null") == 0


async def test_only_those_named_in_the_topology_publish_and_subscribe(world: World) -> None:
    with pytest.raises(ValueError, match="auth is no consumer of"):
        world.auth.subscribe("auth", AccountDeleted, write)
    with pytest.raises(ValueError, match="published by scanner, not by auth"):
        await world.publish(ScanQueued(job_id="job_1"))
    with pytest.raises(ValueError, match="is not broadcast"):
        world.gateway.broadcast(AccountDeleted, print)
