"""X.509 certificates to plain evidence."""

import warnings
from contextlib import AbstractContextManager

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import SignatureAlgorithmOID

from services.scanner.engine.evidence.tls import Certificate

_SIGNATURES = {oid: name for name, oid in vars(SignatureAlgorithmOID).items() if isinstance(oid, x509.ObjectIdentifier)}


# All that the library raises over a certificate it cannot make sense of.
MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def oddities_ignored() -> AbstractContextManager[object]:
    """Certificates of others break the rules (a public root has serial 0); the library warns of each."""
    return warnings.catch_warnings(action="ignore", category=CryptographyDeprecationWarning)


def decode(der: bytes) -> x509.Certificate:
    """One of MALFORMED where it is no certificate."""
    with oddities_ignored():
        return x509.load_der_x509_certificate(der)


def describe(certificate: x509.Certificate) -> Certificate:
    """The evidence of one certificate. One of MALFORMED where its fields cannot be decoded."""
    key_type, key_bits = _key(certificate)
    dns_names, ip_addresses = _names(certificate)
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        dns_names=dns_names,
        ip_addresses=ip_addresses,
        key_type=key_type,
        key_bits=key_bits,
        signature_algorithm=_SIGNATURES.get(
            certificate.signature_algorithm_oid, certificate.signature_algorithm_oid.dotted_string
        ),
        self_issued=certificate.subject == certificate.issuer,
    )


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        public_key = certificate.public_key()
    except UnsupportedAlgorithm:
        return "other", 0
    match public_key:
        case rsa.RSAPublicKey() as key:
            return "RSA", key.key_size
        case ec.EllipticCurvePublicKey() as key:
            return "EC", key.curve.key_size
        case dsa.DSAPublicKey() as key:
            return "DSA", key.key_size
        case ed25519.Ed25519PublicKey():
            return "Ed25519", 256
        case ed448.Ed448PublicKey():
            return "Ed448", 448
        case _:
            return "other", 0


def _names(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return tuple(names.get_values_for_type(x509.DNSName)), tuple(str(address) for address in addresses)
