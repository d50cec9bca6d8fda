"""What the checks of certificates make of the evidence."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.scanner.engine.check import CheckFunction, Verdict
from services.scanner.engine.checks import tls_certificate, tls_revocation, tls_trust
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import (
    Certificate,
    Revocation,
    Standing,
    Staple,
    Status,
    Timestamp,
    Tls,
    Transparency,
    Trust,
)
from services.scanner.engine.observations import _dump, _load
from tests.unit.engine.tls.test_checks import CERTIFICATE, NOW, SERVICE, endpoint

GOOD = Standing("good", "ocsp", "http://ocsp.test", NOW, NOW + timedelta(days=1))
REVOKED = Standing("revoked", "crl", "http://ca.test/a'b.crl", NOW, NOW, NOW - timedelta(days=3), "key_compromise")
UNPUBLISHED = Standing("unpublished")
SILENT = Unseen("the responder did not answer", "source")
PATH = ("CN=example.test", "CN=Issuer", "CN=Root")


def judged(check: CheckFunction, **changes: Any) -> Verdict:
    [verdict] = check(Tls("example.test", (endpoint(replace(SERVICE, **changes)),)))
    return verdict


def revocation(*standings: Standing | Unseen, staple: Staple | Unseen | None = None) -> Revocation:
    statuses = tuple(
        Status(name, f"{n:064x}", said) for n, (name, said) in enumerate(zip(PATH, standings, strict=False))
    )
    return Revocation(statuses, staple)


@pytest.mark.parametrize(
    ("standings", "status"),
    [
        ([GOOD], "pass"),
        ([GOOD, UNPUBLISHED], "pass"),
        ([GOOD, SILENT], "not_tested"),
        ([UNPUBLISHED, GOOD], "not_applicable"),
        ([UNPUBLISHED, SILENT], "not_applicable"),
        ([SILENT, GOOD], "not_tested"),
        ([SILENT, REVOKED], "fail"),
        ([REVOKED, GOOD], "fail"),
    ],
)
def test_revoked(standings: Sequence[Standing | Unseen], status: str) -> None:
    verdict = judged(tls_revocation.revoked, revocation=revocation(*standings))

    assert verdict.status == status
    if status == "not_tested":
        assert verdict.fault == "source"


def test_an_authority_that_was_revoked_is_named() -> None:
    verdict = judged(tls_revocation.revoked, revocation=revocation(GOOD, REVOKED))

    assert verdict.reason == "the authority's certificate CN=Issuer was revoked on 2026-11-21 (key_compromise)"
    assert verdict.evidence["certificate"] == "CN=Issuer"
    assert "curl -s 'http://ca.test/a%27b.crl' | openssl crl" in verdict.reproduce  # no way out of the quotes
    assert "-in cert2.pem" in verdict.reproduce


@pytest.mark.parametrize(
    ("standing", "command"),
    [
        (replace(REVOKED, source="ocsp"), "openssl ocsp -issuer cert2.pem -cert cert1.pem"),
        (replace(REVOKED, source="staple"), "-status </dev/null"),
    ],
)
def test_how_to_see_a_revocation_again(standing: Standing, command: str) -> None:
    assert command in judged(tls_revocation.revoked, revocation=revocation(standing)).reproduce


@pytest.mark.parametrize(
    ("demanded", "staple", "status"),
    [
        (False, None, "not_applicable"),
        (True, None, "fail"),
        (True, Staple("good"), "pass"),
        (True, Staple("revoked"), "pass"),  # which is another check's affair
        (True, Staple("", "the OCSP response is out of date"), "fail"),
        (True, Staple("unknown", "the responder does not know the certificate"), "fail"),
        (True, Unseen("no staple was asked for", "ours"), "not_tested"),
    ],
)
def test_must_staple(staple: Staple | Unseen | None, status: str, *, demanded: bool) -> None:
    verdict = judged(
        tls_revocation.must_staple_violated,
        chain=(replace(CERTIFICATE, must_staple=demanded),),
        revocation=revocation(GOOD, staple=staple),
    )

    assert verdict.status == status


@pytest.mark.parametrize(
    ("trust", "untrusted", "incomplete"),
    [
        (Trust("trusted", "a store", "", root="CN=Root"), "pass", "pass"),
        (Trust("untrusted", "a store", "self-signed"), "fail", "not_applicable"),
        (Trust("incomplete", "a store", "not sent"), "not_tested", "fail"),
        (
            Trust("incomplete", "a store", "not sent", root="CN=Root", completed_by="http://ca.test/a.cer"),
            "pass",
            "fail",
        ),
    ],
)
def test_trust(trust: Trust, untrusted: str, incomplete: str) -> None:
    assert judged(tls_trust.untrusted, trust=trust).status == untrusted
    verdict = judged(tls_trust.chain_incomplete, trust=trust)
    assert verdict.status == incomplete
    if incomplete == "fail":
        assert verdict.confidence == ("confirmed" if trust.completed_by else "inferred")


@pytest.mark.parametrize(
    ("chain", "notes"),
    [
        ([CERTIFICATE], []),
        ([CERTIFICATE, CERTIFICATE], ["twice", "does not certify"]),
        ([CERTIFICATE, replace(CERTIFICATE, subject="CN=Issuer", sha256="01")], []),
        ([CERTIFICATE, replace(CERTIFICATE, subject="CN=Other", sha256="01")], ["does not certify"]),
        ([CERTIFICATE, replace(CERTIFICATE, subject="CN=Issuer", sha256="01", self_issued=True)], ["root is sent"]),
    ],
)
def test_what_is_odd_about_the_order(chain: list[Certificate], notes: list[str]) -> None:
    found = judged(tls_trust.untrusted, chain=tuple(chain)).evidence.get("order", [])

    assert len(found) == len(notes)
    assert all(any(note in each for each in found) for note in notes)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "pass"),
        ({"key_type": "RSA", "key_bits": 2048}, "pass"),
        ({"key_type": "RSA", "key_bits": 2047}, "fail"),
        ({"key_bits": 192}, "fail"),
        ({"key_flaws": ("has a small factor",)}, "fail"),
        ({"key_type": "DSA", "key_bits": 3072, "key_flaws": ("is a DSA key",)}, "fail"),
        ({"key_type": "Ed25519", "key_bits": 256}, "pass"),
        ({"key_type": "other", "key_bits": 0}, "not_tested"),
    ],
)
def test_keys(changes: dict[str, Any], status: str) -> None:
    assert judged(tls_certificate.weak_key, chain=(replace(CERTIFICATE, **changes),)).status == status


def test_a_weak_signature_beside_the_path_is_for_old_clients() -> None:
    old = replace(CERTIFICATE, subject="CN=Old", sha256="01", signature_algorithm="RSA_WITH_SHA1")
    trusted = Trust("trusted", "a store", "", root="CN=Root", path=(CERTIFICATE.sha256, "02"))

    assert judged(tls_certificate.weak_signature, chain=(CERTIFICATE, old), trust=trusted).status == "pass"
    assert judged(tls_certificate.weak_signature, chain=(old,), trust=trusted).status == "pass"
    path = (CERTIFICATE.sha256, old.sha256)
    assert (
        judged(tls_certificate.weak_signature, chain=(CERTIFICATE, old), trust=replace(trusted, path=path)).status
        == "fail"
    )


@pytest.mark.parametrize(
    ("issued", "days", "status"),
    [
        ("2020-08-31", 825, "not_applicable"),
        ("2020-09-01", 398, "pass"),
        ("2020-09-01", 399, "fail"),
        ("2026-03-14", 398, "pass"),
        ("2026-03-15", 200, "pass"),
        ("2026-03-15", 201, "fail"),
        ("2027-03-15", 100, "pass"),
        ("2027-03-15", 101, "fail"),
        ("2029-03-15", 47, "pass"),
        ("2029-03-15", 48, "fail"),
    ],
)
def test_the_longest_lifetime_by_the_day_of_issue(issued: str, days: int, status: str) -> None:
    begins = NOW.fromisoformat(f"{issued}T00:00:00+00:00")
    certificate = replace(CERTIFICATE, not_before=begins, not_after=begins + timedelta(days=days))
    public = Trust("trusted", "a store", "", root="CN=Root", public=True)

    assert judged(tls_certificate.lifetime_excessive, chain=(certificate,), trust=public).status == status


@pytest.mark.parametrize(
    ("trust", "status"),
    [
        (Trust("trusted", "a store", "", root="CN=Own"), "not_applicable"),
        (Trust("untrusted", "a store", "why"), "not_applicable"),
        (Trust("incomplete", "a store", "why"), "not_tested"),
    ],
)
def test_the_limits_bind_public_authorities_alone(trust: Trust, status: str) -> None:
    certificate = replace(CERTIFICATE, not_after=NOW + timedelta(days=1000))

    assert judged(tls_certificate.lifetime_excessive, chain=(certificate,), trust=trust).status == status


@pytest.mark.parametrize("staple", [None, Staple("good", "", NOW, NOW), Unseen("no staple was asked for", "ours")])
def test_the_evidence_survives_its_storage(staple: Staple | Unseen | None) -> None:
    service = replace(
        SERVICE,
        chain=(replace(CERTIFICATE, der=b"\x30\x00\xff", responders=("http://ocsp.test",)),),
        trust=Trust("trusted", "a store", "", root="CN=Root", public=True, path=("00", "01")),
        revocation=revocation(GOOD, REVOKED, SILENT, staple=staple),
        transparency=Transparency("2026-11-01", (Timestamp("00", "tls", NOW, "valid", retired_at=NOW),)),
    )
    tls = Tls("example.test", (endpoint(service),))

    assert _load(Tls, _dump(Tls, tls)) == tls
