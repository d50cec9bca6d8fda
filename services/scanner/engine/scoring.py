"""The published score (docs/scoring.md): pure arithmetic over what each check's verdicts were.

Two laws hold for any set of verdicts: turning a `fail` into a `pass` never lowers score or grade, and turning any
verdict into `not_tested` by the target's doing never raises them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from shared.contracts.report import Grade, Module, RiskLevel, Severity, VerdictStatus

SCORING_VERSION = "1"

# What became of a check on one asset. `withheld`: not tested by the target's doing; `lost`: by a source's, or ours.
Outcome = Literal["pass", "fail", "withheld", "lost", "error", "not_applicable"]

WEIGHTS: Mapping[Severity, int] = MappingProxyType({"critical": 40, "high": 20, "medium": 8, "low": 3, "info": 0})
# The best score that leaves room for a check of this severity not proven.
CEILINGS: Mapping[Severity, int] = MappingProxyType({"critical": 49, "high": 79})
_ENOUGH = Fraction(1, 2)  # of coverage; below it a grade would be a guess


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check over all its assets."""

    severity: Severity
    outcomes: Mapping[Outcome, int]  # how many assets had each

    @property
    def status(self) -> VerdictStatus:
        """The check counts once: as the worst it showed, `lost` and `error` only where nothing else is known."""
        seen = self.outcomes.get
        if seen("fail"):
            return "fail"
        if seen("withheld"):
            return "not_tested"
        if seen("pass"):
            return "pass"
        if seen("error"):
            return "error"
        return "not_tested" if seen("lost") else "not_applicable"

    @property
    def weight(self) -> int:
        """0 where it does not apply, and where a source or an error of ours kept us from knowing."""
        counted = any(self.outcomes.get(outcome) for outcome in ("pass", "fail", "withheld"))
        return WEIGHTS[self.severity] if counted else 0

    @property
    def seen(self) -> Fraction:
        """The share of its assets that gave a verdict, of those that were to."""
        told = self.outcomes.get("pass", 0) + self.outcomes.get("fail", 0)
        asked = told + self.outcomes.get("withheld", 0)
        return Fraction(told, asked) if asked else Fraction(0)

    def had_all_been_seen(self) -> "CheckResult":
        """As if what the target withheld had passed."""
        outcomes = Counter(self.outcomes)
        outcomes["pass"] += outcomes.pop("withheld", 0)
        return CheckResult(self.severity, outcomes)


@dataclass(frozen=True, slots=True)
class ModuleScore:
    score: int | None  # None: nothing of it was seen, or nothing of it counts
    grade: Grade | None
    looked_at: bool  # whether any of its checks could be made


@dataclass(frozen=True, slots=True)
class Score:
    score: int
    score_max: int
    grade: Grade
    grade_reason: Literal["insufficient_evidence"] | None
    risk_level: RiskLevel
    coverage: float
    modules: Mapping[Module, ModuleScore]


Results = Mapping[Module, Mapping[str, CheckResult]]  # module -> check id -> result


def score(results: Results, module_weights: Mapping[Module, int]) -> Score:
    """The weighted mean of the modules in which anything counts, under the ceiling of the gravest check not proven."""
    points = overall(results, module_weights)
    coverage = _coverage(results, module_weights)
    enough = coverage >= _ENOUGH
    grade = grade_of(points) if enough else "F"
    return Score(
        score=points,
        score_max=overall(_had_all_been_seen(results), module_weights),
        grade=grade,
        grade_reason=None if enough else "insufficient_evidence",
        risk_level=RISK[grade],
        coverage=round(float(coverage), 4),
        modules={name: _module(checks.values()) for name, checks in results.items()},
    )


def overall(results: Results, module_weights: Mapping[Module, int]) -> int:
    """The score alone."""
    points = {name: _points(checks.values()) for name, checks in results.items()}
    mean = _mean({name: Fraction(value) for name, value in points.items() if value is not None}, module_weights)
    return min(_rounded(mean), _ceiling(check for checks in results.values() for check in checks.values()))


def grade_of(points: int) -> Grade:
    return next(grade for floor, grade in _GRADES if points >= floor)


_GRADES: tuple[tuple[int, Grade], ...] = ((90, "A"), (75, "B"), (55, "C"), (35, "D"), (0, "F"))
RISK: Mapping[Grade, RiskLevel] = MappingProxyType(
    {"A": "low", "B": "low-medium", "C": "medium", "D": "high", "F": "critical"}
)


def _module(checks: Collection[CheckResult]) -> ModuleScore:
    looked_at = any(check.outcomes.get(outcome) for check in checks for outcome in ("pass", "fail", "not_applicable"))
    points = _points(checks) if looked_at else None
    return ModuleScore(points, None if points is None else grade_of(points), looked_at)


def _coverage(results: Results, module_weights: Mapping[Module, int]) -> Fraction:
    """Weight seen over weight that counts, each module in its share."""
    shares = {}
    for name, checks in results.items():
        if total := sum(check.weight for check in checks.values()):
            shares[name] = sum((check.weight * check.seen for check in checks.values()), Fraction(0)) / total
    return _mean(shares, module_weights)


def _mean(values: Mapping[Module, Fraction], weights: Mapping[Module, int]) -> Fraction:
    total = sum(weights[name] for name in values)
    return sum((value * weights[name] for name, value in values.items()), Fraction(0)) / total if total else Fraction(0)


def _points(checks: Collection[CheckResult]) -> int | None:
    """Of 100, the share of weight proven, under the ceiling of the gravest check that was not. None: no weight."""
    total = sum(check.weight for check in checks)
    if not total:
        return None
    proven = sum(check.weight for check in checks if check.status == "pass")
    return min(_rounded(Fraction(100 * proven, total)), _ceiling(checks))


def _ceiling(checks: Iterable[CheckResult]) -> int:
    unproven = (check.severity for check in checks if check.weight and check.status != "pass")
    return min((CEILINGS.get(severity, 100) for severity in unproven), default=100)


def _rounded(value: Fraction) -> int:
    """To the nearest integer, halves up."""
    return int(value + Fraction(1, 2))


def _had_all_been_seen(results: Results) -> Results:
    return {
        name: {check_id: check.had_all_been_seen() for check_id, check in checks.items()}
        for name, checks in results.items()
    }
