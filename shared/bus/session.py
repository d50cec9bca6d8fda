"""One connected time with RabbitMQ: what is published and consumed until anything about it breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.bus import outbox
from shared.bus.consumer import Consumer
from shared.bus.envelope import PermanentError, decode, encode
from shared.bus.service_bus import ServiceBus
from shared.bus.topology import TIMEOUT, Topology
from shared.clock import Clock
from shared.contracts.events import BY_NAME, TOPOLOGY, Envelope

log = structlog.get_logger(__name__)


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[AbstractConnection]:
    connected = await aio_pika.connect(url, timeout=TIMEOUT)
    try:
        yield connected
    finally:
        with suppress(Exception):  # a broken one may have nothing left to close
            await asyncio.wait_for(connected.close(), TIMEOUT)


class Session:
    """`changed` is called when `broken` becomes true: end this session then, and begin another.

    It has two connections: a broker that blocks publishers must not hold up acknowledgements.
    """

    def __init__(
        self,
        publishing: AbstractConnection,
        consuming: AbstractConnection,
        topology: Topology,
        services: Sequence[ServiceBus],
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.broken = False
        self.consumes = False
        self._publishing = publishing
        self._consuming = consuming
        self._topology = topology
        self._services = services
        self._clock = clock
        self._changed = changed
        self._consumers: list[Consumer] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        topology: Topology,
        services: Sequence[ServiceBus],
        clock: Clock,
        changed: Callable[[], None],
    ) -> AsyncIterator[Self]:
        async with connection(url) as publishing, connection(url) as consuming:
            session = cls(publishing, consuming, topology, services, clock, changed)
            await session._prepare()
            try:
                yield session
            finally:
                await session.drain(0)

    async def _prepare(self) -> None:
        for connected in (self._publishing, self._consuming):
            connected.close_callbacks.add(self._break)
        self._channel = await self._open_channel(self._publishing)
        await self._topology.declare(self._channel)
        self._exchange = await self._channel.get_exchange(self._topology.exchange, ensure=False)
        for service in self._services:
            if service.has_outbox:
                await self._fill_new_broker(service)
            if service.listeners:
                await self._listen(service)

    def _break(self, *_: object) -> None:
        self.broken = True
        self._changed()

    async def _open_channel(self, connected: AbstractConnection) -> AbstractChannel:
        """A channel whose end, or whose consumer's end, is the session's."""
        channel = await connected.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(self._break)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._break)
        return channel

    async def _fill_new_broker(self, service: ServiceBus) -> None:
        """Where the marker is missing, the broker is new or was wiped: publish again all that is kept."""
        marker = self._topology.marker(service.service)
        channel = await self._publishing.channel()
        try:
            await channel.declare_queue(marker, passive=True, timeout=TIMEOUT)
        except ChannelNotFoundEntity:  # which closes the channel
            async with service.database.transaction() as conn:
                count = await outbox.publish_again(conn, self._clock.now())
            log.info("bus.new_broker", service=service.service, published_again=count)
            await self._channel.declare_queue(marker, durable=True, timeout=TIMEOUT)
        else:
            await channel.close()

    async def publish(self, envelope: Envelope) -> None:
        """Return when every queue that the event has to reach has it on disk."""
        message = aio_pika.Message(
            encode(envelope),
            headers={"traceparent": envelope.traceparent} if envelope.traceparent else {},
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=envelope.id,
            correlation_id=envelope.correlation_id,
            timestamp=envelope.occurred_at,
            type=envelope.name,
        )
        consumers = TOPOLOGY[BY_NAME[envelope.name]][1]
        try:
            await self._exchange.publish(message, envelope.name, mandatory=bool(consumers), timeout=TIMEOUT)
        except Exception:
            self._break()
            raise

    async def consume(self) -> None:
        """Begin to consume, unless that was done already."""
        if self.consumes:
            return
        for service in self._services:
            for subscription in service.subscriptions.values():
                consumer = Consumer(service, subscription, self._topology, self._clock, self._channel, self._break)
                await consumer.start(await self._open_channel(self._consuming))
                self._consumers.append(consumer)
        self.consumes = True

    async def _listen(self, service: ServiceBus) -> None:
        """Broadcasts come through a queue of this process alone, which dies with it."""
        channel = await self._open_channel(self._consuming)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True, timeout=TIMEOUT)
        for event in service.listeners:
            await queue.bind(self._topology.exchange, event.NAME, timeout=TIMEOUT)

        async def hear(message: AbstractIncomingMessage) -> None:
            with suppress(PermanentError):
                service.hear(decode(message.body))

        await queue.consume(hear, no_ack=True, timeout=TIMEOUT)

    async def drain(self, seconds: float) -> None:
        """Take no more, and give what runs `seconds`."""
        await asyncio.gather(*(consumer.drain(seconds) for consumer in self._consumers))
        self._consumers = []
        self.consumes = False

    async def check(self) -> None:
        """Raise unless the broker answers for every queue consumed here, and counts a consumer on it."""
        channel = await self._publishing.channel()
        for consumer in self._consumers:
            queue = await channel.declare_queue(consumer.queue, passive=True, timeout=TIMEOUT)
            if not queue.declaration_result.consumer_count:
                raise ConnectionError(f"{consumer.queue} has lost its consumer")
        await channel.close()
