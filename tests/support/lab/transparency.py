"""The lab's certificate transparency logs: they sign whatever they are given (RFC 6962 section 3.2)."""

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.scanner.engine.probes.tls.transparency import Log, LogList

_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


@dataclass(frozen=True, slots=True)
class LabLog:
    name: str
    operator: str
    key: ec.EllipticCurvePrivateKey

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.public_key).digest()

    def timestamp(self, entry: bytes, at: datetime | None = None) -> bytes:
        """A SignedCertificateTimestamp over an entry type and the entry."""
        issued_at = at or datetime.now(UTC) - timedelta(days=1)
        fixed = struct.pack("!Q", round(issued_at.timestamp() * 1000))
        signature = self.key.sign(b"\x00\x00" + fixed + entry + b"\x00\x00", ec.ECDSA(hashes.SHA256()))
        return b"\x00" + self.id + fixed + b"\x00\x00" + b"\x04\x03" + _block(signature)


LOGS = tuple(
    LabLog(f"Lab {number}", f"Operator {number % 2}", ec.derive_private_key(20_000 + number, ec.SECP256R1()))
    for number in range(4)
)


def known() -> LogList:
    """What a scan of the lab has to know of them."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return LogList("lab", {log.id: Log(log.name, log.operator, "usable", began, log.public_key) for log in LOGS})


def entry_of_precertificate(body: bytes, issuer: x509.Certificate) -> bytes:
    key = issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return b"\x00\x01" + hashlib.sha256(key).digest() + len(body).to_bytes(3, "big") + body


def entry_of_certificate(encoded: bytes) -> bytes:
    return b"\x00\x00" + len(encoded).to_bytes(3, "big") + encoded


def serialized(timestamps: list[bytes]) -> bytes:
    """A SignedCertificateTimestampList."""
    return _block(b"".join(map(_block, timestamps)))


def embedded(precertificate: x509.Certificate, issuer: x509.Certificate, count: int) -> x509.UnrecognizedExtension:
    """The extension with proofs of `count` logs."""
    entry = entry_of_precertificate(precertificate.tbs_certificate_bytes, issuer)
    raw = serialized([log.timestamp(entry) for log in LOGS[:count]])
    return x509.UnrecognizedExtension(_LIST, b"\x04" + _der_length(len(raw)) + raw)


def _block(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def _der_length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    return b"\x81" + bytes([length]) if length < 0x100 else b"\x82" + length.to_bytes(2, "big")
