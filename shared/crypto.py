"""What services prove to each other: who is calling, and that a document is the sender's own."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from cryptography.exceptions import InvalidSignature

from shared.contracts.base import Contract
from shared.contracts.principal import Principal
from shared.keys import Keys

ASSERTION_HEADER = "X-CL-Assertion"
SIGNATURE_HEADER = "X-CL-Signature"
ASSERTION_SECONDS = 60

_ISSUER = "gateway"
_DOCUMENT_DOMAIN = b"compliancelayer document\n"  # a signature over anything else is none over a document


class Untrusted(Exception):
    """A signature that is missing, expired, meant for another service, or not by an accepted key."""


class Claims(Contract):
    """What the gateway asserts. No principal: a public path, or a call of the gateway's own."""

    principal: Principal | None
    client: str | None  # the client's address


@dataclass(frozen=True)
class Assertion:
    claims: Claims
    expires_at: datetime


def sign_assertion(keys: Keys, *, audience: str, principal: Principal | None, client: str | None, now: datetime) -> str:
    """Who is calling, as the gateway says it to one service: an EdDSA JWT (RFC 8037) good for a minute."""
    claims = Claims(principal=principal, client=client)
    payload = {
        "iss": _ISSUER,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ASSERTION_SECONDS)).timestamp()),
        "caller": claims.model_dump(mode="json"),
    }
    return jwt.encode(payload, keys.assertion.private, algorithm="EdDSA", headers={"kid": keys.assertion.key_id})


def verify_assertion(keys: Keys, token: str, *, audience: str, now: datetime) -> Assertion:
    """Untrusted unless the gateway signed it for `audience` and it holds at `now`."""
    try:
        key = keys.assertion.find(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise Untrusted("signed by an unknown key")
        payload = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=audience,
            issuer=_ISSUER,
            options={"require": ["exp", "iat", "aud", "iss"], "verify_exp": False, "verify_iat": False},
        )
        claims = Claims.model_validate(payload["caller"])
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise Untrusted(str(error)) from error
    expires_at = datetime.fromtimestamp(payload["exp"], tz=now.tzinfo)
    if now >= expires_at:
        raise Untrusted("expired")
    return Assertion(claims, expires_at)


def sign_document(keys: Keys, body: bytes) -> str:
    """The scanner's signature over what it hands out: `<key id>.<base64url of the Ed25519 signature>`."""
    signature = keys.document.private.sign(_digest(body))
    return f"{keys.document.key_id}.{base64.urlsafe_b64encode(signature).decode()}"


def verify_document(keys: Keys, body: bytes, signature: str | None) -> None:
    """Untrusted unless `signature` is the scanner's over exactly `body`."""
    kid, _, encoded = (signature or "").partition(".")
    key = keys.document.find(kid)
    if key is None:
        raise Untrusted("no signature by an accepted key")
    try:
        key.verify(base64.urlsafe_b64decode(encoded), _digest(body))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise Untrusted("the signature does not match the document") from error


def _digest(body: bytes) -> bytes:
    return _DOCUMENT_DOMAIN + hashlib.sha256(body).digest()
