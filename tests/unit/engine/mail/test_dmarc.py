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
        "reject", "quarantine", "none", ("a@b.example", "c@d.example"), "n", testing=True, pct=20, reports=True
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
        "v=DMARC1; p=none; rua=mailto:a@b.example!10x",
        "v=DMARC1; p=none; rua=mailto:a!b@c.example",
        "v=DMARC1; p=none; rua=mailto:a@b.example;;rua=",
        "v=DMARC1; p=none; ruf=a@b.example",
        "v=DMARC1; p=none; fo=0:1",
        "v=DMARC1; p=none; fo=d:d",
        "v=DMARC1; p=none; fo=x",
        "v=DMARC1; p=none; x-1=y",
        "v=DMARC1; p=none; sp=",
        "v=DMARC1; p=none; note=caf\u00e9",
        "v=DMARC1; p=none; adkim=strict",
        "v=DMARC1; p=none, rua mailto",
        "v=DMARC1; p=none; nonsense",
    ],
)
def test_problems_are_named(text: str) -> None:
    assert dmarc.parse(text).problems


@pytest.mark.parametrize(
    "tags",
    [
        "ri=86400; rf=afrf; future=1",
        "pct=150",
        "rua=https://a.example/",
        "rua=mailto:a@b.example!10m , mailto:c@d.example?subject=x",
        "fo=1:d:s; ruf=mailto:a@b.example",
        "adkim = s ; aspf=R;",
    ],
)
def test_what_receivers_ignore_or_take_is_no_problem(tags: str) -> None:
    """Unknown tags, those that RFC 9989 did away with, and any valid URI (sections 4.7 and 4.8)."""
    assert dmarc.parse(f"v=DMARC1; p=none; {tags}").problems == ()


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("v=DMARC1", None),
        ("v=DMARC1; rua=mailto:a@b.example", "none"),
        ("v=DMARC1; rua=https://b.example/", "none"),
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


def test_a_psd_tag_ends_the_walk_before_a_name_that_does_not_answer() -> None:
    assert applied("shop.a.example", a_example="v=DMARC1; p=reject; psd=n", example=SILENT).at == "a.example"


@pytest.mark.parametrize(
    ("domain", "organisation"),
    [
        ("nobody.test", "nobody.test"),
        ("a.example", "a.example"),
        ("mail.a.example", "a.example"),
        ("x.shop.a.example", "shop.a.example"),
        ("x.b.bank", "b.bank"),
    ],
)
def test_where_an_organisation_ends(domain: str, organisation: str) -> None:
    """RFC 9989 section 4.10.2."""
    find = published(
        a_example="v=DMARC1; p=none", shop_a_example="v=DMARC1; p=none; psd=n", bank="v=DMARC1; p=none; psd=y"
    )
    assert dmarc.organisation(domain, find) == organisation


REPORTS = "a.example._report._dmarc.reports.test"


@pytest.mark.parametrize(
    ("host", "texts", "authorised"),
    [
        ("a.example", {}, True),
        ("mail.a.example", {}, True),
        ("reports.test", {}, False),
        ("reports.test", {REPORTS: ("v=DMARC1",)}, True),
        ("reports.test", {REPORTS: ("v=DMARC1;",)}, True),
        ("reports.test", {REPORTS: ("hello", "v=DMARC1; rua=mailto:x@reports.test")}, True),
        ("reports.test", {REPORTS: ("v=DMARC1; rua=mailto:x@elsewhere.test",)}, False),
        ("reports.test", {REPORTS: ("v=spf1 -all",)}, False),
        ("reports.test", {REPORTS: SILENT}, SILENT),
        ("reports.test", {REPORTS: ("v=DMARC1",), "_dmarc.reports.test": SILENT}, True),
        ("reports.test", {"_dmarc.reports.test": SILENT}, SILENT),
        ("own.a.example", {"_dmarc.own.a.example": ("v=DMARC1; p=none; psd=n",)}, False),
    ],
)
def test_reports_to_others_need_their_word(
    host: str, texts: dict[str, tuple[str, ...] | Unseen], authorised: bool | Unseen
) -> None:
    """RFC 9990, "Verifying External Destinations"."""
    record = f"v=DMARC1; p=none; rua=mailto:x@{host}"
    known = {"_dmarc.a.example": (record,), **texts}
    found = Applied("a.example", record, dmarc.parse(record), inherited=False)
    assert dmarc.authorised(found, host, lambda name, _: known.get(name, ())) == authorised
    assert set(texts) <= set(dmarc.questions(found))


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300))
def test_whatever_follows_the_version_parses(text: str) -> None:
    dmarc.parse(f"v=DMARC1;{text}")
