"""Stripe's signatures and events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.billing.stripe_webhook import About, InvalidEvent, InvalidSignature, parse, verify
from tests.support.stripe import FakeStripe

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STRIPE = FakeStripe()
BODY = b'{"id": "evt_1"}'
SIGNATURE = STRIPE.sign(BODY, NOW.timestamp())


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=300), timedelta(seconds=-300)])
def test_a_fresh_signature_is_good(late: timedelta) -> None:
    verify(BODY, SIGNATURE, STRIPE.webhook_secret, NOW + late)


def test_one_good_signature_among_several_is_enough() -> None:
    """While the secret is being changed Stripe signs with both."""
    timestamp, good = SIGNATURE.split(",")
    verify(BODY, f"{timestamp},v1={'0' * 64},{good},v0=x", STRIPE.webhook_secret, NOW)


@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_replay_is_refused(late: timedelta) -> None:
    with pytest.raises(InvalidSignature):
        verify(BODY, SIGNATURE, STRIPE.webhook_secret, NOW + late)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1",
        "v1=00",
        "t=,v1=",
        "t=x,v1=00",
        f"t={'9' * 5000},v1=00",
        f"{SIGNATURE},t=1",
        SIGNATURE[:-1],
        "t=1,v1=é",
        "é",
    ],
)
def test_a_bad_header_is_refused(header: str) -> None:
    with pytest.raises(InvalidSignature):
        verify(BODY, header, STRIPE.webhook_secret, NOW)


def test_an_altered_body_and_another_secret_are_refused() -> None:
    with pytest.raises(InvalidSignature):
        verify(BODY + b" ", SIGNATURE, STRIPE.webhook_secret, NOW)
    with pytest.raises(InvalidSignature):
        verify(BODY, SIGNATURE, "whsec_other", NOW)


def _event(about: Any, **changed: Any) -> bytes:
    return json.dumps({"id": "evt_1", "type": "t", "livemode": False, "data": {"object": about}} | changed).encode()


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"object": "subscription", "id": "sub_1", "customer": "cus_1"}, About("sub_1", "cus_1")),
        (
            {"object": "checkout.session", "id": "cs_1", "subscription": "sub_1", "customer": "cus_1"},
            About("sub_1", "cus_1"),
        ),
        ({"object": "checkout.session", "id": "cs_1", "subscription": None, "customer": "cus_1"}, None),
        ({"object": "invoice", "id": "in_1", "customer": "cus_1"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_an_event_is_about(about: Any, expected: About | None) -> None:
    assert parse(_event(about)).about == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        _event({}, id=1),
        _event({}, id=""),
        _event({}, id="e" * 256),
        _event({}, type="a\0"),
        _event({}, data=[]),
        _event({"object": "subscription", "id": ["sub_1"], "customer": "cus_1"}),
        _event({"object": "subscription", "id": "s\0", "customer": "cus_1"}),
        b'{"id": "evt_1", "type": "t", "data": {"object": {}}}',
    ],
)
def test_what_is_no_event(body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        parse(body)
