"""What the checks of TLS make of evidence that no lab shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.scanner.engine.check import CheckFunction
from services.scanner.engine.checks import tls_certificate, tls_ciphers, tls_versions
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import (
    Accepted,
    Answer,
    Certificate,
    Declined,
    Endpoint,
    NoService,
    Service,
    Tls,
    Trust,
    VersionAnswer,
)
from services.scanner.engine.observations import _dump, _load

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DECLINED = Declined("alert handshake_failure")
BEST = Accepted("TLSv1.3", "TLS_AES_256_GCM_SHA384", secure_renegotiation=True)
CERTIFICATE = Certificate(
    subject="CN=example.test",
    issuer="CN=Issuer",
    sha256="00" * 32,
    not_before=NOW - timedelta(days=10),
    not_after=NOW + timedelta(days=80),
    dns_names=("example.test",),
    ip_addresses=(),
    key_type="EC",
    key_bits=256,
    signature_algorithm="ECDSA_WITH_SHA256",
    self_issued=False,
)
SERVICE = Service(
    versions=(
        VersionAnswer("SSLv2", DECLINED),
        VersionAnswer("SSLv3", DECLINED),
        VersionAnswer("TLSv1.0", DECLINED),
        VersionAnswer("TLSv1.1", DECLINED),
        VersionAnswer("TLSv1.2", DECLINED),
        VersionAnswer("TLSv1.3", BEST),
    ),
    null_or_anonymous=DECLINED,
    export_rc4_des=DECLINED,
    triple_des=DECLINED,
    finite_field_dh=DECLINED,
    forward_secret=BEST,
    authenticated_encryption=DECLINED,
    chain=(CERTIFICATE,),
    trust=Trust("trusted", "a store", ""),
)
SILENT = Unseen("no whole answer to the hello within 4 s", "target")


def endpoint(service: Service | NoService | Unseen, address: str = "192.0.2.1") -> Endpoint:
    return Endpoint("example.test", address, 443, NOW, service)


def test_of_two_addresses_the_worse_one_counts_and_is_named() -> None:
    weak = replace(SERVICE, triple_des=Accepted("TLSv1.2", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", secure_renegotiation=True))

    [verdict] = tls_ciphers.triple_des(Tls("example.test", (endpoint(SERVICE), endpoint(weak, "2001:db8::1"))))

    assert verdict.status == "fail"
    assert verdict.evidence["address"] == "2001:db8::1"
    assert verdict.reproduce == "nmap -Pn -p 443 --script ssl-enum-ciphers example.test"


def test_the_command_asks_the_address_that_failed() -> None:
    old = Accepted("TLSv1.0", "TLS_RSA_WITH_AES_128_CBC_SHA", secure_renegotiation=True)
    versions = tuple(replace(entry, answer=old) if entry.version == "TLSv1.0" else entry for entry in SERVICE.versions)
    weak = endpoint(replace(SERVICE, versions=versions), "2001:db8::1")

    [verdict] = tls_versions.tls10(Tls("example.test", (endpoint(SERVICE), weak)))

    assert "-connect [2001:db8::1]:443 -servername example.test -tls1 " in verdict.reproduce


def test_an_address_that_hides_is_not_hidden_by_one_that_passes() -> None:
    [verdict] = tls_versions.tls10(Tls("example.test", (endpoint(SERVICE), endpoint(SILENT, "192.0.2.2"))))

    assert (verdict.status, verdict.fault) == ("not_tested", "target")


def test_an_address_that_we_cannot_reach_does_not_count() -> None:
    no_route = Unseen("no connection to port 443: Network is unreachable", "ours")

    [verdict] = tls_versions.tls10(Tls("example.test", (endpoint(no_route, "2001:db8::1"), endpoint(SERVICE))))

    assert verdict.status == "pass"


def test_an_old_version_that_was_not_answered_is_not_a_pass() -> None:
    versions = tuple(
        VersionAnswer(entry.version, SILENT if entry.version == "SSLv3" else entry.answer) for entry in SERVICE.versions
    )

    [verdict] = tls_versions.sslv2_or_sslv3(Tls("example.test", (endpoint(replace(SERVICE, versions=versions)),)))

    assert verdict.status == "not_tested"


@pytest.mark.parametrize(
    ("host", "names", "covered"),
    [
        ("example.test", ("example.test",), True),
        ("example.test", ("EXAMPLE.test",), True),
        ("www.example.test", ("*.example.test",), True),
        ("example.test", ("*.example.test",), False),
        ("a.b.example.test", ("*.example.test",), False),
        ("www.example.test", ("w*.example.test",), False),
        ("www.example.test", ("*.*.test",), False),
        ("www.example.test", ("www.*.test",), False),
        ("www.example.test", ("*",), False),
        ("www.example.test", ("*.",), False),
        ("WWW.example.test", ("*.Example.test",), True),
        ("xn--bcher-kva.example.test", ("*.example.test",), True),
        ("xn--bcher-kva.example.test", ("b\u00fccher.example.test",), False),
        ("www.example.test", ("www.example.test\x00.evil.test",), False),
        ("www.example.test\x00.evil.test", ("www.example.test",), False),
        ("", ("",), False),
        ("192.0.2.1", ("192.0.2.1",), False),  # an address is no DNS name
        ("example.test", (), False),
    ],
)
def test_names_match_by_rfc_9525(host: str, names: tuple[str, ...], covered: bool) -> None:
    assert replace(CERTIFICATE, dns_names=names).covers(host) is covered


@pytest.mark.parametrize(
    "check",
    [tls_versions.tls13_missing, tls_ciphers.no_aead, tls_versions.tls12_missing],
    ids=lambda check: check.__name__,
)
def test_what_a_server_left_unanswered_is_neither_there_nor_missing(check: CheckFunction) -> None:
    """TLS 1.2 was not answered, and TLS 1.3 declined."""
    answers: dict[str, Answer] = {"TLSv1.2": SILENT, "TLSv1.3": DECLINED}
    versions = tuple(VersionAnswer(e.version, answers.get(e.version, e.answer)) for e in SERVICE.versions)

    [verdict] = check(Tls("example.test", (endpoint(replace(SERVICE, versions=versions)),)))

    assert (verdict.status, verdict.fault) == ("not_tested", "target")


def test_a_key_of_an_unknown_type_is_not_judged() -> None:
    unknown = replace(SERVICE, chain=(replace(CERTIFICATE, key_type="other", key_bits=0),))

    [verdict] = tls_certificate.weak_key(Tls("example.test", (endpoint(unknown),)))

    assert (verdict.status, verdict.fault) == ("not_tested", "ours")


def test_without_a_web_host_nothing_applies() -> None:
    [verdict] = tls_versions.tls10(Tls("example.test", ()))

    assert (verdict.status, verdict.asset) == ("not_applicable", "example.test")


def test_a_roots_own_signature_does_not_matter() -> None:
    root = replace(CERTIFICATE, subject="CN=Root", signature_algorithm="RSA_WITH_SHA1", self_issued=True)

    [verdict] = tls_certificate.weak_signature(
        Tls("example.test", (endpoint(replace(SERVICE, chain=(CERTIFICATE, root))),))
    )

    assert verdict.status == "pass"


@pytest.mark.parametrize("service", [SERVICE, NoService("the connection to port 443 was refused"), SILENT])
def test_evidence_survives_json(service: Service | NoService | Unseen) -> None:
    tls = Tls("example.test", (endpoint(service),))

    assert _load(Tls, _dump(Tls, tls)) == tls
