"""What to do first."""

from services.scanner.engine.judging import Judged
from services.scanner.engine.recommendations import recommend
from shared.contracts.report import Module, Severity
from tests.unit.engine.support import judged, row, verdict

WEIGHTS = {Module.DNS: 10, Module.CSP: 30}


def recommended(checks: dict[Module, list[Judged]]) -> tuple[str, ...]:
    results = {module: {one.row.id: one.result for one in ones} for module, ones in checks.items()}
    return recommend(checks, results, WEIGHTS)


def failing(check_id: str, severity: Severity, *assets: str) -> Judged:
    mend = f"Mend {check_id}. And more."
    return judged(row(check_id, severity, remediation=mend), *(verdict("fail", asset) for asset in assets or ("a",)))


def test_the_gravest_comes_first_then_the_most_gainful() -> None:
    sentences = recommended(
        {
            Module.DNS: [failing("small", "medium"), failing("grave", "critical"), failing("smallest", "low")],
            Module.CSP: [failing("large", "medium"), judged(row("fine", "low"), verdict("pass"))],
        }
    )
    assert [sentence.split()[1] for sentence in sentences] == ["grave", "large", "small", "smallest"]


def test_a_sentence_says_what_where_and_for_how_much() -> None:
    checks = {Module.DNS: [failing("it", "high", "a.test", "b.test"), judged(row("fine"), verdict("pass"))]}
    assert recommended(checks) == ("Mend it (a.test and 1 more, worth 50 points).",)


def test_there_are_five_at_most() -> None:
    assert len(recommended({Module.DNS: [failing(f"check_{number}", "low") for number in range(9)]})) == 5


def test_what_was_withheld_is_asked_for() -> None:
    silent = judged(row("silent"), verdict("not_tested", fault="target"))
    lost = judged(row("lost"), verdict("not_tested", fault="source"))
    (sentence,) = recommended({Module.DNS: [silent, lost]})
    assert "1 check could not be made" in sentence


def test_nothing_wrong_nothing_to_do() -> None:
    assert recommended({Module.DNS: [judged(row(), verdict("pass"))]}) == ()
