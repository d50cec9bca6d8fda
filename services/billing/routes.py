"""The routes of `/v1/billing`."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from pydantic import BaseModel

from services.billing import repository, stripe_webhook
from services.billing.entitlements import Entitlements
from services.billing.inbox import Inbox
from services.billing.provider import Provider, ProviderUnavailable
from services.billing.settings import BillingSettings
from services.billing.subscriptions import PAID
from shared.contracts.principal import Principal, Scope
from shared.errors import ApiError, InvalidField
from shared.idempotency import HEADER as IDEMPOTENCY_HEADER
from shared.routes import Routes
from shared.service import Context
from shared.web import request_id

WEBHOOK_BYTES = 1024**2


class CheckoutRequest(BaseModel):
    plan: Literal["starter", "professional", "business", "agency"]


class CheckoutPage(BaseModel):
    url: str
    checkout_url: str  # the same
    session_id: str


class PortalPage(BaseModel):
    url: str


class Received(BaseModel):
    received: Literal[True] = True


@dataclass(frozen=True)
class Payments:
    """Billing with a payment provider."""

    provider: Provider
    inbox: Inbox
    webhook_secret: str
    livemode: bool


@dataclass(frozen=True)
class Billing:
    """What the routes close over. `payments` is None where no Stripe key is set."""

    ctx: Context[BillingSettings]
    entitlements: Entitlements
    payments: Payments | None

    def on(self) -> Payments:
        """The payments; ApiError when billing is off."""
        if self.payments is None:
            raise ApiError("service_unavailable", "Billing is off here: this installation has no Stripe key.")
        return self.payments


def build(billing: Billing) -> Routes:
    routes = Routes("Billing")

    # No transaction is held while Stripe is asked: a handler without `conn` opens its own.
    @routes.post(
        "/v1/billing/checkout",
        summary="Start a subscription",
        scope=Scope.BILLING_WRITE,
        errors=("service_unavailable",),
    )
    async def checkout(request: web.Request, principal: Principal, body: CheckoutRequest) -> CheckoutPage:
        """The address of a Stripe page where the plan is paid for."""
        payments = billing.on()
        price = billing.ctx.plans[body.plan].stripe_price
        if price is None:
            raise ApiError("service_unavailable", f"The plan {body.plan} is not for sale here: it has no Stripe price.")
        async with billing.ctx.database.transaction() as conn:
            await billing.entitlements.customer(conn, principal.account_id)
            subscriptions = await repository.subscriptions(conn, principal.account_id)
        if any(subscription.status in PAID for subscription in subscriptions):
            raise InvalidField("plan", "you have a subscription; change its plan at POST /v1/billing/portal")
        try:
            page = await payments.provider.create_checkout(
                customer=await _customer_at_stripe(billing, payments, principal.account_id),
                account_id=principal.account_id,
                price=price,
                key=_key("checkout", principal.account_id, body.plan, _attempt(request)),
            )
        except ProviderUnavailable as error:
            raise _unavailable(error) from error
        return CheckoutPage(url=page.url, checkout_url=page.url, session_id=page.id)

    @routes.post(
        "/v1/billing/portal",
        summary="Manage the subscription",
        scope=Scope.BILLING_WRITE,
        errors=("service_unavailable",),
    )
    async def portal(request: web.Request, principal: Principal) -> PortalPage:
        """The address of a Stripe page where the subscription is changed or cancelled, and invoices are found."""
        payments = billing.on()
        try:
            url = await payments.provider.create_portal(
                customer=await _customer_at_stripe(billing, payments, principal.account_id),
                key=_key("portal", principal.account_id, _attempt(request)),
            )
        except ProviderUnavailable as error:
            raise _unavailable(error) from error
        return PortalPage(url=url)

    @routes.post(
        "/v1/billing/webhook",
        summary="Events from Stripe",
        public=True,
        raw_body=WEBHOOK_BYTES,
        errors=("invalid_request", "service_unavailable"),
    )
    async def webhook(request: web.Request) -> Received:
        """Signed by Stripe (`Stripe-Signature`). Any event is taken, any number of times, in any order."""
        payments = billing.on()
        body = await request.read()
        try:
            signature = request.headers.get("Stripe-Signature", "")
            stripe_webhook.verify(body, signature, payments.webhook_secret, billing.ctx.clock.now())
            event = stripe_webhook.parse(body)
        except (stripe_webhook.InvalidSignature, stripe_webhook.InvalidEvent) as error:
            raise ApiError("invalid_request", str(error)) from None
        if event.livemode != payments.livemode:
            raise ApiError("invalid_request", "The event is of Stripe's other mode (live or test) than our key.")
        await payments.inbox.take(event)
        return Received()

    return routes


async def _customer_at_stripe(billing: Billing, payments: Payments, account_id: int) -> str:
    """Stripe's id of the account; the customer is made when first needed. Raises `ProviderUnavailable`."""
    database = billing.ctx.database
    async with database.transaction() as conn:
        customer = await billing.entitlements.customer(conn, account_id)
    if customer.stripe_customer is not None:
        return customer.stripe_customer
    made = await payments.provider.create_customer(
        account_id=account_id, email=customer.email, key=_key("customer", account_id, customer.email)
    )
    async with database.transaction() as conn:
        customer = await billing.entitlements.customer(conn, account_id)
        if customer.stripe_customer is None:
            await repository.set_stripe_customer(conn, account_id, made)
    return customer.stripe_customer or made


def _attempt(request: web.Request) -> str:
    """What a repetition of the same request has in common with it."""
    return request.headers.get(IDEMPOTENCY_HEADER) or request_id(request)


def _key(*parts: object) -> str:
    """An idempotency key for Stripe: the same call twice acts once, even when we died in between."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def _unavailable(error: ProviderUnavailable) -> ApiError:
    return ApiError("service_unavailable", f"{error}. Try again in a minute.", headers={"Retry-After": "60"})
