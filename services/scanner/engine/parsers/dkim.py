"""DKIM key records (RFC 6376 section 3.6.1, RFC 8301, RFC 8463)."""

import base64
import binascii
from dataclasses import dataclass

from services.scanner.engine.parsers.errors import ParseError

ED25519_BYTES = 32
_WHITESPACE = " \t\r\n"
_SEQUENCE, _INTEGER, _BIT_STRING = 0x30, 0x02, 0x03


@dataclass(frozen=True, slots=True)
class Key:
    algorithm: str  # "rsa", "ed25519", or one that we do not know
    bits: int  # of an RSA modulus; 0 where revoked or of an unknown algorithm
    hashes: tuple[str, ...]  # () means any
    revoked: bool
    testing: bool = False  # t=y: verifiers treat the mail as if it were not signed (section 3.6.1)
    services: tuple[str, ...] = ("*",)

    @property
    def for_mail(self) -> bool:
        return bool({"*", "email"} & set(self.services))

    @property
    def usable(self) -> bool:
        """By a verifier of today, for the domain's mail: a known algorithm, and a hash that it may use (RFC 8301)."""
        known = self.algorithm in ("rsa", "ed25519") and (
            not self.hashes or bool({"sha1", "sha256"} & set(self.hashes))
        )
        return known and self.for_mail and not self.revoked


def parse(record: str) -> Key:
    """ParseError where a verifier would find no key in the record."""
    found = _tags(record)
    if found.get("v", "DKIM1") != "DKIM1":
        raise ParseError(f"the version is {found['v'][:40]!r}, not 'DKIM1'")
    if "v" in found and next(iter(found)) != "v":
        raise ParseError("the tag 'v' does not come first")
    if "p" not in found:
        raise ParseError("there is no public key: the tag 'p' is missing")
    algorithm = found.get("k", "rsa").lower()
    key = _decode(found["p"])
    return Key(
        algorithm=algorithm,
        bits=_bits(algorithm, key) if key else 0,
        hashes=_list(found.get("h", "")),
        revoked=not key,
        testing="y" in _list(found.get("t", "")),
        services=_list(found.get("s", "")) or ("*",),
    )


def _list(value: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip(_WHITESPACE).lower() for name in value.split(":"))))


def _tags(record: str) -> dict[str, str]:
    """The tag list of RFC 6376 section 3.2, in its order."""
    tags: dict[str, str] = {}
    parts = record.split(";")
    if not parts[-1].strip(_WHITESPACE):
        parts.pop()
    for part in parts:
        name, separator, value = part.partition("=")
        name = name.strip(_WHITESPACE)
        if not separator or not name:
            raise ParseError(f"{part.strip(_WHITESPACE)[:40]!r} is not a tag: it should read name=value")
        if not (name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha()):
            raise ParseError(f"{name[:40]!r} is not a tag name")
        if name in tags:
            raise ParseError(f"the tag {name!r} comes twice")
        tags[name] = value.strip(_WHITESPACE)
    return tags


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParseError("the public key is not base64") from error


def _bits(algorithm: str, key: bytes) -> int:
    if algorithm == "ed25519":
        if len(key) != ED25519_BYTES:
            raise ParseError(f"an Ed25519 key has {ED25519_BYTES} octets, not {len(key)}")
        return 256
    return _modulus(key).bit_length() if algorithm == "rsa" else 0


def _modulus(key: bytes) -> int:
    """Of a SubjectPublicKeyInfo (as published in practice) or a bare RSAPublicKey (as RFC 6376 words it)."""
    body, _ = _element(key, _SEQUENCE)
    if body[:1] == bytes([_SEQUENCE]):
        _, rest = _element(body, _SEQUENCE)
        bits, _ = _element(rest, _BIT_STRING)
        body, _ = _element(bits[1:], _SEQUENCE)
    modulus, _ = _element(body, _INTEGER)
    return int.from_bytes(modulus)


def _element(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of one DER element, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise ParseError("the public key is not a DER encoded RSA key")
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if length > len(data) - start:
        raise ParseError("the public key is cut short")
    return data[start : start + length], data[start + length :]
