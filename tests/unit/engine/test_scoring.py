"""The score's corners; its laws are in test_scoring_laws.py."""

from collections import Counter

from services.scanner.engine.scoring import CheckResult, Outcome, Score, grade_of, score
from shared.contracts.report import Module, Severity

WEIGHTS = {Module.SSL_TLS: 20, Module.DNS: 8, Module.COOKIES: 5, Module.EXPOSURE: 12}

Row = tuple[str, Severity, list[Outcome]]  # module, severity, the outcome on each asset
FINE: Row = ("ssl_tls", "high", ["pass"])


def scored(rows: list[Row]) -> Score:
    checks: dict[Module, dict[str, CheckResult]] = {}
    for number, (module, severity, outcomes) in enumerate(rows):
        checks.setdefault(Module(module), {})[f"check_{number}"] = CheckResult(severity, Counter(outcomes))
    return score(checks, WEIGHTS)


def test_all_passed_is_a_hundred() -> None:
    result = scored([("ssl_tls", "critical", ["pass"]), ("dns", "low", ["pass", "pass"])])
    assert (result.score, result.grade, result.score_max, result.coverage) == (100, "A", 100, 1.0)
    assert result.risk_level == "low"


def test_one_critical_failure_among_many_passes_is_high_risk() -> None:
    result = scored([*[FINE] * 30, ("exposure", "critical", ["fail"])])
    assert (result.score, result.grade, result.risk_level) == (49, "D", "high")


def test_one_high_failure_leaves_no_a() -> None:
    result = scored([*[FINE] * 40, ("ssl_tls", "high", ["pass", "fail"])])
    assert (result.score, result.grade) == (79, "B")


def test_what_the_target_withheld_counts_in_full() -> None:
    result = scored([("dns", "medium", ["pass"]), ("dns", "medium", ["withheld"])])
    assert (result.score, result.score_max, result.coverage) == (50, 100, 0.5)
    assert result.grade_reason is None


def test_under_half_seen_is_an_f_for_want_of_evidence() -> None:
    result = scored([("dns", "medium", ["pass"]), ("dns", "medium", ["withheld"]), ("dns", "low", ["withheld"])])
    assert (result.grade, result.grade_reason, result.risk_level) == ("F", "insufficient_evidence", "critical")


def test_what_we_lost_is_left_out() -> None:
    result = scored([("dns", "medium", ["pass"]), ("dns", "critical", ["lost"]), ("cookies", "high", ["error"])])
    assert (result.score, result.coverage) == (100, 1.0)
    assert result.modules[Module.COOKIES].score is None


def test_a_module_where_nothing_applies_is_left_out() -> None:
    result = scored([("dns", "medium", ["pass"]), ("cookies", "medium", ["not_applicable"])])
    assert (result.score, result.modules[Module.COOKIES].score) == (100, None)


def test_informational_checks_weigh_nothing() -> None:
    assert scored([("dns", "medium", ["pass"]), ("dns", "info", ["fail"])]).score == 100


def test_a_check_counts_once_over_its_assets() -> None:
    result = scored([("dns", "medium", ["fail", "pass", "pass"]), ("dns", "medium", ["pass"])])
    assert result.score == 50


def test_nothing_seen_at_all_is_no_evidence() -> None:
    result = scored([("dns", "medium", ["lost"])])
    assert (result.score, result.grade, result.grade_reason) == (0, "F", "insufficient_evidence")


def test_the_grades_begin_where_the_contract_says() -> None:
    assert [grade_of(points) for points in (100, 90, 89, 75, 74, 55, 54, 35, 34, 0)] == list("AABBCCDDFF")
