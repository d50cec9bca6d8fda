"""A report's score worked out again from the report alone."""

from collections import Counter
from typing import Any

from services.scanner.engine.scoring import SCORING_VERSION, CheckResult, score
from shared.contracts.report import Report, Severity

_COUNTED: tuple[Severity, ...] = ("critical", "high", "medium", "low")


class Unknown(ValueError):
    """The report does not hold what the score is worked out from; the message says what."""


def differences(report: Report) -> tuple[str, ...]:
    """What the report says that does not follow from its verdicts; empty when all does. Unknown."""
    if report.scoring_version != SCORING_VERSION:
        raise Unknown(f"it was scored by version {report.scoring_version}, and this program knows {SCORING_VERSION}")
    results = {module: _results(result.detail) for module, result in report.modules.items()}
    scored = score(results, {module: round(result.weight) for module, result in report.modules.items()})
    claims: list[tuple[str, Any, Any]] = [
        ("score", report.score, scored.score),
        ("grade", report.grade, scored.grade),
        ("grade_reason", report.grade_reason, scored.grade_reason),
        ("risk_level", report.risk_level, scored.risk_level),
        ("score_max", report.score_max, scored.score_max),
        ("coverage", report.coverage, scored.coverage),
    ]
    for module, result in report.modules.items():
        statuses = {check_id: check.status for check_id, check in results[module].items()}
        failed = {check_id for check_id, status in statuses.items() if status == "fail"}
        claims += [
            (f"{module} score", result.score, scored.modules[module].score),
            (f"{module} grade", result.grade, scored.modules[module].grade),
            (f"{module} checks", result.detail.get("checks"), statuses),
            (f"{module} issues", {issue.id for issue in result.issues}, failed),
        ]
    severities = Counter(issue.severity for issue in report.issues)
    claims += [
        ("total_issues", report.total_issues, len(report.issues)),
        ("issues", len(report.issues), sum(len(result.issues) for result in report.modules.values())),
        *((f"{name}_issues", getattr(report, f"{name}_issues"), severities[name]) for name in _COUNTED),
    ]
    return tuple(
        f"{name}: the report says {said}, its verdicts give {given}" for name, said, given in claims if said != given
    )


def _results(detail: dict[str, Any]) -> dict[str, CheckResult]:
    try:
        return {
            check_id: CheckResult(detail["severities"][check_id], dict(outcomes))
            for check_id, outcomes in detail["outcomes"].items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unknown("a module's detail does not hold its checks' outcomes and severities") from error
