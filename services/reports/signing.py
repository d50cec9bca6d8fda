"""PAdES signatures of reports by the installation's own certificate (ETSI EN 319 142-1, level B-B)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from io import BytesIO

import pikepdf
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

CERTIFICATE = "compliancelayer-ca.pem"
PRIVATE_KEY = "report-signing.pem"

CURVE = ec.SECP256R1()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256, SP 800-186 section 3.2.1.3
CONTENTS_BYTES = 4096  # kept free for the CMS object; ours takes about 1 KB
VALIDITY = timedelta(days=365 * 30)  # a report is checked long after it was issued


@dataclass(frozen=True)
class Certificate:
    """A certificate that reports are signed with."""

    x509: x509.Certificate

    @cached_property
    def der(self) -> bytes:
        return self.x509.public_bytes(Encoding.DER)

    @cached_property
    def pem(self) -> bytes:
        return self.x509.public_bytes(Encoding.PEM)

    @cached_property
    def asn1(self) -> asn1_x509.Certificate:
        return asn1_x509.Certificate.load(self.der)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hex."""
        return hashlib.sha256(self.der).hexdigest()


@dataclass(frozen=True)
class Identity:
    """The certificate and private key of this installation."""

    certificate: Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Imprint:
    """What a PDF says of itself, to programs and people; the signature covers it."""

    title: str
    domain: str
    report_id: str
    issuer: str
    issued_at: datetime


def new_identity(host: str, now: datetime) -> dict[str, bytes]:
    """A fresh self-signed certificate and its P-256 key, PEM by file name. It may sign documents, no certificates."""
    key = ec.generate_private_key(CURVE)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ComplianceLayer"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Reports of {host}"[:64]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return {
        PRIVATE_KEY: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        CERTIFICATE: certificate.public_bytes(Encoding.PEM),
    }


def load_identity(certificates_pem: bytes, key_pem: bytes) -> Identity:
    """The first certificate of the file with its key. ValueError when they do not belong together or are not P-256."""
    certificate = load_certificates(certificates_pem)[0]
    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE.name:
        raise ValueError(f"{PRIVATE_KEY} is no P-256 key")
    if key.public_key() != certificate.x509.public_key():
        raise ValueError(f"{PRIVATE_KEY} is not the key of the first certificate in {CERTIFICATE}")
    return Identity(certificate, key)


def load_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """All certificates of a PEM file, the one in use first. ValueError when there is none."""
    return tuple(map(Certificate, x509.load_pem_x509_certificates(pem)))


def sign(pdf: bytes, imprint: Imprint, identity: Identity) -> bytes:
    """`pdf` with its metadata set, then certified by one signature over the whole file that allows no change."""
    writer = IncrementalPdfFileWriter(BytesIO(describe(pdf, imprint)))
    signature = SignatureObject(
        timestamp=imprint.issued_at,
        subfilter=SigSeedSubFilter.PADES,
        name=imprint.issuer,
        reason=f"Issued as {imprint.report_id}",
        bytes_reserved=2 * CONTENTS_BYTES,
    )
    certify = SigMDPSetup(md_algorithm="sha256", certify=True, docmdp_perms=MDPPerm.NO_CHANGES)
    steps = PdfCMSEmbedder().write_cms(field_name="Signature", writer=writer)
    next(steps)
    steps.send(SigObjSetup(sig_placeholder=signature, mdp_setup=certify))
    prepared, output = steps.send(SigIOSetup(md_algorithm="sha256", in_place=True))
    digest = prepared.document_digest
    steps.send(signed_data(identity.certificate, digest, raw_signature(identity, digest)))
    return bytes(output.getbuffer())


def describe(pdf: bytes, imprint: Imprint) -> bytes:
    """`pdf` with title, author and report id in its metadata, packed."""
    with pikepdf.open(BytesIO(pdf)) as document:
        with document.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
            xmp["dc:title"] = imprint.title
            xmp["dc:creator"] = [imprint.issuer]
            xmp["dc:identifier"] = imprint.report_id
            xmp["dc:language"] = ["en"]
            xmp["xmp:CreatorTool"] = "ComplianceLayer"
            xmp["xmp:CreateDate"] = imprint.issued_at.isoformat(timespec="seconds")
        moment = imprint.issued_at.strftime("D:%Y%m%d%H%M%SZ")
        document.docinfo.update(
            {
                "/Title": pikepdf.String(imprint.title),
                "/Author": pikepdf.String(imprint.issuer),
                "/Creator": pikepdf.String("ComplianceLayer"),
                "/CreationDate": pikepdf.String(moment),
                "/ModDate": pikepdf.String(moment),
                "/ReportId": pikepdf.String(imprint.report_id),
                "/Domain": pikepdf.String(imprint.domain),
            }
        )
        packed = BytesIO()
        document.save(packed, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return packed.getvalue()


def raw_signature(identity: Identity, digest: bytes) -> bytes:
    """ECDSA over the signed attributes of `digest`, with the lower of both values of s: a signature has one form."""
    r, s = utils.decode_dss_signature(identity.key.sign(to_be_signed(identity.certificate, digest), ec.ECDSA(SHA256())))
    return utils.encode_dss_signature(r, min(s, ORDER - s))


def to_be_signed(certificate: Certificate, digest: bytes) -> bytes:
    """The signed attributes as they are hashed (RFC 5652 section 5.4)."""
    return bytes(_signed_attributes(certificate, digest).dump())


def signed_data(certificate: Certificate, digest: bytes, signature: bytes) -> bytes:
    """The CMS object of a report (RFC 5652), DER. Nothing in it is free but the arguments: what differs is not ours."""
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": certificate.asn1.issuer, "serial_number": certificate.asn1.serial_number}
                    )
                }
            ),
            "digest_algorithm": sha256,
            "signed_attrs": _signed_attributes(certificate, digest),
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": signature,
        }
    )
    content = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "data"},
            "certificates": [certificate.asn1],
            "signer_infos": [signer],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": content}).dump())


def _signed_attributes(certificate: Certificate, digest: bytes) -> cms.CMSAttributes:
    signing_certificate = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(certificate.der).digest()}]})
    return cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [core.OctetString(digest)]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [signing_certificate]}),
        ]
    )
