"""Each check of the registration, against a registry that tells one thing otherwise; by RDAP, and by WHOIS."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.engine.harness import Scan, expect_blocked, expect_only, scanned
from tests.support.lab import Site, hardened
from tests.support.lab.sources import LOCKS, Known, Registration

SITE = hardened("hardened.test")
CHECKS = (
    "domain_expired",
    "domain_expiring_soon",
    "domain_transfer_unlocked",
    "domain_registry_lock_missing",
    "domain_on_hold",
    "domain_recently_registered",
)


def registered(registration: Registration | None, silent: frozenset[str] = frozenset()) -> Site:
    return replace(SITE, known=Known(registration=registration, silent=silent))  # type: ignore[arg-type]  # of words


async def test_expired(baseline: Scan) -> None:
    also = {"domain_expiring_soon": "it has ended already"}
    changed = registered(Registration(expires_in=timedelta(days=-3)))
    verdict = await expect_only(baseline, changed, fires="domain_expired", also=also)
    assert verdict.reproduce == "curl -sL http://sources.test/rdap/domain/hardened.test"
    assert verdict.evidence["protocol"] == "rdap"


async def test_in_redemption(baseline: Scan) -> None:
    also = {"domain_expiring_soon": "it has ended already"}
    changed = registered(Registration(status=(*LOCKS, "redemption period")))
    await expect_only(baseline, changed, fires="domain_expired", also=also)


async def test_expiring_soon(baseline: Scan) -> None:
    changed = registered(Registration(expires_in=timedelta(days=12, hours=1)))
    verdict = await expect_only(baseline, changed, fires="domain_expiring_soon")
    assert verdict.evidence["days_left"] == 12


async def test_no_lock_against_transfers(baseline: Scan) -> None:
    also = {"domain_registry_lock_missing": "no lock at all"}
    await expect_only(
        baseline, registered(Registration(status=("active",))), fires="domain_transfer_unlocked", also=also
    )


async def test_no_lock_of_the_registry(baseline: Scan) -> None:
    changed = registered(Registration(status=("client transfer prohibited",)))
    verdict = await expect_only(baseline, changed, fires="domain_registry_lock_missing")
    assert verdict.evidence["missing"] == [
        "serverdeleteprohibited",
        "servertransferprohibited",
        "serverupdateprohibited",
    ]


@pytest.mark.parametrize("status", ["client hold", "server hold"])
async def test_on_hold(baseline: Scan, status: str) -> None:
    await expect_only(baseline, registered(Registration(status=(*LOCKS, status))), fires="domain_on_hold")


async def test_recently_registered(baseline: Scan) -> None:
    changed = registered(Registration(registered_in=timedelta(days=-5)))
    verdict = await expect_only(baseline, changed, fires="domain_recently_registered")
    assert verdict.evidence["age_days"] == 5


async def test_whois_where_rdap_is_silent(baseline: Scan) -> None:
    changed = registered(Registration(expires_in=timedelta(days=12, hours=1)), frozenset({"rdap"}))
    verdict = await expect_only(baseline, changed, fires="domain_expiring_soon")
    assert (verdict.evidence["protocol"], verdict.reproduce) == ("whois", "whois -h sources.test hardened.test")


@pytest.mark.parametrize("silent", [frozenset({"rdap", "whois"}), frozenset({"rdap"})], ids=["silent", "unknown"])
async def test_without_a_record_nothing_is_judged(silent: frozenset[str]) -> None:
    registration = Registration() if "whois" in silent else None
    found = await expect_blocked(registered(registration, silent), checks=CHECKS)
    assert {verdict.fault for check in CHECKS for verdict in found.judged[check].verdicts} == {"source"}


async def test_what_is_not_published_is_not_judged(baseline: Scan) -> None:
    found = await scanned(registered(Registration(status=(), expires_in=None, registered_in=None)))
    assert {check: found.statuses[check] for check in CHECKS} == dict.fromkeys(CHECKS, "not_tested")
