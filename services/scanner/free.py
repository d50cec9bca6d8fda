"""The free scan: anyone may have one, without an account."""

from typing import Any

from services.scanner.batch import ModuleScore
from services.scanner.scans import ALL_MODULES
from shared.contracts.base import Contract, Timestamp
from shared.contracts.report import Grade, Issue, Module, Report, RiskLevel

# No port probes beyond web and mail for somebody whom we do not know.
# None that tries ports beyond those of web and mail.
FREE_MODULES: tuple[Module, ...] = tuple(
    module for module in ALL_MODULES if module not in (Module.OPEN_PORTS, Module.TECH_STACK)
)
TOP_ISSUES = 3


class UpgradeCta(Contract):
    message: str
    url: str


class FreeReport(Contract):
    domain: str
    score: int
    grade: Grade
    risk_level: RiskLevel
    scanned_at: Timestamp
    total_issues: int
    critical_issues: int
    high_issues: int
    top_issues: tuple[Issue, ...]
    modules: dict[Module, ModuleScore]
    upgrade_cta: UpgradeCta


def free_report(body: dict[str, Any], public_url: str) -> FreeReport:
    """What a free scan shows of its report."""
    report = Report.model_validate(body)
    hidden = max(report.total_issues - TOP_ISSUES, 0)
    return FreeReport(
        domain=report.domain,
        score=report.score,
        grade=report.grade,
        risk_level=report.risk_level,
        scanned_at=report.scanned_at,
        total_issues=report.total_issues,
        critical_issues=report.critical_issues,
        high_issues=report.high_issues,
        top_issues=report.issues[:TOP_ISSUES],
        modules={name: ModuleScore(score=module.score, grade=module.grade) for name, module in report.modules.items()},
        upgrade_cta=UpgradeCta(
            message=f"Sign up to read {hidden} more issues, the fixes and the controls, and to watch {report.domain}."
            if hidden
            else f"Sign up to watch {report.domain} and to scan its ports.",
            url=f"{public_url.rstrip('/')}/#signup",
        ),
    )
