"""What verdicts make of a control: the first rule that fits, and never more than the evidence allows."""

import pytest

from services.scanner.engine.catalog import Control, ControlRef, Strength
from services.scanner.engine.check import Status
from services.scanner.engine.compliance import assess
from services.scanner.engine.judging import Judged
from shared.contracts.report import ControlResult, ControlStatus, FrameworkResult, Severity
from tests.unit.engine.support import catalog, judged, row, verdict

BOTH = Control(id="A.1", title="One", evidence="direct", scan_can_show=frozenset({"gap", "support"}), note="Edge only.")


def speaks(strength: Strength = "direct") -> list[ControlRef]:
    return [ControlRef(framework="iso27001", id="A.1", strength=strength, why="because")]


def framework(*checks: Judged, control: Control = BOTH) -> FrameworkResult:
    return assess(checks, catalog({"iso27001": [control]}))["iso27001"]


def state(*checks: Judged, control: Control = BOTH) -> ControlResult:
    return framework(*checks, control=control).controls[0]


@pytest.mark.parametrize(
    ("severity", "strength", "expected"),
    [
        ("critical", "direct", "gap_found"),
        ("medium", "partial", "gap_found"),
        ("low", "direct", "attention"),
        ("info", "direct", "attention"),
        ("critical", "indicator", "attention"),
    ],
)
def test_a_failure_is_a_gap_when_it_is_grave_and_the_evidence_strong(
    severity: Severity, strength: Strength, expected: ControlStatus
) -> None:
    failed = judged(row(severity=severity, controls=speaks(strength)), verdict("fail"))
    assert state(failed).status == expected


def test_a_check_that_only_warns_never_makes_more_than_attention() -> None:
    failed = judged(row(controls=speaks(), control_effect="attention"), verdict("fail"))
    assert state(failed).status == "attention"


def test_a_failure_is_no_gap_where_the_control_cannot_show_one() -> None:
    control = BOTH.model_copy(update={"scan_can_show": frozenset({"support"})})
    assert state(judged(row(controls=speaks()), verdict("fail")), control=control).status == "attention"


def test_one_failure_outweighs_any_number_of_passes() -> None:
    passed = judged(row("one_fine", controls=speaks()), verdict("pass"))
    failed = judged(row("one_wrong", controls=speaks()), verdict("fail"))
    control = state(passed, failed)
    assert control.status == "gap_found"
    assert "one_wrong is so" in control.reason
    assert [check.verdict for check in control.checks] == ["pass", "fail"]


def test_a_pass_supports_only_where_it_may_be_cited() -> None:
    assert state(judged(row(controls=speaks()), verdict("pass"))).status == "supporting_evidence"
    assert state(judged(row(controls=speaks(), on_pass="neutral"), verdict("pass"))).status == "not_assessed"
    assert state(judged(row(controls=speaks("indicator")), verdict("pass"))).status == "not_assessed"
    control = BOTH.model_copy(update={"scan_can_show": frozenset({"gap"})})
    assert state(judged(row(controls=speaks()), verdict("pass")), control=control).status == "not_assessed"


@pytest.mark.parametrize(
    ("status", "says"),
    [("not_tested", "could not be made"), ("error", "could not be made"), ("not_applicable", "does not exist")],
)
def test_what_was_not_seen_is_not_assessed_and_says_why(status: Status, says: str) -> None:
    control = state(judged(row(controls=speaks()), verdict(status, fault="target")))
    assert control.status == "not_assessed"
    assert says in control.reason


def test_a_control_without_a_check_is_not_assessed() -> None:
    assert state().reason == "No check of this scan speaks to it."


def test_the_asv_control_is_a_preview_alone() -> None:
    control = Control(id="11.3.2", title="ASV", evidence="indicator", scan_can_show=frozenset({"readiness"}))
    refs = [ControlRef(framework="pci_dss", id="11.3.2", strength="indicator", why="likely failure")]
    checks = [
        judged(row("by_score", controls=refs, pci_asv="cvss"), *(verdict("fail", f"{host}.test:25") for host in "ab")),
        judged(row("automatic", controls=refs, pci_asv="automatic_failure"), verdict("fail")),
        judged(row("noted", controls=refs, pci_asv="special_note"), verdict("fail")),
        judged(row("fine", controls=refs, pci_asv="cvss"), verdict("pass")),
    ]
    result = assess(checks, catalog({"pci_dss": [control]}))["pci_dss"]
    preview = result.controls[0]
    assert preview.status == "readiness_preview"
    assert preview.expected_failures == (
        "by_score is so: a.test:25",
        "by_score is so: b.test:25",
        "automatic is so: example.test",
    )
    assert result.totals.assessed == 0


def test_totals_count_what_was_assessed_out_of_all() -> None:
    totals = framework(judged(row(controls=speaks()), verdict("fail"))).totals
    assert (totals.controls, totals.observable, totals.assessed, totals.gap) == (50, 1, 1, 1)
    assert (totals.attention, totals.supporting) == (0, 0)


def test_every_framework_says_what_it_is_not() -> None:
    disclaimer = framework().disclaimer
    assert disclaimer.startswith("Own words.")
    assert "not an audit" in disclaimer
