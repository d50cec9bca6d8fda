"""The reports service on a real PostgreSQL, with a real browser: issue, verify, badges, retention."""

import asyncio
import hashlib
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from services.commands.verify import GENUINE, NOT_GENUINE, run
from shared.contracts.principal import Scope
from shared.contracts.report import Report, ReportDocument
from shared.crypto import SIGNATURE_HEADER, sign_document
from tests.support.app import Answer, Client, principal
from tests.support.reports import make_report

OWNER = principal(7)
pytestmark = pytest.mark.asyncio(loop_scope="module")

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def report_of(name: str, findings: int = 5, **changes: Any) -> Report:
    """The report of a job and a domain of that name."""
    return make_report(findings, **({"job_id": f"job_{name}", "domain": f"{name}.example.com"} | changes))


async def print_report(
    client: Client,
    report: Report,
    *,
    owner: int = OWNER.account_id,
    query: str = "",
    path: str = "/internal/reports/pdf",
) -> Answer:
    body = ReportDocument(account_id=owner, report=report).model_dump_json().encode()
    signature = sign_document(client.process.keys, body)
    return await client.as_principal(OWNER).post(path + query, data=body, headers={SIGNATURE_HEADER: signature})


async def issue(client: Client, report: Report, query: str = "") -> tuple[str, bytes]:
    answer = await print_report(client, report, query=query)
    assert answer.status == 200, answer.body
    return answer.headers["X-Report-Id"], answer.body


