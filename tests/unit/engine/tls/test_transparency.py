"""Signed certificate timestamps: which are valid, and when they are enough."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.checks.tls_transparency import no_sct
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Timestamp, Tls, Transparency, Trust
from services.scanner.engine.probes.tls import transparency
from services.scanner.engine.probes.tls.link import Link
from tests.support.lab import transparency as lab
from tests.unit.engine.tls.pki import NOW, authority, server
from tests.unit.engine.tls.test_checks import SERVICE, endpoint

ISSUER = authority("Issuer")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def lab_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transparency, "known_logs", lab.known)


def logged(count: int, issuer: x509.Certificate = ISSUER.certificate) -> x509.Certificate:
    """With proofs embedded, as if `issuer` had asked for them."""
    bare = server(ISSUER, serial=77)
    proofs = lab.embedded(bare, issuer, count)
    return server(ISSUER, serial=77, extensions=[(proofs, False)])


def look(certificate: x509.Certificate, tls: bytes | None = None, stapled: bytes | None = None) -> list[Timestamp]:
    now = datetime.now(UTC)
    found = transparency.look(Link.of(certificate), Link.of(ISSUER.certificate), tls, stapled, now)
    return list(found.timestamps)


def test_in_the_certificate() -> None:
    found = look(logged(3))

    assert [(one.status, one.via, one.log) for one in found] == [
        ("valid", "certificate", f"Lab {number}") for number in range(3)
    ]


def test_for_another_issuers_key() -> None:
    assert [one.status for one in look(logged(1, authority("Other").certificate))] == ["invalid"]


def test_in_the_handshake() -> None:
    leaf = server(ISSUER)
    entry = lab.entry_of_certificate(leaf.public_bytes(serialization.Encoding.DER))

    found = look(leaf, tls=lab.serialized([log.timestamp(entry) for log in lab.LOGS[:2]]))

    assert [(one.status, one.via) for one in found] == [("valid", "tls")] * 2


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = (
        bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    )
    return bytes([tag]) + length + content


def response_with(timestamps: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """An OCSP response whose one answer has them in its extension (RFC 6960 section 4.2.1, RFC 6962 section 3.3)."""
    sha1 = bytes.fromhex("300906052b0e03021a0500")
    certificate_id = der(0x30, sha1, der(0x04, bytes(20)), der(0x04, bytes(20)), der(0x02, b"\x07"))
    moment = der(0x18, b"20261125110000Z")
    extension = der(0x30, bytes.fromhex("060a2b06010401d679020405"), der(0x04, der(0x04, timestamps)))
    single = der(0x30, certificate_id, b"\x80\x00", moment, der(0xA1, der(0x30, extension)))
    data = der(0x30, der(0xA2, der(0x04, bytes(20))), moment, der(0x30, single))
    signature = key.sign(data, ec.ECDSA(hashes.SHA256()))
    ecdsa = bytes.fromhex("300a06082a8648ce3d040302")
    basic = der(0x30, data, ecdsa, der(0x03, b"\x00" + signature))
    return der(0x30, b"\x0a\x01\x00", der(0xA0, der(0x30, bytes.fromhex("06092b0601050507300101"), der(0x04, basic))))


def test_in_a_staple() -> None:
    leaf = server(ISSUER)
    entry = lab.entry_of_certificate(leaf.public_bytes(serialization.Encoding.DER))
    assert isinstance(ISSUER.key, ec.EllipticCurvePrivateKey)

    found = look(leaf, stapled=response_with(lab.serialized([lab.LOGS[0].timestamp(entry)]), ISSUER.key))

    assert [(one.status, one.via) for one in found] == [("valid", "ocsp")]


def test_a_timestamp_of_the_future_and_one_that_was_changed() -> None:
    leaf = server(ISSUER)
    entry = lab.entry_of_certificate(leaf.public_bytes(serialization.Encoding.DER))
    early = lab.LOGS[0].timestamp(entry, datetime.now(UTC) + DAY)
    changed = bytearray(lab.LOGS[1].timestamp(entry))
    changed[-1] ^= 1

    found = look(leaf, tls=lab.serialized([early, bytes(changed)]))

    assert [one.status for one in found] == ["invalid", "invalid"]


def test_an_unknown_log() -> None:
    stranger = replace(lab.LOGS[0], key=ec.derive_private_key(99, ec.SECP256R1()))
    leaf = server(ISSUER)
    entry = lab.entry_of_certificate(leaf.public_bytes(serialization.Encoding.DER))

    [found] = look(leaf, tls=lab.serialized([stranger.timestamp(entry)]))

    assert (found.status, found.log_id) == ("unknown log", stranger.id.hex())


@given(st.binary(max_size=400))
def test_garbage_proves_nothing(raw: bytes) -> None:
    now = datetime.now(UTC)
    found = transparency.look(Link.of(server(ISSUER)), None, raw, raw, now).timestamps

    assert all(one.status != "valid" for one in found)


def test_the_list_that_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    known = transparency.known_logs()

    assert len(known.logs) > 50
    assert {log.state for log in known.logs.values()} == {"qualified", "usable", "readonly", "retired"}
    for log in known.logs.values():
        serialization.load_der_public_key(log.key)


def proof(log: int, operator: str = "", state: str = "usable", **settings: object) -> Timestamp:
    standard = Timestamp(
        f"{log:02x}", "certificate", NOW - DAY, "valid", f"Log {log}", operator or f"Operator {log}", state
    )
    return replace(standard, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "found", "status"),
    [
        (90, [proof(1), proof(2)], "pass"),
        (180, [proof(1), proof(2)], "pass"),
        (181, [proof(1), proof(2)], "fail"),
        (300, [proof(1), proof(2), proof(3)], "pass"),
        (90, [], "fail"),
        (90, [proof(1)], "fail"),
        (90, [proof(1), proof(1, via="tls")], "fail"),
        (90, [proof(1, "A"), proof(2, "A")], "fail"),
        (90, [proof(1), proof(2, status="invalid")], "fail"),
        (90, [proof(1), proof(2, state="retired", retired_at=NOW)], "pass"),
        (90, [proof(1), proof(2, state="retired", retired_at=NOW - 2 * DAY)], "fail"),
        (90, [proof(1, state="retired", retired_at=NOW), proof(2, state="retired", retired_at=NOW)], "fail"),
        (90, [proof(1), proof(2, status="unknown log")], "not_tested"),
        (300, [proof(1), proof(2, status="unknown log")], "fail"),
        (300, [proof(1, via="tls"), proof(2, via="tls")], "pass"),
        (90, [proof(1, via="ocsp"), proof(2, via="tls")], "pass"),
        (90, [proof(1, via="tls"), proof(2)], "fail"),
    ],
)
def test_how_many_are_enough(days: int, found: Sequence[Timestamp], status: str) -> None:
    certificate = replace(SERVICE.chain[0], not_before=NOW, not_after=NOW + days * DAY)  # type: ignore[index]
    service = replace(
        SERVICE,
        chain=(certificate,),
        trust=Trust("trusted", "a store", "", root="CN=Root", public=True),
        transparency=Transparency("2026-11-01", tuple(found)),
    )

    [verdict] = no_sct(Tls("example.test", (endpoint(service),)))

    assert verdict.status == status, verdict.reason


@pytest.mark.parametrize(
    ("trust", "status"),
    [
        (Trust("trusted", "a store", "", root="CN=Own", public=False), "not_applicable"),
        (Trust("untrusted", "a store", "why"), "not_applicable"),
        (Trust("incomplete", "a store", "why"), "not_tested"),
        (Trust("incomplete", "a store", "why", root="CN=Root", public=True, completed_by="http://ca.test/"), "fail"),
        (Unseen("why", "target"), "not_tested"),
    ],
)
def test_only_public_authorities_are_bound(trust: Trust | Unseen, status: str) -> None:
    service = replace(SERVICE, trust=trust, transparency=Transparency("2026-11-01", ()))

    [verdict] = no_sct(Tls("example.test", (endpoint(service),)))

    assert verdict.status == status
