"""Evidence to verdicts: every check asked for, with what the probes saw. No I/O."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from services.scanner.engine import check, checks
from services.scanner.engine.catalog import Catalog, CheckRow
from services.scanner.engine.check import Check, Verdict
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.observations import Observations
from services.scanner.engine.scoring import CheckResult, Outcome
from shared.contracts.report import VerdictStatus

_log = logging.getLogger(__name__)
_VERDICTS = 100  # of one check; a target cannot make a report as long as it likes


@dataclass(frozen=True, slots=True)
class Judged:
    """A check of the catalog with its verdicts over all assets."""

    row: CheckRow
    verdicts: tuple[Verdict, ...]

    @property
    def result(self) -> CheckResult:
        outcomes: dict[Outcome, int] = {}
        for verdict in self.verdicts:
            outcome = _outcome(verdict)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        return CheckResult(self.row.severity, outcomes)

    @property
    def status(self) -> VerdictStatus:
        return self.result.status

    @property
    def failures(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.status == "fail")


def judge(observations: Observations, catalog: Catalog) -> tuple[Judged, ...]:
    """Every check of the modules asked for, in the catalog's order."""
    checks.load()
    known = check.registered()
    circumstances = observations.circumstances
    return tuple(
        Judged(row, verdicts_of(known[row.id], observations.evidence, circumstances.domain))
        for row in catalog.of(frozenset(circumstances.modules), intrusive=circumstances.intrusive)
        if row.id in known
    )


def verdicts_of(made: Check, evidence: Mapping[type, Any], domain: str) -> tuple[Verdict, ...]:
    """One check's, whatever the evidence: what is missing is not tested, and an exception is an error of ours."""
    lacking = Unseen("this evidence was not gathered", "ours")
    arguments = {name: evidence.get(kind, lacking) for name, kind in made.needs.items()}
    unseen = next((value for value in arguments.values() if isinstance(value, Unseen)), None)
    if unseen:
        return (check.not_tested(domain, unseen),)
    try:
        return tuple(_distinct(islice(made.function(**arguments), _VERDICTS)))
    except Exception:
        _log.exception("check %s failed on %s", made.id, domain)
        return (Verdict("error", domain, "an error of ours in this check; it has been recorded", fault="ours"),)


def _distinct(verdicts: Iterable[Verdict]) -> Iterable[Verdict]:
    """One an asset and subject: the same thing seen twice is one finding."""
    return {(verdict.asset, verdict.subject, verdict.status): verdict for verdict in verdicts}.values()


def _outcome(verdict: Verdict) -> Outcome:
    if verdict.status == "not_tested":
        return "withheld" if verdict.fault == "target" else "lost"
    return verdict.status
