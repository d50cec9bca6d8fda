"""DNSSEC against zones that are really signed, under a lab's own trust anchor."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
import pytest_asyncio

from services.scanner.engine import catalog, scan
from services.scanner.engine.judging import Judged, judge
from services.scanner.engine.network import Network, World
from services.scanner.engine.secure_lookup import SecureAnswer, secure_lookup
from services.scanner.engine.target import parse
from shared.contracts.report import Module
from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.signing import Signing

# Without TLSA records: those are worth what their zone's signatures are, which is a subject of the mail checks.
BARE = hardened("hardened.test")
SITE = replace(BARE, zone=BARE.zone.set("_25._tcp.mail", "TLSA"))
UNPROVED = {
    "dnssec_bogus": "there is no chain of trust to fail",
    "dnssec_signature_expiring": "signatures that nobody checks may end",
}
FAILED = {"dnssec_signature_expiring": "the chain of trust is broken already"}
HASHED = {"dnssec_nsec3_iterations": "the zone uses NSEC3"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def signed() -> Scan:
    return await scanned(SITE)


def with_signing(signing: Signing | None) -> Site:
    return replace(SITE, zone=replace(SITE.zone, signing=signing))


def test_the_hardened_site_is_secure(signed: Scan) -> None:
    verdict = signed.verdicts("dnssec_bogus", "pass")[0]
    assert verdict.evidence["chain"] == ["test: secure", "hardened.test: secure"]
    assert len(verdict.evidence["validated"]) == 6


async def test_not_signed(signed: Scan) -> None:
    also = UNPROVED | {
        "dnssec_weak_algorithm": "there are no keys to be weak",
        "dnssec_ds_missing": "there are no keys to be named",
    }
    verdict = await expect_only(signed, with_signing(None), fires="dnssec_not_signed", also=also)
    assert verdict.asset == "hardened.test"


async def test_ds_missing(signed: Scan) -> None:
    verdict = await expect_only(signed, with_signing(Signing(ds="absent")), fires="dnssec_ds_missing", also=UNPROVED)
    assert verdict.evidence["keys"]


@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        (Signing(ends_in=timedelta(hours=-1)), "expired"),
        (Signing(begins_in=timedelta(hours=1)), "begins"),
        (Signing(ds="wrong"), "DS"),
        (Signing(forged=("DNSKEY",)), "does not match"),
        (Signing(revoked=True), "no DNSKEY"),
    ],
    ids=["expired", "not yet", "wrong key", "forged", "revoked"],
)
async def test_bogus_chain(signed: Scan, signing: Signing, reason: str) -> None:
    verdict = await expect_only(signed, with_signing(signing), fires="dnssec_bogus", also=FAILED)
    assert reason in verdict.reason
    assert verdict.asset == "hardened.test"


async def test_bogus_records(signed: Scan) -> None:
    verdict = await expect_only(signed, with_signing(Signing(forged=("MX",))), fires="dnssec_bogus")
    assert "MX of hardened.test" in verdict.reason


async def test_bogus_denial(signed: Scan) -> None:
    verdict = await expect_only(signed, with_signing(Signing(denial="none")), fires="dnssec_bogus")
    assert "proves" in verdict.reason
    verdict = await expect_only(
        signed, with_signing(Signing(denial="NSEC3", forged=("NSEC3",))), fires="dnssec_bogus", also=HASHED
    )
    assert "NSEC3" in verdict.reason


async def test_keys_that_are_not_served(signed: Scan) -> None:
    also = FAILED | {
        "dnssec_not_signed": "the parent says it is signed: that is what is broken",
        "dnssec_weak_algorithm": "there are no keys to be weak",
        "dnssec_ds_missing": "there are no keys to be named",
    }
    verdict = await expect_only(signed, with_signing(Signing(serves_keys=False)), fires="dnssec_bogus", also=also)
    assert "no DNSKEY" in verdict.reason


async def test_signature_expiring(signed: Scan) -> None:
    changed = with_signing(Signing(begins_in=timedelta(days=-29), ends_in=timedelta(days=1)))
    verdict = await expect_only(signed, changed, fires="dnssec_signature_expiring")
    assert verdict.evidence["ends_at"]


async def test_signatures_made_for_the_day_are_no_warning(signed: Scan) -> None:
    scan = await scanned(with_signing(Signing(begins_in=timedelta(days=-1), ends_in=timedelta(days=1))))
    assert scan.statuses["dnssec_signature_expiring"] == "pass"


@pytest.mark.parametrize(
    ("signing", "subject"),
    [
        (Signing(algorithm="RSASHA1"), "RSASHA1"),
        (Signing(algorithm="RSASHA256", bits=1024), "short key"),
        (Signing(digest="SHA1"), "DS SHA-1"),
    ],
    ids=["SHA-1", "short", "DS"],
)
async def test_weak_algorithm(signed: Scan, signing: Signing, subject: str) -> None:
    verdict = await expect_only(signed, with_signing(signing), fires="dnssec_weak_algorithm")
    assert verdict.subject == subject


async def test_nsec3_iterations(signed: Scan) -> None:
    changed = with_signing(Signing(denial="NSEC3", iterations=10, salt=b"\xab"))
    verdict = await expect_only(signed, changed, fires="dnssec_nsec3_iterations")
    assert (verdict.evidence["iterations"], verdict.evidence["salt"]) == (10, "ab")


@pytest.mark.parametrize("algorithm", ["ECDSAP384SHA384", "ED25519", "ED448", "RSASHA256", "RSASHA512"])
async def test_algorithms_and_nsec3(algorithm: str) -> None:
    site = with_signing(Signing(algorithm=algorithm, denial="NSEC3", digest="SHA384"))
    judged = await _judged(site, "passed")
    assert {one.status for one in judged.values()} <= {"pass", "not_applicable"}


@pytest.mark.parametrize("handling", ["stripped", "refused"])
async def test_a_resolver_without_dnssec_says_nothing_of_the_target(
    handling: Literal["stripped", "refused"],
) -> None:
    judged = await _judged(SITE, handling)
    assert {one.status for one in judged.values()} == {"not_tested"}
    assert {verdict.fault for one in judged.values() for verdict in one.verdicts} == {"source"}


async def test_a_zone_whose_keys_cannot_be_had() -> None:
    """DS is given by the parent; what the zone should say of itself is not."""
    judged = await _judged(replace(SITE, zone=replace(SITE.zone, servfail=("@",))), "passed")
    assert judged["dnssec_bogus"].status == "not_tested"
    assert judged["dnssec_not_signed"].verdicts[0].fault == "target"


async def _judged(site: Site, handling: Literal["passed", "stripped", "refused"]) -> dict[str, Judged]:
    """The checks of dnssec on a site behind a resolver that handles signatures so."""
    async with Lab() as lab:
        await lab.serve(site)
        lab.resolver.dnssec = handling
        world = World.from_settings(lab.engine_settings(), "test")
        seen = await scan.observe(parse(site.name), scan.Options(modules=(Module.DNSSEC,)), world)
        return {one.row.id: one for one in judge(seen, catalog.load()) if one.row.module == Module.DNSSEC}


async def _answers(sites: Collection[Site], *questions: tuple[str, str]) -> list[SecureAnswer]:
    async with Lab() as lab:
        await lab.serve(*(replace(site, web=None, tls=None, mail=None) for site in sites))
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        try:
            return [await secure_lookup(network, *question) for question in questions]
        finally:
            await network.close()


@pytest.mark.parametrize("denial", ["NSEC", "NSEC3"])
async def test_lookups_of_all_kinds(denial: Literal["NSEC", "NSEC3"]) -> None:
    zone = BARE.zone.set("*.wild", "A", "192.0.2.7").set("alias", "CNAME", "www.other.test.")
    signed = replace(BARE, zone=replace(zone, signing=Signing(denial=denial)))
    found = await _answers(
        [signed, hardened("other.test")],
        ("_25._tcp.mail.hardened.test", "TLSA"),
        ("_25._tcp.mail.hardened.test", "A"),
        ("_tcp.mail.hardened.test", "A"),
        ("a.b.wild.hardened.test", "A"),
        ("a.b.wild.hardened.test", "TXT"),
        ("no.such.hardened.test", "A"),
        ("alias.hardened.test", "A"),
        ("hardened.test", "DS"),
        ("nobody.test", "A"),
    )
    assert [answer.status for answer in found] == ["secure"] * len(found), found
    assert [answer.rcode for answer in found] == [*["NOERROR"] * 5, "NXDOMAIN", "NOERROR", "NOERROR", "NXDOMAIN"]
    assert [len(answer.records) for answer in found] == [1, 0, 0, 1, 0, 0, 1, 1, 0]
    assert found[6].aliases == ("www.other.test",)


async def test_an_alias_is_as_secure_as_where_it_leads() -> None:
    target = replace(hardened("other.test"), zone=replace(hardened("other.test").zone, signing=None))
    signed = replace(BARE, zone=BARE.zone.set("alias", "CNAME", "www.other.test."))
    (found,) = await _answers(
        [replace(signed, zone=replace(signed.zone, signing=Signing())), target], ("alias.hardened.test", "A")
    )
    assert (found.status, len(found.records)) == ("insecure", 1)


@pytest.mark.parametrize("signing", [Signing(), Signing(denial="NSEC3"), Signing(denial="NSEC3", opt_out=True)])
async def test_zones_below_zones(signing: Signing) -> None:
    parent = replace(BARE, zone=replace(BARE.zone, signing=signing))
    below = hardened("signed.hardened.test")
    plain = hardened("plain.hardened.test")
    plain = replace(plain, zone=replace(plain.zone, signing=None))
    found = await _answers([parent, below, plain], ("www.signed.hardened.test", "A"), ("www.plain.hardened.test", "A"))
    assert [answer.status for answer in found] == ["secure", "insecure"]


async def test_a_name_above_which_no_anchor_stands_is_not_judged() -> None:
    (found,) = await _answers([BARE], ("example.com", "A"))
    assert (found.status, found.fault, found.records) == ("indeterminate", "source", ("192.0.2.1",))
