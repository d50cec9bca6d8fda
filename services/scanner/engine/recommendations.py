"""What to do first, in plain sentences: the gravest first, then by how much it would gain."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from services.scanner.engine.judging import Judged
from services.scanner.engine.scoring import WEIGHTS, CheckResult, Results, overall
from shared.contracts.report import Module

_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class _Fix:
    judged: Judged
    gain: int  # points of the score
    worth: Fraction  # its share of the score, also where a graver finding holds the score down


def recommend(
    judged: Mapping[Module, list[Judged]],
    results: Results,
    weights: Mapping[Module, int],
) -> tuple[str, ...]:
    """At most five."""
    now = overall(results, weights)
    fixes = []
    for module, ones in judged.items():
        total = sum(result.weight for result in results[module].values())
        for one in ones:
            if one.failures:
                mended = CheckResult(one.row.severity, {"pass": 1})
                after = overall({**results, module: {**results[module], one.row.id: mended}}, weights)
                fixes.append(_Fix(one, after - now, Fraction(one.result.weight * weights[module], total or 1)))
    fixes.sort(key=lambda fix: (-WEIGHTS[fix.judged.row.severity], -fix.gain, -fix.worth, fix.judged.row.id))
    sentences = [_sentence(fix) for fix in fixes[:_AT_MOST]]
    withheld = sum(
        result.status == "not_tested" and result.weight > 0 for of in results.values() for result in of.values()
    )
    if withheld and len(sentences) < _AT_MOST:
        sentences.append(
            "Let the scanner through, or make the services answer: "
            f"{withheld} check{'s' if withheld > 1 else ''} could not be made and count as not proven."
        )
    return tuple(sentences)


def _sentence(fix: _Fix) -> str:
    row, failures = fix.judged.row, fix.judged.failures
    where = failures[0].asset + (f" and {len(failures) - 1} more" if len(failures) > 1 else "")
    first = re.split(r"(?<=[.!?])\s", row.remediation.strip(), maxsplit=1)[0].rstrip(".")
    points = f", worth {fix.gain} point{'s' if fix.gain > 1 else ''}" if fix.gain > 0 else ""
    return f"{first} ({where}{points})."
