"""One queue of RabbitMQ being consumed: each message is handled, put off, given up, or left where it is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from shared.bus.envelope import PermanentError, decode
from shared.bus.service_bus import ServiceBus, Subscription, reason
from shared.bus.topology import TIMEOUT, Topology
from shared.clock import Clock
from shared.contracts.base import iso
from shared.database import Unavailable

DATABASE_RETRY_SECONDS = 2.0

# Headers. The attempts are counted by us: the broker's own counts differ between its versions.
ATTEMPT = "x-attempt"
ERROR = "x-error"
DIED_AT = "x-died-at"

log = structlog.get_logger(__name__)


class Consumer:
    """`publisher` carries what is put off or given up; `broken` is called when a message could not be settled."""

    def __init__(
        self,
        service: ServiceBus,
        subscription: Subscription,
        topology: Topology,
        clock: Clock,
        publisher: AbstractChannel,
        broken: Callable[[], None],
    ) -> None:
        self._service = service
        self._subscription = subscription
        self._topology = topology
        self._clock = clock
        self._publisher = publisher
        self._broken = broken
        self._running: set[asyncio.Task[Any]] = set()
        self._queue: AbstractQueue | None = None
        self._tag = ""

    @property
    def queue(self) -> str:
        return self._topology.queue(self._subscription.service, self._subscription.event.NAME)

    async def start(self, channel: AbstractChannel) -> None:
        await channel.set_qos(self._subscription.concurrency, timeout=TIMEOUT)
        self._queue = await channel.get_queue(self.queue, ensure=False)
        self._tag = await self._queue.consume(self._deliver, timeout=TIMEOUT)

    async def drain(self, seconds: float) -> None:
        """Take no more, and give what runs `seconds`; what is not acknowledged then is delivered again."""
        if self._queue:
            with suppress(Exception):  # where the channel is broken, nothing is left to cancel
                await self._queue.cancel(self._tag, timeout=TIMEOUT)
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _deliver(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            error = await self._handle(message.body)
            if error is not None:
                await self._put_off(message, error)
            await message.ack()
        except Exception as error:
            # Unacknowledged, it is delivered again; if its effect was committed, the inbox knows it.
            log.warning("bus.not_settled", queue=self.queue, reason=reason(error))
            self._broken()

    async def _handle(self, body: bytes) -> Exception | None:
        """What the handler raised. An unreachable PostgreSQL is no fault of the message: it is waited for."""
        try:
            envelope = decode(body)
        except PermanentError as error:
            return error
        while True:
            try:
                async with self._service.database.transaction() as conn:
                    return await self._service.attempt(conn, self._subscription, envelope)
            except Unavailable as error:
                log.warning("bus.delivery_waits", queue=self.queue, reason=reason(error))
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    async def _put_off(self, message: AbstractIncomingMessage, error: Exception) -> None:
        attempt = int(str(message.headers.get(ATTEMPT, 1)))
        delay = self._service.failed(self._subscription, attempt, error, self._topology.retry_delays)
        if delay is None:
            name = self._topology.dead_letters
            headers = {ATTEMPT: attempt, ERROR: reason(error), DIED_AT: iso(self._clock.now())}
        else:
            name = self._topology.retry(delay)
            headers = {ATTEMPT: attempt + 1}
        exchange = await self._publisher.get_exchange(name, ensure=False)
        await exchange.publish(again(message, headers), self.queue, timeout=TIMEOUT)


def again(message: AbstractIncomingMessage, headers: dict[str, Any]) -> aio_pika.Message:
    """The same message, to be published again with `headers` over its own."""
    return aio_pika.Message(
        message.body,
        headers={**message.headers, **headers},
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
        type=message.type,
    )
