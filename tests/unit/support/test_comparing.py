"""What counts as a disagreement with another tool, and as an explained one."""

import pytest

from tests.compare.peer import Said, Statement, withdrawn
from tests.compare.settled import SETTLED, Settled, reason
from tests.compare.world import sites

ONE = Settled("Tool", ("subject",), ("a.test",), "because")


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [(True, True, True), (True, False, False), (("a",), ("a",), True), (None, True, None), (False, None, None)],
)
def test_who_does_not_say_does_not_disagree(ours: Said, theirs: Said, agree: bool | None) -> None:
    assert Statement("subject", ours, theirs).agree is agree


AGREED, DIFFERED, OTHER = Statement("a", True, True), Statement("a", True, False), Statement("b", False, False)


@pytest.mark.parametrize(
    ("second", "left"),
    [
        ([AGREED], [OTHER, AGREED]),
        ([DIFFERED], [DIFFERED, OTHER]),
        ([], [DIFFERED, OTHER]),
        ([Statement("a", True, None)], [DIFFERED, OTHER]),
        ([AGREED, DIFFERED], [DIFFERED, OTHER]),
    ],
    ids=["agrees", "differs", "nothing", "does not say", "in part"],
)
def test_only_an_agreement_takes_a_disagreement_back(second: list[Statement], left: list[Statement]) -> None:
    assert withdrawn([DIFFERED, OTHER], second) == left


def test_a_reason_is_for_one_tool_subject_and_target() -> None:
    assert reason("Tool", "subject", "a.test", (ONE,)) == "because"
    assert reason("Tool", "subject", "b.test", (ONE,)) is None
    assert reason("Tool", "other", "a.test", (ONE,)) is None
    assert reason("Other", "subject", "a.test", (ONE,)) is None


def test_what_is_settled_names_targets_that_there_are() -> None:
    assert {target for one in SETTLED for target in one.targets} <= {site.name for site in sites()}
