"""The score's two laws, over generated sets of verdicts: all modules, severities, statuses and faults."""

from collections import Counter
from fractions import Fraction
from typing import get_args

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from services.scanner.engine import catalog
from services.scanner.engine.scoring import CEILINGS, CheckResult, Outcome, Score, score
from shared.contracts.report import Module, Severity

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
GRADES = "FDCBA"

Row = tuple[Module, Severity, tuple[Outcome, ...]]  # one check: its outcome on each asset
Rows = list[Row]


def checks(outcomes: st.SearchStrategy[Outcome]) -> st.SearchStrategy[Row]:
    return st.tuples(
        st.sampled_from(sorted(Module)),
        st.sampled_from(SEVERITIES),
        st.lists(outcomes, min_size=1, max_size=4).map(tuple),
    )


# Sets in which everything may be, and sets of mostly sound sites, which alone come to high scores and full coverage.
anything = st.lists(checks(st.sampled_from(OUTCOMES)), min_size=1, max_size=20)
mostly_sound = st.tuples(
    st.lists(checks(st.just("pass")), min_size=5, max_size=20),
    st.lists(checks(st.sampled_from(OUTCOMES)), min_size=1, max_size=4),
).map(lambda parts: [*parts[0], *parts[1]])
verdicts = st.one_of(anything, mostly_sound)
weights = st.one_of(
    st.just({module: row.weight for module, row in catalog.load().modules.items()}),
    st.fixed_dictionaries({module: st.integers(1, 100) for module in Module}),
)
positions = st.integers(0, 10**6)


def scored(rows: Rows, module_weights: dict[Module, int]) -> Score:
    results: dict[Module, dict[str, CheckResult]] = {}
    for number, (module, severity, outcomes) in enumerate(rows):
        results.setdefault(module, {})[f"check_{number}"] = CheckResult(severity, Counter(outcomes))
    return score(results, module_weights)


def each_verdict(rows: Rows) -> list[tuple[int, int, Outcome]]:
    return [(row, asset, outcome) for row, (_, _, of) in enumerate(rows) for asset, outcome in enumerate(of)]


def changed(rows: Rows, row: int, asset: int, outcome: Outcome) -> Rows:
    module, severity, outcomes = rows[row]
    return [
        *rows[:row],
        (module, severity, (*outcomes[:asset], outcome, *outcomes[asset + 1 :])),
        *rows[row + 1 :],
    ]


def grade(result: Score) -> int:
    return GRADES.index(result.grade)


@settings(max_examples=200, deadline=None)
@given(verdicts, weights)
def test_mending_a_failure_never_lowers_score_or_grade(rows: Rows, module_weights: dict[Module, int]) -> None:
    before = scored(rows, module_weights)
    event(f"grade {before.grade}, {before.grade_reason}")
    for row, asset, outcome in each_verdict(rows):
        if outcome == "fail":
            after = scored(changed(rows, row, asset, "pass"), module_weights)
            assert after.score >= before.score
            assert grade(after) >= grade(before)
            assert after.score_max >= before.score_max
            for module, of in before.modules.items():
                now = after.modules[module]
                assert of.score is None or (now.score is not None and now.score >= of.score)


@settings(max_examples=100, deadline=None)
@given(verdicts, weights)
def test_withholding_a_verdict_never_raises_score_or_grade(rows: Rows, module_weights: dict[Module, int]) -> None:
    before = scored(rows, module_weights)
    event(f"grade {before.grade}, {before.grade_reason}")
    for row, asset, outcome in each_verdict(rows):
        after = scored(changed(rows, row, asset, "withheld"), module_weights)
        assert after.score <= before.score, outcome
        assert grade(after) <= grade(before), outcome
        assert after.coverage <= before.coverage, outcome
        for module, of in before.modules.items():
            now = after.modules[module].score
            assert now is None or of.score is None or now <= of.score


@settings(max_examples=100, deadline=None)
@given(verdicts, weights, st.lists(positions, min_size=1, max_size=12))
@example([(Module.DNS, "critical", ("fail",)), (Module.CSP, "high", ("pass",))], dict.fromkeys(Module, 1), [0, 1])
def test_the_laws_hold_for_many_changes_at_once(
    rows: Rows, module_weights: dict[Module, int], chosen: list[int]
) -> None:
    before = scored(rows, module_weights)
    mended, withheld = rows, rows
    at = each_verdict(rows)
    for position in chosen:
        row, asset, outcome = at[position % len(at)]
        withheld = changed(withheld, row, asset, "withheld")
        if outcome == "fail":
            mended = changed(mended, row, asset, "pass")
    better, worse = scored(mended, module_weights), scored(withheld, module_weights)
    assert (better.score, grade(better)) >= (before.score, grade(before))
    assert grade(better) >= grade(before)
    assert worse.score <= before.score
    assert grade(worse) <= grade(before)


@settings(max_examples=200, deadline=None)
@given(verdicts, weights)
def test_the_figures_agree_with_each_other(rows: Rows, module_weights: dict[Module, int]) -> None:
    result = scored(rows, module_weights)
    assert 0 <= result.score <= result.score_max <= 100
    assert 0 <= result.coverage <= 1
    assert (result.grade_reason is None) == (Fraction(result.coverage) >= Fraction(1, 2)) or result.coverage == 0.5
    for severity, ceiling in CEILINGS.items():
        if any(severity == of and "fail" in outcomes for _, of, outcomes in rows):
            assert result.score <= ceiling


@settings(max_examples=100, deadline=None)
@given(verdicts, weights, st.sampled_from(["lost", "error", "not_applicable"]))
def test_what_does_not_count_changes_nothing_by_being_there(
    rows: Rows, module_weights: dict[Module, int], outcome: Outcome
) -> None:
    """A check that a source of ours could not serve is left out: as if the scan had not asked for it."""
    present = {module for module, _, _ in rows}
    more = [(module, severity, (outcome,)) for module in sorted(present) for severity in SEVERITIES]
    before, after = scored(rows, module_weights), scored([*rows, *more], module_weights)
    assert (after.score, after.score_max, after.grade) == (before.score, before.score_max, before.grade)
    assert after.coverage == before.coverage
