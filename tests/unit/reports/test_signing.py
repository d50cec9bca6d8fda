"""Signed PDFs: what verifies, what does not, and that other validators agree."""

import hashlib
import random
from datetime import UTC, datetime
from io import BytesIO

import pikepdf
import pytest
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.x509 import BasicConstraints
from pyhanko.pdf_utils.generic import pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import SignatureCoverageLevel, async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from services.reports.signing import (
    CERTIFICATE,
    ORDER,
    PRIVATE_KEY,
    Identity,
    Imprint,
    load_certificates,
    load_identity,
    new_identity,
    sign,
    signed_data,
)
from services.reports.verification import MAX_BYTES, Refusal, Refused, verify

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
IMPRINT = Imprint("Security report", "example.com", "cl_rpt_" + "a" * 26, "reports.example.com", NOW)


def make_identity(host: str = "reports.example.com") -> Identity:
    made = new_identity(host, NOW)
    return load_identity(made[CERTIFICATE], made[PRIVATE_KEY])


def make_pdf() -> bytes:
    document = pikepdf.new()
    document.add_blank_page()
    packed = BytesIO()
    document.save(packed)
    return packed.getvalue()


@pytest.fixture(scope="module")
def identity() -> Identity:
    return make_identity()


@pytest.fixture(scope="module")
def signed(identity: Identity) -> bytes:
    return sign(make_pdf(), IMPRINT, identity)


def contents(pdf: bytes) -> tuple[int, int]:
    """Where the signature's value stands, its angle brackets included."""
    _, start, end, _ = PdfFileReader(BytesIO(pdf)).embedded_signatures[0].byte_range
    return int(start), int(end)


def refusal(pdf: bytes, identity: Identity) -> Refusal:
    with pytest.raises(Refused) as raised:
        verify(pdf, [identity.certificate])
    return raised.value.refusal


def test_the_original_is_accepted_with_what_it_says_of_itself(signed: bytes, identity: Identity) -> None:
    genuine = verify(signed, [make_identity("other.example").certificate, identity.certificate])
    assert (genuine.report_id, genuine.domain, genuine.issued_at) == (IMPRINT.report_id, IMPRINT.domain, NOW)
    assert genuine.sha256 == hashlib.sha256(signed).hexdigest()
    assert genuine.certificate == identity.certificate


async def test_pyhanko_agrees(signed: bytes, identity: Identity) -> None:
    roots = ValidationContext(trust_roots=[identity.certificate.asn1], allow_fetching=False, moment=NOW)
    status = await async_validate_pdf_signature(PdfFileReader(BytesIO(signed)).embedded_signatures[0], roots)
    assert status.bottom_line
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert status.modification_level is ModificationLevel.NONE


def test_any_changed_byte_is_refused(signed: bytes, identity: Identity) -> None:
    chance = random.Random(20261124)
    start, end = contents(signed)
    places = {chance.randrange(len(signed)) for _ in range(150)} | set(range(start, end, 97)) | {0, len(signed) - 1}
    for place in sorted(places):
        changed = bytearray(signed)
        changed[place] ^= chance.randrange(1, 256)
        assert refusal(bytes(changed), identity) in Refusal, place


def test_a_letter_case_of_the_signature_is_not_free(signed: bytes, identity: Identity) -> None:
    start, end = contents(signed)
    assert refusal(signed[:start] + signed[start:end].lower() + signed[end:], identity) is Refusal.ALTERED


def test_the_padding_of_the_signature_is_not_free(signed: bytes, identity: Identity) -> None:
    _, end = contents(signed)
    assert refusal(signed[: end - 2] + b"1" + signed[end - 1 :], identity) is Refusal.ALTERED


