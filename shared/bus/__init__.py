"""Facts between services: into the outbox with the state, through a carrier, into the inbox with the effect."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from shared.bus import local, outbox
from shared.bus.envelope import PermanentError
from shared.bus.service_bus import Carrier, CarrierUnavailable, DeadLetter, Handler, ServiceBus
from shared.clock import Clock, Ids
from shared.contracts.events import Event
from shared.database import Connection, Database, Unavailable
from shared.metrics import Metrics

__all__ = ["Bus", "DeadLetter", "Handler", "MessageBus", "PermanentError", "ServiceBus", "connect"]

E = TypeVar("E", bound=Event)

RETRY_DELAYS = (1.0, 5.0, 30.0, 120.0, 600.0)  # seconds; after the last of them a message is dead
LOCAL = "local:"


class Bus(Protocol):
    """What a service sees of the bus."""

    def subscribe(self, consumer: str, event: type[E], handler: Handler[E], *, concurrency: int = 4) -> None:
        """Handle each `event` once: in one transaction with its inbox row, retried with back-off when it raises."""

    def broadcast(self, event: type[E], listener: Callable[[E], None]) -> None:
        """Hear each `event` in this process while it runs; a hint that may be missed."""

    async def publish(self, conn: Connection, event: Event) -> None:
        """Publish `event` if and when the caller's transaction commits."""


class MessageBus:
    """The bus of a process: binds its services to one carrier, and runs what brings their events about."""

    def __init__(self, carrier: Carrier, clock: Clock, ids: Ids, metrics: Metrics) -> None:
        self._carrier = carrier
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._services: list[ServiceBus] = []
        self._relays: list[asyncio.Task[None]] = []

    def bind(self, service: str, database: Database | None) -> ServiceBus:
        """The bus as `service` sees it; before `start`."""
        bound = ServiceBus(service, database, self._carrier, self._clock, self._ids, self._metrics)
        self._services.append(bound)
        return bound

    async def start(self) -> None:
        """Publish from now on. A broker that is away is waited for in the background."""
        await self._carrier.start(self._services)
        self._relays = [asyncio.create_task(service.relay()) for service in self._services if service.has_outbox]

    async def consume(self) -> None:
        """Deliver to the subscribers from now on."""
        await self._carrier.consume()

    async def drain(self, timeout: float = 10.0) -> None:
        """Deliver no more; handlers that run have `timeout` seconds to finish, then they are rolled back."""
        await self._carrier.drain(timeout)

    async def flush(self, timeout: float = 5.0) -> None:
        """The relays' last pass: what the outboxes hold, as far as the carrier takes it within `timeout` seconds."""
        await self._stop_relays()
        try:
            async with asyncio.timeout(timeout):
                for service in self._services:
                    while service.has_outbox and await service.relay_batch():
                        pass
        except (TimeoutError, CarrierUnavailable, Unavailable):
            pass  # the rows stay, for the next start

    async def close(self) -> None:
        await self._stop_relays()
        await self._carrier.close()

    async def _stop_relays(self) -> None:
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def purge(self) -> None:
        """One retention pass over every outbox and inbox."""
        for service in self._services:
            if service.has_outbox:
                await outbox.purge(service.database, self._clock.now())

    def degraded(self) -> list[str]:
        """What of the bus is out of order: nothing, or `bus`."""
        return ["bus"] if self._carrier.degraded() else []


def connect(
    url: str, *, clock: Clock, ids: Ids, metrics: Metrics, retry_delays: Sequence[float] = RETRY_DELAYS
) -> MessageBus:
    """The bus at `local:` or `amqp://...`; nothing is opened before `start`. ValueError: another scheme."""
    if url == LOCAL:
        return MessageBus(local.Local(clock, retry_delays), clock, ids, metrics)
    from shared.bus.rabbitmq import RabbitMQ  # the embedded fleet never loads it

    return MessageBus(RabbitMQ(_amqp(url), clock, retry_delays), clock, ids, metrics)


async def dead_letters(url: str, database: Database | None, *, limit: int = 1000) -> list[DeadLetter]:
    """The oldest messages that were given up. `database`: needed for `local:` alone."""
    if url == LOCAL:
        return await local.dead_letters(_required(database), limit)
    from shared.bus import rabbitmq

    return await rabbitmq.dead_letters(_amqp(url), limit)


async def replay(url: str, database: Database | None, ids: Collection[str] | None, *, clock: Clock) -> int:
    """Deliver dead letters again, those with `ids` or all; how many."""
    if url == LOCAL:
        return await local.replay(_required(database), ids, clock.now())
    from shared.bus import rabbitmq

    return await rabbitmq.replay(_amqp(url), ids)


def _amqp(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in ("amqp", "amqps"):
        raise ValueError(f"CL_BUS_URL: {scheme}: is no bus. Set it to `local:` or to amqp://user:password@host/vhost.")
    return url


def _required(database: Database | None) -> Database:
    if database is None:
        raise ValueError("the dead letters of `local:` are in PostgreSQL: set CL_DATABASE_URL")
    return database
