"""What the checks of suites, features and flaws make of evidence that no lab shows."""

from dataclasses import replace
from typing import Any

import pytest

from services.scanner.engine.checks import tls_attacks, tls_ciphers, tls_features, tls_flaws, tls_versions
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import (
    Accepted,
    Answer,
    DhGroup,
    Features,
    Groups,
    Service,
    Suites,
    Tls,
    VersionAnswer,
)
from services.scanner.engine.evidence.tls_flaws import Flaw, TlsFlaws, Tried, TriedEndpoint
from services.scanner.engine.observations import _dump, _load
from tests.unit.engine.tls.test_checks import DECLINED, SERVICE, SILENT, endpoint

OLD = Accepted("TLSv1.0", "TLS_RSA_WITH_AES_128_CBC_SHA", secure_renegotiation=True)
HYBRID = Accepted("TLSv1.3", "TLS_AES_128_GCM_SHA256", secure_renegotiation=True, group="X25519MLKEM768")


def judged(check: Any, service: Service) -> Any:
    [verdict] = check(Tls("example.test", (endpoint(service),)))
    return verdict


def speaking(**answers: Answer) -> Service:
    """By version, without its dot."""
    named = {name.replace("_", "."): answer for name, answer in answers.items()}
    return replace(
        SERVICE, versions=tuple(VersionAnswer(e.version, named.get(e.version, e.answer)) for e in SERVICE.versions)
    )


@pytest.mark.parametrize(
    ("answer", "status"), [(None, "not_applicable"), (SILENT, "not_tested"), (DECLINED, "pass"), (OLD, "fail")]
)
def test_protection_from_downgrades(answer: Answer | None, status: str) -> None:
    verdict = judged(tls_features.no_downgrade_protection, replace(speaking(TLSv1_0=OLD), fallback=answer))

    assert verdict.status == status
    if status == "fail":
        assert "-tls1 -fallback_scsv" in verdict.reproduce
        assert verdict.evidence["accepted"] == ["TLSv1.0", "TLSv1.3"]


@pytest.mark.parametrize(("answer", "status"), [(SILENT, "not_tested"), (DECLINED, "pass"), (OLD, "fail")])
def test_compression(answer: Answer, status: str) -> None:
    assert judged(tls_features.compression, replace(speaking(TLSv1_0=OLD), compression=answer)).status == status
    assert judged(tls_features.compression, replace(SERVICE, compression=answer)).status == "not_applicable"


@pytest.mark.parametrize(("answer", "status"), [(SILENT, "not_tested"), (DECLINED, "fail"), (HYBRID, "pass")])
def test_post_quantum_groups(answer: Answer, status: str) -> None:
    service = replace(SERVICE, post_quantum=answer, groups=Groups(("x25519",), complete=True))

    assert judged(tls_features.post_quantum_missing, service).status == status
    older = replace(speaking(TLSv1_3=DECLINED, TLSv1_2=OLD), post_quantum=answer)
    assert judged(tls_features.post_quantum_missing, older).status == "not_applicable"


def test_what_was_not_asked_is_not_judged() -> None:
    verdict = judged(tls_features.post_quantum_missing, SERVICE)

    assert (verdict.status, verdict.fault) == ("not_tested", "ours")


@pytest.mark.parametrize(
    ("version", "suite", "attacks"),
    [
        ("SSLv2", "SSL_CK_RC4_128_WITH_MD5", ["DROWN"]),
        ("SSLv3", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", ["POODLE"]),
        ("SSLv3", "TLS_RSA_WITH_RC4_128_SHA", []),
        ("TLSv1.0", "TLS_RSA_WITH_AES_128_CBC_SHA", ["BEAST"]),
        ("TLSv1.0", "TLS_RSA_WITH_RC4_128_SHA", []),
        ("TLSv1.1", "TLS_RSA_WITH_AES_128_CBC_SHA", []),
    ],
)
def test_attacks_follow_from_versions_and_suites(version: Any, suite: str, attacks: list[str]) -> None:
    service = speaking(**{version.replace(".", "_"): Accepted(version, suite, secure_renegotiation=True)})

    assert [attack["name"] for attack in tls_attacks.of_versions(service, (version,))] == attacks


@pytest.mark.parametrize(
    ("suite", "attacks"),
    [
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", ["FREAK", "RC4 biases"]),
        ("TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", ["Logjam"]),
        ("TLS_RSA_WITH_DES_CBC_SHA", ["SWEET32"]),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", ["SWEET32"]),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", []),
    ],
)
def test_attacks_follow_from_suites(suite: str, attacks: list[str]) -> None:
    found = tls_attacks.of_suites([suite])

    assert [attack["name"] for attack in found] == attacks
    assert all(attack["basis"] == "inferred from configuration" for attack in found)


