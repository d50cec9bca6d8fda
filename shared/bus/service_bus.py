"""One service's end of the bus: what it publishes, what it listens to, how a delivery becomes one effect."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import structlog

from shared.bus import outbox
from shared.bus.envelope import PermanentError, unwrap, wrap
from shared.clock import Clock, Ids
from shared.contracts.events import BROADCAST, TOPOLOGY, Envelope, Event
from shared.database import Connection, Database, Unavailable, lost
from shared.metrics import Metrics
from shared.trace import correlation_id, traceparent

E = TypeVar("E", bound=Event)
Handler = Callable[[Connection, E, Envelope], Awaitable[None]]

POLL_SECONDS = 2.0
HANDLER_SECONDS = 30.0

log = structlog.get_logger(__name__)


class CarrierUnavailable(Exception):
    """The broker cannot be reached now; the outbox keeps its rows."""


@dataclass(frozen=True)
class Subscription:
    """A service's handler of one event, behind the queue `<service>.<event>`."""

    service: str
    consumer: str
    event: type[Event]
    handler: Handler[Any]
    concurrency: int

    @property
    def queue(self) -> str:
        return f"{self.service}.{self.event.NAME}"


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up."""

    id: str  # `<queue>:<envelope id>`
    queue: str
    event_id: str
    attempts: int
    error: str
    died_at: datetime | None  # None: the broker itself gave it up
    body: bytes


class Carrier(Protocol):
    """What brings envelopes from the outboxes to the consumers of their events."""

    async def start(self, services: Sequence["ServiceBus"]) -> None:
        """Connect, in the background where the other side may be away."""

    async def send(self, conn: Connection, envelopes: Sequence[Envelope]) -> Collection[str]:
        """Ids of the envelopes that were safely taken. `conn`: the transaction in which they are marked so."""

    async def consume(self) -> None: ...

    async def drain(self, timeout: float) -> None:
        """Take no more, and let the handlers that run finish."""

    async def close(self) -> None: ...

    def degraded(self) -> bool: ...


def reason(error: BaseException) -> str:
    """An exception in one bounded line."""
    return f"{type(error).__name__}: {error}"[:1000]


class ServiceBus:
    """What `ctx.bus` is. `database` is None for a service without a schema: it can only listen to broadcasts."""

    def __init__(
        self, service: str, database: Database | None, carrier: Carrier, clock: Clock, ids: Ids, metrics: Metrics
    ) -> None:
        self.service = service
        self.subscriptions: dict[str, Subscription] = {}  # by the event's name
        self.listeners: dict[type[Event], list[Callable[[Any], None]]] = {}
        self._database = database
        self._carrier = carrier
        self._clock = clock
        self._ids = ids
        self._events = metrics.counter(
            "bus_events_total", "Events by what became of them", ("service", "event", "outcome")
        )
        self._wake = asyncio.Event()

    @property
    def database(self) -> Database:
        if self._database is None:
            raise ValueError(f"{self.service} has no schema: it can neither publish nor subscribe")
        return self._database

    @property
    def has_outbox(self) -> bool:
        return self._database is not None

    def subscribe(self, consumer: str, event: type[E], handler: Handler[E], *, concurrency: int = 4) -> None:
        """Handle `event` in one transaction each, at most `concurrency` at once; `consumer` names it in the inbox."""
        if self.service not in TOPOLOGY[event][1]:
            raise ValueError(f"{self.service} is no consumer of {event.NAME}: add it to TOPOLOGY first")
        if event.NAME in self.subscriptions:
            raise ValueError(f"{self.service} handles {event.NAME} already")
        self.subscriptions[event.NAME] = Subscription(self.service, consumer, event, handler, concurrency)

    def broadcast(self, event: type[E], listener: Callable[[E], None]) -> None:
        """Hear each `event` in this process while it runs; a hint that may be missed."""
        if event not in BROADCAST:
            raise ValueError(f"{event.NAME} is not broadcast: add it to BROADCAST first")
        self.listeners.setdefault(event, []).append(listener)

    async def publish(self, conn: Connection, event: Event) -> None:
        """Put `event` into the outbox, in the caller's transaction."""
        publisher = TOPOLOGY[type(event)][0]
        if publisher != self.service:
            raise ValueError(f"{event.NAME} is published by {publisher}, not by {self.service}")
        await outbox.put(conn, wrap(event, self._ids.uuid(), self._clock.now()), self.database.schema)

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    def count(self, event: str, outcome: str) -> None:
        self._events.labels(self.service, event, outcome).inc()

    def hear(self, envelope: Envelope) -> None:
        """Give a broadcast event to its listeners."""
        for event, listeners in self.listeners.items():
            if envelope.name == event.NAME:
                for listener in listeners:
                    try:
                        listener(unwrap(envelope))
                    except Exception:
                        log.exception("bus.listener_failed", event=envelope.name, service=self.service)

    async def attempt(self, conn: Connection, subscription: Subscription, envelope: Envelope) -> Exception | None:
        """Run the handler in a savepoint of the caller's transaction, unless its consumer has had this event.

        What the handler raised is returned, and rolled back. An exception: the database itself is lost.
        """
        restore = correlation_id.set(envelope.correlation_id), traceparent.set(envelope.traceparent)
        try:
            async with conn.transaction(), asyncio.timeout(HANDLER_SECONDS):
                if await outbox.is_new(conn, subscription.consumer, envelope, self._clock.now()):
                    await subscription.handler(conn, unwrap(envelope), envelope)
        except Exception as error:
            if lost(conn):
                raise
            return error
        finally:
            correlation_id.reset(restore[0])
            traceparent.reset(restore[1])
        self.count(envelope.name, "delivered")
        return None

    def failed(
        self, subscription: Subscription, attempt: int, error: Exception, delays: Sequence[float]
    ) -> float | None:
        """Note that the `attempt`-th try (from 1) failed; seconds until the next one, None: no more of them."""
        give_up = isinstance(error, PermanentError) or attempt > len(delays)
        delay = None if give_up else delays[attempt - 1]
        self.count(subscription.event.NAME, "dead" if give_up else "retried")
        log.warning(
            "bus.handler_failed",
            queue=subscription.queue,
            attempt=attempt,
            retry_in=delay,
            reason=reason(error),
            exc_info=None if isinstance(error, PermanentError) else error,
        )
        return delay

    async def relay_batch(self) -> int:
        """Hand the oldest unpublished events to the carrier; the number taken."""
        async with self.database.transaction() as conn:
            rows = await outbox.waiting(conn)
            if not rows:
                return 0
            taken = await self._carrier.send(conn, [envelope for _, envelope in rows])
            await outbox.mark_published(
                conn, [row for row, envelope in rows if envelope.id in taken], self._clock.now()
            )
        for _, envelope in rows:
            if envelope.id in taken:
                self.count(envelope.name, "published")
        return len(taken)

    async def relay(self) -> None:
        """Until cancelled: whatever is committed to the outbox goes out, at once, or as soon as the carrier can."""
        await self.database.listen(outbox.channel(self.database.schema), lambda _: self.wake())
        delay = POLL_SECONDS
        while True:
            self._wake.clear()
            try:
                while await self.relay_batch() == outbox.BATCH:
                    pass
                delay = POLL_SECONDS
            except (Unavailable, CarrierUnavailable) as error:
                log.debug("bus.relay_waits", service=self.service, reason=str(error))
            except Exception:
                log.exception("bus.relay_failed", service=self.service)
                delay = min(delay * 2, 60.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._wake.wait()
