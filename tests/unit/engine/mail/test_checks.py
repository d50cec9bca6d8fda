"""Verdicts on mail records that could not all be had."""

import pytest

from services.scanner.engine.check import CheckFunction
from services.scanner.engine.checks import dkim, dmarc, spf
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.mail import Lookup, MailRecords

SPF_CHECKS = (
    spf.spf_missing,
    spf.spf_multiple_records,
    spf.spf_invalid,
    spf.spf_permissive_all,
    spf.spf_softfail,
    spf.spf_too_many_lookups,
)
DMARC_CHECKS = (
    dmarc.dmarc_missing,
    dmarc.dmarc_invalid,
    dmarc.dmarc_policy_none,
    dmarc.dmarc_subdomain_policy_weak,
    dmarc.dmarc_partial_enforcement,
    dmarc.dmarc_no_reporting,
)
DKIM_CHECKS = (dkim.dkim_not_found, dkim.dkim_weak_key)


def mail(*lookups: Lookup) -> MailRecords:
    return MailRecords("a.test", "a.test", lookups, selectors=("s1",))


@pytest.mark.parametrize("check", [*SPF_CHECKS, *DMARC_CHECKS, spf.non_mail_domain_unprotected, *DKIM_CHECKS])
@pytest.mark.parametrize("fault", ["target", "source"])
def test_an_answer_that_did_not_come_is_neither_good_nor_bad(check: CheckFunction, fault: Fault) -> None:
    unseen = Unseen("no answer", fault)
    names = ("a.test", "_dmarc.a.test", "_dmarc.test", "s1._domainkey.a.test")
    found = mail(*(Lookup(name, "TXT", unseen) for name in names), Lookup("a.test", "MX", unseen))
    assert [(verdict.status, verdict.fault) for verdict in check(found)] == [("not_tested", fault)]


@pytest.mark.parametrize("check", SPF_CHECKS[2:])
def test_an_include_that_did_not_answer_leaves_the_question_open(check: CheckFunction) -> None:
    record = Lookup("a.test", "TXT", ("v=spf1 include:b.test ~all",))
    found = mail(record, Lookup("b.test", "TXT", Unseen("no answer", "target")))
    assert [verdict.status for verdict in check(found)] == ["not_tested"]


def test_what_is_seen_of_a_record_counts_though_an_include_did_not_answer() -> None:
    record = Lookup("a.test", "TXT", ("v=spf1 include:b.test +all",))
    found = mail(record, Lookup("b.test", "TXT", Unseen("no answer", "target")))
    assert [verdict.status for verdict in spf.spf_permissive_all(found)] == ["fail"]


def test_a_void_record_protects_nobody() -> None:
    found = mail(Lookup("_dmarc.a.test", "TXT", ("p=reject; v=DMARC1",)), Lookup("_dmarc.test", "TXT", ()))
    statuses = {check.__name__: [verdict.status for verdict in check(found)] for check in DMARC_CHECKS[:3]}
    assert statuses == {
        "dmarc_missing": ["not_applicable"],
        "dmarc_invalid": ["fail"],
        "dmarc_policy_none": ["fail"],
    }


def test_a_revoked_key_is_no_key() -> None:
    found = mail(Lookup("s1._domainkey.a.test", "TXT", ("v=DKIM1; p=",)))
    assert [verdict.status for verdict in dkim.dkim_not_found(found)] == ["not_tested"]


def test_more_includes_than_were_followed_leave_the_question_open() -> None:
    found = mail(Lookup("a.test", "TXT", ("v=spf1 include:b.test -all",)))
    assert [verdict.status for verdict in spf.spf_permissive_all(found)] == ["not_tested"]


def test_a_command_to_repeat_an_observation_runs_nothing_of_the_targets() -> None:
    record = "v=DMARC1; p=reject; rua=mailto:x@$(id).test"
    (verdict,) = dmarc.dmarc_no_reporting(mail(Lookup("_dmarc.a.test", "TXT", (record,))))
    assert verdict.status == "fail"
    assert "$" not in verdict.reproduce
