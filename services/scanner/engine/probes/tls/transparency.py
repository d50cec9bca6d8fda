"""Signed certificate timestamps, verified against a list of logs (RFC 6962 sections 3.2 and 3.3)."""

import hashlib
import json
import struct
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from services.scanner.engine.evidence.tls import Timestamp, Transparency
from services.scanner.engine.probes.tls import der
from services.scanner.engine.probes.tls.certificate import MALFORMED, extension, oddities_ignored
from services.scanner.engine.probes.tls.link import Link

MAX_TIMESTAMPS = 20  # of one list
_SHA256, _RSA, _ECDSA = 4, 1, 3  # HashAlgorithm and SignatureAlgorithm of RFC 5246 section 7.4.1.4.1
_CERTIFICATE, _PRECERTIFICATE = 0, 1  # LogEntryType

Via = Literal["certificate", "tls", "ocsp"]


@dataclass(frozen=True, slots=True)
class Log:
    name: str
    operator: str
    state: str  # "qualified", "usable", "readonly" or "retired"
    since: datetime  # the state
    key: bytes  # SubjectPublicKeyInfo in DER


@dataclass(frozen=True, slots=True)
class LogList:
    date: str
    logs: Mapping[bytes, Log]  # by the SHA-256 of the key


@dataclass(frozen=True, slots=True)
class _Signed:
    """The fields of a SignedCertificateTimestamp."""

    log_id: bytes
    milliseconds: int
    extensions: bytes
    algorithms: tuple[int, int]
    signature: bytes

    @property
    def issued_at(self) -> datetime:
        """ValueError or OverflowError where there is no such year."""
        return datetime.fromtimestamp(self.milliseconds / 1000, UTC)


@cache
def known_logs() -> LogList:
    """The list that is shipped with the engine; its file names its source."""
    table = json.loads((files(__package__) / "ct_logs.json").read_text("utf-8"))
    return LogList(
        table["as_of"],
        {
            b64decode(log["id"]): Log(
                log["name"],
                log["operator"],
                log["state"],
                datetime.fromisoformat(log["since"]),
                b64decode(log["key"]),
            )
            for log in table["logs"]
        },
    )


def look(leaf: Link, issuer: Link | None, tls: bytes | None, stapled: bytes | None, now: datetime) -> Transparency:
    """`tls`: the list of the TLS extension; `stapled`: the OCSP response that may hold one.

    A timestamp in the certificate is over what its issuer would have signed without it, so it takes the issuer's key.
    """
    known = known_logs()
    found = [
        _judged(signed, via, _entry(leaf, issuer, via), known, now)
        for via, raw in _lists(leaf, tls, stapled)
        for signed in _timestamps(raw)
    ]
    return Transparency(known.date, tuple({(one.log_id, one.via, one.status): one for one in found}.values()))


def _lists(leaf: Link, tls: bytes | None, stapled: bytes | None) -> Iterator[tuple[Via, bytes]]:
    """The encoded lists, however they came."""
    try:
        embedded = extension(leaf.certificate, x509.PrecertificateSignedCertificateTimestamps)
        if embedded is not None:
            yield "certificate", _octets(embedded.public_bytes())
    except MALFORMED:
        pass
    if tls:
        yield "tls", tls
    try:
        with oddities_ignored():
            response = ocsp.load_der_ocsp_response(stapled) if stapled else None
            if response and response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
                for said in response.single_extensions:
                    if isinstance(said.value, x509.SignedCertificateTimestamps):
                        yield "ocsp", _octets(said.value.public_bytes())
    except MALFORMED:
        pass


def _octets(encoded: bytes) -> bytes:
    ((tag, content, _),) = der.elements(encoded)
    if tag != der.OCTET_STRING:
        raise ValueError("a list of timestamps is no octet string")
    return content


def _timestamps(raw: bytes) -> Iterator[_Signed]:
    """Those that can be read; what follows a broken one is not looked at."""
    total = int.from_bytes(raw[:2], "big")
    rest, count = raw[2 : 2 + total], 0
    while len(rest) > 2 and count < MAX_TIMESTAMPS:
        end = 2 + int.from_bytes(rest[:2], "big")
        one, rest, count = rest[2:end], rest[end:], count + 1
        if len(one) < 43 or one[0] != 0:  # version 1 alone is defined so
            continue
        milliseconds, length = struct.unpack_from("!QH", one, 33)
        tail = one[43 + length :]
        if len(tail) < 4:
            continue
        yield _Signed(
            one[1:33],
            milliseconds,
            one[43 : 43 + length],
            (tail[0], tail[1]),
            tail[4 : 4 + struct.unpack("!H", tail[2:4])[0]],
        )


def _entry(leaf: Link, issuer: Link | None, via: Via) -> bytes | None:
    """LogEntryType and the signed entry; None where it cannot be reconstructed."""
    certificate = leaf.certificate
    if via != "certificate":
        encoded = certificate.public_bytes(serialization.Encoding.DER)
        return struct.pack("!H", _CERTIFICATE) + len(encoded).to_bytes(3, "big") + encoded
    if issuer is None:
        return None
    body = certificate.tbs_precertificate_bytes
    key = hashlib.sha256(issuer.public_key).digest()
    return struct.pack("!H", _PRECERTIFICATE) + key + len(body).to_bytes(3, "big") + body


def _judged(signed: _Signed, via: Via, entry: bytes | None, known: LogList, now: datetime) -> Timestamp:
    try:
        issued_at = signed.issued_at
    except (ValueError, OverflowError, OSError):
        return Timestamp(signed.log_id.hex(), via, datetime.fromtimestamp(0, UTC), "invalid")
    log = known.logs.get(signed.log_id)
    if log is None:
        return Timestamp(signed.log_id.hex(), via, issued_at, "unknown log")
    valid = entry is not None and issued_at <= now and _verified(signed, entry, log)
    return Timestamp(
        signed.log_id.hex(),
        via,
        issued_at,
        "valid" if valid else "invalid",
        log.name,
        log.operator,
        log.state,
        log.since if log.state == "retired" else None,
    )


def _verified(signed: _Signed, entry: bytes, log: Log) -> bool:
    data = struct.pack("!BBQ", 0, 0, signed.milliseconds) + entry
    data += struct.pack("!H", len(signed.extensions)) + signed.extensions
    key = serialization.load_der_public_key(log.key)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and signed.algorithms == (_SHA256, _ECDSA):
            key.verify(signed.signature, data, ec.ECDSA(hashes.SHA256()))
            return True
        if isinstance(key, rsa.RSAPublicKey) and signed.algorithms == (_SHA256, _RSA):
            key.verify(signed.signature, data, padding.PKCS1v15(), hashes.SHA256())
            return True
    except (InvalidSignature, ValueError):
        pass
    return False
