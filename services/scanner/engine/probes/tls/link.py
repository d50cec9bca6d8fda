"""One certificate as a link of a path: what path building and validation ask of it, read once (RFC 5280 section 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from services.scanner.engine.probes.tls import der
from services.scanner.engine.probes.tls.certificate import MALFORMED, E, extension, oddities_ignored

NameKey = tuple[frozenset[tuple[str, str]], ...]

MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS = 16384, 64  # a signature by a larger key is a load, not a proof
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_MINIMUM_RSA, _MINIMUM_EC = 2048, 224  # bits
_PROCESSED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.TLS_FEATURE,
    }
)
# RFC 5280 sections 4.2.1 and 4.2.2: conforming authorities MUST mark these so.
_NEVER_CRITICAL = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "4.2.1.1",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "4.2.1.2",
    ExtensionOID.SUBJECT_DIRECTORY_ATTRIBUTES: "4.2.1.8",
    ExtensionOID.FRESHEST_CRL: "4.2.1.15",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "4.2.2.1",
    ExtensionOID.SUBJECT_INFORMATION_ACCESS: "4.2.2.2",
}
_ALWAYS_CRITICAL = {
    ExtensionOID.POLICY_CONSTRAINTS: "4.2.1.11",
    ExtensionOID.INHIBIT_ANY_POLICY: "4.2.1.14",
}
_SERVER_KEY_USES = ("digital_signature", "key_encipherment", "key_agreement")


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """`flaw`: why it can be no part of a path, `misform`: why only as a trusted root; clauses that follow its name."""

    certificate: x509.Certificate
    name: str  # of the subject, for a sentence
    subject: NameKey
    issuer: NameKey
    public_key: bytes  # SubjectPublicKeyInfo in DER
    key_id: bytes | None
    authority_key_id: bytes | None
    constraints: x509.BasicConstraints | None
    flaw: str | None
    misform: str | None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "Link":
        """One of MALFORMED where even its names cannot be read."""
        return _link(certificate)

    @property
    def serial(self) -> int:
        with oddities_ignored():
            return self.certificate.serial_number

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer

    @property
    def path_length(self) -> int | None:
        return self.constraints.path_length if self.constraints else None

    def extension(self, kind: type[E]) -> E | None:
        """Only of a link without `flaw`."""
        return extension(self.certificate, kind)

    def leaf_flaw(self) -> str | None:
        """Why it can be no server's certificate."""
        if self.flaw or self.misform:
            return self.flaw or self.misform
        usage = self.extension(x509.KeyUsage)
        if self.constraints is not None and self.constraints.ca:
            return "is an authority's certificate, not a server's (RFC 5280 section 4.2.1.9)"
        if usage is not None and usage.key_cert_sign:
            return "may sign certificates without being an authority's (RFC 5280 section 4.2.1.9)"
        if usage is not None and not any(getattr(usage, use) for use in _SERVER_KEY_USES):
            return "has a key that may not be used for TLS (RFC 5280 section 4.2.1.3)"
        if self.authority_key_id is None and not self.self_issued:
            return "has no authorityKeyIdentifier (RFC 5280 section 4.2.1.1)"
        if self.extension(x509.NameConstraints) is not None:
            return "has name constraints without being an authority's (RFC 5280 section 4.2.1.10)"
        if not self.subject and self._critical(ExtensionOID.SUBJECT_ALTERNATIVE_NAME) is not True:
            return "has neither a subject nor a critical subjectAltName (RFC 5280 section 4.2.1.6)"
        return self._purpose_flaw(any_will_do=False)

    def authority_flaw(self, *, root: bool) -> str | None:
        """Why it can be no authority's. A root that is trusted as it is need not keep to the profile in every point."""
        if self.flaw:
            return self.flaw
        usage = self.extension(x509.KeyUsage)
        if self.constraints is None or not self.constraints.ca:
            if not (root and self.certificate.version is x509.Version.v1):
                return "is no authority's certificate (RFC 5280 section 6.1.4 (k))"
        elif not self._critical(ExtensionOID.BASIC_CONSTRAINTS):
            return "has basicConstraints that are not critical (RFC 5280 section 4.2.1.9)"
        if usage is not None and not usage.key_cert_sign:
            return "may not sign certificates (RFC 5280 section 6.1.4 (n))"
        if not self.subject:
            return "is an authority's without a name (RFC 5280 section 4.1.2.6)"
        misform = None if root else self._authority_misform(usage)
        return misform or self._purpose_flaw(any_will_do=True) or self._key_flaw()

    def signature_flaw(self) -> str | None:
        """Why its signature proves nothing, whoever made it."""
        try:
            algorithm = self.certificate.signature_hash_algorithm
        except UnsupportedAlgorithm:
            return "is signed with an algorithm that is not known here"
        if isinstance(algorithm, _WEAK_HASHES):
            return f"is signed with {algorithm.name.upper()} (RFC 9155, RFC 6151)"
        return None

    def signed_by(self, issuer: "Link") -> bool | None:
        """Whether the signature is that of the key of `issuer`; None where its algorithm is too old to be verified."""
        certificate = self.certificate
        try:
            digest, parameters = certificate.signature_hash_algorithm, certificate.signature_algorithm_parameters
            signature, body = certificate.signature, certificate.tbs_certificate_bytes
            match issuer.certificate.public_key():
                case rsa.RSAPublicKey() as key if isinstance(parameters, padding.PKCS1v15 | padding.PSS) and digest:
                    if not _bearable(key):
                        return False
                    key.verify(signature, body, parameters, digest)
                case ec.EllipticCurvePublicKey() as key if isinstance(parameters, ec.ECDSA):
                    key.verify(signature, body, parameters)
                case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() as key if parameters is None:
                    key.verify(signature, body)
                case dsa.DSAPublicKey():
                    return None
                case _:
                    return False
        except InvalidSignature:
            return False
        except (UnsupportedAlgorithm, ValueError, TypeError):
            return None
        return True

    def _authority_misform(self, usage: x509.KeyUsage | None) -> str | None:
        if self.misform:
            return self.misform
        if usage is None:
            return "is an authority's without keyUsage (RFC 5280 section 4.2.1.3)"
        if self.key_id is None:
            return "is an authority's without subjectKeyIdentifier (RFC 5280 section 4.2.1.2)"
        if self.authority_key_id is None and not self.self_issued:
            return "has no authorityKeyIdentifier (RFC 5280 section 4.2.1.1)"
        return None

    def _purpose_flaw(self, *, any_will_do: bool) -> str | None:
        purposes = self.extension(x509.ExtendedKeyUsage)
        if purposes is None or ExtendedKeyUsageOID.SERVER_AUTH in purposes:
            return None
        if any_will_do and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
            return None
        return "is not for TLS servers by its extended key usage (RFC 5280 section 4.2.1.12)"

    def _key_flaw(self) -> str | None:
        match self.certificate.public_key():
            case rsa.RSAPublicKey(key_size=bits) if bits < _MINIMUM_RSA:
                return f"has an RSA key of {bits} bit (Baseline Requirements section 6.1.5)"
            case ec.EllipticCurvePublicKey(key_size=bits) if bits < _MINIMUM_EC:
                return f"has an elliptic curve key of {bits} bit (Baseline Requirements section 6.1.5)"
            case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
                return None
            case _:
                return "has a key of a kind that TLS does not use for certificates"

    def _critical(self, oid: x509.ObjectIdentifier) -> bool | None:
        return next((found.critical for found in self.certificate.extensions if found.oid == oid), None)


