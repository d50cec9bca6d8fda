"""The report as a document: its parts, its words, and strings that a target chose."""

import re
from datetime import UTC, datetime

import pytest
from lxml import html as lxml_html

from services.reports.document import PAPERS, Documents, Paper, css_string, prose
from services.reports.view import EVIDENCE_CHARACTERS, Issuance, build_view
from shared.contracts.report import Module, Report
from tests.support.reports import DISCLAIMER, make_report

ISSUANCE = Issuance(
    report_id="cl_rpt_" + "b" * 26,
    verify_url="https://reports.example.com/v1/verify/cl_rpt_" + "b" * 26,
    issued_at=datetime(2026, 11, 24, 10, tzinfo=UTC),
    issuer="reports.example.com",
    fingerprint="cd" * 32,
)
HOSTILE = "</td></style><script>alert(1)</script><img src=http://198.51.100.1/x onerror=alert(1)>\"'{{7*7}}"


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents()


def text_of(document: str) -> str:
    body = lxml_html.fromstring(document).find("body")
    assert body is not None
    return " ".join(body.text_content().split())


def headings(document: str, level: str) -> list[str]:
    return [" ".join(heading.text_content().split()) for heading in lxml_html.fromstring(document).iter(level)]


def test_the_parts_come_in_order(documents: Documents) -> None:
    assert headings(documents.report(make_report(5), ISSUANCE), "h2") == [
        "Executive summary",
        "Scores by module",
        "Findings in detail",
        "Compliance mapping",
        "Scope, method and limits",
    ]


def test_the_cover_says_what_verification_says(documents: Documents) -> None:
    report = make_report(5)
    cover = text_of(documents.report(report, ISSUANCE)).split("Executive summary")[0]
    for said in (
        report.domain,
        f"{report.score} of 100",
        "Coverage 95 %",
        ISSUANCE.report_id,
        ISSUANCE.verify_url,
        ISSUANCE.issuer,
        ISSUANCE.fingerprint,
        "2026-11-24 09:30:00 UTC",
    ):
        assert said in cover


def test_a_scan_without_a_server_has_no_report_id_and_says_so(documents: Documents) -> None:
    document = documents.report(make_report(5, job_id=None))
    assert "no report id and no QR code" in text_of(document)
    assert 'class="qr"' not in document
    assert "cl_rpt_" not in document


def test_a_copy_for_reading_points_to_the_signed_one(documents: Documents) -> None:
    document = documents.report(make_report(5))
    assert "the signed PDF of the same scan has both" in text_of(document)
    assert 'class="qr"' not in document


@pytest.mark.parametrize("findings", [0, 1, 20])
def test_every_finding_has_its_evidence_and_fix(documents: Documents, findings: int) -> None:
    report = make_report(findings)
    document = documents.report(report)
    text = text_of(document)
    assert len(lxml_html.fromstring(document).find_class("observed")) == findings
    for issue in report.issues:
        assert issue.remediation in text
        assert " ".join(issue.reproduce.split()) in text
        assert issue.references[0] in text


def test_findings_are_most_severe_first_and_one_for_all_their_assets() -> None:
    report = make_report(9 * 14)  # every check of the sample fails on 14 assets
    module = build_view(report).modules[0]
    issues = report.modules[Module.SSL_TLS].issues
    other = issues[0].model_copy(update={"id": "weak_key", "severity": "critical"})
    mixed = report.modules[Module.SSL_TLS].model_copy(update={"issues": (*issues, other)})
    changed = report.model_copy(update={"modules": {**report.modules, Module.SSL_TLS: mixed}})
    assert [(found.number, len(found.observations), found.left_out) for found in module.findings] == [("1.1", 12, 2)]
    assert [found.issue.id for found in build_view(changed).modules[0].findings] == ["weak_key", issues[0].id]


