"""The plan in force: decided anew whenever something changed, and told when it is another."""

from services.billing import repository
from services.billing.subscriptions import Customer, entitlement
from shared.bus import Bus
from shared.clock import Clock
from shared.contracts.events import SubscriptionChanged
from shared.contracts.plans import Plans
from shared.database import Connection


class Entitlements:
    """`default_plan`: what an account has that pays for nothing and was granted nothing."""

    def __init__(self, bus: Bus, plans: Plans, default_plan: str, clock: Clock) -> None:
        self._bus = bus
        self._plans = plans
        self._default_plan = default_plan
        self._clock = clock

    async def customer(self, conn: Connection, account_id: int, email: str | None = None) -> Customer:
        """The account's row, locked; made when missing."""
        return await repository.ensure_customer(
            conn, account_id, plan=self._default_plan, now=self._clock.now(), email=email
        )

    async def grant(self, conn: Connection, account_id: int, plan: str) -> None:
        """The operator gives an account a plan, which it has whenever it pays for none."""
        await self.customer(conn, account_id)
        await repository.set_granted_plan(conn, account_id, plan)
        await self.settle(conn, await self.customer(conn, account_id))

    async def settle(self, conn: Connection, customer: Customer) -> None:
        """Fold the account's subscriptions; `customer` must be locked."""
        subscriptions = await repository.subscriptions(conn, customer.account_id)
        now_in_force = entitlement(subscriptions, self._plans, customer.granted_plan or self._default_plan)
        if customer.deleted or now_in_force == customer.entitlement:
            return
        version = await repository.set_entitlement(conn, customer.account_id, now_in_force)
        await self._bus.publish(
            conn,
            SubscriptionChanged(
                account_id=customer.account_id,
                version=version,
                plan=now_in_force.plan,
                limits=self._plans[now_in_force.plan].limits,
                status=now_in_force.status,
                changed_at=self._clock.now(),
            ),
        )
