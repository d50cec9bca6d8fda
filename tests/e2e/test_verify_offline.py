"""A PDF report in a stranger's hands: judged with the certificate alone, in an empty folder, the same by all means."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import httpx
import pikepdf
import pypdfium2
import pytest
import zxingcpp
from pyhanko.pdf_utils.generic import pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import PdfSignatureStatus, SignatureCoverageLevel, async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from services.reports.signing import (
    CERTIFICATE,
    PRIVATE_KEY,
    Imprint,
    load_certificates,
    load_identity,
    new_identity,
    sign,
)
from tests.e2e.conftest import Stage
from tests.support.fleet import ROOT
from tests.support.story import tamper

pytestmark = pytest.mark.xdist_group("e2e")

DOMAIN = "neglected.test"
PUBLISHED = f"/.well-known/{CERTIFICATE}"


@dataclass(frozen=True)
class Issued:
    """What a recipient is given: the file, and the certificate that the issuer publishes."""

    pdf: bytes
    report_id: str
    certificate: bytes
    url: str


@pytest.fixture(scope="module")
def issued(stage: Stage) -> Iterator[Issued]:
    with stage.account("professional") as account:
        pdf = account.api.get(f"/v1/compliance/reports/{account.scanned(DOMAIN)}/pdf").raise_for_status()
        certificate = account.api.get(PUBLISHED).raise_for_status().content
        yield Issued(pdf.content, pdf.headers["X-Report-Id"], certificate, stage.fleet.url)


def verify(pdf: bytes, certificate: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    """`compliancelayer verify` where there are only these two files, and nothing to reach a fleet by."""
    (folder / "report.pdf").write_bytes(pdf)
    (folder / CERTIFICATE).write_bytes(certificate)
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "verify", "report.pdf"],
        cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def updated(pdf: bytes) -> bytes:
    """With a new title appended as an incremental update: the signed bytes stay as they are."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    writer.trailer["/Info"]["/Title"] = pdf_string("Another title")
    writer.update_container(writer.trailer["/Info"])
    appended = BytesIO()
    writer.write(appended)
    return appended.getvalue()


def of_another_installation(issued: Issued) -> bytes:
    """The same pages, signed by somebody else under the same report id."""
    unsigned = BytesIO()
    with pikepdf.open(BytesIO(issued.pdf)) as document:
        del document.Root.AcroForm, document.Root.Perms
        for page in document.pages:
            if "/Annots" in page:  # the signature's widget is among them
                del page.Annots
        document.save(unsigned)
    now = datetime.now(UTC)
    made = new_identity("reports.example.com", now)
    imprint = Imprint("Security report", DOMAIN, issued.report_id, "reports.example.com", now)
    return sign(unsigned.getvalue(), imprint, load_identity(made[CERTIFICATE], made[PRIVATE_KEY]))


async def judged_by_pyhanko(issued: Issued, pdf: bytes, *, look_at_changes: bool = True) -> PdfSignatureStatus:
    trusted = ValidationContext(trust_roots=[load_certificates(issued.certificate)[0].asn1], allow_fetching=False)
    signature = PdfFileReader(BytesIO(pdf)).embedded_signatures[0]
    return await async_validate_pdf_signature(signature, trusted, skip_diff=not look_at_changes)


async def test_the_original_is_genuine_to_everybody(issued: Issued, tmp_path: Path) -> None:
    done = verify(issued.pdf, issued.certificate, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("GENUINE")
    assert issued.report_id in done.stdout and DOMAIN in done.stdout
    status = await judged_by_pyhanko(issued, issued.pdf)
    assert status.bottom_line
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert status.modification_level is ModificationLevel.NONE
    assert httpx.post(f"{issued.url}/v1/verify", content=issued.pdf).json()["valid"] is True


def test_the_code_on_the_cover_leads_to_the_registry(issued: Issued) -> None:
    document = pypdfium2.PdfDocument(issued.pdf)
    (code,) = zxingcpp.read_barcodes(document[0].render(scale=3).to_pil())
    document.close()
    assert code.text == f"{issued.url}/v1/verify/{issued.report_id}"
    answer = httpx.get(code.text).json()
    assert (answer["valid"], answer["report_id"], answer["domain"]) == (True, issued.report_id, DOMAIN)


async def test_one_changed_byte(issued: Issued, tmp_path: Path) -> None:
    changed = tamper(issued.pdf)
    refused(verify(changed, issued.certificate, tmp_path))
    status = await judged_by_pyhanko(issued, changed)
    assert not status.intact
    answer = httpx.post(f"{issued.url}/v1/verify", content=changed).json()
    assert (answer["valid"], answer["reason"]) == (False, "unknown_file")


async def test_an_appended_update(issued: Issued, tmp_path: Path) -> None:
    appended = updated(issued.pdf)
    assert appended.startswith(issued.pdf)
    refused(verify(appended, issued.certificate, tmp_path))
    status = await judged_by_pyhanko(issued, appended, look_at_changes=False)  # which takes long: the cover is enough
    assert status.coverage is not SignatureCoverageLevel.ENTIRE_FILE
    assert httpx.post(f"{issued.url}/v1/verify", content=appended).json()["valid"] is False


async def test_the_signature_of_another_installation(issued: Issued, tmp_path: Path) -> None:
    foreign = of_another_installation(issued)
    refused(verify(foreign, issued.certificate, tmp_path))
    status = await judged_by_pyhanko(issued, foreign)
    assert status.intact and not status.trusted
    assert httpx.post(f"{issued.url}/v1/verify", content=foreign).json()["valid"] is False


def refused(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("NOT GENUINE")
