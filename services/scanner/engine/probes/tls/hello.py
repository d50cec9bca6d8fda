"""ClientHello messages, byte for byte (RFC 8446 section 4.1.2, RFC 5246 7.4.1.2, RFC 6101 5.6.1.2, SSL 2.0)."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address

from services.scanner.engine.evidence.tls import Version
from services.scanner.engine.probes.tls import suites as registry

CODES: dict[Version, int] = {
    "SSLv2": 0x0002,
    "SSLv3": 0x0300,
    "TLSv1.0": 0x0301,
    "TLSv1.1": 0x0302,
    "TLSv1.2": 0x0303,
    "TLSv1.3": 0x0304,
}
NULL, DEFLATE_OR_NULL = b"\x00", b"\x01\x00"  # compression methods (RFC 3749 section 2)
HEARTBEAT = 15  # RFC 6520 section 2
GREASE = 0x4A4A  # RFC 8701 section 2: a value that nobody is to know
_SIGNATURES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808),  # ECDSA with SHA-2, Ed25519, Ed448
    *(0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),  # RSA-PSS
    *(0x0401, 0x0501, 0x0601, 0x0402),  # RSA PKCS#1 and DSA with SHA-2
    *(0x0203, 0x0201, 0x0202, 0x0101),  # SHA-1 and MD5: an old server is to answer as well
)

Shares = tuple[tuple[int, bytes], ...]  # group and public key (RFC 8446 section 4.2.8); may be empty


def client_hello(
    version: Version,
    suites: Sequence[int],
    server_name: str,
    random: bytes,
    *,
    groups: tuple[int, ...] | None = None,
    shares: Shares | None = None,
    alpn: tuple[str, ...] = (),
    compression: bytes = NULL,
    heartbeat: bool = False,
    grease: bool = False,
    cookie: bytes = b"",
) -> bytes:
    """One record with a hello whose highest version is `version`. `random`: 32 bytes, also the key share of TLS 1.3.

    `shares`: other key shares of TLS 1.3; none at all asks for a HelloRetryRequest. `cookie`: of such a one.
    `heartbeat`: say that they are answered. `grease`: with values that a server has to pass over (RFC 8701).
    """
    legacy = min(CODES[version], 0x0303)
    ciphers = tuple(suites) if version == "TLSv1.3" else (*suites, registry.RENEGOTIATION_SCSV)
    if grease:
        ciphers = (GREASE, *ciphers)
    session = _prefixed(1, random if version == "TLSv1.3" else b"")  # RFC 8446 appendix D.4: middlebox compatibility
    body = struct.pack("!H", legacy) + random + session + _prefixed(2, _words(ciphers)) + _prefixed(1, compression)
    if version != "SSLv3":  # SSL 3.0 has no extensions
        extensions = _extension(GREASE, b"") if grease else b""
        if version == "TLSv1.3":
            shares = ((registry.X25519, random),) if shares is None else shares
            keys = b"".join(struct.pack("!H", group) + _prefixed(2, key) for group, key in shares)
            extensions += _extension(51, _prefixed(2, keys))
            extensions += _extension(44, _prefixed(2, cookie)) if cookie else b""
        extensions += _extensions(version, server_name, groups or _groups(version), alpn, heartbeat, grease)
        short = 512 - 4 - len(body) - 2 - len(extensions)
        if 0 < short <= 256:  # RFC 7685: some servers hang on a hello of 256 to 511 bytes
            extensions += _extension(21, bytes(max(short - 4, 0)))
        body += _prefixed(2, extensions)
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16" + struct.pack("!H", min(legacy, 0x0301)) + _prefixed(2, message)


def ssl2_client_hello(challenge: bytes) -> bytes:
    """The CLIENT-HELLO of SSL 2.0 with all its cipher kinds; `challenge`: 16 bytes."""
    kinds = b"".join(struct.pack("!I", kind)[1:] for kind in registry.SSL2_KINDS)
    body = struct.pack("!BHHHH", 1, CODES["SSLv2"], len(kinds), 0, len(challenge)) + kinds + challenge
    return struct.pack("!H", 0x8000 | len(body)) + body


def _groups(version: Version) -> tuple[int, ...]:
    """Up to TLS 1.2 without finite fields, so that a server shows its own and not one of RFC 7919."""
    if version == "TLSv1.3":
        return (*registry.TLS13_CURVES[:8], *registry.FINITE_FIELDS)
    return registry.CURVES


@lru_cache(maxsize=512)
def _extensions(
    version: Version,
    server_name: str,
    groups: tuple[int, ...],
    alpn: tuple[str, ...],
    heartbeat: bool,
    grease: bool,
) -> bytes:
    """What a connection's random does not touch. An empty one must not come last: some servers choke on that."""
    code, parts = CODES[version], []
    if not _is_address(server_name):  # RFC 6066 section 3: literal addresses are not permitted
        parts.append(_extension(0, _prefixed(2, b"\x00" + _prefixed(2, server_name.encode("ascii")))))
    if code < CODES["TLSv1.3"]:
        parts.append(_extension(23, b""))  # extended_master_secret (RFC 7627)
        parts.append(_extension(35, b""))  # session_ticket (RFC 5077)
    if code >= CODES["TLSv1.2"]:
        parts.append(_extension(5, b"\x01\x00\x00\x00\x00"))  # status_request (RFC 6066 section 8)
        parts.append(_extension(18, b""))  # signed_certificate_timestamp (RFC 6962 section 3.3)
    if alpn:
        names = b"".join(_prefixed(1, name.encode("ascii")) for name in alpn)
        parts.append(_extension(16, _prefixed(2, names)))  # RFC 7301
    if heartbeat:
        parts.append(_extension(HEARTBEAT, b"\x01"))
    if code == CODES["TLSv1.3"]:
        parts.append(
            _extension(43, _prefixed(1, _words((GREASE, code, 0x0303) if grease else (code,))))
        )  # supported_versions
        parts.append(_extension(45, b"\x01\x01"))  # psk_key_exchange_modes
    parts.append(_extension(10, _prefixed(2, _words((GREASE, *groups) if grease else groups))))  # supported_groups
    if code < CODES["TLSv1.3"]:
        parts.append(_extension(11, b"\x01\x00"))  # ec_point_formats
    if code >= CODES["TLSv1.2"]:
        parts.append(_extension(13, _prefixed(2, _words(_SIGNATURES))))
    return b"".join(parts)


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack("!H", kind) + _prefixed(2, data)


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(values)}H", *values)


def _prefixed(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
