"""API keys: `cl_`, 30 random characters, 6 characters of checksum."""

import hashlib
import hmac
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.principal import Scope

PREFIX = "cl_"
MOST = 100  # live keys of one account

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY = 30
_CHECKSUM = 6
RANDOM_BYTES = 24  # of which 62^30 makes 178 bits

DEFAULT_SCOPES = frozenset(Scope) - {Scope.ACCOUNT_WRITE}


class ScopesExceeded(ValueError):
    """A key may do no more than its maker; `.scopes` are those beyond."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self.scopes = sorted(scopes)
        super().__init__("beyond what you may do yourself: " + ", ".join(self.scopes))


@dataclass(frozen=True)
class ApiKey:
    """A stored key: its digest and what may be shown of it."""

    id: int
    account_id: int
    user_id: int
    name: str
    digest: bytes
    hint: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


def mint(random: bytes) -> str:
    """A key from `RANDOM_BYTES` random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes")
    body = _base62(int.from_bytes(random), _BODY)
    return PREFIX + body + _checksum(body)


def well_formed(key: str) -> bool:
    """True when the checksum fits: all that can be known of a key without the database."""
    body = key[len(PREFIX) : -_CHECKSUM]
    return (
        key.startswith(PREFIX)
        and len(body) == _BODY
        and set(body) <= set(_ALPHABET)
        and key[-_CHECKSUM:] == _checksum(body)
    )


def digest(key: str, pepper: bytes) -> bytes:
    """What is stored of a key. A fast hash will do: the key has 178 random bits."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def hint(key: str) -> str:
    """A key as it may be shown: `cl_AbCd...wxyz`."""
    return f"{key[: len(PREFIX) + 4]}...{key[-4:]}"


def granted(asked: Iterable[Scope] | None, maker: frozenset[Scope]) -> frozenset[Scope]:
    """The scopes of a new key: those asked for, by default all but `account:write`. Raises `ScopesExceeded`."""
    if asked is None:
        return DEFAULT_SCOPES & maker
    scopes = frozenset(asked)
    if beyond := scopes - maker:
        raise ScopesExceeded(beyond)
    return scopes


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
