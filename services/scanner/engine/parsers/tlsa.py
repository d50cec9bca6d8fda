"""TLSA records (RFC 6698 section 2), and whether they are of a certificate that an SMTP server showed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.scanner.engine.parsers.errors import ParseError

DANE_TA, DANE_EE = 2, 3  # the usages of SMTP; of the other two senders make nothing (RFC 7672 section 3.1.3)
_DIGESTS = {1: ("sha256", 32), 2: ("sha512", 64)}  # by matching type
USAGES = {0: "PKIX-TA", 1: "PKIX-EE", DANE_TA: "DANE-TA", DANE_EE: "DANE-EE"}  # RFC 7218
_MAX_CHUNKS = 64  # that the data may be written in


@dataclass(frozen=True, slots=True)
class Tlsa:
    usage: int
    selector: int  # 0: the whole certificate, 1: its public key
    matching: int  # 0: as it is, 1: SHA-256, 2: SHA-512
    data: bytes

    @property
    def usable(self) -> bool:
        """Whether a sender of mail can do anything with it (RFC 7672 section 3.1)."""
        if self.usage not in (DANE_TA, DANE_EE) or self.selector not in (0, 1) or not self.data:
            return False
        return self.matching == 0 or (self.matching in _DIGESTS and len(self.data) == _DIGESTS[self.matching][1])

    def matches(self, certificate: bytes) -> bool:
        """Whether it is of this certificate, in DER. Only for a usable record."""
        selected = public_key_info(certificate) if self.selector else certificate
        return self.data == (hashlib.new(_DIGESTS[self.matching][0], selected).digest() if self.matching else selected)

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


def parse(text: str) -> Tlsa:
    """From presentation form, "3 1 1 0d6f...". ParseError."""
    words = text.split(maxsplit=_MAX_CHUNKS)
    try:
        usage, selector, matching = (int(word) for word in words[:3])
        if not all(0 <= number <= 255 for number in (usage, selector, matching)):
            raise ValueError
        return Tlsa(usage, selector, matching, bytes.fromhex("".join(words[3:])))
    except ValueError:
        raise ParseError(f"{text[:80]!r} is not a TLSA record") from None


def usable(records: Sequence[str]) -> tuple[Tlsa, ...]:
    """Those of a set that a sender of mail goes by; () where it would do as if there were none but encrypt.

    Of digests of the same thing the strongest alone counts (RFC 7671 section 9).
    """
    found: list[Tlsa] = []
    for record in records:
        try:
            parsed = parse(record)
        except ParseError:
            continue
        if parsed.usable:
            found.append(parsed)
    strongest: dict[tuple[int, int], int] = {}
    for one in found:
        strongest[one.usage, one.selector] = max(one.matching, strongest.get((one.usage, one.selector), 0))
    return tuple(one for one in found if one.matching in (0, strongest[one.usage, one.selector]))


def public_key_info(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate, both in DER (RFC 5280 section 4.1); b"" where it cannot be found."""
    body, _, _ = _element(_element(certificate)[0])
    fields: list[bytes] = []
    while body and len(fields) < 8:
        _, whole, body = _element(body)
        fields.append(whole)
    before = 6 if fields and fields[0][:1] == b"\xa0" else 5  # version, serial, signature, issuer, validity, subject
    return fields[before] if len(fields) > before else b""


def _element(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The content of the first element, the whole of it, and what follows it; empty where it is cut short."""
    if len(data) < 2:
        return b"", b"", b""
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    end = start + length
    return (data[start:end], data[:end], data[end:]) if end <= len(data) else (b"", b"", b"")
