"""`compliancelayer scan` and `recompute`: formats, exit codes, and what they say."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.commands import recompute, scan
from tests.support.lab import Lab, hardened


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield await lab.serve(hardened("hardened.test"))


async def run(lab: Lab, domain: str, **options: Any) -> int:
    """In a thread: the command has a loop of its own, while the lab answers on this one."""
    options = {"modules": "dns,dns_email", **options}
    return await asyncio.to_thread(lambda: scan.run(domain, environ=lab.settings(), **options))


async def test_the_table_is_for_people(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(lab, "https://Hardened.TEST/") == scan.FINE
    printed = capsys.readouterr()
    assert "hardened.test  grade A  score 100/100" in printed.out
    assert "Mail authentication: done" in printed.err


async def test_json_on_standard_output_is_all_there_is_on_it(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(lab, "hardened.test", form="json", quiet=True) == scan.FINE
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert (report["domain"], report["job_id"], report["raw_results"]) == ("hardened.test", None, {})
    assert printed.err == ""


async def test_a_saved_report_recomputes(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "report.json"
    assert await run(lab, "hardened.test", form="json", output=saved, include_raw=True) == scan.FINE
    assert recompute.run(saved) == recompute.EQUAL
    assert "score 100, grade A" in capsys.readouterr().out
    report = json.loads(saved.read_text())
    assert report["raw_results"]["evidence"]
    report["modules"]["dns"]["outcomes"] = {}
    report["score"] = 12
    saved.write_text(json.dumps(report))
    assert recompute.run(saved) == recompute.DIFFERS
    assert "score: the report says 12, its verdicts give 100" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"score": "x"}'])
def test_what_is_no_report_is_said_to_be_none(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    assert recompute.run(file) == recompute.NOT_A_REPORT
    assert "not a report" in capsys.readouterr().err
    assert recompute.run(tmp_path / "missing.json") == recompute.NOT_A_REPORT


async def test_csv_and_html(lab: Lab, tmp_path: Path) -> None:
    table, page = tmp_path / "report.csv", tmp_path / "report.html"
    assert await run(lab, "hardened.test", form="csv", output=table) == scan.FINE
    assert "remediation" in next(csv.reader(table.read_text().splitlines()))
    assert await run(lab, "hardened.test", form="html", output=page) == scan.FINE
    assert "hardened.test" in page.read_text()


@pytest.mark.parametrize(("bar", "code"), [("75", scan.FINE), ("100", scan.FINE), ("A", scan.FINE), ("b", scan.FINE)])
async def test_above_the_bar(lab: Lab, bar: str, code: int) -> None:
    assert await run(lab, "hardened.test", fail_under=bar, modules="dns", quiet=True) == code


async def test_under_the_bar(lab: Lab) -> None:
    site = hardened("poor.test")
    assert site.web is not None
    await lab.serve(type(site)("poor.test", site.zone, web=site.web.set("Content-Security-Policy")))
    assert await run(lab, "poor.test", modules="csp", fail_under="B", quiet=True) == scan.UNDER_THE_BAR
    assert await run(lab, "poor.test", modules="csp", fail_under="90", quiet=True) == scan.UNDER_THE_BAR


async def test_what_cannot_be_scanned(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(lab, "nowhere.test") == scan.NOT_SCANNED
    told = capsys.readouterr().err
    assert "nowhere.test could not be scanned: does not resolve." in told
    assert "done" not in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"domain": "10.0.0.1"}, "IP address"),
        ({"domain": ""}, "empty"),
        ({"form": "xml"}, "--format takes"),
        ({"modules": "dns,moon"}, "--modules takes"),
        ({"modules": ","}, "--modules takes"),
        ({"fail_under": "101"}, "--fail-under takes"),
        ({"fail_under": "E"}, "--fail-under takes"),
        ({"profile": "deep"}, "--profile takes standard or full"),
        ({"environ": {"CL_SCAN_TIMEOUT": "soon"}}, "CL_SCAN_TIMEOUT"),
    ],
)
def test_usage_errors_say_what_to_do(options: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.run(**{"domain": "example.com", "environ": {}, **options}) == scan.USAGE
    assert says in capsys.readouterr().err


async def test_an_output_that_cannot_be_written(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(lab, "hardened.test", form="json", output=tmp_path / "no" / "x.json") == scan.USAGE
    assert "cannot be written" in capsys.readouterr().err
