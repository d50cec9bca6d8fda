"""The bus over RabbitMQ: one supervised session, begun anew whenever anything about it breaks."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from shared.bus.consumer import ATTEMPT, DIED_AT, ERROR, again
from shared.bus.service_bus import CarrierUnavailable, DeadLetter, ServiceBus, reason
from shared.bus.session import Session, connection
from shared.bus.topology import TIMEOUT, Topology
from shared.clock import Clock
from shared.contracts.events import Envelope
from shared.database import Connection

WATCH_SECONDS = 15.0
RECONNECT_SECONDS = (0.1, 5.0)  # first, and at most
HEARTBEAT_SECONDS = "20"

log = structlog.get_logger(__name__)


class RabbitMQ:
    def __init__(self, url: str, clock: Clock, retry_delays: Sequence[float]) -> None:
        self._url, prefix = split_url(url)
        self._topology = Topology(prefix, retry_delays)
        self._clock = clock
        self._services: Sequence[ServiceBus] = ()
        self._session: Session | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._consuming = False
        self._changed = asyncio.Event()  # the session broke, or has to consume from now on

    async def start(self, services: Sequence[ServiceBus]) -> None:
        self._services = services
        self._supervisor = asyncio.create_task(self._supervise())

    async def send(self, conn: Connection, envelopes: Sequence[Envelope]) -> Collection[str]:
        session = self._session
        if session is None:
            raise CarrierUnavailable("no connection to RabbitMQ")
        results = await asyncio.gather(*map(session.publish, envelopes), return_exceptions=True)
        sent = {envelope.id for envelope, result in zip(envelopes, results, strict=True) if result is None}
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            log.warning("bus.publish_failed", failed=len(failures), sent=len(sent), reason=reason(failures[0]))
        return sent

    async def consume(self) -> None:
        self._consuming = True
        self._changed.set()

    async def drain(self, timeout: float) -> None:
        self._consuming = False
        if self._session:
            await self._session.drain(timeout)

    async def close(self) -> None:
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def degraded(self) -> bool:
        return self._session is None or (self._consuming and not self._session.consumes)

    async def _supervise(self) -> None:
        delay, longest = RECONNECT_SECONDS
        while True:
            try:
                async with Session.open(
                    self._url, self._topology, self._services, self._clock, self._changed.set
                ) as session:
                    self._session = session
                    delay = RECONNECT_SECONDS[0]
                    for service in self._services:
                        service.wake()
                    await self._watch(session)
            except Exception as error:
                log.warning("bus.disconnected", reason=reason(error), retry_in=delay)
            finally:
                self._session = None
            await asyncio.sleep(delay)
            delay = min(delay * 2, longest)

    async def _watch(self, session: Session) -> None:
        """Return or raise when the session is to be replaced."""
        while not session.broken:
            self._changed.clear()
            if self._consuming:
                await session.consume()
            try:
                async with asyncio.timeout(WATCH_SECONDS):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._changed.wait()
            except TimeoutError:
                await session.check()


def split_url(url: str) -> tuple[str, str]:
    """The broker's URL, and the `prefix` of its query: it keeps installations on one virtual host apart."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    prefix = query.pop("prefix", "")
    query.setdefault("heartbeat", HEARTBEAT_SECONDS)
    return urlunsplit(parts._replace(query=urlencode(query))), prefix


@asynccontextmanager
async def _dead_letter_queue(url: str) -> AsyncIterator[AbstractQueue]:
    """What is taken from it and not acknowledged is back in it afterwards."""
    broker, prefix = split_url(url)
    topology = Topology(prefix, ())
    async with connection(broker) as connected:
        channel = await connected.channel(publisher_confirms=True, on_return_raises=True)
        await topology.declare(channel)
        yield await channel.get_queue(topology.dead_letters, ensure=False)


async def dead_letters(url: str, limit: int) -> list[DeadLetter]:
    async with _dead_letter_queue(url) as queue:
        return [_dead_letter(message) async for message in _messages(queue, limit)]


async def replay(url: str, ids: Collection[str] | None) -> int:
    count = 0
    async with _dead_letter_queue(url) as queue:
        async for message in _messages(queue, None):
            letter = _dead_letter(message)
            if ids is None or letter.id in ids:
                await queue.channel.default_exchange.publish(
                    again(message, {ATTEMPT: 1}), letter.queue, timeout=TIMEOUT
                )
                await message.ack()
                count += 1
    return count


async def _messages(queue: AbstractQueue, limit: int | None) -> AsyncIterator[AbstractIncomingMessage]:
    taken = 0
    while (limit is None or taken < limit) and (message := await queue.get(fail=False, timeout=TIMEOUT)):
        yield message
        taken += 1


def _dead_letter(message: AbstractIncomingMessage) -> DeadLetter:
    queue = message.routing_key or ""
    died_at = message.headers.get(DIED_AT)
    return DeadLetter(
        id=f"{queue}:{message.message_id}",
        queue=queue,
        event_id=message.message_id or "",
        attempts=int(str(message.headers.get(ATTEMPT, 1))),
        error=str(message.headers.get(ERROR, "the broker gave it up: its consumer died with it again and again")),
        died_at=datetime.fromisoformat(str(died_at)) if died_at else None,
        body=message.body,
    )
