"""Stripe's events, worked off: each makes us fetch its subscription anew, so their order and number do not matter."""

import asyncio
from datetime import timedelta

import structlog

from services.billing import repository
from services.billing.entitlements import Entitlements
from services.billing.provider import Provider, ProviderUnavailable
from services.billing.stripe_webhook import About, StripeEvent
from services.billing.subscriptions import ENDED, Subscription, UnknownPrice, plan_of
from shared.clock import Clock
from shared.contracts.plans import Plans
from shared.database import Connection, Database
from shared.service import Stopping

LOOK_EVERY = 2.0  # seconds, for events that another process took in
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(hours=1)
MOST_ATTEMPTS = 84  # about three days, as long as Stripe itself repeats an event

log = structlog.get_logger(__name__)


class Inbox:
    """Takes events in and is their worker."""

    def __init__(
        self, database: Database, provider: Provider, entitlements: Entitlements, plans: Plans, clock: Clock
    ) -> None:
        self._database = database
        self._provider = provider
        self._entitlements = entitlements
        self._plans = plans
        self._clock = clock
        self._bell = asyncio.Event()

    async def take(self, event: StripeEvent) -> None:
        async with self._database.transaction() as conn:
            await repository.add_event(conn, event, self._clock.now())
        self._bell.set()

    async def __call__(self, stopping: Stopping) -> None:
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            while not stopping:
                self._bell.clear()
                while not stopping and await self.work():
                    pass
                bell = asyncio.ensure_future(self._bell.wait())
                await asyncio.wait({bell, stopped}, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
                bell.cancel()
        finally:
            stopped.cancel()

    async def work(self) -> bool:
        """Work off one event that is due; False when there is none."""
        event: repository.DueEvent | None = None
        try:
            async with self._database.transaction() as conn:
                event = await repository.due_event(conn, self._clock.now())
                if event is None:
                    return False
                await repository.event_done(conn, event.id, await self._apply(conn, event.about))
        except ProviderUnavailable as error:
            if event is None:
                raise
            await self._postpone(event, str(error))
        return True

    async def _apply(self, conn: Connection, about: About) -> str | None:
        """Bring one subscription up to date; the reason when there is nothing to do for us."""
        customer = await repository.customer_at_stripe(conn, about.customer)
        if customer is None:
            return "the customer is none of ours"
        # Fetched under the customer's lock: of two events at once the later one writes the newer state.
        found = await self._provider.subscription(about.subscription)
        if found is None:
            return "Stripe has no such subscription"
        try:
            plan = plan_of(found.price, self._plans)
        except UnknownPrice as error:
            log.error("billing.unknown_price", subscription=found.id, reason=str(error))
            return str(error)
        subscription = Subscription(found.id, plan, found.status, found.created_at)
        await repository.put_subscription(conn, customer.account_id, subscription, self._clock.now())
        if customer.deleted and found.status not in ENDED:
            await self._provider.cancel(found.id)  # nobody pays for an account that is gone
        await self._entitlements.settle(conn, customer)
        return None

    async def _postpone(self, event: repository.DueEvent, reason: str) -> None:
        async with self._database.transaction() as conn:
            if event.attempts + 1 >= MOST_ATTEMPTS:
                log.error("billing.event_given_up", event_id=event.id, reason=reason)
                await repository.event_done(conn, event.id, reason)
                return
            delay = min(FIRST_DELAY * 2 ** min(event.attempts, 20), LONGEST_DELAY)
            await repository.postpone_event(conn, event.id, self._clock.now() + delay, reason)
        log.warning("billing.event_postponed", event_id=event.id, reason=reason)
