"""The server's half of a handshake, read from hostile bytes (RFC 8446 section 4, RFC 5246 section 7.4, SSL 2.0)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from services.scanner.engine.evidence.tls import DhGroup, Version
from services.scanner.engine.probes.tls import suites
from services.scanner.engine.probes.tls.hello import CODES

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24  # record types
SERVER_HELLO, NEW_SESSION_TICKET, ENCRYPTED_EXTENSIONS, CERTIFICATE, SERVER_KEY_EXCHANGE = 2, 4, 8, 11, 12  # handshake
CERTIFICATE_REQUEST, SERVER_HELLO_DONE, CERTIFICATE_VERIFY, FINISHED, CERTIFICATE_STATUS = 13, 14, 15, 20, 22
MAX_RECORD = 2**14 + 2048
MAX_CERTIFICATES = 10
# RFC 8446 section 4.1.3: the random of a HelloRetryRequest, and how one ends that had to choose an older version.
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
DOWNGRADED = (b"DOWNGRD\x01", b"DOWNGRD\x00")
_VERSIONS: dict[int, Version] = {code: version for version, code in CODES.items()}
_ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    47: "illegal_parameter",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
# Warnings after which a server may go on (RFC 6066 section 3, RFC 5246 section 7.2.2); others mean the end.
_PASSING = frozenset({90, 100, 112})


class Malformed(ValueError):
    """The bytes are no TLS handshake; the message says where they stop being one."""


@dataclass(frozen=True, slots=True)
class ServerHello:
    version: Version
    suite: int
    extensions: Mapping[int, bytes]
    random: bytes = bytes(32)
    session_id: bytes = b""
    compression: int = 0

    @property
    def secure_renegotiation(self) -> bool:
        """RFC 5746 section 3.4: a first handshake has an empty one."""
        return self.version == "TLSv1.3" or self.extensions.get(0xFF01) == b"\x00"

    @property
    def retry(self) -> bool:
        return self.random == RETRY

    @property
    def downgraded(self) -> bool:
        """Marked by a server that would rather have spoken a later version."""
        return self.random[-8:] in DOWNGRADED

    @property
    def share(self) -> tuple[int, bytes] | None:
        """The group and key of TLS 1.3; a HelloRetryRequest names the group alone (RFC 8446 section 4.2.8)."""
        data = self.extensions.get(51)
        if data is None:
            return None
        reader = _Reader(data)
        return reader.number(2), b"" if self.retry else reader.block(2)

    @property
    def cookie(self) -> bytes:
        data = self.extensions.get(44)
        return _Reader(data).block(2) if data else b""

    @property
    def timestamps(self) -> bytes | None:
        """The SignedCertificateTimestampList up to TLS 1.2 (RFC 6962 section 3.3.1)."""
        return self.extensions.get(18) or None


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """Of a ServerKeyExchange: the finite field or the curve, and what signs it (its number; None before TLS 1.2)."""

    dh: DhGroup | None = None
    curve: int | None = None
    signature: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificates of TLS 1.3 with what came along with the server's own (RFC 8446 section 4.4.2)."""

    certificates: tuple[bytes, ...]
    staple: bytes | None
    timestamps: bytes | None


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
    if not CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT or major != 3:
        raise Malformed(f"the answer is no TLS record: {header.hex(' ')}")
    if length > MAX_RECORD or (not length and kind != APPLICATION_DATA):
        raise Malformed(f"a record claims {length} bytes")
    return kind, length


def messages(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Whole handshake messages as (type, body), and the bytes of one that is not complete yet."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while len(data) - at >= 4 and len(data) >= (end := at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")):
        found.append((data[at], data[at + 4 : end]))
        at = end
    return found, data[at:]


def server_hello(body: bytes) -> ServerHello:
    reader = _Reader(body)
    code = reader.number(2)
    random = reader.take(32)
    session_id = reader.block(1)
    suite, compression = reader.number(2), reader.number(1)
    found = extensions(reader.block(2)) if reader.left else {}
    if len(chosen := found.get(43, b"")) == 2:  # supported_versions: the version of TLS 1.3 (RFC 8446 section 4.2.1)
        code = int.from_bytes(chosen, "big")
    if code not in _VERSIONS:
        raise Malformed(f"the server chose the unknown version 0x{code:04x}")
    return ServerHello(_VERSIONS[code], suite, found, random, session_id, compression)


def extensions(data: bytes) -> dict[int, bytes]:
    reader, found = _Reader(data), dict[int, bytes]()
    while reader.left:
        kind = reader.number(2)
        found[kind] = reader.block(2)
    return found


