"""A little public key infrastructure to build paths from, right in every point until a test says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.scanner.engine.evidence.tls import Trust
from services.scanner.engine.probes.tls import trust

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]  # with its criticality


@cache
def key(name: str) -> Key:
    """The same for the same name; "rsa-1024-x" and "ed25519-x" are of these kinds, all others elliptic."""
    if name.startswith("rsa-"):
        return rsa.generate_private_key(65537, int(name.split("-")[1]))
    if name.startswith("ed25519-"):
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def usage(**set_bits: bool) -> x509.KeyUsage:
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: set_bits.get(bit, False) for bit in bits})


@dataclass(frozen=True)
class Entity:
    """Who signs: a name and a key."""

    certificate: x509.Certificate
    key: Key
    extra: dict[str, Any] = field(default_factory=dict)


def authority(
    common_name: str,
    issuer: "Entity | None" = None,
    *,
    extensions: Sequence[Extension] = (),
    without: Sequence[type] = (),
    key_name: str = "",
    **settings: Any,
) -> Entity:
    """A root without `issuer`. `extensions` replace those of their kind, `without` leaves kinds out."""
    own = key(key_name or common_name)
    standard: list[Extension] = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (usage(key_cert_sign=True, crl_sign=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False),
    ]
    return Entity(_issue(common_name, own, issuer, standard, extensions, without, **settings), own)


def server(
    issuer: Entity | None,
    *names: str,
    extensions: Sequence[Extension] = (),
    without: Sequence[type] = (),
    common_name: str = "server",
    key_name: str = "server",
    **settings: Any,
) -> x509.Certificate:
    own = key(key_name)
    standard: list[Extension] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([x509.DNSName(each) for each in names or ("www.example.test",)]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]
    return _issue(common_name, own, issuer, standard, extensions, without, **settings)


def _issue(
    common_name: str,
    own: Key,
    issuer: Entity | None,
    standard: list[Extension],
    extensions: Sequence[Extension],
    without: Sequence[type],
    *,
    begins: datetime = NOW - timedelta(days=10),
    ends: datetime = NOW + timedelta(days=80),
    serial: int | None = None,
) -> x509.Certificate:
    signer = issuer.key if issuer else own
    above = issuer.certificate.subject if issuer else name(common_name)
    standard.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False))
    replaced = {type(extension) for extension, _ in extensions} | set(without)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(above)
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension, critical in [*(one for one in standard if type(one[0]) not in replaced), *extensions]:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def store(*roots: x509.Certificate) -> trust.TrustStore:
    return trust.TrustStore("test roots", roots)


def judged(roots: Sequence[Entity], *chain: x509.Certificate) -> Trust:
    return trust.judge(chain, store(*(root.certificate for root in roots)), NOW)