async def test_a_report_is_issued_once(reports: Client, chromium: Path) -> None:
    report = report_of("once")
    answers = await asyncio.gather(*(print_report(reports, report) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    first = answers[0]
    assert first.headers["Content-Type"] == "application/pdf"
    assert first.headers["Content-Disposition"] == 'attachment; filename="once.example.com-2026-11-24.pdf"'
    assert re.fullmatch(r"cl_rpt_[a-z2-7]{26}", first.headers["X-Report-Id"])
    assert len(first.body) < 400_000

    again = report_of("once", 9)  # whatever the body says now, these bytes were issued
    assert await issue(reports, again) == (first.headers["X-Report-Id"], first.body)
    assert (await issue(reports, report, "?paper=letter"))[0] != first.headers["X-Report-Id"]
    conn = await asyncpg.connect(reports.process.settings.database_url)
    told = await conn.fetch(
        "select envelope->>'name' as name from reports.outbox where envelope->'data'->>'job_id' = $1", report.job_id
    )
    assert [row["name"] for row in told] == ["report.issued.v1"] * 2  # one a paper
    await conn.close()


async def test_only_the_scanners_own_word_is_printed(reports: Client) -> None:
    body = ReportDocument(account_id=OWNER.account_id, report=make_report(1)).model_dump_json().encode()
    caller = reports.as_principal(OWNER)
    signature = sign_document(reports.process.keys, body)
    for headers, sent in (
        ({}, body),
        ({SIGNATURE_HEADER: signature}, body + b" "),
        ({SIGNATURE_HEADER: "x." + signature.partition(".")[2]}, body),
    ):
        for path in ("/internal/reports/pdf", "/internal/reports/html"):
            answer = await caller.post(path, data=sent, headers=headers)
            assert (answer.status, answer.json()["error"]) == (401, "unauthorized")


async def test_the_plan_the_scope_and_the_owner_decide(reports: Client) -> None:
    report = make_report(1)
    body = ReportDocument(account_id=OWNER.account_id, report=report).model_dump_json().encode()
    headers = {SIGNATURE_HEADER: sign_document(reports.process.keys, body)}
    for caller, status, error in (
        (principal(7, plan="starter"), 403, "plan_upgrade_required"),
        (principal(7, scopes=frozenset(Scope) - {Scope.REPORTS_READ}), 403, "forbidden_scope"),
        (principal(8), 404, "not_found"),
        (None, 401, "unauthorized"),
    ):
        answer = await reports.as_principal(caller).post("/internal/reports/pdf", data=body, headers=headers)
        assert (answer.status, answer.json()["error"]) == (status, error)


async def test_the_html_is_for_reading(reports: Client) -> None:
    answer = await print_report(reports, make_report(3), path="/internal/reports/html")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"the signed PDF of the same scan has both" in answer.body


async def test_verification_by_id(reports: Client, chromium: Path) -> None:
    report = report_of("verify")
    report_id, pdf = await issue(reports, report)
    answer = await reports.get(f"/v1/verify/{report_id}")
    body = answer.json()
    assert answer.status == 200
    assert (await reports.get(f"/v1/verify/{report_id}/")).json() == body
    issuer, issued_at = body.pop("issuer"), body.pop("issued_at")
    assert body == {
        "valid": True,
        "report_id": report_id,
        "domain": report.domain,
        "grade": report.grade,
        "score": report.score,
        "coverage": report.coverage,
        "scanned_at": "2026-11-24T09:30:00.000Z",
        "engine_version": report.engine_version,
        "catalog_version": report.catalog_version,
        "sha256": hashlib.sha256(pdf).hexdigest(),
        "status": "valid",
        "reason": None,
    }
    assert issuer["host"] == "reports.example.com"
    assert re.fullmatch(r"[0-9a-f]{64}", issuer["key_fingerprint"])
    assert abs(datetime.fromisoformat(issued_at) - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("unknown", ["cl_rpt_" + "a" * 26, "x", "%27%3B--", "..%2Fetc", "a" * 500])
async def test_an_unknown_id_is_not_valid(reports: Client, unknown: str) -> None:
    answer = await reports.get(f"/v1/verify/{unknown}")
    body = answer.json()
    assert (answer.status, body["error"], body["valid"]) == (404, "not_found", False)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    page = await reports.get(f"/v1/verify/{unknown}", headers=BROWSER)
    assert page.status == 404
    assert b"no report with this id was issued here" in page.body


async def test_a_browser_gets_a_page(reports: Client, chromium: Path) -> None:
    report_id, pdf = await issue(reports, report_of("page"))
    page = await reports.get(f"/v1/verify/{report_id}", headers=BROWSER)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"a report with this id was issued here" in page.body
    assert b"An id alone shows" in page.body
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert (await reports.get(f"/v1/verify?report_id=%20{report_id}", headers=BROWSER)).body == page.body
    blank = await reports.get("/v1/verify", headers=BROWSER)
    assert blank.status == 200
    assert b'type="file"' in blank.body
    dropped = await reports.post("/v1/verify", data=form(pdf), headers=BROWSER)
    assert b"this very file was issued here" in dropped.body


def form(pdf: bytes) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("note", "a field before the file")
    data.add_field("file", pdf, filename="report.pdf", content_type="application/pdf")
    return data


async def test_verification_by_file(reports: Client, chromium: Path) -> None:
    report_id, pdf = await issue(reports, report_of("file"))
    by_id = (await reports.get(f"/v1/verify/{report_id}")).json()
    assert (await reports.post("/v1/verify", data=pdf)).json() == by_id
    assert (await reports.post("/v1/verify", data=form(pdf))).json() == by_id
    changed = pdf[:1000] + bytes([pdf[1000] ^ 1]) + pdf[1001:]
    for sent in (changed, form(changed), b"no pdf"):
        answer = await reports.post("/v1/verify", data=sent)
        body = answer.json()
        assert (answer.status, body["valid"], body["reason"], body["report_id"]) == (200, False, "unknown_file", None)


async def test_bad_uploads_are_refused(reports: Client) -> None:
    wrong_name = aiohttp.FormData()
    wrong_name.add_field("upload", b"content", filename="report.pdf")
    cases: list[tuple[Any, dict[str, str], int, str]] = [
        (b"", {}, 400, "invalid_request"),
        (wrong_name, {}, 400, "invalid_request"),
        (b"not a form", {"Content-Type": "multipart/form-data"}, 400, "invalid_request"),
        (b"not a form", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "invalid_request"),
        (BytesIO(b"0" * (20 * 1024 * 1024 + 1)), {}, 413, "payload_too_large"),
        (BytesIO(b"0" * (21 * 1024 * 1024)), {}, 413, "payload_too_large"),
    ]
    for sent, headers, status, error in cases:
        answer = await reports.post("/v1/verify", data=sent, headers=headers)
        assert (answer.status, answer.json()["error"]) == (status, error), headers


async def test_a_later_scan_supersedes(reports: Client, chromium: Path) -> None:
    old = report_of("old")
    later = old.scanned_at + timedelta(days=1)
    new = report_of("new", 4, domain=old.domain, scanned_at=later)
    new_id, _ = await issue(reports, new)
    old_id, _ = await issue(reports, old)
    other_id, _ = await issue(reports, report_of("other"))
    found = {name: (await reports.get(f"/v1/verify/{name}")).json() for name in (new_id, old_id, other_id)}
    assert (found[old_id]["valid"], found[old_id]["status"], found[old_id]["reason"]) == (
        True,
        "superseded",
        "newer_report",
    )
    assert found[new_id]["status"] == found[other_id]["status"] == "valid"


async def test_the_certificate_alone_verifies_the_file(reports: Client, chromium: Path, tmp_path: Path) -> None:
    _, pdf = await issue(reports, report_of("offline", 20))
    answer = await reports.get("/.well-known/compliancelayer-ca.pem")
    assert answer.headers["Content-Type"] == "application/x-pem-file"
    (tmp_path / "compliancelayer-ca.pem").write_bytes(answer.body)
    (tmp_path / "original.pdf").write_bytes(pdf)
    (tmp_path / "changed.pdf").write_bytes(pdf[:-40] + b" " + pdf[-39:])
    assert run(tmp_path / "original.pdf", None, tmp_path) == GENUINE
    assert run(tmp_path / "changed.pdf", None, tmp_path) == NOT_GENUINE


async def test_a_file_that_was_changed_on_disk_is_not_handed_out(reports: Client, chromium: Path) -> None:
    report = report_of("disk", 1)
    report_id, _ = await issue(reports, report)
    stored = reports.process.settings.data_dir / "reports" / f"{report_id}.pdf"
    stored.write_bytes(b"%PDF-1.7 something else")
    answer = await print_report(reports, report)
    assert (answer.status, answer.json()["error"]) == (503, "service_unavailable")


async def test_a_badge_nobody_turned_on_is_grey(reports: Client) -> None:
    answer = await reports.get("/v1/badge/www.example.com.svg?style=plastic")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert b"not scanned" in answer.body
    data = (await reports.get("/v1/badge/www.example.com.json")).json()
    assert (data["domain"], data["message"], data["grade"]) == ("www.example.com", "not scanned", None)
    assert (await reports.get("/v1/badge/www.example.com.svg?style=round")).status == 400
    assert (await reports.get("/v1/badge/www.example.com.gif")).status == 404
