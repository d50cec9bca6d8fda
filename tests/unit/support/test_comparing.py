"""What counts as a disagreement with another tool, and as an explained one."""

import pytest

from tests.compare.peer import Said, Statement
from tests.compare.settled import SETTLED, Settled, reason
from tests.compare.world import sites

ONE = Settled("Tool", ("subject",), ("a.test",), "because")


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [(True, True, True), (True, False, False), (("a",), ("a",), True), (None, True, None), (False, None, None)],
)
def test_who_does_not_say_does_not_disagree(ours: Said, theirs: Said, agree: bool | None) -> None:
    assert Statement("subject", ours, theirs).agree is agree


def test_a_reason_is_for_one_tool_subject_and_target() -> None:
    assert reason("Tool", "subject", "a.test", (ONE,)) == "because"
    assert reason("Tool", "subject", "b.test", (ONE,)) is None
    assert reason("Tool", "other", "a.test", (ONE,)) is None
    assert reason("Other", "subject", "a.test", (ONE,)) is None


def test_what_is_settled_names_targets_that_there_are() -> None:
    assert {target for one in SETTLED for target in one.targets} <= {site.name for site in sites()}
