"""Whether a PDF is a report of an installation, unchanged to the last byte, from its certificate alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import BytesIO

from asn1crypto import cms
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import EmbeddedPdfSignature, SignatureCoverageLevel

from services.reports.signing import CONTENTS_BYTES, ORDER, Certificate, signed_data, to_be_signed

MAX_BYTES = 20 * 1024 * 1024


class Refusal(StrEnum):
    """Why a file is not accepted."""

    TOO_LARGE = "too_large"
    NOT_A_PDF = "not_a_pdf"
    NOT_SIGNED = "not_signed"
    OTHER_ISSUER = "other_issuer"
    ALTERED = "altered"


EXPLANATIONS = {
    Refusal.TOO_LARGE: "The file is larger than any report (20 MiB).",
    Refusal.NOT_A_PDF: "The file cannot be read as a PDF: it is something else, or damaged.",
    Refusal.NOT_SIGNED: "The file carries no signature of the kind that reports have.",
    Refusal.OTHER_ISSUER: "The file was not signed by the owner of this certificate.",
    Refusal.ALTERED: "The file is not the one that was issued: it was changed after it was signed.",
}


class Refused(Exception):
    """The file is not accepted."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(EXPLANATIONS[refusal])
        self.refusal = refusal


@dataclass(frozen=True)
class Genuine:
    """What an accepted file says of itself."""

    report_id: str
    domain: str
    title: str
    issued_at: datetime
    sha256: str
    certificate: Certificate


def verify(pdf: bytes, certificates: Sequence[Certificate]) -> Genuine:
    """Refused unless one of `certificates` signed every byte of `pdf`.

    All bytes outside the signature's own place are covered by its digest; the place itself must hold exactly
    what `signing.signed_data` writes, so that no byte of the file is free.
    """
    if len(pdf) > MAX_BYTES:
        raise Refused(Refusal.TOO_LARGE)
    try:
        reader = PdfFileReader(BytesIO(pdf))
    except Exception as error:  # a damaged or hostile file can make a parser fail in any way
        raise Refused(Refusal.NOT_A_PDF) from error
    try:
        signatures = reader.embedded_signatures
        if len(signatures) != 1:
            raise Refused(Refusal.ALTERED if signatures else Refusal.NOT_SIGNED)
        certificate = _certificate(signatures[0], certificates)
        _require_whole(pdf, signatures[0], certificate)
        return _statement(pdf, reader, signatures[0], certificate)
    except Refused:
        raise
    except Exception as error:
        raise Refused(Refusal.ALTERED) from error


def _certificate(signature: EmbeddedPdfSignature, certificates: Sequence[Certificate]) -> Certificate:
    serial = signature.signer_cert.serial_number
    mine = next((own for own in certificates if own.asn1.serial_number == serial), None)
    if mine is None:
        raise Refused(Refusal.OTHER_ISSUER)
    return mine


def _require_whole(pdf: bytes, signature: EmbeddedPdfSignature, certificate: Certificate) -> None:
    # Less than the entire file means an update appended later, harmless or not: none is ever made to a report.
    if signature.evaluate_signature_coverage() is not SignatureCoverageLevel.ENTIRE_FILE:
        raise Refused(Refusal.ALTERED)
    start, end = int(signature.byte_range[1]), int(signature.byte_range[2])
    digest = hashlib.sha256(pdf[:start] + pdf[end:]).digest()
    value = _signer(signature)["signature"].native
    written = signed_data(certificate, digest, value).hex().upper().encode().ljust(2 * CONTENTS_BYTES, b"0")
    if pdf[start:end] != b"<" + written + b">":
        raise Refused(Refusal.ALTERED)
    _, s = utils.decode_dss_signature(value)
    key = certificate.x509.public_key()
    if s > ORDER // 2 or not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused(Refusal.ALTERED)
    try:
        key.verify(value, to_be_signed(certificate, digest), ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise Refused(Refusal.ALTERED) from error


def _signer(signature: EmbeddedPdfSignature) -> cms.SignerInfo:
    return signature.signed_data["signer_infos"][0]


def _statement(pdf: bytes, reader: PdfFileReader, signature: EmbeddedPdfSignature, certificate: Certificate) -> Genuine:
    info = reader.trailer["/Info"]
    if not isinstance(info, dict) or signature.self_reported_timestamp is None:
        raise Refused(Refusal.NOT_SIGNED)
    return Genuine(
        report_id=str(info["/ReportId"]),
        domain=str(info["/Domain"]),
        title=str(info["/Title"]),
        issued_at=signature.self_reported_timestamp,
        sha256=hashlib.sha256(pdf).hexdigest(),
        certificate=certificate,
    )
