"""Many domains in one answer: a batch's table, its summary, and a comparison."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from services.scanner.scans import Scan
from shared.contracts.base import Contract
from shared.contracts.report import Grade, Module

PASSING: tuple[Grade, ...] = ("A", "B")


class ModuleScore(Contract):
    score: int | None
    grade: Grade | None


class DomainResult(Contract):
    """`error` says why there is no score; `job_id` is null only where no scan was accepted."""

    domain: str
    overall_score: int | None
    overall_grade: Grade | None
    modules: dict[Module, ModuleScore]
    error: str | None
    job_id: str | None


class BatchSummary(Contract):
    avg_score: float | None
    critical_risk: int
    passing: int
    grade_distribution: dict[Grade, int]


class Batch(Contract):
    results: tuple[DomainResult, ...]
    total: int
    summary: BatchSummary


class Ranked(Contract):
    rank: int
    domain: str
    overall_score: int | None
    overall_grade: Grade | None


class Comparison(Contract):
    ranked: tuple[Ranked, ...]
    winner: str | None
    score_gap: int
    module_comparison: dict[Module, dict[str, int | None]]
    full_results: tuple[DomainResult, ...]


def domain_result(
    domain: str, scan: Scan | None, refusal: str | None, report: Mapping[str, Any] | None
) -> DomainResult:
    """What became of one domain."""
    if scan is not None and scan.status == "completed" and report is not None:
        modules = {name: ModuleScore.model_validate(module) for name, module in report["modules"].items()}
        return DomainResult(
            domain=domain,
            overall_score=scan.score,
            overall_grade=scan.grade,
            modules=modules,
            error=None,
            job_id=scan.id,
        )
    if scan is None:
        error = refusal or "the scan is no longer kept"
    elif scan.status == "failed":
        error = f"scan failed: {scan.failure_reason}"
    else:
        error = "not finished in time; the scan goes on, see its job"
    return DomainResult(
        domain=domain, overall_score=None, overall_grade=None, modules={}, error=error, job_id=scan.id if scan else None
    )


def _by_risk(result: DomainResult) -> tuple[bool, int, str]:
    return (result.overall_score is None, result.overall_score or 0, result.domain)


def batch(results: Sequence[DomainResult], sort_by: Literal["risk", "domain"]) -> Batch:
    """The worst first, or by name; what has no score comes last."""
    ordered = sorted(
        results, key=_by_risk if sort_by == "risk" else lambda result: (result.overall_score is None, 0, result.domain)
    )
    scores = [result.overall_score for result in results if result.overall_score is not None]
    grades = Counter(result.overall_grade for result in results if result.overall_grade is not None)
    return Batch(
        results=tuple(ordered),
        total=len(results),
        summary=BatchSummary(
            avg_score=round(sum(scores) / len(scores), 1) if scores else None,
            critical_risk=grades["F"],
            passing=sum(grades[grade] for grade in PASSING),
            grade_distribution=dict(grades),
        ),
    )


def comparison(results: Sequence[DomainResult]) -> Comparison:
    """The best first; equal scores share a rank."""
    scored = sorted(
        (result for result in results if result.overall_score is not None),
        key=lambda result: (-(result.overall_score or 0), result.domain),
    )
    unscored = sorted((result for result in results if result.overall_score is None), key=lambda result: result.domain)
    scores = [result.overall_score or 0 for result in scored]
    ranks = [scores.index(score) + 1 for score in scores] + [len(scores) + 1] * len(unscored)
    ordered = (*scored, *unscored)
    modules = sorted({name for result in scored for name in result.modules})
    return Comparison(
        ranked=tuple(
            Ranked(
                rank=rank, domain=result.domain, overall_score=result.overall_score, overall_grade=result.overall_grade
            )
            for rank, result in zip(ranks, ordered, strict=True)
        ),
        winner=scored[0].domain if scored else None,
        score_gap=scores[0] - scores[-1] if scores else 0,
        module_comparison={
            name: {result.domain: result.modules[name].score for result in scored if name in result.modules}
            for name in modules
        },
        full_results=ordered,
    )
