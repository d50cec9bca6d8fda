"""What makes an OCSP response or a revocation list count (RFC 6960 section 3.2, RFC 5280 section 6.3)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.probes.tls import revocation
from services.scanner.engine.probes.tls.certificate import list_addresses, responder_addresses
from services.scanner.engine.probes.tls.link import Link
from tests.unit.engine.tls.pki import NOW, Entity, Extension, authority, key, name, server, usage

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ISSUER = authority("Issuer")
POINT = x509.UniformResourceIdentifier("http://ca.test/one.crl")
LEAF = server(
    ISSUER,
    extensions=[
        (x509.CRLDistributionPoints([x509.DistributionPoint([POINT], None, None, None)]), False),
    ],
)
OTHER = server(ISSUER)


def delegate(common_name: str = "Responder", issuer: Entity = ISSUER, **settings: Any) -> Entity:
    purposes = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    extensions = settings.pop("extensions", [purposes])
    certificate = server(issuer, common_name=common_name, key_name=common_name, extensions=extensions, **settings)
    return Entity(certificate, key(common_name))


def response(
    about: x509.Certificate = LEAF,
    by: Entity = ISSUER,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    this_update: datetime = NOW - HOUR,
    next_update: datetime | None = NOW + DAY,
    encoding: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.HASH,
    algorithm: hashes.HashAlgorithm | None = None,
    certificates: Sequence[x509.Certificate] = (),
    extension: Extension | None = None,
) -> bytes:
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            about,
            ISSUER.certificate,
            algorithm or hashes.SHA256(),
            status,
            this_update,
            next_update,
            NOW - DAY if revoked else None,
            x509.ReasonFlags.superseded if revoked else None,
        )
        .responder_id(encoding, by.certificate)
    )
    if certificates:
        builder = builder.certificates(certificates)
    if extension:
        builder = builder.add_extension(*extension)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def read(raw: bytes) -> Any:
    return revocation.read_response(raw, Link.of(LEAF), Link.of(ISSUER.certificate), NOW)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"algorithm": hashes.SHA1()},
        {"encoding": ocsp.OCSPResponderEncoding.NAME},
        {"next_update": None},
        {"this_update": NOW + timedelta(minutes=2)},
        {"by": delegate(), "certificates": [delegate().certificate]},
        {"extension": (x509.OCSPNonce(b"0123456789abcdef"), False)},
    ],
)
def test_acceptable_responses(settings: dict[str, Any]) -> None:
    said = read(response(**settings))

    assert (said.status, said.source) == ("good", "ocsp")


def test_a_revocation_comes_with_its_date_and_reason() -> None:
    said = read(response(status=ocsp.OCSPCertStatus.REVOKED))

    assert (said.status, said.revoked_at, said.reason) == ("revoked", NOW - DAY, "superseded")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"about": OTHER}, "is about another certificate"),
        ({"status": ocsp.OCSPCertStatus.UNKNOWN}, "does not know the certificate"),
        ({"this_update": NOW - 3 * DAY, "next_update": NOW - DAY}, "out of date"),
        ({"this_update": NOW - 9 * DAY, "next_update": None}, "out of date"),
        ({"this_update": NOW + HOUR, "next_update": NOW + DAY}, "of the future"),
        ({"by": authority("Stranger")}, "signed by nobody known"),
        ({"by": delegate()}, "signed by nobody known"),  # its certificate does not come along
        (
            {
                "by": delegate("Usurper", extensions=[]),
                "certificates": [delegate("Usurper", extensions=[]).certificate],
            },
            "may not answer for the issuer",
        ),
        (
            {"by": delegate("Late", ends=NOW - DAY), "certificates": [delegate("Late", ends=NOW - DAY).certificate]},
            "not valid now",
        ),
        (
            {
                "by": delegate("Foreign", authority("Stranger")),
                "certificates": [delegate("Foreign", authority("Stranger")).certificate],
            },
            "not appointed by the issuer",
        ),
        (
            {"extension": (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True)},
            "critical extension",
        ),
    ],
)
def test_useless_responses(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(revocation.Useless, match=reason):
        read(response(**settings))


def test_a_response_that_was_tampered_with() -> None:
    raw = bytearray(response())
    raw[-1] ^= 1

    with pytest.raises(revocation.Useless, match="signature"):
        read(bytes(raw))


def test_a_responder_that_declines() -> None:
    raw = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)

    with pytest.raises(revocation.Useless, match="try_later"):
        read(raw.public_bytes(serialization.Encoding.DER))


@given(st.binary(max_size=300))
def test_garbage_is_useless(raw: bytes) -> None:
    with pytest.raises(revocation.Useless):
        read(raw)
    with pytest.raises(revocation.Useless):
        revocation.read_list(raw, Link.of(LEAF), Link.of(ISSUER.certificate), NOW)


@given(at=st.integers(0, 1000), value=st.integers(0, 255))
def test_a_broken_response_never_says_good(at: int, value: int) -> None:
    whole = response()
    at %= len(whole)
    broken = whole[:at] + bytes([value]) + whole[at + 1 :]
    try:
        said = read(broken)
    except revocation.Useless:
        return
    assert broken == whole or said.status == "good"  # a byte outside what is signed, such as an unused tag


def test_the_request_can_be_answered() -> None:
    asked = ocsp.load_der_ocsp_request(revocation.request(Link.of(LEAF), Link.of(ISSUER.certificate)))
    ready = ocsp.OCSPRequestBuilder().add_certificate(LEAF, ISSUER.certificate, hashes.SHA1()).build()

    assert asked.public_bytes(serialization.Encoding.DER) == ready.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("staple", "status", "flaw"),
    [
        (response(), "good", ""),
        (response(status=ocsp.OCSPCertStatus.REVOKED), "revoked", ""),
        (response(status=ocsp.OCSPCertStatus.UNKNOWN), "unknown", "does not know"),
        (response(OTHER), "", "another certificate"),
        (b"nothing of the kind", "", "cannot be decoded"),
    ],
    ids=["good", "revoked", "unknown", "another", "garbage"],
)
def test_staples(staple: bytes, status: str, flaw: str) -> None:
    seen, said = revocation.staple(staple, Link.of(LEAF), Link.of(ISSUER.certificate), NOW)

    assert seen.status == status
    assert flaw in seen.flaw
    assert (said is not None) is (status in ("good", "revoked"))


def crl(
    by: Entity = ISSUER,
    *serials: int,
    issuer: str = "Issuer",
    last: datetime = NOW - HOUR,
    following: datetime = NOW + DAY,
    extension: Extension | None = None,
    reason: x509.ReasonFlags | None = x509.ReasonFlags.key_compromise,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer)).last_update(last).next_update(following)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY)
        builder = builder.add_revoked_certificate(
            (entry.add_extension(x509.CRLReason(reason), critical=False) if reason else entry).build()
        )
    if extension:
        builder = builder.add_extension(*extension)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def scope(**settings: Any) -> Extension:
    standard = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**standard, **settings}), True


def read_list(raw: bytes, link: x509.Certificate = LEAF) -> Any:
    return revocation.read_list(raw, Link.of(link), Link.of(ISSUER.certificate), NOW)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"extension": scope(only_contains_user_certs=True)},
        {"extension": scope(full_name=[POINT])},
        {"extension": (x509.CRLNumber(7), False)},
    ],
)
def test_acceptable_lists(settings: dict[str, Any]) -> None:
    assert read_list(crl(**settings)).status == "good"
    assert read_list(crl(ISSUER, OTHER.serial_number, **settings)).status == "good"
    said = read_list(crl(ISSUER, LEAF.serial_number, **settings))
    assert (said.status, said.source, said.reason) == ("revoked", "crl", "key_compromise")


def test_a_list_in_pem() -> None:
    text = x509.load_der_x509_crl(crl()).public_bytes(serialization.Encoding.PEM)

    assert read_list(text).status == "good"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"issuer": "Somebody"}, "another issuer's"),
        ({"by": authority("Stranger")}, "signature"),
        ({"following": NOW - timedelta(minutes=30)}, "out of date"),
        ({"last": NOW + HOUR}, "of the future"),
        ({"extension": scope(only_contains_ca_certs=True)}, "certificates of this kind"),
        ({"extension": scope(only_contains_attribute_certs=True)}, "not about certificates of its issuer alone"),
        ({"extension": scope(indirect_crl=True)}, "not about certificates of its issuer alone"),
        (
            {"extension": scope(full_name=[x509.UniformResourceIdentifier("http://ca.test/two.crl")])},
            "other certificates of its issuer",
        ),
        (
            {"extension": scope(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))},
            "only for some reasons",
        ),
        ({"extension": (x509.DeltaCRLIndicator(3), True)}, "changes alone"),
        (
            {"extension": (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True)},
            "critical extension",
        ),
    ],
)
def test_useless_lists(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(revocation.Useless, match=reason):
        read_list(crl(**settings))


def test_a_list_for_some_reasons_can_still_tell_of_a_revocation() -> None:
    some = scope(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))

    assert read_list(crl(ISSUER, LEAF.serial_number, extension=some)).status == "revoked"


def test_an_issuer_that_may_not_sign_lists() -> None:
    unable = authority("Issuer", extensions=[(usage(key_cert_sign=True), True)])

    with pytest.raises(revocation.Useless, match="may not sign revocation lists"):
        revocation.read_list(crl(), Link.of(LEAF), Link.of(unable.certificate), NOW)


def test_where_a_certificate_says_that_its_status_is_published() -> None:
    addresses = ["ldap://ca.test/x", "http://ca.test/a.crl", "HTTPS://ca.test/b.crl"]
    names = [x509.UniformResourceIdentifier(each) for each in addresses]
    elsewhere = x509.DistributionPoint([POINT], None, None, [x509.DirectoryName(name("Another Issuer"))])
    partial = x509.DistributionPoint([POINT], None, frozenset({x509.ReasonFlags.key_compromise}), None)
    certificate = server(
        ISSUER,
        extensions=[
            (
                x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None), elsewhere, partial]),
                False,
            ),
        ],
    )

    assert list_addresses(certificate) == ("http://ca.test/a.crl", "HTTPS://ca.test/b.crl")
    assert responder_addresses(certificate) == ()
