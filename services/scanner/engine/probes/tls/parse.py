"""The server's half of a handshake, read from hostile bytes (RFC 8446 section 4, RFC 5246 section 7.4, SSL 2.0)."""

import hashlib
from dataclasses import dataclass

from services.scanner.engine.evidence.tls import DhGroup, Version
from services.scanner.engine.probes.tls.hello import CODES

ALERT, HANDSHAKE = 21, 22  # record types
SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE = 2, 11, 12, 14  # handshake types
SSL2_SERVER_HELLO = 13  # bytes up to the variable part of the SSL 2.0 SERVER-HELLO, its header included
MAX_RECORD = 2**14 + 2048
MAX_CERTIFICATES = 10
_VERSIONS: dict[int, Version] = {code: version for version, code in CODES.items()}
_ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    47: "illegal_parameter",
    50: "decode_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    109: "missing_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
# Published primes below 2048 bit that many servers share: one pre-computation serves against them all (CVE-2015-4000).
# By the first 8 bytes of the SHA-256 of the prime's bytes.
_KNOWN_PRIMES = {
    "b52ba6a3026520a6": "RFC 2409 group 1",
    "3f35a3f5f6c4376a": "RFC 2409 group 2",
}


class Malformed(ValueError):
    """The bytes are no TLS handshake; the message says where they stop being one."""


@dataclass(frozen=True, slots=True)
class ServerHello:
    version: Version
    suite: int
    extensions: frozenset[int]

    @property
    def secure_renegotiation(self) -> bool:
        return self.version == "TLSv1.3" or 0xFF01 in self.extensions


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise Malformed(f"a length points {self._at + count - len(self._data)} bytes past the end")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def block(self, width: int) -> bytes:
        return self.take(self.number(width))

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def record_header(header: bytes) -> tuple[int, int]:
    """(record type, length) of a 5-byte record header."""
    kind, major, length = header[0], header[1], int.from_bytes(header[3:5], "big")
    if kind not in (ALERT, HANDSHAKE) or major != 3:
        raise Malformed(f"the answer is no TLS record: {header.hex(' ')}")
    if not 0 < length <= MAX_RECORD:
        raise Malformed(f"a record claims {length} bytes")
    return kind, length


def messages(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Whole handshake messages as (type, body), and the bytes of one that is not complete yet."""
    found: list[tuple[int, bytes]] = []
    while len(data) >= 4 and len(data) >= (end := 4 + int.from_bytes(data[1:4], "big")):
        found.append((data[0], data[4:end]))
        data = data[end:]
    return found, data


def server_hello(body: bytes) -> ServerHello:
    reader = _Reader(body)
    code = reader.number(2)
    reader.take(32)
    reader.block(1)
    suite = reader.number(2)
    reader.take(1)  # the compression method
    extensions: set[int] = set()
    if reader.left:
        inner = _Reader(reader.block(2))
        while inner.left:
            kind, data = inner.number(2), inner.block(2)
            extensions.add(kind)
            if kind == 43 and len(data) == 2:  # supported_versions: the version of TLS 1.3 (RFC 8446 section 4.2.1)
                code = int.from_bytes(data, "big")
    if code not in _VERSIONS:
        raise Malformed(f"the server chose the unknown version 0x{code:04x}")
    return ServerHello(_VERSIONS[code], suite, frozenset(extensions))


def certificates(body: bytes) -> tuple[bytes, ...]:
    """The DER certificates of a Certificate message up to TLS 1.2, at most 10."""
    reader = _Reader(_Reader(body).block(3))
    found: list[bytes] = []
    while reader.left and len(found) < MAX_CERTIFICATES:
        found.append(reader.block(3))
    return tuple(found)


def finite_field_group(body: bytes) -> DhGroup:
    """The parameters of a ServerKeyExchange of a DHE suite (RFC 5246 section 7.4.3)."""
    prime = _Reader(body).block(2).lstrip(b"\x00")
    if not prime:
        raise Malformed("the server's Diffie-Hellman prime is zero")
    digest = hashlib.sha256(prime).hexdigest()[:16]
    return DhGroup(int.from_bytes(prime, "big").bit_length(), _KNOWN_PRIMES.get(digest))


def alert(body: bytes) -> str:
    """ "alert handshake_failure" (RFC 8446 section 6)."""
    if len(body) < 2:
        raise Malformed("an alert is cut short")
    return f"alert {_ALERTS.get(body[1], body[1])}"


def is_warning(body: bytes) -> bool:
    """Whether an alert is a warning other than close_notify."""
    return len(body) >= 2 and body[0] == 1 and body[1] != 0


def is_ssl2_server_hello(data: bytes) -> bool:
    """Whether the first bytes of an answer are an SSL 2.0 SERVER-HELLO that offers at least one cipher kind."""
    if len(data) < SSL2_SERVER_HELLO or not data[0] & 0x80 or data[2] != 4:
        return False
    return int.from_bytes(data[5:7], "big") == CODES["SSLv2"] and int.from_bytes(data[9:11], "big") > 0
