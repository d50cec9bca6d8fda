"""Checkout, portal and Stripe's events, from auth to auth, against a Stripe that keeps state."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import asyncpg
import pytest

from services.auth.app import service as auth
from services.billing.app import service as billing
from shared.contracts.principal import Principal
from tests.support.app import Client, principal, running
from tests.support.stripe import FakeStripe


@pytest.fixture
async def stripe() -> AsyncIterator[FakeStripe]:
    async with FakeStripe() as fake:
        yield fake


@asynccontextmanager
async def fleet(database_url: str, stripe: FakeStripe, **settings: Any) -> AsyncIterator[Client]:
    settings = {
        "stripe_secret_key": stripe.secret_key,
        "stripe_webhook_secret": stripe.webhook_secret,
        "stripe_api_base": stripe.url,
    } | settings
    async with running(billing, auth, database_url=database_url, **settings) as client:
        yield client.as_principal(None)


@pytest.fixture
async def client(database_url: str, stripe: FakeStripe) -> AsyncIterator[Client]:
    async with fleet(database_url, stripe) as client:
        yield client


async def signed_up(client: Client) -> tuple[str, Principal]:
    body = {"email": "ann@example.test", "password": "correct horse"}
    token = (await client.at("auth").post("/v1/auth/signup", json=body)).json()["token"]
    return token, await introspected(client, token)


async def introspected(client: Client, token: str) -> Principal:
    answer = await client.at("auth").as_principal(None).post("/internal/introspect", json={"credential": token})
    return Principal.model_validate_json(answer.body)


async def delivered(client: Client, stripe: FakeStripe, event: dict[str, Any], **options: Any) -> int:
    """Hand one of Stripe's events to the webhook, as the gateway passes it on."""
    body, headers = stripe.signed(event, **options)
    return (await client.as_principal(None).post("/v1/billing/webhook", data=body, headers=headers)).status


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


async def plan_is(client: Client, token: str, plan: str) -> None:
    async def holds() -> bool:
        return (await introspected(client, token)).plan == plan

    await until(holds)


async def bought(client: Client, caller: Principal, stripe: FakeStripe, plan: str = "professional") -> str:
    answer = await client.as_principal(caller).post("/v1/billing/checkout", json={"plan": plan})
    assert answer.status == 200, answer.body
    assert answer.json()["url"] == answer.json()["checkout_url"]
    return await stripe.complete_checkout(answer.json()["session_id"])


async def test_a_paid_checkout_lifts_the_plan_and_its_end_restores_it(
    database_url: str, client: Client, stripe: FakeStripe
) -> None:
    token, ann = await signed_up(client)
    assert ann.plan == "free"

    async def known() -> bool:
        return await rows(database_url, "SELECT email FROM billing.customers") == ["ann@example.test"]

    await until(known)
    subscription = await bought(client, ann, stripe)
    for event in stripe.events:
        assert await delivered(client, stripe, event) == 200
    await plan_is(client, token, "professional")
    lifted = await introspected(client, token)
    assert lifted.limits.pdf
    assert lifted.limits.scans_per_month == 1000
    me = await client.at("auth").as_principal(lifted).get("/internal/me")
    assert me.json()["subscription_status"] == "active"
    [customer] = stripe.customers.values()
    assert customer["email"] == "ann@example.test"

    await stripe.cancel_subscription(subscription)
    assert await delivered(client, stripe, stripe.events[-1]) == 200
    await plan_is(client, token, "free")
    assert not (await introspected(client, token)).limits.pdf


async def test_events_come_in_any_order_and_any_number_of_times(
    database_url: str, client: Client, stripe: FakeStripe
) -> None:
    token, ann = await signed_up(client)
    subscription = await bought(client, ann, stripe)
    await stripe.change_subscription(subscription, status="past_due")
    await stripe.change_subscription(subscription, status="active", price="price_business")
    orders = itertools.permutations(stripe.events)
    for event in itertools.chain.from_iterable(itertools.islice(orders, 3, 24, 7)):
        assert await delivered(client, stripe, event) == 200
    await plan_is(client, token, "business")
    await settled(database_url)

    await stripe.cancel_subscription(subscription)
    for event in reversed(stripe.events):
        assert await delivered(client, stripe, event) == 200
    await plan_is(client, token, "free")
    await settled(database_url)
    assert (await introspected(client, token)).plan == "free"
    versions = await rows(
        database_url,
        "SELECT (envelope->'data'->>'version')::int FROM billing.outbox"
        " WHERE envelope->>'name' = 'subscription.changed.v1' ORDER BY id",
    )
    assert versions == list(range(1, len(versions) + 1))


async def settled(database_url: str) -> None:
    async def holds() -> bool:
        return await rows(database_url, "SELECT count(*) FROM billing.stripe_events WHERE due_at IS NOT NULL") == [0]

    await until(holds)


