"""Stripe's events as they arrive: the signature, and the little that is read of them."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime

TOLERANCE = 300  # seconds, either way; Stripe's own recommendation against replays


class InvalidSignature(Exception):
    """The body was not signed by Stripe with our secret, or too long ago."""


class InvalidEvent(Exception):
    """Signed, but no event in Stripe's form."""


@dataclass(frozen=True)
class StripeEvent:
    """`about`: what the event is about, None when it is no subscription of a customer."""

    id: str
    type: str
    livemode: bool
    about: "About | None"


@dataclass(frozen=True)
class About:
    subscription: str  # its id
    customer: str  # whose it is


def verify(body: bytes, header: str, secret: str, now: datetime) -> None:
    """Check a `Stripe-Signature` header: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`, v1 possibly repeated.

    Raises `InvalidSignature`. (docs.stripe.com/webhooks/signature)
    """
    fields = [field.strip().partition("=") for field in header.split(",")]
    timestamps = [value for name, _, value in fields if name == "t"]
    signatures = [value for name, _, value in fields if name == "v1"]
    if len(timestamps) != 1 or not re.fullmatch("[0-9]{1,12}", timestamps[0]) or not signatures:
        raise InvalidSignature("The Stripe-Signature header is missing or malformed.")
    expected = hmac.new(secret.encode(), timestamps[0].encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures):
        raise InvalidSignature("The signature does not fit the body.")
    if abs(now.timestamp() - int(timestamps[0])) > TOLERANCE:
        raise InvalidSignature("The signature is too old, or this machine's clock is wrong.")


def parse(body: bytes) -> StripeEvent:
    """Read a verified body. Raises `InvalidEvent`."""
    try:
        event = json.loads(body)
        return StripeEvent(
            id=_text(event["id"]),
            type=_text(event["type"]),
            livemode=event["livemode"] is True,
            about=_about(event["data"]["object"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidEvent(f"The body is no Stripe event: {error!r}") from None


def _about(found: object) -> About | None:
    # A subscription's own events tell all; a completed checkout names it as well, should those be late.
    match found:
        case {"object": "subscription", "id": subscription, "customer": str(customer)} | {
            "object": "checkout.session",
            "subscription": str(subscription),
            "customer": str(customer),
        }:
            return About(_text(subscription), _text(customer))
    return None


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255 or "\0" in value:
        raise TypeError("an id or type is not a string of 1 to 255 characters")
    return value
