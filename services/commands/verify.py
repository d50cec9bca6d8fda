"""`compliancelayer verify FILE`: whether a PDF is genuine, from the certificate alone: no server, no network."""

import sys
from collections.abc import Iterator
from pathlib import Path

from services.reports.signing import CERTIFICATE, Certificate, load_certificates
from services.reports.verification import MAX_BYTES, Genuine, Refused, verify

GENUINE, NOT_GENUINE, USAGE = 0, 1, 2  # exit codes


class _UsageError(Exception):
    """The command cannot be carried out; the message says what to do."""


def run(file: Path, certificate: Path | None, keys_dir: Path) -> int:
    """Print whether `file` is a report signed by the owner of `certificate`, and return the exit code.

    Without `certificate`: `compliancelayer-ca.pem` beside the file, in the current folder or in `keys_dir`.
    """
    try:
        certificates = _certificates(certificate, file, keys_dir)
        pdf = _read(file)
    except _UsageError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    try:
        genuine = verify(pdf, certificates)
    except Refused as error:
        print(f"NOT GENUINE  {file}\n{error}")
        return NOT_GENUINE
    print(f"GENUINE  {file}\n{_facts(genuine)}")
    return GENUINE


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)  # one too many: `verify` then says that it is too large
    except OSError as error:
        raise _UsageError(f"{file} cannot be read: {error.strerror}.") from error


def _certificates(given: Path | None, file: Path, keys_dir: Path) -> tuple[Certificate, ...]:
    path = given or next(filter(Path.is_file, _places(file, keys_dir)), None)
    if path is None:
        raise _UsageError(
            f"No {CERTIFICATE} beside the file, here or in {keys_dir}. Get it from the issuer, at "
            f"https://<its host>/.well-known/{CERTIFICATE}, and name it with --certificate."
        )
    try:
        return load_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _UsageError(f"{path} is no certificate in PEM form: {error}.") from error


def _places(file: Path, keys_dir: Path) -> Iterator[Path]:
    for folder in (file.parent, Path(), keys_dir):
        yield folder / CERTIFICATE


def _facts(genuine: Genuine) -> str:
    rows = {
        "Report": genuine.report_id,
        "Domain": genuine.domain,
        "Issued": f"{genuine.issued_at:%Y-%m-%d %H:%M:%S UTC}",
        "Signed by": genuine.certificate.x509.subject.rfc4514_string(),
        "Certificate": f"SHA-256 {genuine.certificate.fingerprint}",
        "File": f"SHA-256 {genuine.sha256}",
    }
    return "\n".join(f"  {name:<12} {value}" for name, value in rows.items())