def test_all_six_frameworks_with_totals_and_never_compliant(documents: Documents) -> None:
    report = make_report(9)
    document = documents.report(report)
    names = headings(document, "h3")
    for name in ("SOC 2", "PCI DSS", "HIPAA Security Rule", "NIST CSF", "ISO/IEC 27001", "CIS Controls"):
        assert name in names
    text = text_of(document)
    for state in ("gap found", "attention", "supporting evidence", "not assessed", "readiness preview"):
        assert state in text
    assert "11.3.2: what would fail port_redis_open ssl_certificate_expired" in text
    assert not re.search(r"\bcompliant\b", text, re.IGNORECASE)
    assert text.count(DISCLAIMER) == 1
    for name in report.compliance:
        assert text.count(f"Of {name} alone: whoever assesses you decides.") == 1


def test_checks_that_were_not_run_are_listed_with_whose_doing_it_was(documents: Documents) -> None:
    rows = build_view(make_report(0)).untested
    assert {(row.check, row.fault) for row in rows} == {
        ("cookie_secure_missing", "the target"),
        ("exposed_backup_files", "this scanner"),
    }
    text = text_of(documents.report(make_report(0)))
    assert all(row.reason in text for row in rows)


def test_a_module_that_was_not_tested_has_no_score(documents: Documents) -> None:
    report = make_report(0)
    assert report.modules[Module.COOKIES].score is None
    assert "Cookies 5 not tested –" in text_of(documents.report(report))


def test_too_little_evidence_is_said_on_the_cover(documents: Documents) -> None:
    poor = make_report(3).model_copy(update={"grade": "F", "grade_reason": "insufficient_evidence", "coverage": 0.31})
    assert "less than half of the applicable checks could be made" in text_of(documents.report(poor))


def test_hostile_strings_stay_text(documents: Documents) -> None:
    document = documents.report(make_report(9, hostile=HOSTILE), ISSUANCE)
    tree = lxml_html.fromstring(document)
    assert not [
        element.tag for element in tree.iter() if element.tag in ("script", "img", "iframe", "object", "link", "a")
    ]
    assert not [name for element in tree.iter() for name in element.attrib if name.startswith("on") or name == "style"]
    assert HOSTILE in "".join(tree.itertext())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Send `a: b`.", 'Send <span class="code">a: b</span>.'),
        ("`<b>` & c", '<span class="code">&lt;b&gt;</span> &amp; c'),
        ("one ` only <b>", "one ` only &lt;b&gt;"),
        ("", ""),
    ],
)
def test_prose_marks_code_and_escapes_all(text: str, expected: str) -> None:
    assert prose(text) == expected


def test_a_domain_cannot_leave_the_footers_string(documents: Documents) -> None:
    document = documents.report(make_report(1, domain='x"} body { background: url(//198.51.100.1/) }</style>'))
    style = document.split("<style>")[1].split("</style>")[0]
    assert "url(//" not in style
    assert "counter(page)" in style
    assert css_string('a.b"') == "a\\2e b\\22 "


def test_the_policy_lets_in_nothing_but_the_own_style(documents: Documents) -> None:
    head = documents.report(make_report(1)).split("<style>")[0]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', head)
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; base-uri 'none'; style-src 'sha256-[\w+/=]+'", policy[1].replace("&#39;", "'")
    )


def test_long_evidence_is_cut_and_says_so() -> None:
    report = make_report(1)
    long = report.issues[0].model_copy(update={"evidence": {"body": "x" * 5000}})
    module = report.modules[long.module].model_copy(update={"issues": (long,)})
    changed = report.model_copy(update={"issues": (long,), "modules": {**report.modules, long.module: module}})
    observed = next(found for shown in build_view(changed).modules for found in shown.findings).observations[0]
    assert len(observed.evidence[0][1]) == EVIDENCE_CHARACTERS + 2
    assert observed.evidence_cut


@pytest.mark.parametrize("paper", PAPERS)
def test_the_paper_is_in_the_page_rule(documents: Documents, paper: Paper) -> None:
    assert f"@page {{ size: {paper} }}" in documents.report(make_report(0), None, paper)


def test_rendering_changes_nothing_and_repeats() -> None:
    report: Report = make_report(20)
    assert Documents().report(report, ISSUANCE) == Documents().report(make_report(20), ISSUANCE)
