"""`make accuracy`: every check against live targets of which it is known what it has to say.

Prints a table of hits, misses and false alarms, and puts it into docs/accuracy.md. Fails on any miss or false alarm,
and on a core check that lacks a target for one of three questions: does it fire, is it silent, does it say that it
could not look?
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.scanner.engine import catalog
from services.scanner.engine.catalog import CheckRow
from tests.integration.engine import record
from tests.integration.engine.record import Outcome
from tests.support.documents import replace_section

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/accuracy.md"
# Core checks that cannot have all three targets, and why.
EXEMPT: Mapping[tuple[str, str], str] = {
    ("dkim_not_found", "fires"): "selectors cannot be listed, so it never fails",
    ("external_scan_performed", "fires"): "where there are verdicts at all, a scan was made",
    ("external_scan_performed", "blocked"): "where there are verdicts at all, a scan was made",
}


@dataclass(frozen=True)
class Line:
    """One check's figures."""

    row: CheckRow
    right: Mapping[str, int]  # by kind of target
    wrong: Mapping[str, int]

    def asked(self, kind: str) -> int:
        return self.right[kind] + self.wrong[kind]

    @property
    def misses(self) -> int:
        return self.wrong["fires"] + self.wrong["blocked"]

    @property
    def lacking(self) -> tuple[str, ...]:
        """The questions that no target asked of a core check."""
        if self.row.tier != "core":
            return ()
        kinds = ("fires", "silent", "blocked")
        return tuple(kind for kind in kinds if not self.asked(kind) and (self.row.id, kind) not in EXEMPT)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cl-accuracy-") as folder:
        file = Path(folder) / "outcomes.jsonl"
        file.touch()
        command = (sys.executable, "-m", "pytest", "-q", "-n", "2", "tests/integration/engine", "-k", "live")
        code = subprocess.run(command, cwd=ROOT, env=os.environ | {record.VARIABLE: str(file)}, check=False).returncode
        lines = tuple(_lines(record.read(file)))
    table = "\n".join(_table(lines))
    print(table)
    replace_section(DOCUMENT, "figures", table)
    wrong = sum(line.misses + line.wrong["silent"] for line in lines)
    lacking = [f"{line.row.id}: {', '.join(line.lacking)}" for line in lines if line.lacking]
    if lacking:
        print("\nCore checks without a target that asks them:", *lacking, sep="\n  ")
    return 1 if code or wrong or lacking else 0


def _lines(outcomes: Iterable[Outcome]) -> Iterable[Line]:
    counted = {True: Counter[tuple[str, str]](), False: Counter[tuple[str, str]]()}
    for outcome in outcomes:
        counted[outcome.right][outcome.check, outcome.kind] += 1
    for row in catalog.load().checks.values():
        right, wrong = ({kind: counts[row.id, kind] for kind in ("fires", "silent", "blocked")} for counts in
                        (counted[True], counted[False]))  # fmt: skip
        yield Line(row, right, wrong)


def _table(lines: tuple[Line, ...]) -> Iterable[str]:
    core = [line for line in lines if line.row.tier == "core"]
    targets = sum(line.asked(kind) for line in lines for kind in ("fires", "silent", "blocked"))
    yield (
        f"{len(lines)} checks ({len(core)} core), {targets} verdicts on live targets: "
        f"{sum(line.right['fires'] for line in lines)} hits, {sum(line.misses for line in lines)} misses, "
        f"{sum(line.wrong['silent'] for line in lines)} false alarms."
    )
    yield ""
    yield "| check | tier | must fire: hits | misses | must not: silent | false alarms | view blocked: says so |"
    yield "|---|---|---|---|---|---|---|"
    for line in lines:
        yield (
            f"| `{line.row.id}` | {line.row.tier} | {line.right['fires']} | {line.misses} "
            f"| {line.right['silent']} | {line.wrong['silent']} | {line.right['blocked']} |"
        )


if __name__ == "__main__":
    sys.exit(main())
