"""Which plan is in force."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.subscriptions import PAID, Entitlement, Subscription, UnknownPrice, entitlement, plan_of
from shared.contracts.plans import load_plans

PLANS = load_plans()
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ["active", "trialing", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "paused"]


@st.composite
def subscriptions(draw: st.DrawFn) -> list[Subscription]:
    ids = draw(st.lists(st.integers(0, 20), unique=True, max_size=6))
    return [
        Subscription(
            f"sub_{number}",
            draw(st.sampled_from(["starter", "professional", "business", "agency"])),
            draw(st.sampled_from(STATUSES)),
            EPOCH + timedelta(days=draw(st.integers(0, 3))),
        )
        for number in ids
    ]


@given(subscriptions(), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(found: list[Subscription], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert entitlement(found, PLANS, "free") == entitlement(shuffled, PLANS, "free")


@given(subscriptions())
def test_a_plan_is_given_exactly_when_one_is_paid_for(found: list[Subscription]) -> None:
    paid = [PLANS[subscription.plan].monthly_price_cents for subscription in found if subscription.status in PAID]
    plan = entitlement(found, PLANS, "free").plan
    assert PLANS[plan].monthly_price_cents == max(paid, default=0)


def test_a_life() -> None:
    assert entitlement([], PLANS, "free") == Entitlement("free", "none")
    begun = Subscription("sub_1", "professional", "active", EPOCH)
    assert entitlement([begun], PLANS, "free") == Entitlement("professional", "active")
    ended = Subscription("sub_1", "professional", "canceled", EPOCH)
    assert entitlement([ended], PLANS, "free") == Entitlement("free", "canceled")
    again = Subscription("sub_2", "starter", "past_due", EPOCH + timedelta(days=1))
    assert entitlement([again, ended], PLANS, "free") == Entitlement("starter", "past_due")


def test_a_price_names_its_plan() -> None:
    assert plan_of("price_business", PLANS) == "business"
    with pytest.raises(UnknownPrice, match="price_other"):
        plan_of("price_other", PLANS)
