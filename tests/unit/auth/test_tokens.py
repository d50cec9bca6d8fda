"""Access tokens."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.auth.tokens import LIFETIME, InvalidToken, Tokens
from shared.clock import Clock
from shared.keys import Keys

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ISSUER = "https://api.example.test"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys", may_make=True, clock=Clock())


@pytest.fixture
def tokens(keys: Keys) -> Tokens:
    return Tokens(keys.jwt, ISSUER)


def test_a_token_names_its_session_until_it_expires(tokens: Tokens) -> None:
    token = tokens.issue(user_id=7, session_id="ses_1", now=NOW)
    assert tokens.session_of(token, NOW + LIFETIME - timedelta(seconds=1)) == "ses_1"
    with pytest.raises(InvalidToken):
        tokens.session_of(token, NOW + LIFETIME)


def test_anyone_can_verify_with_the_published_keys(keys: Keys, tokens: Tokens) -> None:
    token = tokens.issue(user_id=7, session_id="ses_1", now=datetime.now(UTC))
    published = jwt.PyJWKSet.from_dict(keys.jwt.jwks())[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, published, algorithms=["EdDSA"], audience="compliancelayer", issuer=ISSUER)
    assert claims["sub"] == "7"


def _claims(**changed: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": "compliancelayer",
        "sub": "7",
        "jti": "ses_1",
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + LIFETIME).timestamp()),
    } | changed
    return {name: value for name, value in claims.items() if value is not None}


def _raw(header: Any, claims: Any, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example.test"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["compliancelayer", "other"]},
        {"aud": None},
        {"sub": None},
        {"jti": None},
        {"jti": 1},
        {"iat": None},
        {"exp": None},
        {"exp": int(NOW.timestamp())},
        {"exp": str(int((NOW + LIFETIME).timestamp()))},
        {"exp": (NOW + LIFETIME).timestamp()},
        {"exp": 1e300},
        {"exp": True},
        {"nbf": int((NOW + timedelta(days=36500)).timestamp())},
    ],
    ids=str,
)
def test_signed_by_us_and_yet_no_access_token(keys: Keys, tokens: Tokens, changed: dict[str, Any]) -> None:
    headers = {"kid": keys.jwt.key_id, "typ": "at+jwt"}
    forged = jwt.encode(_claims(**changed), keys.jwt.private, algorithm="EdDSA", headers=headers)
    with pytest.raises(InvalidToken):
        tokens.session_of(forged, NOW)


def test_another_kind_of_token_of_ours_is_refused(keys: Keys, tokens: Tokens) -> None:
    other = jwt.encode(_claims(), keys.jwt.private, algorithm="EdDSA", headers={"kid": keys.jwt.key_id})
    with pytest.raises(InvalidToken):
        tokens.session_of(other, NOW)


def test_a_foreign_key_under_our_key_id_is_refused(keys: Keys, tokens: Tokens) -> None:
    headers = {"kid": keys.jwt.key_id, "typ": "at+jwt"}
    forged = jwt.encode(_claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=headers)
    with pytest.raises(InvalidToken):
        tokens.session_of(forged, NOW)


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "HS256", "EdDSA", "RS256", None, 1])
def test_the_token_does_not_choose_the_algorithm(keys: Keys, tokens: Tokens, algorithm: Any) -> None:
    header = {"alg": algorithm, "kid": keys.jwt.key_id, "typ": "at+jwt"}
    with pytest.raises(InvalidToken):
        tokens.session_of(_raw(header, _claims()), NOW)


def test_the_public_key_is_no_shared_secret(keys: Keys, tokens: Tokens) -> None:
    public = keys.jwt.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    headers = {"kid": keys.jwt.key_id, "typ": "at+jwt"}
    forged = jwt.encode(_claims(), public, algorithm="HS256", headers=headers)
    with pytest.raises(InvalidToken):
        tokens.session_of(forged, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\0",
        "x" * 100_000,
        _raw([], {}),
        _raw({"alg": "EdDSA", "kid": ["a"]}, []),
        _raw(1, 1),
    ],
)
def test_what_is_no_token(tokens: Tokens, text: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.session_of(text, NOW)


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "' OR 1=1", "unknown", None, 7])
def test_an_unknown_key_id_is_refused(keys: Keys, tokens: Tokens, kid: Any) -> None:
    token = tokens.issue(user_id=7, session_id="ses_1", now=NOW)
    _, claims, signature = token.split(".")
    header = (
        base64.urlsafe_b64encode(json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).encode())
        .decode()
        .rstrip("=")
    )
    with pytest.raises(InvalidToken):
        tokens.session_of(f"{header}.{claims}.{signature}", NOW)
