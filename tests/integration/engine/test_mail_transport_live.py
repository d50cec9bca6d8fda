"""Each check of the transport of mail, against live mail hosts, records and policies that differ in one setting."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Site, hardened
from tests.support.lab.ca import CertificateSpec
from tests.support.lab.mail import POLICY, AccessSpec, MailSpec, SmtpSpec
from tests.support.lab.tls import TlsSpec
from tests.support.lab.web import WebSpec

SITE = hardened("hardened.test")
NO_TLS = "there is no TLS to judge"
NO_POLICY = "there is no policy left to judge"
NO_ACCESS = {"mail_access_cleartext": "so that the change is that of port 25 alone"}
OTHER_KEY = f"3 1 1 {'00' * 32}"
DANE_GONE = {"dane_missing": "its records are gone", "dane_mismatch": "there is nothing to match"}


def with_mail(site: Site = SITE, **changes: Any) -> Site:
    """The hardened site with other settings of its mail host."""
    assert isinstance(site.mail, MailSpec)
    return replace(site, mail=replace(site.mail, **changes))


def with_record(owner: str, record_type: str, *data: str, site: Site = SITE) -> Site:
    return replace(site, zone=site.zone.set(owner, record_type, *data))


async def test_smtp_starttls_missing(baseline: Scan) -> None:
    also = {"smtp_tls_weak": NO_TLS, "dane_mismatch": "senders that know DANE insist on TLS"}
    changed = with_mail(smtp=SmtpSpec(starttls=False))
    verdict = await expect_only(baseline, changed, fires="smtp_starttls_missing", also=also)
    assert verdict.asset == "mail.hardened.test:25"
    assert verdict.evidence["extensions"] == ["PIPELINING", "8BITMIME"]


async def test_smtp_tls_weak(baseline: Scan) -> None:
    old = TlsSpec(versions=("TLSv1.0", "TLSv1.1"), ciphers="ALL:!aNULL")
    changed = with_mail(tls=old, access=None)
    verdict = await expect_only(baseline, changed, fires="smtp_tls_weak", also=NO_ACCESS)
    assert verdict.evidence["versions"] == ["TLSv1.0", "TLSv1.1"]


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (CertificateSpec(ends_in=timedelta(days=-1)), "expired"),
        (CertificateSpec(names=("www.hardened.test",)), "not for mail.hardened.test"),
        (CertificateSpec(issuer="stranger"), "no root"),
    ],
)
async def test_smtp_certificate_invalid(baseline: Scan, certificate: CertificateSpec, words: str) -> None:
    """With DANE-EE it would not matter."""
    with_dane = with_mail(tls=TlsSpec(certificate=certificate), access=None)
    assert (await scanned(with_dane)).statuses["smtp_certificate_invalid"] == "not_applicable"
    changed = with_record("_25._tcp.mail", "TLSA", site=with_dane)
    also = DANE_GONE | NO_ACCESS
    verdict = await expect_only(baseline, changed, fires="smtp_certificate_invalid", also=also)
    assert words in verdict.reason
    assert verdict.evidence["mta_sts_enforced"] is True


async def test_mta_sts_missing(baseline: Scan) -> None:
    bare = with_record("_mta-sts", "TXT", site=with_record("_25._tcp.mail", "TLSA"))
    also = {**DANE_GONE, "mta_sts_invalid": NO_POLICY, "mta_sts_not_enforced": NO_POLICY}
    also["smtp_certificate_invalid"] = "without DANE it is judged, and good"
    verdict = await expect_only(baseline, bare, fires="mta_sts_missing", also=also)
    assert verdict.evidence["texts"] == []


async def test_dane_stands_in_for_mta_sts(baseline: Scan) -> None:
    scan = await scanned(with_record("_mta-sts", "TXT"))
    assert scan.statuses["mta_sts_missing"] == "pass"


@pytest.mark.parametrize("mode", ["testing", "none"])
async def test_mta_sts_not_enforced(baseline: Scan, mode: str) -> None:
    changed = with_mail(policy=POLICY.replace("enforce", mode))
    verdict = await expect_only(baseline, changed, fires="mta_sts_not_enforced")
    assert verdict.evidence["mode"] == mode


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": POLICY.replace("max_age", "maximum")}, "no max_age"),
        ({"policy": POLICY.replace("mail.", "other.")}, "mail.hardened.test"),
        ({"policy": None}, "cannot be fetched"),
        ({"policy_tls": TlsSpec(certificate=CertificateSpec(issuer="stranger"))}, "cannot be fetched"),
        ({"policy_tls": TlsSpec(certificate=CertificateSpec(names=("hardened.test",)))}, "cannot be fetched"),
        ({"policy_web": WebSpec(page="", secure_redirect="https://hardened.test/", behaviour="garbage")}, "be fetched"),
    ],
)
async def test_mta_sts_invalid(baseline: Scan, changes: dict[str, Any], words: str) -> None:
    also = {} if words == "mail.hardened.test" else {"mta_sts_not_enforced": NO_POLICY}
    verdict = await expect_only(baseline, with_mail(**changes), fires="mta_sts_invalid", also=also)
    assert words in verdict.reason


async def test_several_mta_sts_records_are_void(baseline: Scan) -> None:
    changed = with_record("_mta-sts", "TXT", "v=STSv1; id=1", "v=STSv1; id=2")
    also = {"mta_sts_not_enforced": NO_POLICY}
    verdict = await expect_only(baseline, changed, fires="mta_sts_invalid", also=also)
    assert verdict.evidence["records"] == ["v=STSv1; id=1", "v=STSv1; id=2"]


@pytest.mark.parametrize("records", [(), ("v=TLSRPTv1; rua=tls@hardened.test",)])
async def test_tlsrpt_missing(baseline: Scan, records: tuple[str, ...]) -> None:
    changed = with_record("_smtp._tls", "TXT", *records)
    verdict = await expect_only(baseline, changed, fires="tlsrpt_missing")
    assert verdict.evidence["texts"] == list(records)


async def test_dane_missing(baseline: Scan) -> None:
    also = {"dane_mismatch": DANE_GONE["dane_mismatch"], "smtp_certificate_invalid": "it is judged now, and good"}
    verdict = await expect_only(baseline, with_record("_25._tcp.mail", "TLSA"), fires="dane_missing", also=also)
    assert verdict.asset == "mail.hardened.test:25"


async def test_dane_mismatch(baseline: Scan) -> None:
    changed = with_record("_25._tcp.mail", "TLSA", OTHER_KEY)
    verdict = await expect_only(baseline, changed, fires="dane_mismatch")
    assert verdict.evidence["records"] == [OTHER_KEY]


@pytest.mark.parametrize(
    ("access", "port"),
    [
        (AccessSpec(imap=("IMAP4rev2", "STARTTLS")), 143),
        (AccessSpec(pop3=("STLS", "USER")), 110),
        (AccessSpec(submission=("PLAIN", "LOGIN")), 587),
    ],
)
async def test_mail_access_cleartext(baseline: Scan, access: AccessSpec, port: int) -> None:
    verdict = await expect_only(baseline, with_mail(access=access), fires="mail_access_cleartext")
    assert verdict.asset == f"mail.hardened.test:{port}"


async def test_mail_access_cleartext_on_port_25(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_mail(smtp=SmtpSpec(auth=("PLAIN",))), fires="mail_access_cleartext")
    assert verdict.evidence["mechanisms"] == ["PLAIN"]


async def test_smtp_open_relay(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_mail(smtp=SmtpSpec(relays=True)), fires="smtp_open_relay")
    assert (verdict.confidence, verdict.evidence["recipient"]) == ("inferred", "postmaster@example.com")


BLOCKED = {
    "smtp_starttls_missing": "it was not seen",
    "smtp_tls_weak": "it was not seen",
    "smtp_certificate_invalid": "it was not seen",
    "dane_mismatch": "it was not seen",
    "smtp_open_relay": "it was not seen",
}


@pytest.mark.parametrize("behaviour", ["garbage", "resets", "endless"])
async def test_a_mail_host_that_misbehaves_is_not_judged(baseline: Scan, behaviour: Any) -> None:
    changed = with_mail(smtp=SmtpSpec(behaviour=behaviour))
    also = {check: why for check, why in BLOCKED.items() if check != "smtp_tls_weak"}
    verdict = await expect_only(baseline, changed, fires="smtp_tls_weak", becomes="not_tested", also=also)
    assert verdict.fault == "target"


async def test_a_mail_host_that_turns_us_away_is_not_judged(baseline: Scan) -> None:
    changed = with_mail(smtp=SmtpSpec(greeting="554 5.7.1 you are on a list"))
    also = {check: why for check, why in BLOCKED.items() if check != "smtp_starttls_missing"}
    verdict = await expect_only(baseline, changed, fires="smtp_starttls_missing", becomes="not_tested", also=also)
    assert "554 5.7.1" in verdict.reason


async def test_a_mail_host_that_is_busy_is_asked_again(baseline: Scan) -> None:
    scan = await scanned(with_mail(smtp=SmtpSpec(busy=1)))
    assert scan.statuses["smtp_starttls_missing"] == "pass"


async def test_port_25_may_be_blocked_at_our_end(baseline: Scan) -> None:
    also = {check: why for check, why in BLOCKED.items() if check != "smtp_starttls_missing"}
    changed = with_mail(filtered=(25,))
    verdict = await expect_only(baseline, changed, fires="smtp_starttls_missing", becomes="not_tested", also=also)
    assert verdict.fault == "ours"


@pytest.mark.parametrize(
    ("owner", "fires"),
    [("_mta-sts", "mta_sts_invalid"), ("_smtp._tls", "tlsrpt_missing"), ("_25._tcp.mail", "dane_missing")],
)
async def test_records_that_are_not_given_out_are_not_judged(baseline: Scan, owner: str, fires: str) -> None:
    also = {
        "_mta-sts": {"mta_sts_missing": "not seen", "mta_sts_not_enforced": "not seen"},
        "_25._tcp.mail": {
            "dane_mismatch": "nothing to match",
            "smtp_certificate_invalid": "it is judged now, and good",
        },
    }
    changed = replace(SITE, zone=replace(SITE.zone, servfail=(owner,)))
    verdict = await expect_only(baseline, changed, fires=fires, becomes="not_tested", also=also.get(owner))
    assert verdict.fault == "target"


async def test_a_service_that_breaks_off_is_not_judged(baseline: Scan) -> None:
    """Nothing answers there at all: there is nothing that could leak a password."""
    scan = await scanned(with_mail(access=None))
    assert scan.statuses["mail_access_cleartext"] == "not_applicable"
