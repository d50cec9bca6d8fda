"""`compliancelayer verify`: found certificates, words and exit codes."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest

from services.commands.verify import GENUINE, NOT_GENUINE, USAGE, run
from services.reports.signing import CERTIFICATE, PRIVATE_KEY, Imprint, load_identity, new_identity, sign

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
REPORT_ID = "cl_rpt_" + "a" * 26


@pytest.fixture(scope="module")
def issued() -> tuple[bytes, bytes]:
    """A signed report and the certificate it is signed with."""
    made = new_identity("reports.example.com", NOW)
    document = pikepdf.new()
    document.add_blank_page()
    packed = BytesIO()
    document.save(packed)
    imprint = Imprint("Report", "example.com", REPORT_ID, "reports.example.com", NOW)
    return sign(packed.getvalue(), imprint, load_identity(made[CERTIFICATE], made[PRIVATE_KEY])), made[CERTIFICATE]


@pytest.fixture
def file(tmp_path: Path, issued: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report in a folder of its own, and another folder to stand in."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder = tmp_path / "received"
    folder.mkdir()
    path = folder / "report.pdf"
    path.write_bytes(issued[0])
    return path


def test_the_certificate_is_found_beside_the_file_here_and_among_the_keys(
    file: Path, issued: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    keys = file.parent.parent / "keys"
    keys.mkdir()
    for folder in (file.parent, Path(), keys):
        (folder / CERTIFICATE).write_bytes(issued[1])
        assert run(file, None, keys) == GENUINE
        said = capsys.readouterr().out
        assert said.startswith("GENUINE")
        assert REPORT_ID in said
        (folder / CERTIFICATE).unlink()


def test_a_changed_copy_is_refused(file: Path, issued: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(issued[0][:-50] + b"x" + issued[0][-49:])
    (file.parent / CERTIFICATE).write_bytes(issued[1])
    assert run(file, None, Path()) == NOT_GENUINE
    assert capsys.readouterr().out.startswith("NOT GENUINE")


def test_the_named_certificate_wins(
    file: Path, issued: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / CERTIFICATE).write_bytes(issued[1])
    other = file.parent / "other.pem"
    other.write_bytes(new_identity("reports.example.com", NOW)[CERTIFICATE])
    assert run(file, other, Path()) == NOT_GENUINE
    assert "not signed by the owner of this certificate" in capsys.readouterr().out


def test_without_a_certificate_it_says_where_to_get_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, None, Path("nowhere")) == USAGE
    assert "/.well-known/compliancelayer-ca.pem" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_named(file: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / CERTIFICATE).write_bytes(content)
    assert run(file, None, Path()) == USAGE
    assert CERTIFICATE in capsys.readouterr().err


def test_a_missing_file_is_named(file: Path, issued: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / CERTIFICATE).write_bytes(issued[1])
    assert run(file.with_name("absent.pdf"), None, Path()) == USAGE
    assert "absent.pdf cannot be read" in capsys.readouterr().err