def certificates(body: bytes) -> tuple[bytes, ...]:
    """The DER certificates of a Certificate message up to TLS 1.2, at most 10."""
    reader = _Reader(_Reader(body).block(3))
    found: list[bytes] = []
    while reader.left and len(found) < MAX_CERTIFICATES:
        found.append(reader.block(3))
    return tuple(found)


def certificates_with_extensions(body: bytes) -> Shown:
    """The Certificate message of TLS 1.3."""
    reader = _Reader(body)
    reader.block(1)
    entries = _Reader(reader.block(3))
    chain, beside = list[bytes](), list[dict[int, bytes]]()
    while entries.left and len(chain) < MAX_CERTIFICATES:
        chain.append(entries.block(3))
        beside.append(extensions(entries.block(2)))
    first = beside[0] if beside else {}
    staple = certificate_status(first[5]) if 5 in first else None
    return Shown(tuple(chain), staple, first.get(18) or None)


def certificate_status(body: bytes) -> bytes | None:
    """The OCSPResponse of a CertificateStatus (RFC 6066 section 8)."""
    reader = _Reader(body)
    if reader.number(1) != 1:
        return None
    return reader.block(3) or None


def key_exchange(body: bytes, suite: str, version: Version) -> KeyExchange:
    """A ServerKeyExchange of a suite with ephemeral keys (RFC 5246 section 7.4.3, RFC 8422 section 5.4)."""
    reader = _Reader(body)
    dh, curve = None, None
    if "PSK_" in suite:
        reader.block(2)  # RFC 4279 section 3: the hint
    if "ECDH" in suite:
        if reader.number(1) != 3:
            return KeyExchange()  # not a named curve: none that a client of today takes
        curve = reader.number(2)
        reader.block(1)
    else:
        prime = reader.block(2).lstrip(b"\x00")
        if not prime:
            raise Malformed("the server's Diffie-Hellman prime is zero")
        digest = hashlib.sha256(prime).hexdigest()[:16]
        dh = DhGroup(int.from_bytes(prime, "big").bit_length(), suites.PRIMES.get(digest))
        reader.block(2)
        reader.block(2)
    signed = version == "TLSv1.2" and "_anon_" not in suite and "PSK_" not in suite and reader.left >= 2
    return KeyExchange(dh, curve, reader.number(2) if signed else None)


def chosen_protocol(data: bytes) -> str:
    """Of the server's ALPN extension (RFC 7301 section 3.1)."""
    return _Reader(_Reader(data).block(2)).block(1).decode("ascii", "backslashreplace")[:64]


def early_data(body: bytes) -> int:
    """How many bytes of early data a NewSessionTicket of TLS 1.3 takes; 0: none (RFC 8446 section 4.6.1)."""
    reader = _Reader(body)
    reader.take(8)
    reader.block(1)
    reader.block(2)
    return int.from_bytes(extensions(reader.block(2)).get(42, b""), "big")


def alert(body: bytes) -> str:
    """ "alert handshake_failure" (RFC 8446 section 6)."""
    if len(body) < 2:
        raise Malformed("an alert is cut short")
    return f"alert {_ALERTS.get(body[1], body[1])}"


def is_passing(body: bytes) -> bool:
    """Whether an alert is one of the warnings after which the handshake may go on."""
    return len(body) >= 2 and body[0] == 1 and body[1] in _PASSING


def is_ssl2_error(data: bytes) -> bool:
    """An ERROR message of SSL 2.0, as what speaks nothing newer answers a newer hello."""
    return len(data) >= 3 and data[0] & 0x80 != 0 and data[2] == 0


def ssl2_kinds(data: bytes) -> tuple[str, ...]:
    """The cipher kinds of an SSL 2.0 SERVER-HELLO; () where it is none, or offers none."""
    if len(data) < 13 or not data[0] & 0x80 or data[2] != 4 or data[5:7] != b"\x00\x02":
        return ()
    certificate, length = int.from_bytes(data[7:9], "big"), int.from_bytes(data[9:11], "big")
    kinds = data[13 + certificate : 13 + certificate + length]
    numbers = [int.from_bytes(kinds[at : at + 3], "big") for at in range(0, len(kinds) - 2, 3)]
    if length and not numbers:
        return ("any of SSL 2.0",)  # the message was cut short
    return tuple(dict.fromkeys(suites.SSL2_KINDS.get(number, f"kind 0x{number:06X}") for number in numbers))