def test_a_finding_lists_all_suites_of_its_kind_and_no_others() -> None:
    found = Suites(
        "TLSv1.2", ("TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_RC4_128_MD5", "TLS_RSA_WITH_NULL_SHA"), complete=True
    )
    rc4 = Accepted("TLSv1.2", "TLS_RSA_WITH_RC4_128_SHA", secure_renegotiation=True)

    verdict = judged(tls_ciphers.export_rc4_des, replace(SERVICE, export_rc4_des=rc4, suites=(found,)))

    assert verdict.evidence["suites"] == ["TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_RC4_128_MD5"]
    assert verdict.reason.startswith("TLS_RSA_WITH_RC4_128_SHA and 1 more is accepted")
    assert verdict.evidence["attacks"] == [
        {"name": "RC4 biases", "cve": "CVE-2015-2808", "basis": "inferred from configuration"}
    ]


@pytest.mark.parametrize(
    ("bits", "status", "attacks"),
    [(768, "fail", ["Logjam"]), (1024, "fail", ["Logjam"]), (1536, "fail", []), (2048, "pass", [])],
)
def test_groups_within_reach_are_those_of_logjam(bits: int, status: str, attacks: list[str]) -> None:
    taken = Accepted("TLSv1.2", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", secure_renegotiation=True, dh=DhGroup(bits, None))

    verdict = judged(tls_ciphers.weak_dh, replace(SERVICE, finite_field_dh=taken))

    assert verdict.status == status
    assert [attack["name"] for attack in verdict.evidence.get("attacks", [])] == attacks


def test_the_command_speaks_the_protocol_of_the_port() -> None:
    at_imap = replace(endpoint(speaking(TLSv1_0=OLD)), port=143)

    [verdict] = tls_versions.tls10(Tls("example.test", (at_imap,)))

    assert verdict.reproduce.startswith("openssl s_client -starttls imap -connect 192.0.2.1:143 ")


SOUND, THERE, LACKING = Tried(False, "alert unexpected_message"), Tried(True, "it gives"), Tried(None, "none spoken")


def tried(
    *, heartbleed: Tried | Unseen = SOUND, ccs_injection: Tried | Unseen = SOUND, robot: Tried | Unseen = SOUND
) -> TlsFlaws:
    flaws: dict[Flaw, Tried | Unseen] = {"heartbleed": heartbleed, "ccs_injection": ccs_injection, "robot": robot}
    return TlsFlaws("example.test", (TriedEndpoint("example.test", "192.0.2.1", 443, flaws),))


def test_flaws_are_told_apart() -> None:
    both = list(tls_flaws.implementation_flaw(tried(ccs_injection=THERE, robot=THERE)))

    assert {(verdict.status, verdict.subject) for verdict in both} == {("fail", "ccs_injection"), ("fail", "robot")}
    assert [attack["cve"] for verdict in both for attack in verdict.evidence["attacks"]] == [
        "CVE-2014-0224",
        "CVE-2017-13099",
    ]


@pytest.mark.parametrize(
    ("robot", "ccs", "status"),
    [
        (SOUND, SOUND, "pass"),
        (LACKING, SOUND, "pass"),
        (LACKING, LACKING, "not_applicable"),
        (SILENT, SOUND, "not_tested"),
        (SILENT, THERE, "fail"),
    ],
)
def test_one_verdict_over_several_flaws(robot: Tried | Unseen, ccs: Tried | Unseen, status: str) -> None:
    [verdict] = tls_flaws.implementation_flaw(tried(robot=robot, ccs_injection=ccs))

    assert verdict.status == status


def test_heartbleed_and_nothing_to_try() -> None:
    [verdict] = tls_flaws.heartbleed(tried(heartbleed=THERE))
    [none] = tls_flaws.heartbleed(TlsFlaws("example.test", ()))

    assert (verdict.status, verdict.asset, verdict.subject) == ("fail", "example.test:443", "")
    assert none.status == "not_applicable"


def test_the_new_evidence_survives_json() -> None:
    service = replace(
        SERVICE,
        suites=(Suites("TLSv1.3", ("TLS_AES_128_GCM_SHA256",), complete=True),),
        groups=Groups(("x25519",), complete=False),
        features=Features(preference="server", early_data=0, protocol="h2", tickets=True),
        post_quantum=HYBRID,
        fallback=DECLINED,
    )
    tls, flaws = Tls("example.test", (endpoint(service),)), tried(robot=SILENT)

    assert _load(Tls, _dump(Tls, tls)) == tls
    assert _load(TlsFlaws, _dump(TlsFlaws, flaws)) == flaws