def name_key(name: x509.Name) -> NameKey:
    """What two equal names share: case and runs of blanks do not count (RFC 5280 section 7.1)."""
    return tuple(
        frozenset((part.oid.dotted_string, " ".join(str(part.value).casefold().split())) for part in rdn)
        for rdn in name.rdns
    )


@lru_cache(maxsize=1024)
def _link(certificate: x509.Certificate) -> Link:
    with oddities_ignored():
        subject, issuer = name_key(certificate.subject), name_key(certificate.issuer)
        name = certificate.subject.rfc4514_string()[:200] or "a certificate without a subject"
    spki, flaw, misform = b"", None, None
    key_id = authority_key_id = constraints = None
    try:
        spki = _public_key_info(certificate)
        own, above = x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier
        key_id = found.digest if (found := extension(certificate, own)) else None
        authority_key_id = named.key_identifier if (named := extension(certificate, above)) else None
        constraints = extension(certificate, x509.BasicConstraints)
        flaw = next(_flaws(certificate), None)
        misform = next(_misforms(certificate, issuer), None)
    except MALFORMED as error:
        flaw = f"cannot be decoded: {error}"
    return Link(certificate, name, subject, issuer, spki, key_id, authority_key_id, constraints, flaw, misform)


def _public_key_info(certificate: x509.Certificate) -> bytes:
    """As encoded, since a key that is not supported has one too."""
    body = der.fields(certificate.tbs_certificate_bytes)
    return body[6 if body[0][0] == 0xA0 else 5][2]


