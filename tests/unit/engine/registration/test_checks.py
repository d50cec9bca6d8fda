"""The registration's checks, by hand-made records."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.scanner.engine.check import Verdict
from services.scanner.engine.checks import registration as checks
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.registration import Record, Registration, Source
from services.scanner.engine.parsers.registrations import Registered

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ALL = (
    checks.domain_expired,
    checks.domain_expiring_soon,
    checks.domain_transfer_unlocked,
    checks.domain_registry_lock_missing,
    checks.domain_on_hold,
    checks.domain_recently_registered,
)


def registration(
    *statuses: str, domain: str = "example.com", expires: int | None = 400, age: int | None = 4000
) -> Registration:
    told = Registered(
        registrar="R",
        statuses=statuses,
        registered_at=None if age is None else NOW - timedelta(days=age),
        expires_at=None if expires is None else NOW + timedelta(days=expires),
        changed_at=None,
        nameservers=("ns1.example.com",),
    )
    return Registration(domain, True, NOW, Record(told, Source("rdap", f"https://rdap.example/domain/{domain}", "")))


def only(verdicts: Iterable[Verdict]) -> Verdict:
    (verdict,) = verdicts
    return verdict


@pytest.mark.parametrize(
    ("days", "expired", "soon"),
    [
        (-1, "fail", "not_applicable"),
        (0, "fail", "not_applicable"),
        (1, "pass", "fail"),
        (29, "pass", "fail"),
        (30, "pass", "pass"),
        (None, "not_tested", "not_tested"),
    ],
)
def test_expiry(days: int | None, expired: str, soon: str) -> None:
    seen = registration("ok", expires=days)
    assert only(checks.domain_expired(seen)).status == expired
    assert only(checks.domain_expiring_soon(seen)).status == soon


@pytest.mark.parametrize(
    ("domain", "statuses", "unlocked", "registry"),
    [
        ("example.com", ("clientTransferProhibited",), "pass", "fail"),
        ("example.com", ("server transfer prohibited",), "pass", "fail"),
        ("example.com", ("active",), "fail", "fail"),
        ("example.com", (), "not_tested", "not_tested"),
        ("example.de", ("connect",), "not_applicable", "not_applicable"),
        ("example.nl", (), "not_applicable", "not_applicable"),
        ("example.fr", ("ACTIVE", "clientDeleteProhibited"), "fail", "fail"),
        ("example.il", ("Transfer Locked",), "pass", "fail"),
        (
            "example.com",
            ("serverDeleteProhibited", "serverTransferProhibited", "serverUpdateProhibited"),
            "pass",
            "pass",
        ),
    ],
)
def test_locks(domain: str, statuses: tuple[str, ...], unlocked: str, registry: str) -> None:
    seen = registration(*statuses, domain=domain)
    assert only(checks.domain_transfer_unlocked(seen)).status == unlocked
    assert only(checks.domain_registry_lock_missing(seen)).status == registry


@pytest.mark.parametrize(
    ("status", "held", "expired"),
    [
        ("clientHold", "fail", "pass"),
        ("server hold", "fail", "pass"),
        ("pendingDelete", "fail", "fail"),
        ("redemption period", "pass", "fail"),
        ("auto renew period", "pass", "pass"),
    ],
)
def test_what_a_status_says(status: str, held: str, expired: str) -> None:
    seen = registration(status)
    assert only(checks.domain_on_hold(seen)).status == held
    assert only(checks.domain_expired(seen)).status == expired


def test_age() -> None:
    assert only(checks.domain_recently_registered(registration("ok", age=29))).status == "fail"
    assert only(checks.domain_recently_registered(registration("ok", age=30))).status == "pass"
    assert only(checks.domain_recently_registered(registration("ok", age=None))).status == "not_tested"


@pytest.mark.parametrize("check", ALL)
def test_a_hosters_customer_has_no_registration(check: Callable[[Registration], Iterator[Verdict]]) -> None:
    seen = Registration("github.io", False, NOW, Unseen("of a hoster", "source"))
    assert only(check(seen)).status == "not_applicable"


@pytest.mark.parametrize("check", ALL)
def test_a_source_out_of_reach_is_the_sources_doing(check: Callable[[Registration], Iterator[Verdict]]) -> None:
    verdict = only(check(Registration("example.com", True, NOW, Unseen("silent", "source"))))
    assert (verdict.status, verdict.fault) == ("not_tested", "source")
