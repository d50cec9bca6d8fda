"""Verdicts on chains of trust by hand-made evidence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.scanner.engine.check import CheckFunction
from services.scanner.engine.checks import dnssec as checks
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import DnsKey, Dnssec, Ds, Nsec3, RecordTrust, Signature, ZoneTrust

NOW = datetime(2026, 11, 25, tzinfo=UTC)
STRIPPED = Unseen("the DNS resolver leaves out DNSSEC signatures", "source")
SILENT = Unseen("no answer", "target")
KEY = DnsKey(1, 13, 257)
TOP = ZoneTrust("test", "secure", "", (), (KEY,))
ALL = (
    checks.not_signed, checks.bogus, checks.signature_expiring, checks.weak_algorithm, checks.ds_missing,
    checks.nsec3_iterations,
)  # fmt: skip


def signature(begins: timedelta, ends: timedelta) -> Signature:
    return Signature("a.test", "A", 13, 1, "a.test", NOW + begins, NOW + ends)


GOOD = signature(timedelta(days=-3), timedelta(days=11))
SECURE = ZoneTrust("a.test", "secure", "", (Ds(1, 13, 2, "ab"),), (KEY,), (GOOD,))


def seen(zone: ZoneTrust = SECURE, *records: RecordTrust, nsec3: Nsec3 | Unseen | None = None) -> Dnssec:
    return Dnssec("a.test", NOW, (TOP, zone), records, nsec3)


def said(check: CheckFunction, dnssec: Dnssec) -> list[tuple[str, str | None]]:
    return [(verdict.status, verdict.fault) for verdict in check(dnssec)]


@pytest.mark.parametrize("check", ALL)
def test_a_resolver_that_strips_leaves_nothing_to_say(check: CheckFunction) -> None:
    assert said(check, Dnssec("a.test", NOW, STRIPPED)) == [("not_tested", "source")]


@pytest.mark.parametrize("check", ALL)
def test_silence_is_neither_good_nor_bad(check: CheckFunction) -> None:
    zone = ZoneTrust("a.test", "indeterminate", "no answer", SILENT, SILENT, fault="target")
    assert said(check, seen(zone, nsec3=SILENT)) == [("not_tested", "target")]


@pytest.mark.parametrize("check", ALL[:5])
def test_all_is_well(check: CheckFunction) -> None:
    assert said(check, seen()) == [("pass", None)]


@pytest.mark.parametrize(
    ("zone", "outcomes"),
    [
        (replace(SECURE, status="insecure", ds=(), keys=()), "fail na na na na"),
        (replace(SECURE, status="insecure", ds=()), "pass na na pass fail"),
        (replace(SECURE, status="bogus", reason="expired"), "pass fail na pass pass"),
        (replace(SECURE, status="bogus", reason="no DNSKEY", keys=()), "na fail na na na"),
        (replace(SECURE, keys=(DnsKey(1, 5, 257, 2048),)), "pass pass pass fail pass"),
        (replace(SECURE, keys=(DnsKey(1, 8, 257, 2048), DnsKey(2, 8, 256, 1024))), "pass pass pass fail pass"),
        (replace(SECURE, keys=(KEY, DnsKey(2, 8, 257 | 128, 1024))), "pass pass pass pass pass"),  # revoked
        (replace(SECURE, ds=(Ds(1, 13, 1, "ab"), Ds(1, 13, 2, "ab"))), "pass pass pass fail pass"),
    ],
)
def test_which_check_speaks(zone: ZoneTrust, outcomes: str) -> None:
    short = {"pass": "pass", "fail": "fail", "not_applicable": "na"}
    assert " ".join(short[said(check, seen(zone))[0][0]] for check in ALL[:5]) == outcomes


def test_keys_below_an_unsigned_zone_are_not_the_domains_doing() -> None:
    unsigned = ZoneTrust("test", "insecure", "no DS")
    zone = replace(SECURE, status="insecure", ds=())
    assert said(checks.ds_missing, Dnssec("a.test", NOW, (unsigned, zone))) == [("not_applicable", None)]


@pytest.mark.parametrize(
    ("begins", "ends", "status"),
    [
        (timedelta(days=-27), timedelta(days=3), "pass"),
        (timedelta(days=-28), timedelta(days=2), "fail"),
        (timedelta(days=-13), timedelta(days=1), "fail"),
        (timedelta(hours=-25), timedelta(hours=25), "pass"),  # made as it was asked for
        (timedelta(hours=-47), timedelta(hours=1), "fail"),
        (timedelta(days=-360), timedelta(days=4), "pass"),
    ],
)
def test_when_a_signature_is_late(begins: timedelta, ends: timedelta, status: str) -> None:
    zone = replace(SECURE, signatures=(GOOD, signature(begins, ends)))
    assert said(checks.signature_expiring, seen(zone)) == [(status, None)]


def test_each_bogus_record_is_a_finding() -> None:
    wrong = [RecordTrust("a.test", kind, "bogus", "forged") for kind in ("MX", "TXT")]
    assert [(one.status, one.subject) for one in checks.bogus(seen(SECURE, *wrong))] == [
        ("fail", "MX"),
        ("fail", "TXT"),
    ]
    unclear = RecordTrust("a.test", "A", "indeterminate", "no answer", fault="target")
    assert said(checks.bogus, seen(SECURE, unclear)) == [("not_tested", "target")]


@pytest.mark.parametrize(
    ("nsec3", "status"), [(None, "not_applicable"), (Nsec3(0, "ab"), "pass"), (Nsec3(1, ""), "fail")]
)
def test_iterations(nsec3: Nsec3 | None, status: str) -> None:
    assert said(checks.nsec3_iterations, seen(nsec3=nsec3)) == [(status, None)]
