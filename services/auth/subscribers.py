"""The events that auth hears."""

from services.auth import repository
from shared.bus import Bus
from shared.contracts.events import Envelope, SubscriptionChanged
from shared.database import Connection


def subscribe(bus: Bus) -> None:
    async def subscription_changed(conn: Connection, event: SubscriptionChanged, _envelope: Envelope) -> None:
        await repository.project_plan(
            conn,
            event.account_id,
            version=event.version,
            plan=event.plan,
            limits=event.limits,
            status=event.status,
        )

    bus.subscribe("auth", SubscriptionChanged, subscription_changed)
