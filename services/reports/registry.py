"""What the registry says of a report to anybody who asks: no more than its cover does."""

from typing import Literal

from services.reports.repository import IssuedReport, Status
from shared.contracts.base import Contract, Timestamp
from shared.contracts.report import Grade

Reason = Literal["newer_report", "account_deleted", "unknown_file"]


class Signer(Contract):
    """Who issued a report, and the SHA-256 of the certificate it is signed with."""

    host: str
    key_fingerprint: str


class Answer(Contract):
    """`valid` says that we issued it and stand by it; null fields: of a file that we do not know."""

    valid: bool
    report_id: str | None = None
    domain: str | None = None
    grade: Grade | None = None
    score: int | None = None
    coverage: float | None = None
    scanned_at: Timestamp | None = None
    issued_at: Timestamp | None = None
    issuer: Signer | None = None
    engine_version: str | None = None
    catalog_version: str | None = None
    sha256: str
    status: Status | None = None
    reason: Reason | None = None


_REASONS: dict[Status, Reason | None] = {"valid": None, "superseded": "newer_report", "revoked": "account_deleted"}


def answer(issued: IssuedReport) -> Answer:
    """The public record of a report in the registry."""
    return Answer(
        valid=issued.status != "revoked",
        report_id=issued.id,
        domain=issued.domain,
        grade=issued.grade,
        score=issued.score,
        coverage=issued.coverage,
        scanned_at=issued.scanned_at,
        issued_at=issued.issued_at,
        issuer=Signer(host=issued.issuer, key_fingerprint=issued.key_fingerprint),
        engine_version=issued.engine_version,
        catalog_version=issued.catalog_version,
        sha256=issued.sha256,
        status=issued.status,
        reason=_REASONS[issued.status],
    )


def unknown_file(sha256: str) -> Answer:
    """A file whose hash is not in the registry: not issued here, or changed by as little as one byte."""
    return Answer(valid=False, sha256=sha256, reason="unknown_file")
