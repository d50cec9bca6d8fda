"""The catalog, the checks and the probes are one set: an edit to one that forgets another fails here."""

import re

import pytest

from services.scanner.engine import catalog, check, checks, probe, probes
from services.scanner.engine.catalog import Catalog, CheckRow
from shared.contracts.report import Module


@pytest.fixture(scope="module")
def loaded() -> Catalog:
    probes.load()
    checks.load()
    return catalog.load()


def test_every_row_has_a_check_and_every_check_a_row(loaded: Catalog) -> None:
    assert set(loaded.checks) == set(check.registered())


def test_every_module_has_checks_and_a_weight(loaded: Catalog) -> None:
    assert set(loaded.modules) == set(Module)
    assert {row.module for row in loaded.checks.values()} - {None} == set(Module)
    assert sum(row.weight for row in loaded.modules.values()) == 100


def test_every_module_has_something_that_weighs(loaded: Catalog) -> None:
    assert {row.module for row in loaded.checks.values() if row.severity != "info" and row.module} == set(Module)


def test_what_a_check_needs_a_probe_returns(loaded: Catalog) -> None:
    returned = probe.registered()
    for made in check.registered().values():
        assert made.needs, made.id
        assert set(made.needs.values()) <= set(returned), made.id
    for asked in returned.values():
        assert set(asked.needs.values()) <= set(returned), asked.name


def test_all_the_evidence_gathered_is_judged(loaded: Catalog) -> None:
    needed = {kind for made in check.registered().values() for kind in made.needs.values()}
    through = {kind for asked in probe.registered().values() for kind in asked.needs.values()}
    unused = {kind.__name__ for kind in set(probe.registered()) - needed - through}
    assert unused == {"Reach"}  # it decides whether there is anything to scan


def test_probes_fit_into_a_scan(loaded: Catalog) -> None:
    for asked in probe.registered().values():
        assert 0 < asked.budget <= 45, asked.name


def _rows() -> list[CheckRow]:
    return list(catalog.load().checks.values())


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row.id)
def test_a_row_is_worded_for_people(row: CheckRow) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", row.id)
    assert not row.title.endswith(".")
    assert len(row.title) <= 90
    assert row.remediation.rstrip().endswith((".", "`"))
    assert row.references
    assert len({(ref.framework, ref.id) for ref in row.controls}) == len(row.controls)


def test_only_the_scan_itself_belongs_to_no_module(loaded: Catalog) -> None:
    assert [row.id for row in loaded.checks.values() if row.module is None] == ["external_scan_performed"]


@pytest.mark.parametrize("framework", sorted(catalog.load().frameworks))
def test_a_framework_shows_no_more_controls_than_it_has(framework: str, loaded: Catalog) -> None:
    row = next(value for name, value in loaded.frameworks.items() if name == framework)
    ids = [control.id for control in row.controls]
    assert len(ids) == len(set(ids)) <= row.total_controls
    assert all(control.scan_can_show for control in row.controls)


def test_only_pci_11_3_2_is_a_readiness_preview(loaded: Catalog) -> None:
    readiness = [
        (name, control.id)
        for name, framework in loaded.frameworks.items()
        for control in framework.controls
        if "readiness" in control.scan_can_show
    ]
    assert readiness == [("pci_dss", "11.3.2")]
