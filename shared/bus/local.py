"""The bus of one process: deliveries are rows in PostgreSQL, so that a kill loses none."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from shared.bus.envelope import encode
from shared.bus.service_bus import POLL_SECONDS, DeadLetter, ServiceBus, Subscription, reason
from shared.clock import Clock
from shared.contracts.events import BY_NAME, TOPOLOGY, Envelope
from shared.database import Connection, Database, Unavailable

CHANNEL = "bus_delivery"  # notified with the service whose queue has something new

log = structlog.get_logger(__name__)


class Local:
    def __init__(self, clock: Clock, retry_delays: Sequence[float]) -> None:
        self._clock = clock
        self._retry_delays = retry_delays
        self._services: Sequence[ServiceBus] = ()
        self._consumers: list[_Consumer] = []

    async def start(self, services: Sequence[ServiceBus]) -> None:
        self._services = services

    async def send(self, conn: Connection, envelopes: Sequence[Envelope]) -> Collection[str]:
        """In the relay's own transaction: what is marked published is delivered, and the other way round."""
        now = self._clock.now()
        rows = [
            (consumer, envelope.name, envelope.model_dump(mode="json"), now)
            for envelope in envelopes
            for consumer in TOPOLOGY[BY_NAME[envelope.name]][1]
        ]
        await conn.executemany(
            "insert into bus.delivery (consumer, event, envelope, next_attempt_at) values ($1, $2, $3, $4)", rows
        )
        for consumer in {row[0] for row in rows}:
            await conn.execute("select pg_notify($1, $2)", CHANNEL, consumer)
        for envelope in envelopes:
            for service in self._services:
                service.hear(envelope)
        return {envelope.id for envelope in envelopes}

    async def consume(self) -> None:
        self._consumers = [
            _Consumer(service, self._clock, self._retry_delays) for service in self._services if service.subscriptions
        ]
        for consumer in self._consumers:
            await consumer.start()

    async def drain(self, timeout: float) -> None:
        await asyncio.gather(*(consumer.stop(timeout) for consumer in self._consumers))
        self._consumers = []

    async def close(self) -> None:
        await self.drain(0)

    def degraded(self) -> bool:
        return False


class _Consumer:
    """Runs a service's due deliveries, each subscription's at most `concurrency` at once."""

    def __init__(self, service: ServiceBus, clock: Clock, retry_delays: Sequence[float]) -> None:
        self._service = service
        self._clock = clock
        self._retry_delays = retry_delays
        self._wake = asyncio.Event()
        self._stopping = False
        self._look: asyncio.Task[None] | None = None
        self._running: dict[str, set[asyncio.Task[None]]] = {name: set() for name in service.subscriptions}

    async def start(self) -> None:
        await self._service.database.listen(CHANNEL, self._notified)
        self._look = asyncio.create_task(self._run())

    async def stop(self, timeout: float) -> None:
        self._stopping = True
        if self._look:
            self._look.cancel()
        running = [task for tasks in self._running.values() for task in tasks]
        if running:
            _, late = await asyncio.wait(running, timeout=timeout)
            for task in late:
                task.cancel()  # rolled back, and delivered again by the next start
            await asyncio.gather(*late, return_exceptions=True)

    def _notified(self, service: str) -> None:
        if service in ("", self._service.service):
            self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            delay = POLL_SECONDS
            try:
                delay = await self._start_due()
            except Unavailable as error:
                log.debug("bus.consumer_waits", service=self._service.service, reason=str(error))
            except Exception:
                log.exception("bus.consumer_failed", service=self._service.service)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._wake.wait()

    async def _start_due(self) -> float:
        """Start a task for what is due, where there is place for one; the seconds until more will be due."""
        now = self._clock.now()
        async with self._service.database.connection() as conn:
            rows = await conn.fetch(
                """select event, count(*) filter (where next_attempt_at <= $2) as due,
                          min(next_attempt_at) filter (where next_attempt_at > $2) as later
                   from bus.delivery where consumer = $1 and dead_at is null group by event""",
                self._service.service,
                now,
            )
        delay = POLL_SECONDS
        for row in rows:
            subscription = self._service.subscriptions.get(row["event"])
            if subscription is None:
                continue
            running = self._running[row["event"]]
            for _ in range(min(row["due"], subscription.concurrency) - len(running)):
                task = asyncio.create_task(self._work(subscription))
                running.add(task)
                task.add_done_callback(running.discard)
            if row["later"]:
                delay = min(delay, (row["later"] - now).total_seconds())
        return delay

    async def _work(self, subscription: Subscription) -> None:
        try:
            while not self._stopping and await self._deliver_one(subscription):
                pass
        except Unavailable as error:
            log.debug("bus.delivery_waits", queue=subscription.queue, reason=str(error))
        except Exception:
            log.exception("bus.delivery_failed", queue=subscription.queue)

    async def _deliver_one(self, subscription: Subscription) -> bool:
        """Take, handle and remove one delivery in one transaction; False when none is due."""
        async with self._service.database.transaction() as conn:
            row = await conn.fetchrow(
                """select id, envelope, attempt from bus.delivery
                   where consumer = $1 and event = $2 and dead_at is null and next_attempt_at <= $3
                   order by next_attempt_at, id limit 1 for update skip locked""",
                subscription.service,
                subscription.event.NAME,
                self._clock.now(),
            )
            if row is None:
                return False
            error = await self._service.attempt(conn, subscription, Envelope.model_validate(row["envelope"]))
            if error is None:
                await conn.execute("delete from bus.delivery where id = $1", row["id"])
            else:
                await self._put_off(conn, subscription, row["id"], row["attempt"], error)
        return True

    async def _put_off(
        self, conn: Connection, subscription: Subscription, delivery: int, attempt: int, error: Exception
    ) -> None:
        delay = self._service.failed(subscription, attempt, error, self._retry_delays)
        now = self._clock.now()
        if delay is None:
            await conn.execute(
                "update bus.delivery set dead_at = $2, error = $3 where id = $1", delivery, now, reason(error)
            )
        else:
            await conn.execute(
                "update bus.delivery set attempt = attempt + 1, next_attempt_at = $2 where id = $1",
                delivery,
                now + timedelta(seconds=delay),
            )
            self._wake.set()


async def dead_letters(database: Database, limit: int) -> list[DeadLetter]:
    async with database.connection() as conn:
        rows = await conn.fetch(
            """select consumer, event, envelope, attempt, error, dead_at from bus.delivery
               where dead_at is not null order by dead_at limit $1""",
            limit,
        )
    letters = []
    for row in rows:
        envelope = Envelope.model_validate(row["envelope"])
        queue = f"{row['consumer']}.{row['event']}"
        letters.append(
            DeadLetter(
                id=f"{queue}:{envelope.id}",
                queue=queue,
                event_id=envelope.id,
                attempts=row["attempt"],
                error=row["error"],
                died_at=row["dead_at"],
                body=encode(envelope),
            )
        )
    return letters


async def replay(database: Database, ids: Collection[str] | None, now: datetime) -> int:
    """Deliver dead letters again from their first attempt; `ids` None: all."""
    async with database.transaction() as conn:
        consumers = await conn.fetch(
            """update bus.delivery set dead_at = null, attempt = 1, next_attempt_at = $2
               where dead_at is not null
                 and ($1::text[] is null or consumer || '.' || event || ':' || (envelope ->> 'id') = any($1))
               returning consumer""",
            None if ids is None else list(ids),
            now,
        )
        for consumer in {row["consumer"] for row in consumers}:
            await conn.execute("select pg_notify($1, $2)", CHANNEL, consumer)
    return len(consumers)
