"""DMARC records, and which of them applies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers import dmarc
from services.scanner.engine.parsers.dmarc import Applied, Find
from services.scanner.engine.parsers.errors import ParseError

SILENT = Unseen("no answer", "target")


def published(**records: str | tuple[str, ...] | Unseen) -> Find:
    """Records at `_dmarc` of the domains named: `a_example="..."` is of a.example."""

    def find(name: str, record_type: MailType) -> tuple[str, ...] | Unseen | None:
        found = records.get(name.removeprefix("_dmarc.").replace(".", "_"), ())
        return (found,) if isinstance(found, str) else found

    return find


def applied(domain: str, **records: str | tuple[str, ...] | Unseen) -> Applied:
    found = dmarc.discover(domain, published(**records))
    assert isinstance(found, Applied)
    return found


def test_all_tags() -> None:
    policy = dmarc.parse(
        "v=DMARC1;p=Reject; sp = quarantine;np=none;t=y;psd=n;pct=20;rua=mailto:a@b.example!10m,mailto:c@d.example;"
    )
    assert policy == dmarc.Policy(
        "reject", "quarantine", "none", ("a@b.example", "c@d.example"), "n", testing=True, pct=20
    )


@pytest.mark.parametrize(
    "text", ["", "p=reject", "p=reject; v=DMARC1", "v=dmarc1; p=none", "v=DMARC12; p=none", "v=spf1"]
)
def test_no_record_at_all(text: str) -> None:
    with pytest.raises(ParseError):
        dmarc.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1; p=block",
        "v=DMARC1; p=none; sp=quarantaine",
        "v=DMARC1; p=none; p=reject",
        "v=DMARC1; p=none; rua=dmarc@a.example",
        "v=DMARC1; p=none; rua=https://a.example/",
        "v=DMARC1; p=none; adkim=strict",
        "v=DMARC1; p=none; pct=150",
        "v=DMARC1; p=none, rua mailto",
        "v=DMARC1; p=none; nonsense",
    ],
)
def test_problems_are_named(text: str) -> None:
    assert dmarc.parse(text).problems


def test_unknown_tags_are_none_of_our_business() -> None:
    assert dmarc.parse("v=DMARC1; p=none; ri=86400; rf=afrf; future=1").problems == ()


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("v=DMARC1", None),
        ("v=DMARC1; rua=mailto:a@b.example", "none"),
        ("v=DMARC1; p=block; rua=mailto:a@b.example", "none"),
        ("v=DMARC1; p=reject; sp=block", None),
        ("v=DMARC1; p=reject; np=block; rua=mailto:a@b.example", "none"),
    ],
)
def test_a_policy_that_is_not_valid_is_none_at_best(text: str, domain: str | None) -> None:
    assert dmarc.parse(text).domain == domain


def test_the_walk_is_eight_questions_at_most() -> None:
    assert dmarc.walk("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )
    assert dmarc.walk("example.com") == ("example.com", "com")


def test_the_domains_own_record_wins() -> None:
    found = applied("shop.a.example", shop_a_example="v=DMARC1; p=none", a_example="v=DMARC1; p=reject")
    assert (found.at, found.inherited, found.disposition) == ("shop.a.example", False, "none")


@pytest.mark.parametrize(
    ("record", "disposition"),
    [
        ("v=DMARC1; p=reject", "reject"),
        ("v=DMARC1; p=reject; sp=none", "none"),
        ("v=DMARC1; p=none; sp=reject", "reject"),
    ],
)
def test_a_subdomain_inherits(record: str, disposition: str) -> None:
    found = applied("shop.a.example", a_example=record)
    assert (found.at, found.inherited, found.disposition) == ("a.example", True, disposition)


def test_the_record_nearest_the_root_is_the_organisations() -> None:
    found = applied("x.shop.a.example", shop_a_example="v=DMARC1; p=none", a_example="v=DMARC1; p=reject")
    assert found.at == "a.example"


def test_psd_says_where_the_organisation_is() -> None:
    parts = {"a_example": "v=DMARC1; p=reject", "example": "v=DMARC1; p=none; psd=y"}
    assert applied("shop.a.example", **parts).at == "a.example"
    assert applied("shop.b.example", **parts).at == "example"
    assert applied("x.shop.a.example", shop_a_example="v=DMARC1; p=none; psd=n", **parts).at == "shop.a.example"


def test_several_records_are_none() -> None:
    assert dmarc.discover("a.example", published(a_example=("v=DMARC1; p=reject", "v=DMARC1; p=none"))) is None


def test_an_answer_that_did_not_come_is_not_an_absence() -> None:
    assert dmarc.discover("a.example", published(a_example=SILENT)) == SILENT
    assert dmarc.discover("shop.a.example", published(a_example=SILENT)) == SILENT
    assert applied("a.example", a_example="v=DMARC1; p=reject", example=SILENT).at == "a.example"


def test_while_testing_receivers_do_what_is_one_step_weaker() -> None:
    assert applied("a.example", a_example="v=DMARC1; p=reject; t=y").disposition == "quarantine"
    assert applied("a.example", a_example="v=DMARC1; p=quarantine; t=y").disposition == "none"


def test_reports_to_others_need_their_word() -> None:
    addresses = ("x@a.example", "x@mail.a.example", "x@Reports.example", "x@nota.example")
    record = "v=DMARC1; p=none; rua=" + ",".join(f"mailto:{address}" for address in addresses)
    assert dmarc.authorisations(applied("a.example", a_example=record), "a.example") == {
        "x@Reports.example": "a.example._report._dmarc.reports.example",
        "x@nota.example": "a.example._report._dmarc.nota.example",
    }


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300))
def test_whatever_follows_the_version_parses(text: str) -> None:
    dmarc.parse(f"v=DMARC1;{text}")