def test_the_other_value_of_s_is_refused(signed: bytes, identity: Identity) -> None:
    """ECDSA takes (r, s) and (r, n - s) alike; only one of the two is ours."""
    start, end = contents(signed)
    embedded = PdfFileReader(BytesIO(signed)).embedded_signatures[0]
    r, s = utils.decode_dss_signature(embedded.signed_data["signer_infos"][0]["signature"].native)
    digest = hashlib.sha256(signed[:start] + signed[end:]).digest()
    forged = signed_data(identity.certificate, digest, utils.encode_dss_signature(r, ORDER - s)).hex().upper().encode()
    assert (
        refusal(signed[: start + 1] + forged.ljust(end - start - 2, b"0") + signed[end - 1 :], identity)
        is Refusal.ALTERED
    )


def test_an_appended_update_is_refused(signed: bytes, identity: Identity) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(signed))
    writer.trailer["/Info"]["/Title"] = pdf_string("Another title")
    writer.update_container(writer.trailer["/Info"])
    updated = BytesIO()
    writer.write(updated)
    assert updated.getvalue().startswith(signed)
    assert refusal(updated.getvalue(), identity) is Refusal.ALTERED


@pytest.mark.parametrize("added", [b"\n", b"\0", b"% a comment\n"])
def test_anything_appended_is_refused(signed: bytes, identity: Identity, added: bytes) -> None:
    assert refusal(signed + added, identity) is Refusal.ALTERED


def test_another_installation_is_refused(signed: bytes) -> None:
    assert refusal(signed, make_identity()) is Refusal.OTHER_ISSUER


def test_another_installation_that_takes_our_name_and_number_is_refused(identity: Identity) -> None:
    stranger = make_identity()
    forged = sign(make_pdf(), IMPRINT, Identity(identity.certificate, stranger.key))
    assert refusal(forged, identity) is Refusal.ALTERED


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Refusal.NOT_A_PDF),
        (b"%PDF-1.7\n", Refusal.NOT_A_PDF),
        (b"\x00" * 1000, Refusal.NOT_A_PDF),
        (make_pdf(), Refusal.NOT_SIGNED),
        (b"0" * (MAX_BYTES + 1), Refusal.TOO_LARGE),
    ],
    ids=["empty", "a header alone", "zeros", "not signed", "too large"],
)
def test_what_is_no_report_is_refused_with_the_reason(content: bytes, expected: Refusal, identity: Identity) -> None:
    assert refusal(content, identity) is expected


def test_a_truncated_file_is_refused(signed: bytes, identity: Identity) -> None:
    assert refusal(signed[:-200], identity) in {Refusal.NOT_A_PDF, Refusal.ALTERED}


def test_the_certificate_may_sign_documents_and_no_certificates(identity: Identity) -> None:
    certificate = identity.certificate.x509
    assert not certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    assert (certificate.not_valid_after_utc - NOW).days > 29 * 365


def test_a_key_that_is_not_the_certificates_is_refused() -> None:
    one, other = new_identity("one.example", NOW), new_identity("other.example", NOW)
    with pytest.raises(ValueError, match="not the key of the first certificate"):
        load_identity(one[CERTIFICATE], other[PRIVATE_KEY])


def test_former_certificates_stay_accepted() -> None:
    former, current = new_identity("former.example", NOW), new_identity("current.example", NOW)
    old = sign(make_pdf(), IMPRINT, load_identity(former[CERTIFICATE], former[PRIVATE_KEY]))
    bundle = current[CERTIFICATE] + former[CERTIFICATE]
    assert load_identity(bundle, current[PRIVATE_KEY]).certificate == load_certificates(current[CERTIFICATE])[0]
    assert verify(old, load_certificates(bundle)).report_id == IMPRINT.report_id


def test_the_metadata_is_set_before_the_signature(signed: bytes) -> None:
    with pikepdf.open(BytesIO(signed)) as document:
        assert str(document.docinfo["/Title"]) == IMPRINT.title
        assert str(document.docinfo["/ReportId"]) == IMPRINT.report_id
        assert document.open_metadata()["dc:identifier"] == IMPRINT.report_id
