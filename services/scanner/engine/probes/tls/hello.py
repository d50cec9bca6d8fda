"""ClientHello messages, byte for byte (RFC 8446 section 4.1.2, RFC 5246 7.4.1.2, RFC 6101 5.6.1.2, SSL 2.0)."""

import struct
from collections.abc import Sequence
from ipaddress import ip_address

from services.scanner.engine.evidence.tls import Version

CODES: dict[Version, int] = {
    "SSLv2": 0x0002,
    "SSLv3": 0x0300,
    "TLSv1.0": 0x0301,
    "TLSv1.1": 0x0302,
    "TLSv1.2": 0x0303,
    "TLSv1.3": 0x0304,
}
RENEGOTIATION_SCSV = 0x00FF  # RFC 5746 section 3.3
_X25519 = 0x001D
_GROUPS = (_X25519, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101, 0x0102)  # X25519, P-256/384/521, ffdhe2048/3072/4096
_SIGNATURES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808),  # ECDSA with SHA-2, Ed25519, Ed448
    *(0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B),  # RSA-PSS
    *(0x0401, 0x0501, 0x0601, 0x0402),  # RSA PKCS#1 and DSA with SHA-2
    *(0x0203, 0x0201, 0x0202, 0x0101),  # SHA-1 and MD5: an old server is to answer as well
)
_SSL2_KINDS = (0x010080, 0x020080, 0x030080, 0x040080, 0x050080, 0x060040, 0x0700C0)


def client_hello(version: Version, suites: Sequence[int], server_name: str, random: bytes) -> bytes:
    """One record with a hello whose highest version is `version`. `random`: 32 bytes, also the key share of TLS 1.3."""
    legacy = min(CODES[version], 0x0303)
    ciphers = (*suites, RENEGOTIATION_SCSV) if version != "TLSv1.3" else tuple(suites)
    session = _prefixed(1, random if version == "TLSv1.3" else b"")  # RFC 8446 appendix D.4: middlebox compatibility
    body = struct.pack("!H", legacy) + random + session + _prefixed(2, _words(ciphers)) + b"\x01\x00"
    if version != "SSLv3":  # SSL 3.0 has no extensions
        extensions = _extensions(version, server_name, random)
        short = 512 - 4 - len(body) - 2 - len(extensions)
        if 4 <= short <= 256:  # RFC 7685: some servers hang on a hello of 256 to 511 bytes
            extensions += _extension(21, bytes(short - 4))
        body += _prefixed(2, extensions)
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16" + struct.pack("!H", min(legacy, 0x0301)) + _prefixed(2, message)


def ssl2_client_hello(challenge: bytes) -> bytes:
    """The CLIENT-HELLO of SSL 2.0 with all its cipher kinds; `challenge`: 16 bytes."""
    kinds = b"".join(struct.pack("!I", kind)[1:] for kind in _SSL2_KINDS)
    body = struct.pack("!BHHHH", 1, CODES["SSLv2"], len(kinds), 0, len(challenge)) + kinds + challenge
    return struct.pack("!H", 0x8000 | len(body)) + body


def _extensions(version: Version, server_name: str, random: bytes) -> bytes:
    parts = [_extension(10, _prefixed(2, _words(_GROUPS))), _extension(11, b"\x01\x00")]
    if not _is_address(server_name):  # RFC 6066 section 3: literal addresses are not permitted
        parts.append(_extension(0, _prefixed(2, b"\x00" + _prefixed(2, server_name.encode("ascii")))))
    if CODES[version] >= CODES["TLSv1.2"]:
        parts.append(_extension(13, _prefixed(2, _words(_SIGNATURES))))
    if version == "TLSv1.3":
        parts.append(_extension(43, _prefixed(1, _words((CODES[version],)))))
        parts.append(_extension(45, b"\x01\x01"))
        parts.append(_extension(51, _prefixed(2, struct.pack("!H", _X25519) + _prefixed(2, random))))
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
