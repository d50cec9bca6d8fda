"""X.509 certificates to plain evidence."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, SignatureAlgorithmOID

from services.scanner.engine.evidence.tls import Certificate
from services.scanner.engine.probes.tls import keys

E = TypeVar("E", bound=x509.ExtensionType)

MAX_TEXT = 1000  # characters of a name that are kept
MAX_DER = 64 * 1024  # bytes of a certificate that are kept
_SIGNATURES = {oid: name for name, oid in vars(SignatureAlgorithmOID).items() if isinstance(oid, x509.ObjectIdentifier)}


# All that the library raises over a certificate it cannot make sense of.
MALFORMED = (
    ValueError,
    LookupError,  # a TLS feature that nobody defined
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


_quiet = RLock()


@contextmanager
def oddities_ignored() -> Iterator[None]:
    """Certificates of others break the rules (a public root has serial 0, a country six letters); the library warns.

    What is done about warnings is the whole process's affair, hence one thread at a time.
    """
    with _quiet, warnings.catch_warnings(action="ignore", category=UserWarning):
        yield


def decode(der: bytes) -> x509.Certificate:
    """One of MALFORMED where it is no certificate."""
    with oddities_ignored():
        return x509.load_der_x509_certificate(der)


def describe(certificate: x509.Certificate) -> Certificate:
    """The evidence of one certificate. One of MALFORMED where its names and dates cannot be decoded.

    Extensions that cannot be decoded are as good as none here; what else they mean is for the path to judge.
    """
    key_type, key_bits = _key(certificate)
    dns_names, ip_addresses = _names(certificate)
    encoded = certificate.public_bytes(serialization.Encoding.DER)
    with oddities_ignored():
        serial = certificate.serial_number
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    return Certificate(
        subject=subject[:MAX_TEXT],
        issuer=issuer[:MAX_TEXT],
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
        self_issued=subject == issuer,
        serial=f"{serial:x}",
        key_flaws=keys.flaws(certificate),
        must_staple=_must_staple(certificate),
        responders=responder_addresses(certificate),
        revocation_lists=list_addresses(certificate),
        issuer_addresses=issuer_addresses(certificate),
        der=encoded if len(encoded) <= MAX_DER else b"",
    )


def extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """None where there is none. One of MALFORMED, over any extension of the certificate."""
    with oddities_ignored():
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None


def issuer_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where the issuer's certificate is published (RFC 5280 section 4.2.2.1), as publicly trusted ones must say."""
    return _access(certificate, AuthorityInformationAccessOID.CA_ISSUERS)


def responder_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where OCSP is answered for it (RFC 5280 section 4.2.2.1)."""
    return _access(certificate, AuthorityInformationAccessOID.OCSP)


def list_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """Of the lists of its own issuer that cover it for every reason (RFC 5280 section 4.2.1.13)."""
    points = _readable(certificate, x509.CRLDistributionPoints) or ()
    names = [name for point in points if not point.reasons and not point.crl_issuer for name in point.full_name or ()]
    return tuple(address for name in names if (address := _address(name)))


def _access(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> tuple[str, ...]:
    described = _readable(certificate, x509.AuthorityInformationAccess) or ()
    names = [one.access_location for one in described if one.access_method == method]
    return tuple(address for name in names if (address := _address(name)))


def _address(name: x509.GeneralName) -> str:
    """Of the web; empty where it is of another kind."""
    if isinstance(name, x509.UniformResourceIdentifier) and name.value.lower().startswith(("http://", "https://")):
        return name.value
    return ""


def _must_staple(certificate: x509.Certificate) -> bool:
    features = _readable(certificate, x509.TLSFeature) or ()
    return x509.TLSFeatureType.status_request in features


def _readable(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return extension(certificate, kind)
    except MALFORMED:
        return None


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        public_key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
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
    """DNS names and addresses."""
    names = _readable(certificate, x509.SubjectAlternativeName)
    if names is None:
        return (), ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return tuple(names.get_values_for_type(x509.DNSName)), tuple(str(address) for address in addresses)
