"""The workers that deliver: webhooks and mail, each leased from its table, attempted, and its outcome written back."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.monitor import mail as mails
from services.monitor import repository, webhooks
from services.monitor.channel import DeliveryError
from services.monitor.channels.email import EmailChannel
from services.monitor.channels.webhook import WebhookChannel
from services.monitor.mail import Mail
from services.monitor.notify import Notifier
from services.monitor.webhooks import Answer, Delivery
from shared.clock import Clock
from shared.database import Database
from shared.keys import Sealer
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
    seal: Sealer
    clock: Clock

    async def __call__(self, stopping: Stopping) -> None:
        """Attempt what is due until told to stop; attempts under way are finished."""
        running: set[asyncio.Task[None]] = set()
        busy: dict[int, int] = {}  # attempts under way by endpoint

        def start(delivery: Delivery) -> None:
            def ended(task: asyncio.Task[None]) -> None:
                running.discard(task)
                busy[delivery.endpoint_id] -= 1
                if not task.cancelled() and (error := task.exception()):
                    log.error("webhook_delivery_error", delivery_id=delivery.id, exc_info=error)

            task = asyncio.create_task(self.attempt(delivery))
            running.add(task)
            busy[delivery.endpoint_id] = busy.get(delivery.endpoint_id, 0) + 1
            task.add_done_callback(ended)

        while not await stopping.wait(LOOK_EVERY):
            free = AT_ONCE - len(running)
            if free == 0:
                continue
            async with self.database.transaction() as conn:
                full = [endpoint_id for endpoint_id, count in busy.items() if count >= AT_ONCE_AN_ENDPOINT]
                due = await repository.claim_deliveries(
                    conn, self.clock.now(), LEASE, free, AT_ONCE_AN_ENDPOINT, skip=full
                )
            for delivery in due:
                start(delivery)
        await asyncio.gather(*running, return_exceptions=True)

    async def attempt(self, delivery: Delivery) -> None:
        """One attempt and its record. Without the record it is attempted again when its lease ends: at least once."""
        answer = await self.send(delivery)
        async with self.database.transaction() as conn:
            now = self.clock.now()
            wait = None if answer.gone else webhooks.retry_after(delivery.retry_count)
            if not await repository.record_attempt(conn, delivery, answer, now + wait if wait else None, now):
                return
            turned_off = await repository.record_answer(conn, delivery.endpoint_id, answer, now, webhooks.DEAD_AFTER)
            if turned_off:
                await self.notifier.endpoint_turned_off(conn, delivery.endpoint_id, turned_off)

    async def send(self, delivery: Delivery) -> Answer:
        """Sign and send; nothing is recorded."""
        secret = self.seal.open(delivery.secret).decode()
        headers = webhooks.headers(
            secret, delivery.event_id, delivery.event_type, delivery.id, delivery.body, self.clock.now()
        )
        return await self.channel.send(delivery.url, delivery.body, headers)


@dataclass(frozen=True)
class MailDeliveries:
    database: Database
    channel: EmailChannel
    clock: Clock

    async def __call__(self, stopping: Stopping) -> None:
        while not await stopping.wait(LOOK_EVERY):
            async with self.database.transaction() as conn:
                due = await repository.claim_mail(conn, self.clock.now(), LEASE, MAILS_AT_ONCE)
            await asyncio.gather(*(self.attempt(mail) for mail in due))

    async def attempt(self, mail: Mail) -> None:
        error, wait = None, None
        try:
            await self.channel.send(mail, self.clock.now())
        except DeliveryError as failure:
            error = str(failure)[:500]
            wait = None if failure.permanent else mails.retry_after(mail.retry_count)
        async with self.database.transaction() as conn:
            now = self.clock.now()
            await repository.record_mail(conn, mail.id, error, now + wait if wait else None, now)
