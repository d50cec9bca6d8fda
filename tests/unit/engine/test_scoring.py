"""The score's two laws, and its corners."""

from collections import Counter
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.scoring import CheckResult, Outcome, Score, grade_of, score
from shared.contracts.report import Module, Severity

WEIGHTS = {Module.SSL_TLS: 20, Module.DNS: 8, Module.COOKIES: 5, Module.EXPOSURE: 12}
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
GRADES = "FDCBA"

Row = tuple[str, Severity, list[Outcome]]  # module, severity, the outcome on each asset
FINE: Row = ("ssl_tls", "high", ["pass"])

verdicts = st.lists(
    st.tuples(
        st.sampled_from(sorted(WEIGHTS)),
        st.sampled_from(get_args(Severity)),
        st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=12,
)


def scored(rows: list[Row]) -> Score:
    checks: dict[Module, dict[str, CheckResult]] = {}
    for number, (module, severity, outcomes) in enumerate(rows):
        checks.setdefault(Module(module), {})[f"check_{number}"] = CheckResult(severity, Counter(outcomes))
    return score(checks, WEIGHTS)


def changed(rows: list[Row], row: int, asset: int, outcome: Outcome) -> list[Row]:
    module, severity, outcomes = rows[row]
    return [*rows[:row], (module, severity, [*outcomes[:asset], outcome, *outcomes[asset + 1 :]]), *rows[row + 1 :]]


def each_verdict(rows: list[Row]) -> list[tuple[int, int, Outcome]]:
    return [(row, asset, outcome) for row, (_, _, of) in enumerate(rows) for asset, outcome in enumerate(of)]


@settings(max_examples=150, deadline=None)
@given(verdicts)
def test_mending_a_failure_never_lowers_score_or_grade(rows: list[Row]) -> None:
    before = scored(rows)
    for row, asset, outcome in each_verdict(rows):
        if outcome == "fail":
            after = scored(changed(rows, row, asset, "pass"))
            assert after.score >= before.score
            assert GRADES.index(after.grade) >= GRADES.index(before.grade)


@settings(max_examples=150, deadline=None)
@given(verdicts)
def test_withholding_a_verdict_never_raises_score_or_grade(rows: list[Row]) -> None:
    before = scored(rows)
    for row, asset, _ in each_verdict(rows):
        after = scored(changed(rows, row, asset, "withheld"))
        assert after.score <= before.score
        assert GRADES.index(after.grade) <= GRADES.index(before.grade)
        assert after.coverage <= before.coverage


@settings(max_examples=100, deadline=None)
@given(verdicts)
def test_the_best_possible_score_is_at_least_what_was_proven(rows: list[Row]) -> None:
    result = scored(rows)
    assert 0 <= result.score <= result.score_max <= 100
    assert 0 <= result.coverage <= 1


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