async def rows(database_url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(database_url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_a_subscriber_changes_the_plan_in_the_portal(client: Client, stripe: FakeStripe) -> None:
    token, ann = await signed_up(client)
    portal = await client.as_principal(ann).post("/v1/billing/portal")
    assert portal.status == 200
    assert portal.json()["url"].startswith(stripe.url)
    await bought(client, ann, stripe)
    await delivered(client, stripe, stripe.events[0])
    await plan_is(client, token, "professional")
    again = await client.as_principal(ann).post("/v1/billing/checkout", json={"plan": "business"})
    assert (again.status, again.json()["errors"][0]["field"]) == (400, "plan")
    assert len(stripe.customers) == 1


async def test_a_repeated_checkout_is_one(client: Client, stripe: FakeStripe) -> None:
    _, ann = await signed_up(client)
    caller = client.as_principal(ann)
    headers = {"Idempotency-Key": "one"}
    answers = [await caller.post("/v1/billing/checkout", json={"plan": "starter"}, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(stripe.sessions) == 1
    other = await caller.post("/v1/billing/checkout", json={"plan": "agency"}, headers=headers)
    assert (other.status, other.json()["error"]) == (409, "idempotency_conflict")


async def test_stripe_fails_after_it_acted(client: Client, stripe: FakeStripe) -> None:
    _, ann = await signed_up(client)
    stripe.fail_after = 2  # both of the customer's creation: the SDK repeats it with the same key
    await bought(client, ann, stripe)
    assert (len(stripe.customers), len(stripe.sessions)) == (1, 1)


async def test_stripe_is_away_for_a_while(client: Client, database_url: str, stripe: FakeStripe) -> None:
    token, ann = await signed_up(client)
    await bought(client, ann, stripe)
    stripe.fail_before = 3  # the first attempt with the SDK's two repetitions
    assert await delivered(client, stripe, stripe.events[0]) == 200

    async def postponed() -> bool:
        return await rows(database_url, "SELECT attempts FROM billing.stripe_events") == [1]

    await until(postponed)
    assert (await introspected(client, token)).plan == "free"
    await plan_is(client, token, "professional")


async def test_what_stripe_did_not_sign_is_refused(client: Client, database_url: str, stripe: FakeStripe) -> None:
    _, ann = await signed_up(client)
    await bought(client, ann, stripe)
    event = stripe.events[0]
    body, headers = stripe.signed(event)
    webhook = client.as_principal(None)
    for answer in (
        await webhook.post("/v1/billing/webhook", data=body),
        await webhook.post("/v1/billing/webhook", data=body + b" ", headers=headers),
        await webhook.post("/v1/billing/webhook", data=b"", headers=headers),
    ):
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert await delivered(client, stripe, event, signed_at=1_700_000_000) == 400
    assert await delivered(client, stripe, event | {"livemode": True}) == 400
    assert await delivered(client, stripe, {"id": "evt_x"}) == 400
    assert await rows(database_url, "SELECT id FROM billing.stripe_events") == []
    large, headers = stripe.signed(event | {"more": "x" * 1024**2})
    assert (await webhook.post("/v1/billing/webhook", data=BytesIO(large), headers=headers)).status == 413


async def test_events_of_no_interest_are_taken(client: Client, database_url: str, stripe: FakeStripe) -> None:
    _, ann = await signed_up(client)
    await bought(client, ann, stripe)
    foreign = {"object": "subscription", "id": "sub_other", "customer": "cus_other"}
    unknown = {"id": "evt_1", "type": "invoice.paid", "livemode": False, "data": {"object": {"object": "invoice"}}}
    assert await delivered(client, stripe, unknown) == 200
    assert await delivered(client, stripe, unknown | {"id": "evt_2", "data": {"object": foreign}}) == 200
    await settled(database_url)
    kept = await rows(database_url, "SELECT coalesce(error, '') FROM billing.stripe_events ORDER BY id")
    assert kept == ["", "the customer is none of ours"]


async def test_without_a_stripe_key_billing_is_off(database_url: str) -> None:
    async with running(billing, database_url=database_url) as client:
        caller = client.as_principal(principal())
        for answer in (
            await caller.post("/v1/billing/checkout", json={"plan": "starter"}),
            await caller.post("/v1/billing/portal"),
            await client.as_principal(None).post("/v1/billing/webhook", data=b"{}"),
        ):
            assert (answer.status, answer.json()["error"]) == (503, "service_unavailable")
            assert "Stripe" in answer.json()["message"]


async def test_only_a_paid_plan_is_sold(client: Client) -> None:
    for body in ({}, {"plan": "free"}, {"plan": 1}, {"plan": None}):
        answer = await client.as_principal(principal()).post("/v1/billing/checkout", json=body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "plan"), body
