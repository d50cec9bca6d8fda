"""Findings as CSV."""

import csv
import io

from services.scanner.export.csv import COLUMNS, render
from shared.contracts.report import Issue, Module
from tests.support import reports


def rows(*issues: Issue) -> list[dict[str, str]]:
    report = reports.make_report(0).model_copy(update={"issues": issues})
    return list(csv.DictReader(io.StringIO(render(report))))


def issue(**fields: object) -> Issue:
    return Issue.model_validate(
        {
            "severity": "high",
            "finding": 'A thing, quoted "so"',
            "remediation": "Mend it.\nThen look.",
            "id": "thing_missing",
            "module": Module.DNS,
            "asset": "example.test",
            "evidence": {"seen": ["a", 1]},
            "reproduce": "dig example.test",
            "references": ("RFC 1", "RFC 2"),
            "cwe": "CWE-1",
            "controls": {"soc2": ("CC6.1", "CC6.7")},
            "fingerprint": "f" * 32,
            **fields,
        }
    )


def test_a_row_holds_the_finding_and_its_controls() -> None:
    (row,) = rows(issue())
    assert tuple(row) == COLUMNS
    assert row["finding"] == 'A thing, quoted "so"'
    assert row["remediation"] == "Mend it.\nThen look."
    assert row["evidence"] == '{"seen":["a",1]}'
    assert row["references"] == "RFC 1 RFC 2"
    assert (row["soc2"], row["hipaa"]) == ("CC6.1 CC6.7", "")


def test_what_a_spreadsheet_would_run_is_made_inert() -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1"):
        (row,) = rows(issue(asset=text))
        assert row["asset"] == f"'{text}"


def test_without_findings_the_header_alone() -> None:
    assert rows() == []
