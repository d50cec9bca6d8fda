"""The lab's certificate authority: a root, an intermediate, and server certificates good and bad."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tests.support.lab import transparency

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """A server certificate. The defaults are hardened."""

    key: Literal["EC", "RSA-2048", "RSA-1024"] = "EC"
    names: tuple[str, ...] | None = None  # None: those of the site
    begins_in: timedelta = timedelta(days=-10)
    ends_in: timedelta = timedelta(days=80)
    issuer: Literal["lab", "stranger", "itself"] = "lab"  # a stranger: an authority that nobody trusts
    sends_intermediate: bool = True
    signature: Literal["SHA256", "SHA1"] = "SHA256"
    status_at: Literal["", "ocsp", "crl", "nowhere"] = (
        ""  # where it says its status is published; nowhere: no such host
    )
    revoked: bool = False
    must_staple: bool = False
    staple: Literal["", "good", "outdated"] = ""  # what its server staples
    timestamps: int = 0  # embedded, each of another log of the lab


@dataclass(frozen=True, slots=True)
class Issued:
    """What a server needs: the chain and the key as PEM in one file, and the chain as sent, in DER."""

    file: Path
    chain: tuple[bytes, ...]
    staple: bytes | None = None  # an OCSP response


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: Key


class CertificateAuthority:
    """`file` holds the root in PEM: what a scan of the lab has to trust."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._root = _root("Lab Root")
        self._intermediate = _intermediate(self._root, _key("EC"))
        self._count = 0
        self._issued: dict[int, tuple[x509.Certificate, _Authority, CertificateSpec]] = {}  # by serial number
        self.file = directory / "ca.pem"
        self.file.write_bytes(self._root.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, site_names: tuple[str, ...], spec: CertificateSpec) -> Issued:
        key = _key(spec.key)
        if spec.issuer == "itself":
            authority, above = None, []
        else:
            root = self._root if spec.issuer == "lab" else _root("Stranger Root")
            authority = self._intermediate if spec.issuer == "lab" else _intermediate(root, _key("EC"))
            if spec.signature == "SHA1":
                authority = _intermediate(root, _key("RSA-2048"))
            above = [authority.certificate]
        leaf = _leaf(spec.names or site_names, key, authority, spec)
        chain = [leaf, *above] if spec.sends_intermediate else [leaf]
        if authority:
            self._issued[leaf.serial_number] = (leaf, authority, spec)
        self._count += 1
        file = self._directory / f"{self._count}.pem"
        pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
        file.write_bytes(pem + _key_pem(key))
        staple = self.status(leaf.serial_number, old=spec.staple == "outdated") if spec.staple else None
        return Issued(file, tuple(each.public_bytes(serialization.Encoding.DER) for each in chain), staple)

    def published(self, path: str) -> tuple[str, bytes] | None:
        """(media type, content) of what the authority serves at http://ca.test: certificate, OCSP by GET, list."""
        if path == "/intermediate.cer":
            encoded = self._intermediate.certificate.public_bytes(serialization.Encoding.DER)
            return "application/pkix-cert", encoded
        if path == "/intermediate.crl":
            return "application/pkix-crl", self._list()
        if path.startswith("/ocsp/"):
            request = ocsp.load_der_ocsp_request(base64.b64decode(unquote(path.removeprefix("/ocsp/"))))
            if request.serial_number in self._issued:
                return "application/ocsp-response", self.status(request.serial_number)
        return None

    def status(self, serial: int, *, old: bool = False) -> bytes:
        """The OCSP response about a certificate, signed by its issuer."""
        certificate, authority, spec = self._issued[serial]
        now = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30 if old else 0)
        said = ocsp.OCSPResponseBuilder().add_response(
            cert=certificate,
            issuer=authority.certificate,
            algorithm=hashes.SHA1(),  # no signature, but what RFC 5019 identifies certificates by
            cert_status=ocsp.OCSPCertStatus.REVOKED if spec.revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=now - timedelta(hours=1),
            next_update=now + timedelta(days=3),
            revocation_time=now - timedelta(days=2) if spec.revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if spec.revoked else None,
        )
        signed = said.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate)
        return signed.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _list(self) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        issuer = self._intermediate
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(now - timedelta(hours=1))
            .next_update(now + timedelta(days=7))
        )
        for serial, (_, _, spec) in self._issued.items():
            if spec.revoked:
                entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(days=2))
                entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
                builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _leaf(names: tuple[str, ...], key: Key, authority: _Authority | None, spec: CertificateSpec) -> x509.Certificate:
    now = datetime.now(UTC).replace(microsecond=0)
    subject = _name(names[0])
    signer = authority.key if authority else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + spec.begins_in)
        .not_valid_after(now + spec.ends_in)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if authority:
        builder = builder.add_extension(_access(spec), critical=False)
        if spec.status_at == "crl":
            builder = builder.add_extension(_list_address(), critical=False)
    if spec.must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    if spec.timestamps and authority:
        precertificate = builder.sign(signer, hashes.SHA256())
        proofs = transparency.embedded(precertificate, authority.certificate, spec.timestamps)
        builder = builder.add_extension(proofs, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    return _signed_with_sha1(certificate, signer) if spec.signature == "SHA1" else certificate


def _signed_with_sha1(certificate: x509.Certificate, signer: Key) -> x509.Certificate:
    """The same certificate signed anew, since current libraries do not make such signatures themselves."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    body = certificate.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    signature = signer.sign(body, padding.PKCS1v15(), hashes.SHA1())
    algorithm = b"\x30\x0d" + _SHA1_WITH_RSA + b"\x05\x00"
    content = body + algorithm + b"\x03" + _der_length(len(signature) + 1) + b"\x00" + signature
    return x509.load_der_x509_certificate(b"\x30" + _der_length(len(content)) + content)


def _der_length(length: int) -> bytes:
    return bytes([length]) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")


def _root(name: str) -> _Authority:
    key = _key("EC")
    return _Authority(_ca_certificate(name, key, _name(name), key), key)


def _intermediate(root: _Authority, key: Key) -> _Authority:
    name = f"{_common_name(root.certificate)} Intermediate"
    return _Authority(_ca_certificate(name, key, root.certificate.subject, root.key), key)


def _ca_certificate(name: str, key: Key, issuer: x509.Name, signer: Key) -> x509.Certificate:
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_signs_certificates(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _access(spec: CertificateSpec) -> x509.AuthorityInformationAccess:
    host = "gone.ca.test" if spec.status_at == "nowhere" else "ca.test"
    places = [(AuthorityInformationAccessOID.CA_ISSUERS, f"http://{host}/intermediate.cer")]
    if spec.status_at in ("ocsp", "nowhere"):
        places.append((AuthorityInformationAccessOID.OCSP, f"http://{host}/ocsp"))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(address)) for method, address in places]
    )


def _list_address() -> x509.CRLDistributionPoints:
    name = x509.UniformResourceIdentifier("http://ca.test/intermediate.crl")
    return x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)])


def _key(kind: str) -> Key:
    if kind == "EC":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
