"""A small Stripe: the endpoints that billing calls, strict about what it takes, with state and signed webhooks.

It refuses what Stripe refuses (no key, no version, unknown parameters, unknown ids, an Idempotency-Key with other
parameters) in Stripe's own error form, and keeps what it was told.
"""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout, web

Object = dict[str, Any]
Create = Callable[[dict[str, str]], Object]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The parameters of each endpoint that we use, as form fields; True: required.
CUSTOMER = {"email": False, "metadata[account_id]": False}
CHECKOUT = {
    "mode": True,
    "customer": True,
    "client_reference_id": False,
    "line_items[0][price]": True,
    "line_items[0][quantity]": True,
    "success_url": True,
    "cancel_url": False,
}
PORTAL = {"customer": True, "return_url": False}


class Refused(Exception):
    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"type": kind, "message": message, "code": code, "param": param}
        self.body = {"error": {name: value for name, value in error.items() if value is not None}}


@dataclass
class FakeStripe:
    """`async with FakeStripe(prices=("price_x",)) as stripe`: serves on `stripe.url`; events go to `webhook_url`."""

    prices: tuple[str, ...] = ("price_starter", "price_professional", "price_business", "price_agency")
    secret_key: str = "sk_test_fake"
    webhook_secret: str = "whsec_fake"
    webhook_url: str | None = None
    customers: dict[str, Object] = field(default_factory=dict)
    sessions: dict[str, Object] = field(default_factory=dict)
    subscriptions: dict[str, Object] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)  # (method, path), as they came
    fail_before: int = 0  # this many requests are answered 500 before anything is done
    fail_after: int = 0  # and this many after it was done
    url: str = ""
    _answers: dict[str, tuple[str, Object]] = field(default_factory=dict)  # Idempotency-Key -> (request, answer)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._door])
        app.router.add_post("/v1/customers", self._creating(CUSTOMER, self._customer))
        app.router.add_post("/v1/checkout/sessions", self._creating(CHECKOUT, self._checkout))
        app.router.add_post("/v1/billing_portal/sessions", self._creating(PORTAL, self._portal))
        app.router.add_get("/v1/subscriptions/{id}", self._retrieve)
        app.router.add_delete("/v1/subscriptions/{id}", self._cancel)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._client = ClientSession(timeout=ClientTimeout(total=10))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.close()
        await self._runner.cleanup()

    # -- what a customer does at Stripe ------------------------------------------------------------------------------

    async def complete_checkout(self, session_id: str) -> str:
        """Pay: the subscription begins. Its id."""
        session = self.sessions[session_id]
        if session["status"] != "open":
            raise ValueError(f"{session_id} is {session['status']}")
        subscription: Object = {
            "id": "sub_" + secrets.token_hex(8),
            "object": "subscription",
            "created": int(time.time()),
            "customer": session["customer"],
            "status": "active",
            "livemode": False,
            "items": {"object": "list", "data": [{"id": "si_" + secrets.token_hex(8), "price": session.pop("_price")}]},
        }
        self.subscriptions[subscription["id"]] = subscription
        session |= {"status": "complete", "payment_status": "paid", "subscription": subscription["id"]}
        await self._announce("customer.subscription.created", subscription)
        await self._announce("checkout.session.completed", session)
        return str(subscription["id"])

    async def cancel_subscription(self, subscription_id: str) -> None:
        """Cancel in the portal, at once."""
        subscription = self.subscriptions[subscription_id]
        subscription |= {"status": "canceled", "canceled_at": int(time.time())}
        await self._announce("customer.subscription.deleted", subscription)

    async def change_subscription(self, subscription_id: str, *, status: str, price: str | None = None) -> None:
        """A payment fails or succeeds again, or the customer changes the plan."""
        subscription = self.subscriptions[subscription_id]
        subscription["status"] = status
        if price:
            subscription["items"]["data"][0]["price"] = self._price(price)
        await self._announce("customer.subscription.updated", subscription)

    async def deliver(self, event: Mapping[str, Any], *, signed_at: float | None = None) -> int:
        """Send one event to `webhook_url`, as often as you like. The answer's status."""
        if self.webhook_url is None:
            raise ValueError("set webhook_url first")
        body, headers = self.signed(event, signed_at=signed_at)
        async with self._client.post(self.webhook_url, data=body, headers=headers) as answer:
            return answer.status

    def signed(self, event: Mapping[str, Any], *, signed_at: float | None = None) -> tuple[bytes, dict[str, str]]:
        """An event's body and headers."""
        body = json.dumps(event).encode()
        return body, {"Stripe-Signature": self.sign(body, signed_at), "Content-Type": "application/json"}

    def sign(self, body: bytes, signed_at: float | None = None) -> str:
        timestamp = int(time.time() if signed_at is None else signed_at)
        digest = hmac.new(self.webhook_secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
        return f"t={timestamp},v1={digest}"

    async def _announce(self, kind: str, about: Object) -> None:
        event = {
            "id": "evt_" + secrets.token_hex(12),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "livemode": False,
            "type": kind,
            "data": {"object": json.loads(json.dumps(about))},
        }
        self.events.append(event)
        if self.webhook_url is not None:
            await self.deliver(event)

    # -- the API -----------------------------------------------------------------------------------------------------

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        try:
            if request.headers.get("Authorization") != f"Bearer {self.secret_key}":
                raise Refused(401, "Invalid API Key provided")
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?", request.headers.get("Stripe-Version", "")):
                raise Refused(400, "Invalid Stripe API version")
            if self.fail_before:
                self.fail_before -= 1
                raise Refused(500, "Sorry! There was an error on our side")
            answer = await handler(request)
            if self.fail_after:
                self.fail_after -= 1
                raise Refused(500, "Sorry! There was an error on our side")
            return answer
        except Refused as refused:
            return web.json_response(refused.body, status=refused.status)
        except web.HTTPException as missing:
            unknown = Refused(missing.status, f"Unrecognized request URL ({request.method}: {request.path})")
            return web.json_response(unknown.body, status=missing.status)

    def _creating(self, allowed: Mapping[str, bool], create: Create) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            if request.content_type != "application/x-www-form-urlencoded":
                raise Refused(400, "Request must be form-encoded")
            form = {name: str(value) for name, value in (await request.post()).items()}
            for name in form:
                if name not in allowed:
                    raise Refused(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
            for name, required in allowed.items():
                if required and not form.get(name):
                    raise Refused(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
            key = request.headers.get("Idempotency-Key", "")
            if not 0 < len(key) <= 255:
                raise Refused(400, "Idempotency keys have 1 to 255 characters")
            what = request.path + json.dumps(form, sort_keys=True)
            if key in self._answers:
                first, answer = self._answers[key]
                if first != what:
                    raise Refused(400, "This key was first used with other parameters.", kind="idempotency_error")
                return web.json_response(answer, headers={"Idempotent-Replayed": "true"})
            answer = create(form)
            self._answers[key] = (what, answer)
            return web.json_response(answer)

        return handler

    def _customer(self, form: dict[str, str]) -> Object:
        if "email" in form and "@" not in form["email"]:
            raise Refused(400, f"Invalid email address: {form['email']}", code="email_invalid", param="email")
        customer: Object = {
            "id": "cus_" + secrets.token_hex(8),
            "object": "customer",
            "created": int(time.time()),
            "email": form.get("email"),
            "metadata": {"account_id": form["metadata[account_id]"]} if "metadata[account_id]" in form else {},
        }
        self.customers[customer["id"]] = customer
        return dict(customer)

    def _checkout(self, form: dict[str, str]) -> Object:
        self._known_customer(form["customer"])
        if form["mode"] != "subscription":
            raise Refused(400, "Invalid mode: must be one of subscription", param="mode")
        if form["line_items[0][quantity]"] != "1":
            raise Refused(400, "Invalid quantity", param="line_items[0][quantity]")
        for name in ("success_url", "cancel_url"):
            if name in form and not re.match(r"https?://", form[name]):
                raise Refused(400, "Not a valid URL", code="url_invalid", param=name)
        session: Object = {
            "id": "cs_test_" + secrets.token_hex(12),
            "object": "checkout.session",
            "created": int(time.time()),
            "mode": "subscription",
            "status": "open",
            "payment_status": "unpaid",
            "livemode": False,
            "customer": form["customer"],
            "client_reference_id": form.get("client_reference_id"),
            "subscription": None,
            "_price": self._price(form["line_items[0][price]"]),
        }
        session["url"] = f"{self.url}/c/pay/{session['id']}"
        self.sessions[session["id"]] = session
        return {name: value for name, value in session.items() if not name.startswith("_")}

    def _portal(self, form: dict[str, str]) -> Object:
        self._known_customer(form["customer"])
        portal_id = "bps_" + secrets.token_hex(12)
        return {
            "id": portal_id,
            "object": "billing_portal.session",
            "customer": form["customer"],
            "return_url": form.get("return_url"),
            "url": f"{self.url}/p/session/{portal_id}",
        }

    async def _retrieve(self, request: web.Request) -> web.Response:
        if request.query:
            name = next(iter(request.query))
            raise Refused(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        return web.json_response(self._known_subscription(request.match_info["id"]))

    async def _cancel(self, request: web.Request) -> web.Response:
        subscription = self._known_subscription(request.match_info["id"])
        if subscription["status"] == "canceled":
            raise Refused(404, f"No such subscription: '{subscription['id']}'", code="resource_missing", param="id")
        await self.cancel_subscription(subscription["id"])
        return web.json_response(subscription)

    def _known_subscription(self, subscription_id: str) -> Object:
        if subscription_id not in self.subscriptions:
            raise Refused(404, f"No such subscription: '{subscription_id}'", code="resource_missing", param="id")
        return self.subscriptions[subscription_id]

    def _known_customer(self, customer_id: str) -> None:
        if customer_id not in self.customers:
            raise Refused(400, f"No such customer: '{customer_id}'", code="resource_missing", param="customer")

    def _price(self, price_id: str) -> Object:
        if price_id not in self.prices:
            raise Refused(400, f"No such price: '{price_id}'", code="resource_missing", param="line_items[0][price]")
        return {"id": price_id, "object": "price", "type": "recurring"}
