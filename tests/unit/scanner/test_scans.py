"""A scan in the wire's words, and what a batch makes of many."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.scanner import batch, usage
from services.scanner.requests import BatchRequest, UsageQuery, targets
from services.scanner.scans import ALL_MODULES, NOBODY, Scan, job, row
from shared.contracts.report import Module, Profile
from shared.errors import ApiError
from tests.support.app import principal

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def scan(**changes: object) -> Scan:
    queued = Scan(
        id="job_1",
        account_id=7,
        domain="example.test",
        modules=ALL_MODULES,
        profile=Profile.STANDARD,
        intrusive=False,
        source="api",
        monitored_domain_id=None,
        status="queued",
        attempt=0,
        revision=0,
        progress={},
        queued_at=NOW,
        started_at=None,
        completed_at=None,
        failure_reason=None,
        score=None,
        grade=None,
        grade_reason=None,
        risk_level=None,
        duration_ms=None,
        issues=None,
    )
    return replace(queued, **changes)  # type: ignore[arg-type]  # field names are checked by replace()


def completed(**changes: object) -> Scan:
    given = {
        "status": "completed",
        "completed_at": NOW,
        "score": 80,
        "grade": "B",
        "risk_level": "low-medium",
        "duration_ms": 900,
        "issues": {"high": 1, "info": 2},
    }
    return scan(**(given | changes))


def report_of(**scores: int) -> dict[str, object]:
    return {"modules": {name: {"score": score, "grade": "B"} for name, score in scores.items()}}


def test_a_queued_job_has_no_result_and_names_every_module() -> None:
    queued = job(scan())
    assert queued.result is None
    assert queued.progress.total == len(ALL_MODULES) and queued.progress.done == 0
    assert set(queued.progress.modules.values()) == {"waiting"}


def test_a_completed_job_carries_the_summary() -> None:
    result = job(completed()).result
    assert result is not None
    assert (result.score, result.grade, result.total_issues, result.high_issues) == (80, "B", 3, 1)
    assert result.report_url == "/v1/scan/jobs/job_1/report"


def test_a_module_that_could_not_be_tested_is_done_with() -> None:
    progress = job(scan(status="running", progress={Module.DNS: "done", Module.CSP: "not_tested"})).progress
    assert progress.done == 2


def test_a_row_keeps_its_keys_while_the_scan_runs() -> None:
    line = row(scan(status="running")).model_dump()
    assert line["score"] is None and line["grade"] is None and line["legacy_scan_id"] is None
    assert row(completed()).total_issues == 3


@pytest.mark.parametrize(
    ("changes", "feeds"),
    [
        ({}, True),
        ({"account_id": NOBODY}, False),
        ({"modules": (Module.DNS,)}, False),
        ({"profile": Profile.FULL}, False),
        ({"intrusive": True}, False),
    ],
)
def test_only_scans_like_the_monitors_own_feed_it(changes: dict[str, object], feeds: bool) -> None:
    assert scan(**changes).feeds_monitoring is feeds


def test_a_batch_puts_the_worst_first_and_the_unscored_last() -> None:
    results = [
        batch.domain_result("good.test", completed(score=95, grade="A"), None, report_of(dns=95)),
        batch.domain_result("spent.test", None, "The quota is spent.", None),
        batch.domain_result("bad.test", completed(score=20, grade="F"), None, report_of(dns=20)),
        batch.domain_result("slow.test", scan(status="running"), None, None),
    ]
    answer = batch.batch(results, "risk")
    assert [result.domain for result in answer.results[:2]] == ["bad.test", "good.test"]
    assert {result.domain for result in answer.results[2:]} == {"slow.test", "spent.test"}
    assert all(result.error and result.overall_score is None for result in answer.results[2:])
    assert answer.summary.avg_score == 57.5
    assert (answer.summary.passing, answer.summary.critical_risk) == (1, 1)
    assert [result.domain for result in batch.batch(results, "domain").results[:2]] == ["bad.test", "good.test"]


def test_a_comparison_ranks_the_best_first_and_shares_ranks() -> None:
    results = [
        batch.domain_result("b.test", completed(score=80), None, report_of(dns=70)),
        batch.domain_result("a.test", completed(score=80), None, report_of(dns=60)),
        batch.domain_result("c.test", completed(score=50, grade="D"), None, report_of(dns=10)),
        batch.domain_result("d.test", scan(status="failed", failure_reason="does not resolve"), None, None),
    ]
    answer = batch.comparison(results)
    assert [(entry.rank, entry.domain) for entry in answer.ranked] == [
        (1, "a.test"),
        (1, "b.test"),
        (3, "c.test"),
        (4, "d.test"),
    ]
    assert answer.winner == "a.test" and answer.score_gap == 30
    assert answer.module_comparison == {Module.DNS: {"a.test": 60, "b.test": 70, "c.test": 10}}


def test_a_list_of_domains_names_the_one_that_is_wrong() -> None:
    with pytest.raises(ApiError) as refused:
        targets(["example.test", "not a domain"])
    assert refused.value.code == "invalid_domain" and refused.value.errors[0].field == "domains[1]"


def test_a_comparison_needs_two_different_domains() -> None:
    with pytest.raises(ApiError):
        targets(["example.test", "EXAMPLE.test"], at_least=2)
    assert targets(["a.test", "A.test"]) == ["a.test"]


def test_a_batch_is_bounded() -> None:
    with pytest.raises(ValueError, match="50"):
        BatchRequest(domains=["example.test"] * 51)


def test_usage_is_of_this_month_unless_asked_otherwise() -> None:
    assert UsageQuery().period(NOW) == (NOW.date().replace(day=1), NOW.date())
    with pytest.raises(ValueError, match="start_date"):
        UsageQuery.model_validate({"start_date": "2026-02-01", "end_date": "2026-01-01"})


def test_usage_adds_up() -> None:
    day = NOW.date()
    summary = usage.summary(
        principal(plan="free"), 4, day, day, [(day, "api", "completed", 3), (day, "batch", "failed", 1)]
    )
    assert summary.total_scans == 4 and summary.by_status == {"completed": 3, "failed": 1}
    assert (summary.scans_this_month, summary.scan_limit, summary.scans_remaining) == (4, 10, 6)


@pytest.mark.parametrize(("month", "expected"), [(11, (2026, 12)), (12, (2027, 1))])
def test_the_quota_renews_on_the_first_of_next_month(month: int, expected: tuple[int, int]) -> None:
    renewed = usage.next_month(datetime(2026, month, 24, tzinfo=UTC))
    assert (renewed.year, renewed.month, renewed.day) == (*expected, 1)
