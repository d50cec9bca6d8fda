"""Each check of certificates fires for a server whose certificate differs in one setting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.scanner.engine.probes.tls import transparency, trust
from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Site, hardened
from tests.support.lab import transparency as lab_logs
from tests.support.lab.ca import CertificateSpec
from tests.support.lab.mail import MailSpec
from tests.support.lab.tls import TlsSpec

DAY = timedelta(days=1)


def with_certificate(**settings: Any) -> Site:
    return replace(hardened("hardened.test"), tls=TlsSpec(certificate=CertificateSpec(**settings)))


def publicly_issued(**settings: Any) -> Site:
    """Its mail host's certificate comes with proofs enough."""
    mail = MailSpec(tls=TlsSpec(certificate=CertificateSpec(timestamps=2)))
    return replace(with_certificate(**settings), mail=mail)


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's authority counts as one that browsers trust, and its logs as known."""
    real = trust.load

    def load(extra: Path | None) -> trust.TrustStore:
        store = real(extra)
        return replace(store, public=frozenset(map(trust.digest, store.roots)))

    monkeypatch.setattr(trust, "load", load)
    monkeypatch.setattr(transparency, "known_logs", lab_logs.known)


async def test_an_expired_certificate(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(ends_in=-DAY),
        fires="ssl_certificate_expired",
    )

    assert verdict.evidence["not_after"].startswith(f"{datetime.now(UTC) - DAY:%Y-%m-%d}")


async def test_a_certificate_that_ends_soon(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_certificate(ends_in=5 * DAY), fires="ssl_certificate_expiring_soon")

    assert verdict.evidence["days_left"] == 4
    assert verdict.evidence["window_days"] == 5


async def test_a_certificate_of_tomorrow(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_certificate(begins_in=DAY), fires="ssl_certificate_not_yet_valid")

    assert verdict.evidence["not_before"].startswith(f"{datetime.now(UTC) + DAY:%Y-%m-%d}")


async def test_a_certificate_for_another_name(baseline: Scan) -> None:
    changed = with_certificate(names=("other.test",))

    verdict = await expect_only(baseline, changed, fires="ssl_certificate_name_mismatch")

    assert verdict.evidence["names"] == ["other.test"]


@pytest.mark.parametrize(
    ("issuer", "chain"),
    [
        ("itself", ["CN=hardened.test"]),
        ("stranger", ["CN=hardened.test", "CN=Stranger Root Intermediate"]),
    ],
)
async def test_a_certificate_that_nobody_vouches_for(baseline: Scan, issuer: str, chain: list[str]) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(issuer=issuer),
        fires="ssl_certificate_untrusted",
    )

    assert verdict.evidence["chain"] == chain
    assert "certifi" in verdict.evidence["store"]


async def test_a_chain_without_its_intermediate(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(sends_intermediate=False),
        fires="ssl_certificate_chain_incomplete",
    )

    assert verdict.evidence["chain"] == ["CN=hardened.test"]
    assert verdict.evidence["completed_by"] == "http://ca.test/intermediate.cer"
    assert verdict.confidence == "confirmed"


async def test_a_chain_without_its_intermediate_which_cannot_be_had_either(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(sends_intermediate=False, status_at="nowhere"),
        fires="ssl_certificate_chain_incomplete",
        also={
            "ssl_certificate_untrusted": "where the path breaks off, its end is not seen",
            "ssl_certificate_revoked": "only its issuer could tell",
            "ssl_certificate_lifetime_excessive": "it binds public authorities",
            "ssl_certificate_no_sct": "it is about what public authorities issue",
        },
    )

    assert verdict.confidence == "inferred"


async def test_a_short_key(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_certificate(key="RSA-1024"), fires="ssl_certificate_weak_key")

    assert verdict.evidence["key_bits"] == 1024


async def test_a_sha1_signature(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(signature="SHA1"),
        fires="ssl_certificate_weak_signature",
        also={"ssl_certificate_untrusted": "no verifier of today accepts such a signature"},
    )

    assert verdict.evidence["signatures"]["CN=hardened.test"] == "RSA_WITH_SHA1"


@pytest.mark.usefixtures("public")
async def test_a_certificate_for_too_long() -> None:
    before = await scanned(publicly_issued(timestamps=3))

    changed = publicly_issued(timestamps=3, ends_in=300 * DAY)
    verdict = await expect_only(before, changed, fires="ssl_certificate_lifetime_excessive")

    assert verdict.evidence["days"] == 310


async def test_a_wildcard_certificate(baseline: Scan) -> None:
    names = ("hardened.test", "*.hardened.test")

    verdict = await expect_only(baseline, with_certificate(names=names), fires="ssl_wildcard_certificate")

    assert verdict.evidence["names"] == ["*.hardened.test"]


@pytest.mark.parametrize("status_at", ["ocsp", "crl"])
async def test_a_revoked_certificate(baseline: Scan, status_at: str) -> None:
    before = await scanned(with_certificate(status_at=status_at))
    assert before.statuses["ssl_certificate_revoked"] == "pass"

    changed = with_certificate(status_at=status_at, revoked=True)
    verdict = await expect_only(baseline, changed, fires="ssl_certificate_revoked")

    assert verdict.evidence["source"] == status_at
    assert verdict.evidence["because"] == "key_compromise"
    assert verdict.evidence["asked"].startswith("http://ca.test/")


async def test_a_responder_out_of_reach(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline, with_certificate(status_at="nowhere"), fires="ssl_certificate_revoked", becomes="not_tested"
    )

    assert verdict.fault == "source"
    assert "gone.ca.test does not resolve" in verdict.reason


@pytest.mark.usefixtures("public")
async def test_no_certificate_transparency() -> None:
    before = await scanned(publicly_issued(timestamps=2))
    assert before.statuses["ssl_certificate_no_sct"] == "pass"

    verdict = await expect_only(before, publicly_issued(), fires="ssl_certificate_no_sct")

    assert verdict.evidence["timestamps"] == []
    assert verdict.evidence["wanted"] == 2


@pytest.mark.usefixtures("public")
async def test_logs_that_the_list_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    before = await scanned(publicly_issued(timestamps=2))
    monkeypatch.setattr(transparency, "known_logs", lambda: transparency.LogList("empty", {}))

    verdict = await expect_only(
        before, publicly_issued(timestamps=2), fires="ssl_certificate_no_sct", becomes="not_tested"
    )

    assert verdict.fault == "ours"


async def test_a_demanded_staple_that_does_not_come(baseline: Scan) -> None:
    before = await scanned(with_certificate(must_staple=True, staple="good"))
    assert before.statuses["ssl_must_staple_violated"] == "pass"

    verdict = await expect_only(baseline, with_certificate(must_staple=True), fires="ssl_must_staple_violated")

    assert verdict.evidence["staple"] is None


async def test_a_demanded_staple_that_is_out_of_date(baseline: Scan) -> None:
    changed = with_certificate(must_staple=True, staple="outdated")

    verdict = await expect_only(baseline, changed, fires="ssl_must_staple_violated")

    assert "out of date" in verdict.evidence["staple"]


async def test_a_server_that_says_nothing_is_not_judged(baseline: Scan) -> None:
    scan = await scanned(replace(hardened("hardened.test"), tls=TlsSpec(behaviour="hang")))

    checks = [check_id for check_id in baseline.statuses if check_id.startswith("ssl_certificate")]
    assert {scan.statuses[check_id] for check_id in [*checks, "ssl_must_staple_violated"]} == {"not_tested"}
