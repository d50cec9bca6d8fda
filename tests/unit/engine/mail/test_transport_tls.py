"""Verdicts on the TLS and the certificates of mail hosts, over evidence made by hand."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.scanner.engine.checks import dane as dane_checks
from services.scanner.engine.checks import mail_smtp
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dane import Dane, TlsaSet
from services.scanner.engine.evidence.mail_policies import MailPolicies
from services.scanner.engine.evidence.mail_transport import Greeting, MailServer, MailTransport
from services.scanner.engine.evidence.tls import (
    Accepted,
    Certificate,
    Declined,
    Service,
    Suites,
    Trust,
    Version,
    VersionAnswer,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DECLINED = Declined("alert handshake_failure")
MODERN: dict[Version, str] = {
    "TLSv1.2": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLSv1.3": "TLS_AES_128_GCM_SHA256",
}
NO_POLICY = MailPolicies("a.test", ("mail.a.test",), (), None, ())
ALL: tuple[Version, ...] = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def certificate(name: str = "mail.a.test", der: bytes = b"", days: int = 30) -> Certificate:
    return Certificate(
        subject=f"CN={name}",
        issuer="CN=authority",
        sha256="ab" * 32,
        not_before=NOW - timedelta(days=30),
        not_after=NOW + timedelta(days=days),
        dns_names=(name,),
        ip_addresses=(),
        key_type="EC",
        key_bits=256,
        signature_algorithm="ECDSA_WITH_SHA256",
        self_issued=False,
        der=der,
    )


def transport(
    versions: dict[Version, str] = MODERN,
    *also: str,
    chain: tuple[Certificate, ...] | None = None,
    trust: Literal["trusted", "incomplete", "untrusted"] = "trusted",
) -> MailTransport:
    service = Service(
        versions=tuple(
            VersionAnswer(version, Accepted(version, versions[version], True) if version in versions else DECLINED)
            for version in ALL
        ),
        null_or_anonymous=DECLINED,
        export_rc4_des=DECLINED,
        triple_des=DECLINED,
        finite_field_dh=DECLINED,
        forward_secret=DECLINED,
        authenticated_encryption=DECLINED,
        chain=chain or (certificate(),),
        trust=Trust(trust, "the store", "" if trust == "trusted" else "nobody knows its authority"),
        suites=(Suites("TLSv1.2", also, complete=True),),
    )
    server = MailServer("mail.a.test", "192.0.2.1", NOW, Greeting("220 hello", ("STARTTLS",)), service)
    return MailTransport("a.test", (server,))


def tlsa(*records: str) -> Dane:
    return Dane("a.test", (TlsaSet("mail.a.test", records, "secure"),))


@pytest.mark.parametrize(
    ("versions", "also", "words"),
    [
        (MODERN, (), None),
        (MODERN | {"TLSv1.0": "TLS_RSA_WITH_AES_128_CBC_SHA"}, (), None),
        (MODERN, ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_DH_anon_WITH_AES_128_GCM_SHA256"), None),
        ({"TLSv1.1": "TLS_RSA_WITH_AES_128_CBC_SHA"}, (), "no TLS later than 1.1"),
        (MODERN | {"SSLv3": "TLS_RSA_WITH_AES_128_CBC_SHA"}, (), "SSLv3"),
        (MODERN | {"SSLv2": "any of SSL 2.0"}, (), "SSLv2"),
        (MODERN, ("TLS_RSA_WITH_RC4_128_SHA",), "RC4"),
        (MODERN, ("TLS_RSA_WITH_NULL_SHA256",), "NULL"),
        (MODERN, ("TLS_RSA_EXPORT_WITH_DES40_CBC_SHA",), "EXPORT"),
        (MODERN, ("TLS_RSA_WITH_DES_CBC_SHA",), "WITH_DES_CBC"),
    ],
)
def test_weak_tls_is_what_even_opportunistic_tls_must_not_be(
    versions: dict[Version, str], also: tuple[str, ...], words: str | None
) -> None:
    (verdict,) = mail_smtp.smtp_tls_weak(transport(versions, *also))
    assert verdict.status == ("fail" if words else "pass")
    assert (words or "") in verdict.reason


def test_no_handshake_is_no_weakness() -> None:
    assert [verdict.status for verdict in mail_smtp.smtp_tls_weak(transport({}))] == ["not_tested"]


@pytest.mark.parametrize(
    ("chain", "trust", "words"),
    [
        (certificate(), "trusted", None),
        (certificate("*.a.test"), "trusted", None),
        (certificate("a.test"), "trusted", "not for mail.a.test"),
        (certificate(days=-1), "trusted", "expired"),
        (certificate(), "untrusted", "nobody knows its authority"),
        (certificate(), "incomplete", "nobody knows its authority"),
    ],
)
def test_the_certificate(
    chain: Certificate, trust: Literal["trusted", "incomplete", "untrusted"], words: str | None
) -> None:
    seen = transport(chain=(chain,), trust=trust)
    (verdict,) = mail_smtp.smtp_certificate_invalid(seen, NO_POLICY, tlsa())
    assert verdict.status == ("fail" if words else "pass")
    assert (words or "") in verdict.reason
    ee, ta = (f"{usage} 1 1 {'ab' * 32}" for usage in (3, 2))
    assert [v.status for v in mail_smtp.smtp_certificate_invalid(seen, NO_POLICY, tlsa(ee))] == ["not_applicable"]
    assert [v.status for v in mail_smtp.smtp_certificate_invalid(seen, NO_POLICY, tlsa(ta))] == [verdict.status]


def signed(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey) -> bytes:
    def of(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    builder = x509.CertificateBuilder().subject_name(of(name)).issuer_name(of(issuer)).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=1))
    )
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.DER)


ROOT, LEAF, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ANCHOR = signed("authority", ROOT, "authority", ROOT)
SERVER = signed("mail.a.test", LEAF, "authority", ROOT)
IMPOSTOR = signed("mail.a.test", LEAF, "authority", STRANGER)


@pytest.mark.parametrize(
    ("record", "chain", "status"),
    [
        (f"3 0 0 {SERVER.hex()}", (SERVER,), "pass"),
        (f"3 0 0 {ANCHOR.hex()}", (SERVER, ANCHOR), "fail"),
        (f"2 0 0 {ANCHOR.hex()}", (SERVER, ANCHOR), "pass"),
        (f"2 0 0 {ANCHOR.hex()}", (SERVER,), "pass"),
        (f"2 0 0 {ANCHOR.hex()}", (IMPOSTOR, ANCHOR), "fail"),
        (f"2 0 0 {ANCHOR.hex()}", (IMPOSTOR,), "fail"),
        (f"2 0 0 {'00' * 40}", (SERVER, ANCHOR), "fail"),
    ],
    ids=[
        "server",
        "anchor as server",
        "anchor shown",
        "anchor in the record alone",
        "impostor with the anchor",
        "impostor",
        "no certificate",
    ],
)
def test_dane(record: str, chain: tuple[bytes, ...], status: str) -> None:
    """RFC 7671 sections 5.1 and 5.2."""
    shown = tuple(certificate(der=der) for der in chain)
    (verdict,) = dane_checks.dane_mismatch(tlsa(record), transport(chain=shown))
    assert verdict.status == status


def test_dane_ta_needs_the_name_and_dane_ee_does_not() -> None:
    """RFC 7672 sections 3.1.1 and 3.2.2: the mail host's name, or the domain's."""
    for name, status in (("a.test", "pass"), ("b.test", "fail")):
        seen = transport(chain=(certificate(name, der=SERVER), certificate(name, der=ANCHOR)))
        assert [v.status for v in dane_checks.dane_mismatch(tlsa(f"2 0 0 {ANCHOR.hex()}"), seen)] == [status]
        assert [v.status for v in dane_checks.dane_mismatch(tlsa(f"3 0 0 {SERVER.hex()}"), seen)] == ["pass"]


def test_a_chain_that_was_not_seen_is_not_a_mismatch() -> None:
    (server,) = transport().servers  # type: ignore[misc]  # this one is there
    hidden = MailServer(server.host, server.address, NOW, server.greeting, Unseen("it hung", "target"))
    found = dane_checks.dane_mismatch(tlsa(f"3 0 0 {SERVER.hex()}"), MailTransport("a.test", (hidden,)))
    assert [verdict.status for verdict in found] == ["not_tested"]
