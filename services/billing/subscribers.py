"""The events that billing hears."""

from services.billing import repository
from services.billing.entitlements import Entitlements
from services.billing.stripe_webhook import About, StripeEvent
from services.billing.subscriptions import ENDED
from shared.bus import Bus
from shared.clock import Clock
from shared.contracts.events import AccountCreated, AccountDeleted, Envelope
from shared.database import Connection


def subscribe(bus: Bus, entitlements: Entitlements, clock: Clock) -> None:
    async def account_created(conn: Connection, event: AccountCreated, _envelope: Envelope) -> None:
        await entitlements.customer(conn, event.account_id, event.email)

    async def account_deleted(conn: Connection, event: AccountDeleted, envelope: Envelope) -> None:
        now = clock.now()
        customer = await entitlements.customer(conn, event.account_id)  # a tombstone, should its creation come later
        await repository.bury_customer(conn, event.account_id, now)
        for subscription in await repository.subscriptions(conn, event.account_id):
            if customer.stripe_customer and subscription.status not in ENDED:
                # The inbox's worker cancels what belongs to a deleted account.
                about = About(subscription.id, customer.stripe_customer)
                again = StripeEvent(f"{envelope.id}/{subscription.id}", event.NAME, livemode=False, about=about)
                await repository.add_event(conn, again, now)

    bus.subscribe("billing", AccountCreated, account_created)
    bus.subscribe("billing", AccountDeleted, account_deleted)