def _flaws(certificate: x509.Certificate) -> Iterator[str]:
    """What makes it worth nothing to whoever trusts its key."""
    certificate.public_key()
    for found in certificate.extensions:
        if found.oid == ExtensionOID.PRECERT_POISON:
            yield "is a precertificate (RFC 6962 section 3.1)"
        if found.critical and found.oid in _NEVER_CRITICAL:
            yield f"has a critical {found.oid._name} (RFC 5280 section {_NEVER_CRITICAL[found.oid]})"
        if found.critical and found.oid not in _PROCESSED:
            yield f"has a critical extension that is not known, {found.oid.dotted_string} (RFC 5280 section 4.2)"
    constraints, usage = extension(certificate, x509.BasicConstraints), extension(certificate, x509.KeyUsage)
    if constraints is not None and constraints.path_length is not None and not (usage and usage.key_cert_sign):
        yield "limits its path length without signing certificates (RFC 5280 section 4.2.1.9)"


def _misforms(certificate: x509.Certificate, issuer: NameKey) -> Iterator[str]:
    """What RFC 5280 section 4 forbids whoever issues it; some roots that everybody trusts are older than their rule."""
    body = der.fields(certificate.tbs_certificate_bytes)
    serial, inner, _, validity = body[1:5] if body[0][0] == 0xA0 else body[0:4]
    if inner[2] != der.fields(certificate.public_bytes(serialization.Encoding.DER))[1][2]:
        yield "names two different signature algorithms (RFC 5280 section 4.1.1.2)"
    if not int.from_bytes(serial[1], "big", signed=True) > 0 or len(serial[1]) > 21:
        yield "has no positive serial number of up to 20 octets (RFC 5280 section 4.1.2.2)"
    if not issuer:
        yield "names no issuer (RFC 5280 section 4.1.2.4)"
    for tag, text, _ in der.elements(validity[1]):
        if tag == der.GENERALIZED_TIME and text[:4] < b"2050":
            yield "has a date in the wrong form (RFC 5280 section 4.1.2.5)"
    for found in certificate.extensions:
        if not found.critical and found.oid in _ALWAYS_CRITICAL:
            yield f"has {found.oid._name} that are not critical (RFC 5280 section {_ALWAYS_CRITICAL[found.oid]})"
    alternatives = extension(certificate, x509.SubjectAlternativeName)
    if alternatives is not None and not list(alternatives):
        yield "has an empty subjectAltName (RFC 5280 section 4.2.1.6)"


def _bearable(key: rsa.RSAPublicKey) -> bool:
    return key.key_size <= MAX_RSA_BITS and key.public_numbers().e.bit_length() <= MAX_RSA_EXPONENT_BITS
