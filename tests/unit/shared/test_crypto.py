"""Assertions and signed documents: believed from the right key for the right reader at the right time, and no other."""

from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from shared.crypto import (
    ASSERTION_SECONDS,
    Untrusted,
    sign_assertion,
    sign_document,
    verify_assertion,
    verify_document,
)
from shared.keys import Keys
from tests.support.app import principal
from tests.support.clock import SetClock

CLOCK = SetClock()
NOW = CLOCK.now()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, may_make=True, clock=CLOCK)


def test_an_assertion_carries_the_whole_principal(keys: Keys) -> None:
    somebody = principal(7, plan="starter", status="disabled")
    token = sign_assertion(keys, audience="scanner", principal=somebody, client="2001:db8::1", now=NOW)
    assertion = verify_assertion(keys, token, audience="scanner", now=NOW)
    assert assertion.claims.principal == somebody
    assert assertion.claims.client == "2001:db8::1"
    assert assertion.expires_at == NOW + timedelta(seconds=ASSERTION_SECONDS)


def test_an_assertion_is_for_one_service_and_one_minute(keys: Keys) -> None:
    token = sign_assertion(keys, audience="scanner", principal=None, client=None, now=NOW)
    verify_assertion(keys, token, audience="scanner", now=NOW + timedelta(seconds=ASSERTION_SECONDS - 1))
    for audience, now in (("monitor", NOW), ("scanner", NOW + timedelta(seconds=ASSERTION_SECONDS))):
        with pytest.raises(Untrusted):
            verify_assertion(keys, token, audience=audience, now=now)


def test_nothing_else_is_believed(keys: Keys, tmp_path: Path) -> None:
    token = sign_assertion(keys, audience="scanner", principal=None, client=None, now=NOW)
    header, payload, signature = token.split(".")
    foreign = Keys(tmp_path / "other", may_make=True, clock=CLOCK)
    claims = {
        "iss": "gateway",
        "aud": "scanner",
        "iat": 1,
        "exp": 9_000_000_000,
        "caller": {"principal": None, "client": None},
    }
    kid = keys.assertion.key_id
    for forged in (
        "",
        "a.b.c",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        sign_assertion(foreign, audience="scanner", principal=None, client=None, now=NOW),
        jwt.encode(claims, None, algorithm="none", headers={"kid": kid}),
        jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": kid}),
        jwt.encode(claims, keys.jwt.private, algorithm="EdDSA", headers={"kid": keys.jwt.key_id}),
        jwt.encode(claims | {"iss": "auth"}, keys.assertion.private, algorithm="EdDSA", headers={"kid": kid}),
    ):
        with pytest.raises(Untrusted):
            verify_assertion(keys, forged, audience="scanner", now=NOW)


def test_a_document_is_the_scanners_to_the_last_byte(keys: Keys, tmp_path: Path) -> None:
    signature = sign_document(keys, b"report")
    verify_document(keys, b"report", signature)
    foreign = sign_document(Keys(tmp_path / "other", may_make=True, clock=CLOCK), b"report")
    for body, claimed in (
        (b"Report", signature),
        (b"report", foreign),
        (b"report", None),
        (b"report", f"{signature[:60]}"),
    ):
        with pytest.raises(Untrusted):
            verify_document(keys, body, claimed)
