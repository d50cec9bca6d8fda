"""SPF records and what they come to."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers import spf
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.spf_evaluation import Evaluation, Find, evaluate

SILENT = Unseen("no answer", "target")


def answers(records: Mapping[tuple[str, MailType], tuple[str, ...] | Unseen]) -> Find:
    """A world of these records in which nothing else exists."""
    return lambda name, record_type: records.get((name, record_type), ())


def of(record: str, **others: str) -> Evaluation:
    """`others` are SPF records by the first label of their domain in `.example`."""
    texts: dict[tuple[str, MailType], tuple[str, ...] | Unseen] = {("a.example", "TXT"): (record,)}
    texts |= {(f"{label}.example", "TXT"): (text,) for label, text in others.items()}
    return evaluate("a.example", answers(texts))


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1",
        "V=SPF1 -ALL",
        "v=spf1  mx   -all ",
        "v=spf1 a mx ptr a:b.example mx:b.example ptr:b.example",
        "v=spf1 a/24 a//64 a/24//64 mx:b.example/24//64",
        "v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ?all",
        "v=spf1 include:%{d}.b.example exists:%{ir}.%{v}._spf.%{d2} -all",
        "v=spf1 a:%{d1r/}.b.example/24 -all",
        "v=spf1 include:_spf.b.example. redirect=c.example exp=x.%{d} future=anything",
    ],
)
def test_valid(record: str) -> None:
    spf.parse(record)


@pytest.mark.parametrize(
    "record",
    [
        "v=spf10 -all",
        "v=spf1 all:b.example",
        "v=spf1 include",
        "v=spf1 include:",
        "v=spf1 include:localhost",
        "v=spf1 include:b.example/24",
        "v=spf1 ip4:192.0.2.1/33",
        "v=spf1 ip4:192.0.2",
        "v=spf1 ip6:2001:db8::/129",
        "v=spf1 a/33",
        "v=spf1 a//129",
        "v=spf1 mx:b.example/x",
        "v=spf1 exists:%{z}.b.example",
        "v=spf1 exists:%b.example",
        "v=spf1 redirect=b.example redirect=c.example",
        "v=spf1 ipv4:192.0.2.1",
        "v=spf1 -al",
        "v=spf1 a:b\x00.example",
    ],
)
def test_permanent_errors(record: str) -> None:
    with pytest.raises(ParseError):
        spf.parse(record)


def test_what_stands_after_all_does_not_count() -> None:
    assert spf.parse("v=spf1 -all mx redirect=b.example") == spf.Record((spf.Term("-", "all"),))


@pytest.mark.parametrize(
    ("record", "stranger"),
    [
        ("v=spf1 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1 +all", "pass"),
        ("v=spf1 all", "pass"),
        ("v=spf1 mx", "neutral"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "pass"),
        ("v=spf1 include:open.example -all", "pass"),
        ("v=spf1 -include:open.example ~all", "fail"),
        ("v=spf1 include:strict.example ~all", "softfail"),
        ("v=spf1 redirect=strict.example", "fail"),
        ("v=spf1 redirect=nowhere.example", "permerror"),
        ("v=spf1 include:nowhere.example -all", "permerror"),
        ("v=spf1 include:a.example -all", "permerror"),
        ("v=spf1 include:broken.example -all", "permerror"),
        ("v=spf1 nonsense -all", "permerror"),
    ],
)
def test_a_strangers_result(record: str, stranger: str) -> None:
    found = of(record, open="v=spf1 +all", strict="v=spf1 -all", broken="v=spf1 nonsense")
    assert found.stranger == stranger
    assert bool(found.errors) == (stranger == "permerror")


def test_lookups_are_counted_through_includes() -> None:
    found = of(
        "v=spf1 a mx include:b.example exists:%{i}.x.example -all", b="v=spf1 include:c.example ?all", c="v=spf1 ptr"
    )
    assert found.costly == [
        "a (void)",
        "mx (void)",
        "include:b.example",
        "include:c.example",
        "ptr",
        "exists:%{i}.x.example",
    ]
    assert (found.lookups, found.void) == (6, 2)


def test_an_endless_chain_ends() -> None:
    chain: dict[tuple[str, MailType], tuple[str, ...] | Unseen] = {
        (f"{number}.example", "TXT"): (f"v=spf1 include:{number + 1}.example -all",) for number in range(1000)
    }
    assert 10 < evaluate("0.example", answers(chain)).lookups < 60


def test_what_was_not_asked_is_wanted_and_what_was_not_answered_is_said() -> None:
    asked: dict[tuple[str, MailType], tuple[str, ...] | Unseen] = {
        ("a.example", "TXT"): ("v=spf1 mx include:b.example -all",),
        ("a.example", "MX"): SILENT,
    }
    found = evaluate("a.example", lambda name, record_type: asked.get((name, record_type)))
    assert found.wanted == {("b.example", "TXT")}
    assert found.unseen == SILENT


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=200))
def test_nothing_but_parse_error(text: str) -> None:
    for record in (f"v=spf1 {text}", f"v=spf1 a:{text}", f"v=spf1 exists:%{{{text}}}.example"):
        try:
            spf.parse(record)
        except ParseError:
            continue
