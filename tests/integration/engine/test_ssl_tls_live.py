"""Each check of TLS fires for a server that differs in one setting, and the evidence holds what was served."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.scanner.engine.evidence.tls import Service
from services.scanner.engine.network import Network, World
from services.scanner.engine.probes.tls import suites, trust
from services.scanner.engine.probes.tls.survey import survey
from services.scanner.engine.streams import Stream
from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.ca import CertificateSpec
from tests.support.lab.mail import MailSpec
from tests.support.lab.tls import MODERN, FlawName, Scripted, TlsSpec

LEGACY = f"{MODERN}:ECDHE-ECDSA-AES128-SHA"  # what TLS 1.0 and 1.1 need beside
TLS13 = ("TLS_AES_", "TLS_CHACHA20_")  # how the names of its suites begin
FALLBACK = {"ssl_no_downgrade_protection": "it is about versions before TLS 1.2 beside later ones"}
RSA = CertificateSpec(key="RSA-2048")


def site(spec: TlsSpec) -> Site:
    return replace(hardened("hardened.test"), tls=spec)


def on_the_web(scan: Scan) -> dict[str, str]:
    """What the checks of TLS say of port 443."""
    return {
        check_id: verdict.status
        for check_id, judged in scan.judged.items()
        for verdict in judged.verdicts
        if check_id.startswith("ssl_") and verdict.asset == "hardened.test:443"
    }


@pytest.mark.parametrize(
    ("fires", "scripted", "seen"),
    [
        ("ssl_sslv2_or_sslv3_enabled", Scripted("SSLv2"), {"version": "SSLv2"}),
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


async def test_ssl_3_0(baseline: Scan) -> None:
    changed = site(TlsSpec(scripted=(Scripted("SSLv3", 0x0035),)))

    verdict = await expect_only(baseline, changed, fires="ssl_sslv2_or_sslv3_enabled", also=FALLBACK)

    assert verdict.evidence["suites"] == ["TLS_RSA_WITH_AES_256_CBC_SHA"]
    assert [attack["name"] for attack in verdict.evidence["attacks"]] == ["POODLE"]


async def test_tls_1_1() -> None:
    before = await scanned(site(TlsSpec(ciphers=LEGACY)))

    verdict = await expect_only(
        before,
        site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.1", "TLSv1.3"))),
        fires="ssl_tls11_enabled",
        also=FALLBACK,
    )

    assert verdict.evidence["version"] == "TLSv1.1"


async def test_tls_1_0() -> None:
    before = await scanned(site(TlsSpec(ciphers=LEGACY)))

    verdict = await expect_only(
        before,
        site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.0", "TLSv1.3"))),
        fires="ssl_tls10_enabled",
        also={"ssl_tls11_enabled": "OpenSSL serves a range of versions without gaps", **FALLBACK},
    )

    assert verdict.evidence["version"] == "TLSv1.0"


async def test_nothing_newer_than_tls_1_1() -> None:
    before = await scanned(site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.1", "TLSv1.2"))))

    verdict = await expect_only(
        before,
        site(TlsSpec(ciphers=LEGACY, versions=("TLSv1.1", "TLSv1.1"))),
        fires="ssl_tls12_missing",
        also={"ssl_tls13_missing": "it asks for TLS 1.3 beside TLS 1.2", **FALLBACK},
    )

    assert verdict.evidence["accepted"] == {"TLSv1.1": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}


async def test_tls_1_3_missing(baseline: Scan) -> None:
    verdict = await expect_only(baseline, site(TlsSpec(versions=("TLSv1.2",))), fires="ssl_tls13_missing")

    assert list(verdict.evidence["accepted"]) == ["TLSv1.2"]


async def test_tls_1_3_alone_shows_its_certificate(baseline: Scan) -> None:
    """Its handshake is encrypted; nothing that is said of the certificate may depend on an older version."""
    scan = await scanned(site(TlsSpec(versions=("TLSv1.3",))))

    before, after = on_the_web(baseline), on_the_web(scan)
    changed = {check_id for check_id, status in after.items() if status != before[check_id]}
    # None of them exists in TLS 1.3.
    assert changed == {
        "ssl_insecure_renegotiation",
        "ssl_no_aead_cipher",
        "ssl_compression_enabled",
        "ssl_implementation_flaw",
    }
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


async def test_compression() -> None:
    script = Scripted("TLSv1.2", 0xC02B)
    before = await scanned(site(TlsSpec(versions=("TLSv1.3",), scripted=(script,))))

    changed = TlsSpec(versions=("TLSv1.3",), scripted=(replace(script, compression=True),))
    verdict = await expect_only(before, site(changed), fires="ssl_compression_enabled")

    assert verdict.evidence["version"] == "TLSv1.2"
    assert verdict.evidence["attacks"][0]["cve"] == "CVE-2012-4929"


async def test_a_fallback_that_is_not_noticed() -> None:
    script = Scripted("TLSv1.0", 0x002F)
    before = await scanned(site(TlsSpec(scripted=(script,))))

    changed = TlsSpec(scripted=(replace(script, fallback_scsv=False),))
    verdict = await expect_only(before, site(changed), fires="ssl_no_downgrade_protection")

    assert verdict.evidence["version"] == "TLSv1.0"
    assert verdict.evidence["accepted"] == ["TLSv1.0", "TLSv1.2", "TLSv1.3"]


async def test_no_post_quantum_key_exchange(baseline: Scan) -> None:
    verdict = await expect_only(baseline, site(TlsSpec(post_quantum=False)), fires="ssl_pq_key_exchange_missing")

    assert verdict.evidence["groups"][0] == "x25519"


@pytest.mark.parametrize(
    ("fires", "flaw", "suite", "answer"),
    [
        ("ssl_heartbleed", "heartbleed", 0xC02B, "it answers 3 bytes with 83, most of them from its memory"),
        ("ssl_implementation_flaw", "ccs_injection", 0xC02B, "a second ChangeCipherSpec gets alert bad_record_mac"),
        (
            "ssl_implementation_flaw",
            "robot",
            0x009C,
            "sound: alert bad_record_mac, wrong beginning: alert decrypt_error",
        ),
    ],
)
async def test_flaws_of_implementations(fires: str, flaw: FlawName, suite: int, answer: str) -> None:
    script = Scripted("TLSv1.2", suite)
    before = await scanned(site(TlsSpec(versions=("TLSv1.3",), scripted=(script,), certificate=RSA)))

    changed = TlsSpec(versions=("TLSv1.3",), scripted=(replace(script, flaws=(flaw,)),), certificate=RSA)
    verdict = await expect_only(before, site(changed), fires=fires)

    assert answer in verdict.evidence["answer"]
    assert verdict.evidence["attacks"][0]["basis"] == "confirmed by behaviour"


async def test_tls_after_a_plaintext_opening(baseline: Scan) -> None:
    """On 587, 143 and 110 of the mail host, and nowhere else."""
    changed = replace(hardened("hardened.test"), mail=MailSpec(tls=TlsSpec(versions=("TLSv1.2",))))

    await expect_only(baseline, changed, fires="ssl_tls13_missing")

    scan = await scanned(changed)
    failed = {verdict.asset: verdict.reproduce for verdict in scan.verdicts("ssl_tls13_missing", "fail")}
    assert failed.keys() == {f"mail.hardened.test:{port}" for port in (587, 143, 110)}
    assert "-starttls imap" in failed["mail.hardened.test:143"]


async def test_all_that_is_accepted_is_found() -> None:
    """Against what OpenSSL says of itself; the numbers of its groups are those of RFC 8446 section 4.2.7."""
    scan = await scanned(site(TlsSpec(versions=("TLSv1.0", "TLSv1.3"), ciphers="ALL:COMPLEMENTOFALL", certificate=RSA)))

    verdict = next(
        each for each in scan.verdicts("ssl_no_forward_secrecy", "pass") if each.asset == "hardened.test:443"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    served = [suites.name(cipher["id"] & 0xFFFF) for cipher in context.get_ciphers()]
    by_rsa = [
        name for name in served if not any(part in name for part in ("_ECDSA_", "_PSK_", "_SRP_", "_DHE_", "_DH_"))
    ]
    assert verdict.evidence["complete"] == ["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    assert set(verdict.evidence["suites"]["TLSv1.2"]) == {name for name in by_rsa if not name.startswith(TLS13)}
    assert set(verdict.evidence["suites"]["TLSv1.3"]) == {name for name in by_rsa if name.startswith(TLS13)}


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
    async def connect(self, address: str, port: int, **options: Any) -> AsyncIterator[Stream]:
        async with super().connect(address, port, **options) as stream:
            self.count += 1
            yield stream


@pytest.mark.parametrize(
    ("spec", "thorough", "connections"),
    [
        (TlsSpec(), False, 12),
        (TlsSpec(versions=("TLSv1.3",)), False, 14),
        (TlsSpec(versions=("TLSv1.2",), ciphers="AES128-SHA256", certificate=RSA), False, 16),
        (TlsSpec(), True, 44),
    ],
)
async def test_how_many_connections_a_service_sees(spec: TlsSpec, thorough: bool, connections: int) -> None:
    async with Lab() as lab:
        await lab.serve(site(spec))
        network = CountingNetwork(World.from_settings(lab.engine_settings(), "test"))
        roots = trust.load(network.trust_ca_file)
        address = lab.place("hardened.test").web
        try:
            service = await survey(network, roots, "hardened.test", address, 443, thorough=thorough)
        finally:
            await network.close()

    assert isinstance(service, Service)
    assert network.count <= connections


async def test_a_site_without_tls_has_nothing_to_judge() -> None:
    scan = await scanned(replace(hardened("hardened.test"), tls=None, mail=None))

    assert {status for check_id, status in scan.statuses.items() if check_id.startswith("ssl_")} == {"not_applicable"}
