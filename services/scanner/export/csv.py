"""A report's findings as CSV (RFC 4180): one row a finding, with its remediation and the controls it speaks to."""

import csv
import io
from typing import get_args

import orjson

from shared.contracts.base import iso
from shared.contracts.report import FrameworkId, Report

_FRAMEWORKS: tuple[FrameworkId, ...] = get_args(FrameworkId)
COLUMNS = (
    *("domain", "scanned_at", "module", "severity", "id", "finding", "asset", "evidence", "confidence", "cwe"),
    *("remediation", "reproduce", "references", "fingerprint"),
    *_FRAMEWORKS,
)


def render(report: Report) -> str:
    """With a header line; most severe first. An apostrophe stands before cells that a spreadsheet would run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for issue in report.issues:
        row = (
            *(report.domain, iso(report.scanned_at), issue.module, issue.severity, issue.id, issue.finding),
            *(issue.asset, orjson.dumps(issue.evidence).decode(), issue.confidence, issue.cwe or "", issue.remediation),
            *(issue.reproduce, " ".join(issue.references), issue.fingerprint),
            *(" ".join(issue.controls.get(framework, ())) for framework in _FRAMEWORKS),
        )
        writer.writerow(map(_inert, row))
    return text.getvalue()


def _inert(cell: str) -> str:
    """CWE-1236: text that a target chose must not become a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
