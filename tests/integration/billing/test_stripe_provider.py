"""Stripe's SDK as we use it, and how strict the Stripe of the tests is."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from services.billing.provider import ProviderUnavailable
from services.billing.stripe_provider import StripeProvider
from tests.support.stripe import FakeStripe


@pytest.fixture
async def stripe() -> AsyncIterator[FakeStripe]:
    async with FakeStripe() as fake:
        yield fake


@pytest.fixture
async def provider(stripe: FakeStripe) -> AsyncIterator[StripeProvider]:
    made = StripeProvider(stripe.secret_key, stripe.url, "https://api.example.test")
    yield made
    await made.close()


async def test_a_customers_life(stripe: FakeStripe, provider: StripeProvider) -> None:
    customer = await provider.create_customer(account_id=7, email="ann@example.test", key="k1")
    again = await provider.create_customer(account_id=7, email="ann@example.test", key="k1")
    assert customer == again
    assert stripe.customers[customer]["metadata"] == {"account_id": "7"}
    checkout = await provider.create_checkout(customer=customer, account_id=7, price="price_starter", key="k2")
    assert checkout.url.startswith(stripe.url)
    assert stripe.sessions[checkout.id]["client_reference_id"] == "7"
    subscription_id = await stripe.complete_checkout(checkout.id)
    found = await provider.subscription(subscription_id)
    assert found is not None
    assert (found.price, found.status) == ("price_starter", "active")
    assert (await provider.create_portal(customer=customer, key="k3")).startswith(stripe.url)
    for _ in range(2):
        await provider.cancel(subscription_id)
    ended = await provider.subscription(subscription_id)
    assert ended is not None
    assert ended.status == "canceled"
    assert await provider.subscription("sub_unknown") is None


async def test_a_refusal_is_no_answer(stripe: FakeStripe, provider: StripeProvider) -> None:
    with pytest.raises(ProviderUnavailable, match="No such customer"):
        await provider.create_checkout(customer="cus_unknown", account_id=7, price="price_starter", key="k")
    customer = await provider.create_customer(account_id=7, email=None, key="k1")
    with pytest.raises(ProviderUnavailable, match="No such price"):
        await provider.create_checkout(customer=customer, account_id=7, price="price_unknown", key="k")
    with pytest.raises(ProviderUnavailable):
        await provider.create_customer(account_id=8, email=None, key="k1")
    stripe.secret_key = "sk_test_changed"
    with pytest.raises(ProviderUnavailable, match="AuthenticationError"):
        await provider.create_customer(account_id=7, email=None, key="k4")


async def test_nobody_answers() -> None:
    provider = StripeProvider("sk_test_fake", "http://127.0.0.1:1", "https://api.example.test")
    try:
        with pytest.raises(ProviderUnavailable, match="APIConnectionError"):
            await provider.subscription("sub_1")
    finally:
        await provider.close()


async def test_the_stripe_of_the_tests_refuses_what_stripe_refuses(stripe: FakeStripe) -> None:
    good = {
        "Authorization": f"Bearer {stripe.secret_key}",
        "Stripe-Version": "2026-10-28.endive",
        "Idempotency-Key": "k",
    }
    async with ClientSession(stripe.url) as http:

        async def refused(status: int, method: str, path: str, form: dict[str, str], headers: dict[str, str]) -> None:
            async with http.request(method, path, data=form or None, headers=headers) as answer:
                assert answer.status == status
                assert (await answer.json())["error"]["type"].endswith("_error")

        await refused(401, "POST", "/v1/customers", {"email": "a@example.test"}, {})
        await refused(400, "POST", "/v1/customers", {"email": "a@example.test"}, good | {"Stripe-Version": "latest"})
        await refused(400, "POST", "/v1/customers", {"email": "a@example.test", "colour": "red"}, good)
        await refused(400, "POST", "/v1/customers", {"email": "nowhere"}, good)
        await refused(400, "POST", "/v1/checkout/sessions", {"mode": "subscription"}, good)
        await refused(404, "GET", "/v1/subscriptions/sub_1", {}, good)
        await refused(404, "GET", "/v1/invoices", {}, good)
    assert not stripe.customers
