"""What goes wrong with a broker, and that no event is lost by it. Each on a broker of its own."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aio_pika
import pytest

from shared.bus import dead_letters
from shared.bus.topology import Topology
from shared.contracts.events import AccountDeleted
from shared.database import Database
from tests.conftest import OpenDatabase, absent
from tests.support import services
from tests.support.bus import (
    EFFECTS,
    RETRY_DELAYS,
    WAIT_SECONDS,
    World,
    connected,
    deleted,
    effects_are,
    eventually,
    outcomes_are,
    write,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("private_rabbitmq")]

SETTLE_SECONDS = 10  # RabbitMQ 3.10 loses a quorum queue when it is killed soon after its declaration
TOPOLOGY = Topology("", RETRY_DELAYS)


@pytest.fixture(scope="module")
def broker() -> Iterator[services.PrivateRabbitMQ]:
    server = services.PrivateRabbitMQ()
    try:
        server.start()
    except services.Missing as error:
        absent(error)
    yield server
    server.stop()


@pytest.fixture
async def databases(open_database: OpenDatabase, tmp_path: Path) -> dict[str, Database]:
    (tmp_path / "0001_effect.sql").write_text(EFFECTS)
    return {name: await open_database(name, tmp_path) for name in ("auth", "billing")}


@pytest.fixture
async def world(broker: services.PrivateRabbitMQ, databases: dict[str, Database]) -> AsyncIterator[World]:
    world = World(broker.url, databases)
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await connected(world)
    yield world
    await world.bus.close()
    await services.remove_topology(broker.url, RETRY_DELAYS)


async def degraded(world: World) -> None:
    async def reached() -> bool:
        return world.bus.degraded() == ["bus"]

    await eventually(reached)


async def test_a_broker_that_is_killed_and_comes_back(world: World, broker: services.PrivateRabbitMQ) -> None:
    await world.publish(deleted(1))
    await effects_are(world, 1)
    await asyncio.sleep(SETTLE_SECONDS)
    await asyncio.to_thread(broker.end, signal.SIGKILL)
    await degraded(world)
    await world.publish(deleted(2))
    await asyncio.to_thread(broker.start)
    await world.publish(deleted(3))
    await effects_are(world, 1, 2, 3)
    assert world.bus.degraded() == []


async def test_a_broker_that_lost_its_disk_gets_everything_again(
    world: World, broker: services.PrivateRabbitMQ
) -> None:
    await world.publish(deleted(1))
    await effects_are(world, 1)
    await world.bus.drain()  # the second event stays in the broker, and is lost with it
    await world.publish(deleted(2))
    await outcomes_are(world, "published", 2)
    await asyncio.to_thread(broker.end, signal.SIGKILL)
    shutil.rmtree(broker.folder / "db")
    await asyncio.to_thread(broker.start)
    await world.bus.consume()
    await effects_are(world, 1, 2)
    await outcomes_are(world, "published", 4)


async def test_a_broker_that_is_away_at_the_start(
    broker: services.PrivateRabbitMQ, databases: dict[str, Database]
) -> None:
    world = World(f"amqp://guest:guest@127.0.0.1:{services.free_port()}/", databases)
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await world.publish(deleted(1))
    assert world.bus.degraded() == ["bus"]
    await world.bus.close()
    world.url = broker.url
    await world.restart()
    world.billing.subscribe("billing", AccountDeleted, write)
    await world.start()
    await effects_are(world, 1)
    await world.bus.close()
    await services.remove_topology(broker.url, RETRY_DELAYS)


async def test_a_queue_that_is_deleted_is_made_and_consumed_again(
    world: World, broker: services.PrivateRabbitMQ
) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(TOPOLOGY.queue("billing", AccountDeleted.NAME))
    await degraded(world)
    await connected(world)
    await world.publish(deleted(1))
    await effects_are(world, 1)


async def test_a_message_that_is_no_event_is_a_dead_letter(world: World, broker: services.PrivateRabbitMQ) -> None:
    queue = TOPOLOGY.queue("billing", AccountDeleted.NAME)
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), queue)
    await outcomes_are(world, "dead", 1)
    async with asyncio.timeout(WAIT_SECONDS):
        while not (letters := await dead_letters(broker.url, None)):
            await asyncio.sleep(0.05)
    (letter,) = letters
    assert (letter.queue, letter.body) == (queue, b"hello")
    assert letter.error.startswith("PermanentError: no envelope")


async def test_prefixes_keep_installations_apart(
    world: World, broker: services.PrivateRabbitMQ, databases: dict[str, Database]
) -> None:
    other = World(f"{broker.url}?prefix=other.", databases)
    async with databases["auth"].transaction() as conn:
        await other.auth.publish(conn, deleted(1))
    await world.bus.close()
    await other.start()
    await outcomes_are(other, "published", 1)
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        ours = await channel.get_queue(TOPOLOGY.queue("billing", AccountDeleted.NAME))
        theirs = await channel.get_queue("other." + TOPOLOGY.queue("billing", AccountDeleted.NAME))
        assert await ours.get(fail=False) is None
        message = await theirs.get()
        assert message is not None
        await message.ack()
    await other.bus.close()
    await services.remove_topology(other.url, RETRY_DELAYS)
