"""Which plan an account has, from all of its subscriptions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.plans import Plan

# Stripe's statuses in which a subscription gives its plan. "past_due" does: Stripe still tries to collect, and says
# "unpaid" or "canceled" when it gives up (docs.stripe.com/billing/subscriptions/overview).
PAID = frozenset({"active", "trialing", "past_due"})

# From which a subscription does not come back.
ENDED = frozenset({"canceled", "incomplete_expired"})

NO_SUBSCRIPTION = "none"


class UnknownPrice(Exception):
    """No plan in the table has this Stripe price."""

    def __init__(self, price: str) -> None:
        super().__init__(f"no plan has the Stripe price {price}; set stripe_price in the file CL_PLANS_FILE names")


@dataclass(frozen=True)
class Subscription:
    """One of an account's subscriptions, as last fetched."""

    id: str
    plan: str
    status: str
    created_at: datetime


@dataclass(frozen=True)
class Entitlement:
    """The plan in force, and the status of the subscription that decided it."""

    plan: str
    status: str


@dataclass(frozen=True)
class Customer:
    account_id: int
    email: str | None
    stripe_customer: str | None
    granted_plan: str | None
    entitlement: Entitlement
    version: int  # of the last subscription.changed
    deleted: bool


def plan_of(price: str, plans: Mapping[str, Plan]) -> str:
    """The plan that is sold at a Stripe price. Raises `UnknownPrice`."""
    for plan in plans.values():
        if plan.stripe_price == price:
            return plan.name
    raise UnknownPrice(price)


def entitlement(subscriptions: Iterable[Subscription], plans: Mapping[str, Plan], otherwise: str) -> Entitlement:
    """The dearest plan that is paid for, else `otherwise`. The order in which subscriptions came does not matter."""
    newest_last = sorted(subscriptions, key=lambda subscription: (subscription.created_at, subscription.id))
    paid = [subscription for subscription in newest_last if subscription.status in PAID]
    if paid:
        best = max(paid, key=lambda subscription: plans[subscription.plan].monthly_price_cents)
        return Entitlement(best.plan, best.status)
    return Entitlement(otherwise, newest_last[-1].status if newest_last else NO_SUBSCRIPTION)
