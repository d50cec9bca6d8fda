"""Verdicts on the transport of mail, over evidence made by hand."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from services.scanner.engine.check import Verdict
from services.scanner.engine.checks import dane as dane_checks
from services.scanner.engine.checks import mail_access, mail_policies, mail_smtp
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.dane import Dane, TlsaSet
from services.scanner.engine.evidence.mail_policies import MailPolicies, PolicyFile
from services.scanner.engine.evidence.mail_transport import (
    AccessPoint,
    Greeting,
    HiddenHost,
    MailAccess,
    MailServer,
    MailTransport,
    OpenRelays,
    RelayAttempt,
    RelayServer,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
POLICY = b"version: STSv1\nmode: enforce\nmx: mail.a.test\nmax_age: 604800\n"
URL = "https://mta-sts.a.test/.well-known/mta-sts.txt"
FILE = PolicyFile(URL, 200, "text/plain", "", POLICY)
RECORD = ("v=STSv1; id=1",)
TLSA = f"3 1 1 {'ab' * 32}"


def statuses(verdicts: Iterable[Verdict]) -> list[str]:
    return [verdict.status for verdict in verdicts]


def policies(**fields: object) -> MailPolicies:
    given = {"mx": ("mail.a.test",), "sts_texts": RECORD, "policy": FILE, "report_texts": (), **fields}
    return MailPolicies(domain="a.test", **given)  # type: ignore[arg-type]  # a test's own keywords


def tlsa(*records: str, security: object = "secure") -> Dane:
    return Dane("a.test", (TlsaSet("mail.a.test", records, security),))  # type: ignore[arg-type]  # as above


def transport(*extensions: str, greeting: Unseen | None = None, tls: Unseen | None = None) -> MailTransport:
    server = MailServer("mail.a.test", "192.0.2.1", NOW, greeting or Greeting("220 hello", extensions), tls)
    return MailTransport("a.test", (server,))


NO_MAIL = MailTransport("a.test", ())
NO_DANE = tlsa()


@pytest.mark.parametrize("fault", ["target", "source", "ours"])
def test_an_answer_that_did_not_come_is_neither_good_nor_bad(fault: Fault) -> None:
    unseen = Unseen("no answer", fault)
    for hidden in (MailTransport("a.test", unseen), transport(greeting=unseen)):
        for check in (mail_smtp.smtp_starttls_missing, mail_smtp.smtp_tls_weak):
            assert [(verdict.status, verdict.fault) for verdict in check(hidden)] == [("not_tested", fault)]
        found = mail_smtp.smtp_certificate_invalid(hidden, policies(), NO_DANE)
        assert [(verdict.status, verdict.fault) for verdict in found] == [("not_tested", fault)]
    for check in (mail_policies.mta_sts_invalid, mail_policies.mta_sts_not_enforced):
        assert statuses(check(policies(mx=unseen))) == statuses(check(policies(sts_texts=unseen))) == ["not_tested"]
    assert statuses(mail_policies.tlsrpt_missing(policies(report_texts=unseen))) == ["not_tested"]
    assert statuses(mail_policies.mta_sts_missing(policies(sts_texts=unseen), NO_DANE)) == ["not_tested"]
    assert statuses(dane_checks.dane_missing(Dane("a.test", unseen))) == ["not_tested"]
    assert statuses(dane_checks.dane_missing(Dane("a.test", (TlsaSet("m", unseen, unseen),)))) == ["not_tested"]
    assert statuses(dane_checks.dane_mismatch(tlsa(TLSA, security=unseen), transport())) == ["not_tested"]
    assert statuses(mail_access.mail_access_cleartext(MailAccess("a.test", unseen), NO_MAIL)) == ["not_tested"]
    assert statuses(mail_smtp.smtp_open_relay(OpenRelays("a.test", unseen))) == ["not_tested"]


def test_a_policy_whose_host_is_silent_may_be_there_for_others() -> None:
    refused, silent = Unseen("it refuses connections", "target"), Unseen("no answer", "target", silent=True)
    for policy, invalid, not_enforced in ((refused, "fail", "not_applicable"), (silent, "not_tested", "not_tested")):
        assert statuses(mail_policies.mta_sts_invalid(policies(policy=policy))) == [invalid]
        assert statuses(mail_policies.mta_sts_not_enforced(policies(policy=policy))) == [not_enforced]


def test_records_that_were_not_answered_may_be_there() -> None:
    hidden = Dane("a.test", (TlsaSet("mail.a.test", Unseen("no answer", "target"), Unseen("no answer", "target")),))
    assert statuses(dane_checks.dane_mismatch(hidden, transport("STARTTLS"))) == ["not_tested"]


def test_mail_hosts_of_which_nothing_was_seen_may_take_passwords() -> None:
    silent = Unseen("no answer", "target")
    unresolved = MailAccess("a.test", (), (HiddenHost("mail.a.test", silent),))
    assert statuses(mail_access.mail_access_cleartext(unresolved, NO_MAIL)) == ["not_tested"]
    nothing = MailAccess("a.test", ())
    assert statuses(mail_access.mail_access_cleartext(nothing, transport(greeting=silent))) == ["not_tested"]
    point = AccessPoint("mail.a.test", "192.0.2.1", 143, "imap", "* OK hi", ("LOGINDISABLED",))
    answering = MailAccess("a.test", (point,))
    assert statuses(mail_access.mail_access_cleartext(answering, transport(greeting=silent))) == ["pass"]


def test_a_domain_without_mail_is_asked_for_nothing() -> None:
    nothing = policies(mx=(), sts_texts=(), policy=None)
    found = [
        *mail_smtp.smtp_starttls_missing(NO_MAIL),
        *mail_smtp.smtp_tls_weak(NO_MAIL),
        *mail_smtp.smtp_certificate_invalid(NO_MAIL, nothing, Dane("a.test", ())),
        *mail_smtp.smtp_open_relay(OpenRelays("a.test", ())),
        *mail_policies.mta_sts_missing(nothing, Dane("a.test", ())),
        *mail_policies.mta_sts_invalid(nothing),
        *mail_policies.mta_sts_not_enforced(nothing),
        *mail_policies.tlsrpt_missing(nothing),
        *dane_checks.dane_missing(Dane("a.test", ())),
        *dane_checks.dane_mismatch(Dane("a.test", ()), NO_MAIL),
        *mail_access.mail_access_cleartext(MailAccess("a.test", ()), NO_MAIL),
    ]
    assert statuses(found) == ["not_applicable"] * 11


@pytest.mark.parametrize(
    ("extensions", "tls", "status"),
    [
        (("PIPELINING", "STARTTLS"), Unseen("it hung", "target"), "pass"),
        (("STARTTLSX", "XSTARTTLS"), None, "fail"),
        (("STARTTLS",), None, "fail"),
        ((), None, "fail"),
    ],
)
def test_starttls(extensions: tuple[str, ...], tls: Unseen | None, status: str) -> None:
    assert statuses(mail_smtp.smtp_starttls_missing(transport(*extensions, tls=tls))) == [status]


@pytest.mark.parametrize(
    ("records", "security", "status"),
    [
        ((TLSA,), "secure", "pass"),
        ((TLSA,), "insecure", "fail"),
        ((TLSA,), "bogus", "fail"),
        ((TLSA,), Unseen("it was not looked at", "ours"), "not_tested"),
        ((f"1 1 1 {'ab' * 32}",), "secure", "fail"),
        ((), "secure", "fail"),
    ],
)
def test_dane_and_what_it_stands_for(records: tuple[str, ...], security: object, status: str) -> None:
    dane = tlsa(*records, security=security)
    assert statuses(dane_checks.dane_missing(dane)) == [status]
    assert statuses(mail_policies.mta_sts_missing(policies(sts_texts=(), policy=None), dane)) == [status]
    assert statuses(mail_policies.mta_sts_missing(policies(), dane)) == ["pass"]


def test_a_server_with_records_and_without_tls_gets_no_mail() -> None:
    assert statuses(dane_checks.dane_mismatch(tlsa(TLSA), transport("SIZE 1"))) == ["fail"]
    assert statuses(dane_checks.dane_mismatch(tlsa(TLSA, security="insecure"), transport())) == ["not_applicable"]
    assert statuses(dane_checks.dane_mismatch(NO_DANE, transport())) == ["not_applicable"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, "pass", ""),
        ({"sts_texts": (*RECORD, "hello")}, "pass", ""),
        ({"sts_texts": ("v=STSv1; id=1", "v=STSv1; id=2")}, "fail", "2 records"),
        ({"sts_texts": ("v=STSv1; id=a-b",)}, "fail", "id"),
        ({"sts_texts": ("v=stsv1; id=1",), "policy": None}, "fail", "begin"),
        ({"sts_texts": ("hello",), "policy": None}, "not_applicable", ""),
        ({"policy": Unseen("certificate verify failed", "target")}, "fail", "verify failed"),
        ({"policy": Unseen("no way out", "ours")}, "not_tested", ""),
        ({"policy": Unseen("no resolver", "source")}, "not_tested", ""),
        ({"policy": PolicyFile(URL, 404, "text/html", "", b"")}, "fail", "404"),
        ({"policy": PolicyFile(URL, 301, "", "https://a.test/", POLICY)}, "fail", "redirect"),
        ({"policy": PolicyFile(URL, 200, "text/html", "", POLICY)}, "fail", "text/html"),
        ({"policy": PolicyFile(URL, 200, "text/plain", "", b"<!doctype html>")}, "fail", "line of a policy"),
        ({"mx": ("mail.a.test", "backup.b.test")}, "fail", "backup.b.test"),
    ],
)
def test_what_makes_a_policy_void(fields: dict[str, object], status: str, words: str) -> None:
    (verdict,) = mail_policies.mta_sts_invalid(policies(**fields))
    assert verdict.status == status
    assert words in verdict.reason
    if status == "fail":
        enforced = mail_policies.mta_sts_not_enforced(policies(**fields))
        assert statuses(enforced) == (["pass"] if words == "backup.b.test" else ["not_applicable"])


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_a_policy_that_is_not_enforced(mode: str) -> None:
    file = PolicyFile(URL, 200, "text/plain", "", POLICY.replace(b"enforce", mode.encode()))
    assert statuses(mail_policies.mta_sts_not_enforced(policies(policy=file))) == ["fail"]
    assert statuses(mail_policies.mta_sts_invalid(policies(policy=file))) == ["pass"]


@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ((), "fail"),
        (("v=TLSRPTv1; rua=mailto:x@a.test",), "pass"),
        (("v=TLSRPTv1; rua=mailto:x@a.test", "hello"), "pass"),
        (("v=TLSRPTv1; rua=mailto:x@a.test", "v=TLSRPTv1; rua=mailto:y@a.test"), "fail"),
        (("v=TLSRPTv1; rua=x@a.test",), "fail"),
    ],
)
def test_reporting(texts: tuple[str, ...], status: str) -> None:
    assert statuses(mail_policies.tlsrpt_missing(policies(report_texts=texts))) == [status]


@pytest.mark.parametrize(
    ("protocol", "greeting", "capabilities", "status", "confidence"),
    [
        ("imap", "* OK hi", ("IMAP4REV1", "STARTTLS", "LOGINDISABLED"), "pass", "confirmed"),
        ("imap", "* OK hi", ("IMAP4REV1", "LOGINDISABLED", "AUTH=GSSAPI"), "pass", "confirmed"),
        ("imap", "* OK hi", ("IMAP4REV1", "STARTTLS"), "fail", "confirmed"),
        ("imap", "* OK hi", ("IMAP4REV1", "LOGINDISABLED", "AUTH=PLAIN"), "fail", "confirmed"),
        ("imap", "* PREAUTH hi", ("IMAP4REV1", "LOGINDISABLED"), "fail", "confirmed"),
        ("pop3", "+OK", ("STLS", "UIDL", "SASL"), "pass", "confirmed"),
        ("pop3", "+OK", ("STLS", "SASL SCRAM-SHA-256"), "pass", "confirmed"),
        ("pop3", "+OK", ("STLS", "USER"), "fail", "confirmed"),
        ("pop3", "+OK", ("STLS", "SASL CRAM-MD5 PLAIN"), "fail", "confirmed"),
        ("pop3", "+OK", (), "fail", "inferred"),
        ("submission", "220 hi", ("STARTTLS", "SIZE 1"), "pass", "confirmed"),
        ("submission", "220 hi", ("STARTTLS", "AUTH SCRAM-SHA-256"), "pass", "confirmed"),
        ("submission", "220 hi", ("STARTTLS", "AUTH PLAIN LOGIN"), "fail", "confirmed"),
        ("submission", "220 hi", ("AUTH=LOGIN",), "fail", "confirmed"),
        ("imap", "* OK hi", Unseen("it broke off", "target"), "not_tested", "confirmed"),
    ],
)
def test_where_people_log_in(
    protocol: str, greeting: str, capabilities: tuple[str, ...] | Unseen, status: str, confidence: str
) -> None:
    point = AccessPoint("mail.a.test", "192.0.2.1", 143, protocol, greeting, capabilities)
    (verdict,) = mail_access.mail_access_cleartext(MailAccess("a.test", (point,)), NO_MAIL)
    assert (verdict.status, verdict.confidence) == (status, confidence)


def test_a_mail_host_where_people_log_in() -> None:
    nowhere = MailAccess("a.test", ())
    assert statuses(mail_access.mail_access_cleartext(nowhere, transport("STARTTLS"))) == ["not_applicable"]
    assert statuses(mail_access.mail_access_cleartext(nowhere, transport("AUTH PLAIN"))) == ["fail"]


@pytest.mark.parametrize(
    ("accepted", "status"),
    [
        ((False, False, False), "pass"),
        ((False, True), "fail"),
        ((False, None, False), "not_tested"),
        ((), "not_tested"),
    ],
)
def test_relaying(accepted: tuple[bool | None, ...], status: str) -> None:
    attempts = tuple(RelayAttempt("", "x@example.com", "250 ok", "550 no", one) for one in accepted)
    server = RelayServer("mail.a.test", "192.0.2.1", attempts)
    assert statuses(mail_smtp.smtp_open_relay(OpenRelays("a.test", (server,)))) == [status]
