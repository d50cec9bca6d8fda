"""Stripe, through its own SDK."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import stripe
from aiohttp import ClientTimeout

from services.billing.provider import Checkout, ProviderSubscription, ProviderUnavailable

T = TypeVar("T")

ATTEMPT_SECONDS = 8
CALL_SECONDS = 20  # with the SDK's own repetitions


class StripeProvider:
    """The SDK repeats a call that got no answer, with the same Idempotency-Key."""

    def __init__(self, secret_key: str, api_base: str | None, public_url: str) -> None:
        stripe.enable_telemetry = False  # it would write an identifier below the user's home
        self._http = stripe.AIOHTTPClient(timeout=ClientTimeout(total=ATTEMPT_SECONDS))
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._http,
            max_network_retries=2,
        ).v1
        self._public_url = public_url.rstrip("/")

    async def create_customer(self, *, account_id: int, email: str | None, key: str) -> str:
        params: stripe.params.CustomerCreateParams = {"metadata": {"account_id": str(account_id)}}
        if email:
            params["email"] = email
        return (await _answer(self._client.customers.create_async(params, {"idempotency_key": key}))).id

    async def create_checkout(self, *, customer: str, account_id: int, price: str, key: str) -> Checkout:
        session = await _answer(
            self._client.checkout.sessions.create_async(
                {
                    "mode": "subscription",
                    "customer": customer,
                    "client_reference_id": str(account_id),
                    "line_items": [{"price": price, "quantity": 1}],
                    "success_url": f"{self._public_url}/?checkout=done",
                    "cancel_url": f"{self._public_url}/?checkout=cancelled",
                },
                {"idempotency_key": key},
            )
        )
        if session.url is None:
            raise ProviderUnavailable("Stripe gave a checkout session without an address")
        return Checkout(session.id, session.url)

    async def create_portal(self, *, customer: str, key: str) -> str:
        session = await _answer(
            self._client.billing_portal.sessions.create_async(
                {"customer": customer, "return_url": f"{self._public_url}/"}, {"idempotency_key": key}
            )
        )
        return session.url

    async def subscription(self, subscription_id: str) -> ProviderSubscription | None:
        try:
            found = await _answer(self._client.subscriptions.retrieve_async(subscription_id))
        except _Missing:
            return None
        return ProviderSubscription(
            id=found.id,
            # "items" is also a method of the SDK's object.
            price=found["items"]["data"][0]["price"]["id"],
            status=found.status,
            created_at=datetime.fromtimestamp(found.created, UTC),
        )

    async def cancel(self, subscription_id: str) -> None:
        try:
            await _answer(self._client.subscriptions.cancel_async(subscription_id))
        except _Missing:
            return  # ended already: Stripe's answer for a subscription that cannot be cancelled again

    async def close(self) -> None:
        close: Callable[[], Awaitable[None]] = self._http.close_async  # untyped in the SDK
        await close()


class _Missing(ProviderUnavailable):
    pass


async def _answer(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await call
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise _Missing(f"Stripe has no such object: {error.user_message}") from None
        raise ProviderUnavailable(f"Stripe refused: {error.user_message}") from error
    except (stripe.StripeError, TimeoutError) as error:
        raise ProviderUnavailable(f"Stripe could not be asked: {type(error).__name__}") from error
