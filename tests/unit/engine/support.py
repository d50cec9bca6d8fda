"""Small catalogs and verdicts to judge the engine's own arithmetic with."""

from collections.abc import Sequence

from services.scanner.engine.catalog import Catalog, CheckRow, Control, ControlRef, Framework, ModuleRow
from services.scanner.engine.check import Status, Verdict
from services.scanner.engine.evidence.base import Fault
from services.scanner.engine.judging import Judged
from shared.contracts.report import FrameworkId, Module, Severity


def row(
    check_id: str = "example_missing",
    severity: Severity = "high",
    controls: Sequence[ControlRef] = (),
    **fields: object,
) -> CheckRow:
    return CheckRow.model_validate(
        {
            "id": check_id,
            "module": Module.DNS,
            "title": f"{check_id} is so",
            "severity": severity,
            "severity_reason": "because",
            "remediation": "Mend it. Then look again.",
            "references": ("RFC 1",),
            "on_pass": "supports",
            "controls": tuple(controls),
            **fields,
        }
    )


def verdict(status: Status, asset: str = "example.test", fault: Fault | None = None, subject: str = "") -> Verdict:
    return Verdict(status, asset, f"{status} on {asset}", fault=fault, reproduce="dig", subject=subject)


def judged(row: CheckRow, *verdicts: Verdict) -> Judged:
    return Judged(row, verdicts)


def catalog(controls: dict[FrameworkId, Sequence[Control]], *rows: CheckRow) -> Catalog:
    return Catalog(
        version="test",
        checks={one.id: one for one in rows},
        modules={module: ModuleRow(title=module, weight=10) for module in Module},
        frameworks={
            name: Framework(title=name, version="1", total_controls=50, disclaimer="Own words.", controls=tuple(of))
            for name, of in controls.items()
        },
    )
