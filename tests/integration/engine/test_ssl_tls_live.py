"""Each check of TLS fires for a server that differs in one setting, and the evidence holds what was served."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.network import Network, Stream, World
from services.scanner.engine.probes.tls import tls
from services.scanner.engine.target import parse
from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.ca import CertificateSpec
from tests.support.lab.tls import MODERN, Scripted, TlsSpec

DAY = timedelta(days=1)
LEGACY = f"{MODERN}:ECDHE-ECDSA-AES128-SHA"  # what TLS 1.0 and 1.1 need beside
RSA = CertificateSpec(key="RSA-2048")
UNTRUSTED = {
    "ssl_certificate_chain_incomplete": "a path to no root is not incomplete",
    "ssl_certificate_lifetime_excessive": "the limits bind public authorities",
}


def site(spec: TlsSpec) -> Site:
    return replace(hardened("hardened.test"), tls=spec)


def with_certificate(**settings: Any) -> Site:
    return site(TlsSpec(certificate=CertificateSpec(**settings)))


async def test_an_expired_certificate(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(ends_in=-DAY),
        fires="ssl_certificate_expired",
        also={"ssl_certificate_expiring_soon": "what has ended does not end soon"},
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
        also=UNTRUSTED,
    )

    assert verdict.evidence["chain"] == chain
    assert "certifi" in verdict.evidence["store"]


async def test_a_chain_without_its_intermediate(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(sends_intermediate=False),
        fires="ssl_certificate_chain_incomplete",
        also={"ssl_certificate_untrusted": "where the path breaks off, its end is not seen"},
    )

    assert verdict.evidence["chain"] == ["CN=hardened.test"]
    assert verdict.confidence == "inferred"


async def test_a_short_key(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_certificate(key="RSA-1024"), fires="ssl_certificate_weak_key")

    assert verdict.evidence["key_bits"] == 1024


async def test_a_sha1_signature(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline,
        with_certificate(signature="SHA1"),
        fires="ssl_certificate_weak_signature",
        also={"ssl_certificate_untrusted": "no verifier of today accepts such a signature", **UNTRUSTED},
    )

    assert verdict.evidence["signatures"]["CN=hardened.test"] == "RSA_WITH_SHA1"


async def test_a_certificate_for_too_long(baseline: Scan) -> None:
    changed = with_certificate(ends_in=300 * DAY)

    verdict = await expect_only(baseline, changed, fires="ssl_certificate_lifetime_excessive")

    assert verdict.evidence["days"] == 310


async def test_a_wildcard_certificate(baseline: Scan) -> None:
    names = ("hardened.test", "*.hardened.test")

    verdict = await expect_only(baseline, with_certificate(names=names), fires="ssl_wildcard_certificate")

    assert verdict.evidence["names"] == ["*.hardened.test"]


@pytest.mark.parametrize(
    ("fires", "scripted", "seen"),
    [
        ("ssl_sslv2_or_sslv3_enabled", Scripted("SSLv2"), {"version": "SSLv2"}),
        ("ssl_sslv2_or_sslv3_enabled", Scripted("SSLv3", 0x0035), {"suite": "TLS_RSA_WITH_AES_256_CBC_SHA"}),
        ("ssl_export_rc4_des_cipher", Scripted("TLSv1.2", 0x0005), {"suite": "TLS_RSA_WITH_RC4_128_SHA"}),
        ("ssl_export_rc4_des_cipher", Scripted("TLSv1.2", 0x0003), {"suite": "TLS_RSA_EXPORT_WITH_RC4_40_MD5"}),
        ("ssl_export_rc4_des_cipher", Scripted("TLSv1.2", 0x0009), {"suite": "TLS_RSA_WITH_DES_CBC_SHA"}),
        ("ssl_3des_cipher", Scripted("TLSv1.2", 0x000A), {"suite": "TLS_RSA_WITH_3DES_EDE_CBC_SHA"}),
    ],
)
async def test_what_no_current_library_serves(
    baseline: Scan, fires: str, scripted: Scripted, seen: dict[str, str]
) -> None:
    verdict = await expect_only(baseline, site(TlsSpec(scripted=(scripted,))), fires=fires)

    assert seen.items() <= verdict.evidence.items()


@pytest.mark.parametrize(
    ("suite", "seen"),
    [
        ("ECDHE-ECDSA-NULL-SHA", "TLS_ECDHE_ECDSA_WITH_NULL_SHA"),
        ("AECDH-AES256-SHA", "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"),
    ],
)
async def test_null_and_anonymous_suites(baseline: Scan, suite: str, seen: str) -> None:
    changed = site(TlsSpec(ciphers=f"{MODERN}:{suite}"))

    verdict = await expect_only(baseline, changed, fires="ssl_null_or_anonymous_cipher")

    assert verdict.evidence["suite"] == seen


async def test_tls_1_1() -> None:
    before = await scanned(site(TlsSpec(ciphers=LEGACY)))

    verdict = await expect_only(
        before, site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.1", "TLSv1.3"))), fires="ssl_tls11_enabled"
    )

    assert verdict.evidence["version"] == "TLSv1.1"


async def test_tls_1_0() -> None:
    before = await scanned(site(TlsSpec(ciphers=LEGACY)))

    verdict = await expect_only(
        before,
        site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.0", "TLSv1.3"))),
        fires="ssl_tls10_enabled",
        also={"ssl_tls11_enabled": "OpenSSL serves a range of versions without gaps"},
    )

    assert verdict.evidence["version"] == "TLSv1.0"


async def test_nothing_newer_than_tls_1_1() -> None:
    before = await scanned(site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.1", "TLSv1.2"))))

    verdict = await expect_only(
        before,
        site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.1", "TLSv1.1"))),
        fires="ssl_tls12_missing",
        also={
            "ssl_tls13_missing": "it asks for TLS 1.3 beside TLS 1.2",
            "ssl_no_aead_cipher": "it is about TLS 1.2",
        },
    )

    assert verdict.evidence["accepted"] == {"TLSv1.1": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}


async def test_tls_1_3_missing(baseline: Scan) -> None:
    verdict = await expect_only(baseline, site(TlsSpec(versions=("TLSv1.2",))), fires="ssl_tls13_missing")

    assert list(verdict.evidence["accepted"]) == ["TLSv1.2"]


async def test_tls_1_3_alone_shows_its_certificate(baseline: Scan) -> None:
    """Its handshake is encrypted; nothing that is said of the certificate may depend on an older version."""
    scan = await scanned(site(TlsSpec(versions=("TLSv1.3",))))

    changed = {check_id for check_id, status in scan.statuses.items() if status != baseline.statuses[check_id]}
    assert changed == {"ssl_insecure_renegotiation", "ssl_no_aead_cipher"}  # neither exists in TLS 1.3
    assert len(scan.verdicts("ssl_certificate_untrusted", "pass")[0].evidence["chain"]) == 2


async def test_static_key_exchange() -> None:
    settled = TlsSpec(versions=("TLSv1.2",), certificate=RSA)
    before = await scanned(site(settled))

    verdict = await expect_only(
        before, site(replace(settled, ciphers="AES256-GCM-SHA384")), fires="ssl_no_forward_secrecy"
    )

    assert verdict.evidence["accepted"] == {"TLSv1.2": "TLS_RSA_WITH_AES_256_GCM_SHA384"}


async def test_cbc_suites_alone(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline, site(TlsSpec(ciphers="ECDHE-ECDSA-AES128-SHA256")), fires="ssl_no_aead_cipher"
    )

    assert verdict.evidence["suite"] == "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"


async def test_a_small_diffie_hellman_group() -> None:
    settled = TlsSpec(ciphers=f"{MODERN}:DHE+AESGCM", dh_bits=2048, certificate=RSA)
    before = await scanned(site(settled))

    verdict = await expect_only(before, site(replace(settled, dh_bits=1024)), fires="ssl_weak_dh_parameters")

    assert verdict.evidence["bits"] == 1024
    assert verdict.evidence["known_prime"] == "RFC 2409 group 2"


async def test_renegotiation_without_rfc_5746() -> None:
    script = Scripted("TLSv1.2", 0xC02B)
    before = await scanned(site(TlsSpec(versions=("TLSv1.3",), scripted=(script,))))

    changed = TlsSpec(versions=("TLSv1.3",), scripted=(replace(script, renegotiation_info=False),))
    verdict = await expect_only(before, site(changed), fires="ssl_insecure_renegotiation")

    assert verdict.evidence["versions"] == ["TLSv1.2"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (TlsSpec(behaviour="hang"), "no whole answer to the hello"),
        (TlsSpec(behaviour="reset"), "does not answer a TLS hello"),
        (TlsSpec(behaviour="garbage"), "a record claims 65535 bytes"),
    ],
)
async def test_a_server_that_does_not_speak_tls_is_not_judged(spec: TlsSpec, reason: str) -> None:
    scan = await scanned(site(spec))

    statuses = {status for check_id, status in scan.statuses.items() if check_id.startswith("ssl_")}
    assert statuses == {"not_tested"}
    verdict = scan.verdicts("ssl_tls10_enabled", "not_tested")[0]
    assert reason in verdict.reason
    assert verdict.fault == "target"


class CountingNetwork(Network):
    """Counts what an operator would see in the access log."""

    count = 0

    @asynccontextmanager
    async def connect(self, address: str, port: int, *, timeout: float = 3.0) -> AsyncIterator[Stream]:
        self.count += 1
        async with super().connect(address, port, timeout=timeout) as stream:
            yield stream


@pytest.mark.parametrize(
    ("spec", "connections"),
    [
        (TlsSpec(), 10),
        (TlsSpec(versions=("TLSv1.3",)), 12),
        (TlsSpec(versions=("TLSv1.2",), ciphers="AES128-SHA256", certificate=RSA), 12),
    ],
)
async def test_an_endpoint_sees_twelve_connections_at_most(spec: TlsSpec, connections: int) -> None:
    async with Lab() as lab:
        await lab.serve(site(spec))
        network = CountingNetwork(World.from_settings(lab.engine_settings(), "test"))
        host = Host("hardened.test", (lab.place("hardened.test").web,))
        try:
            await tls(parse("hardened.test"), network, Addresses(host, Host("www.hardened.test", ()), (), ()))
        finally:
            await network.close()

    assert network.count == connections


async def test_a_site_without_tls_has_nothing_to_judge() -> None:
    scan = await scanned(replace(hardened("hardened.test"), tls=None))

    assert {status for check_id, status in scan.statuses.items() if check_id.startswith("ssl_")} == {"not_applicable"}
