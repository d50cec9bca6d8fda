"""Whether a chain leads to a trusted root, and if not, where it breaks off (RFC 5280 section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.oid import AuthorityInformationAccessOID

from services.scanner.engine.evidence.tls import Trust
from services.scanner.engine.probes.tls.certificate import oddities_ignored

_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class TrustStore:
    name: str
    roots: tuple[x509.Certificate, ...]


def load(extra: Path | None) -> TrustStore:
    """Mozilla's roots as certifi ships them, and those of the operator (`extra`, a PEM file)."""
    with oddities_ignored():
        public = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
        own = x509.load_pem_x509_certificates(extra.read_bytes()) if extra else []
    name = f"certifi {certifi.__version__} (Mozilla)" + (f" and {len(own)} of the operator" if own else "")
    return TrustStore(name, (*public, *own))


def judge(chain: Sequence[x509.Certificate], store: TrustStore, now: datetime) -> Trust:
    """The trust of `chain[0]`; its dates and its match with the host name are left to checks of their own.

    One of `certificate.MALFORMED` where a certificate cannot be read.
    """
    leaf, sent = chain[0], chain[1:]
    refusal = _refusal(leaf, sent, store, now)
    if refusal is None:
        return Trust("trusted", store.name, "")
    end = _walk(leaf, [*sent, *store.roots])
    if end in store.roots:
        return Trust("untrusted", store.name, f"the path leads to a root of the store, but: {refusal}")
    if end.issuer == end.subject:
        if end == leaf:
            return Trust("untrusted", store.name, "the certificate is self-signed")
        return Trust("untrusted", store.name, f"the root {end.subject.rfc4514_string()} is not in the store")
    issuer = end.issuer.rfc4514_string()
    if _issuer_address(end):
        return Trust("incomplete", store.name, f"the certificate of {issuer} was not sent along")
    return Trust("untrusted", store.name, f"the issuer {issuer} is no root of the store")


def _refusal(leaf: x509.Certificate, sent: Sequence[x509.Certificate], store: TrustStore, now: datetime) -> str | None:
    """None where the verifier accepts the chain at a moment at which the leaf is valid and for a name that it holds."""
    moment = min(max(now, leaf.not_valid_before_utc), leaf.not_valid_after_utc)
    try:
        subject = _subject(leaf)
        if subject is None:  # the verifier insists on a subjectAltName; without one only the signatures can be told
            return None if _walk(leaf, [*sent, *store.roots]) in store.roots else "no path to a root"
        policy = verification.PolicyBuilder().store(verification.Store(list(store.roots))).time(moment)
        policy.build_server_verifier(subject).verify(leaf, list(sent))
    except verification.VerificationError as error:
        return str(error).partition(" (encountered")[0]
    return None


def _subject(leaf: x509.Certificate) -> verification.Subject | None:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    for name in names.get_values_for_type(x509.DNSName):
        return x509.DNSName(name.replace("*", "any", 1))
    for address in names.get_values_for_type(x509.IPAddress):
        return x509.IPAddress(address)
    return None


def _walk(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> x509.Certificate:
    """Go up from `leaf` by names and signatures; the last certificate that can be reached."""
    at = leaf
    for _ in range(_MAX_DEPTH):
        if at.issuer == at.subject:
            return at
        above = next((other for other in others if _signed_by(at, other)), None)
        if above is None:
            return at
        at = above
    return at


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, UnsupportedAlgorithm):  # too old an algorithm to be verified: the verifier refuses it anyway
        return True
    except (TypeError, InvalidSignature):
        return False
    return True


def _issuer_address(certificate: x509.Certificate) -> str | None:
    """Where the issuer's certificate is published (RFC 5280 section 4.2.2.1), as publicly trusted ones must say."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    for description in access:
        location = description.access_location
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return location.value
    return None
