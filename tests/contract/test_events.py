"""The events are append-only: their schemas and samples are kept here, and a consumer of anybody's can read them.

A new event, or a new field, is added to its file by hand; what is there already never changes.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import aio_pika
import jsonschema
import pytest

import services.auth
from shared import asyncapi
from shared.bus import connect
from shared.bus.rabbitmq import split_url
from shared.clock import Clock, Ids
from shared.contracts.events import BY_NAME, AccountDisabled, Event
from shared.metrics import Metrics
from tests.conftest import OpenDatabase

KEPT = Path(__file__).parent / "events"


def kept(event: type[Event]) -> dict[str, Any]:
    file = KEPT / f"{event.NAME}.json"
    assert file.exists(), f"{file.name} is missing: keep the new event's schema and a sample of it there"
    snapshot: dict[str, Any] = json.loads(file.read_text())
    return snapshot


def test_nothing_is_kept_of_an_event_that_does_not_exist() -> None:
    assert {file.stem for file in KEPT.glob("*.json")} == set(BY_NAME)


@pytest.mark.parametrize("event", BY_NAME.values(), ids=BY_NAME)
def test_the_schema_is_the_one_that_consumers_know(event: type[Event]) -> None:
    assert event.model_json_schema(mode="serialization") == kept(event)["schema"]


@pytest.mark.parametrize("event", BY_NAME.values(), ids=BY_NAME)
def test_the_sample_is_read_and_written_unchanged(event: type[Event]) -> None:
    sample = kept(event)["sample"]
    read = event.model_validate(sample)
    assert read.model_dump(mode="json") == sample and read.key
    assert event.model_validate(sample | {"added_later": 1}) == read


async def test_somebody_else_s_consumer_needs_only_the_broker_and_the_asyncapi_document(
    amqp_url: str, open_database: OpenDatabase
) -> None:
    """An example: its own queue, bound by the address in the document, and messages by the document's schema."""
    document = json.loads(json.dumps(asyncapi.document()))
    channel_of = document["channels"][AccountDisabled.NAME]
    message = document["components"]["messages"]["AccountDisabled"]
    broker, prefix = split_url(amqp_url)

    database = await open_database("auth", Path(services.auth.__file__).parent / "migrations")
    bus = connect(amqp_url, clock=Clock(), ids=Ids(), metrics=Metrics())
    auth = bus.bind("auth", database)
    await bus.start()
    try:
        async with await aio_pika.connect(broker) as connection:
            channel = await connection.channel()
            await _until_declared(connection, prefix + channel_of["bindings"]["amqp"]["exchange"]["name"])
            exchange = await channel.get_exchange(prefix + channel_of["bindings"]["amqp"]["exchange"]["name"])
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(exchange, routing_key=channel_of["address"])

            async with database.transaction() as conn:
                await auth.publish(conn, AccountDisabled(account_id=7, version=2))

            async with asyncio.timeout(20), queue.iterator() as incoming:
                received = await anext(incoming)
                await received.ack()
        body = json.loads(received.body)
        jsonschema.validate(body, {**message["payload"], "components": document["components"]})
        assert body["data"] == {"account_id": 7, "version": 2} and received.message_id == body["id"]
    finally:
        await bus.close()


async def _until_declared(connection: aio_pika.abc.AbstractConnection, exchange: str) -> None:
    """The relay declares the topology when it first connects."""
    async with asyncio.timeout(20):
        while True:
            channel = await connection.channel()
            try:
                await channel.get_exchange(exchange, ensure=True)
            except aio_pika.exceptions.ChannelClosed:
                await asyncio.sleep(0.05)
                continue
            await channel.close()
            return
