"""The workers that deliver: webhooks and mail, each leased from its table, attempted, and its outcome written back."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.monitor import repository, retries
from services.monitor.channels.email import DeliveryError, EmailChannel
from services.monitor.channels.webhook import WebhookChannel
from services.monitor.mail import LeasedMail
from services.monitor.notify import Notifier
from services.monitor.webhooks import LeasedDelivery
from shared.clock import Clock
from shared.database import Database
from shared.service import Stopping

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.5  # seconds
LEASE = timedelta(seconds=90)  # longer than any attempt
AT_ONCE = 64
AT_ONCE_AN_ENDPOINT = 4
MAILS_AT_ONCE = 4


@dataclass(frozen=True)
class WebhookDeliveries:
    database: Database
    channel: WebhookChannel
    notifier: Notifier
    clock: Clock

    async def __call__(self, stopping: Stopping) -> None:
        """Attempt what is due until told to stop; attempts under way are finished."""
        running: dict[asyncio.Task[None], int] = {}  # an attempt, and its endpoint

        def ended(task: asyncio.Task[None]) -> None:
            del running[task]
            if not task.cancelled() and (error := task.exception()):
                log.error("webhook delivery error", exc_info=error)

        try:
            while not await stopping.wait(LOOK_EVERY):
                for delivery in await self.lease(AT_ONCE - len(running), set(running.values())):
                    task = asyncio.create_task(self.attempt(delivery))
                    running[task] = delivery.endpoint_id
                    task.add_done_callback(ended)
        finally:
            await asyncio.gather(*running, return_exceptions=True)

    async def lease(self, limit: int, busy: set[int]) -> list[LeasedDelivery]:
        """What to attempt now; nothing more for the endpoints that are `busy`."""
        if limit == 0:
            return []
        async with self.database.transaction() as conn:
            return await repository.deliveries.lease(
                conn, self.clock.now(), LEASE, limit, AT_ONCE_AN_ENDPOINT, skip=busy
            )

    async def attempt(self, delivery: LeasedDelivery) -> None:
        """One attempt and its record. Without the record it is attempted again when its lease ends: at least once."""
        answer = await self.channel.send(delivery, self.clock.now())
        async with self.database.transaction() as conn:
            now = self.clock.now()
            endpoint = await repository.endpoints.lock(conn, delivery.endpoint_id)
            wait = None if answer.success or answer.gone else retries.wait(retries.WEBHOOK, delivery.retry_count)
            retry_at = now + wait if wait else None
            if endpoint is None or not await repository.deliveries.record(conn, delivery, answer, retry_at, now):
                return
            if answer.success:
                await repository.endpoints.record_success(conn, endpoint.id, now)
                return
            await repository.endpoints.record_failure(conn, endpoint.id, now)
            if endpoint.is_active and endpoint.is_dead(answer, now):
                await repository.endpoints.turn_off(conn, endpoint.id, now)
                await self.notifier.endpoint_turned_off(conn, endpoint)


@dataclass(frozen=True)
class MailDeliveries:
    database: Database
    channel: EmailChannel
    clock: Clock

    async def __call__(self, stopping: Stopping) -> None:
        while not await stopping.wait(LOOK_EVERY):
            await asyncio.gather(*(self.attempt(mail) for mail in await self.lease()))

    async def lease(self) -> list[LeasedMail]:
        """What to send now."""
        async with self.database.transaction() as conn:
            return await repository.mails.lease(conn, self.clock.now(), LEASE, MAILS_AT_ONCE)

    async def attempt(self, mail: LeasedMail) -> None:
        error, wait = None, None
        try:
            await self.channel.send(mail, self.clock.now())
        except DeliveryError as failure:
            error = str(failure)
            wait = None if failure.permanent else retries.wait(retries.MAIL, mail.retry_count)
        async with self.database.transaction() as conn:
            now = self.clock.now()
            await repository.mails.record(conn, mail, error, now + wait if wait else None, now)
