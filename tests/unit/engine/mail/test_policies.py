"""MTA-STS records and policies, TLS reporting records, TLSA records."""

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.parsers import mta_sts, tls_rpt, tlsa
from services.scanner.engine.parsers.errors import ParseError

POLICY = "version: STSv1\nmode: enforce\nmx: mail.a.example\nmx: *.b.example\nmax_age: 604800\n"


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("v=STSv1; id=20160831085700Z;", "20160831085700Z"),
        ("v=STSv1;id=1", "1"),
        ("v=STSv1; x-y_z.1=a:b<c>d; id=2", "2"),
        ("v=STSv1; id=1; id=2", "1"),
    ],
)
def test_an_sts_record(text: str, identifier: str) -> None:
    assert mta_sts.records([text, "v=STSv2; id=1", "v=STSv1", " v=STSv1; id=1", "hello"]) == (text,)
    assert mta_sts.identifier(text) == identifier


@pytest.mark.parametrize(
    "text",
    [
        *(
            "v=STSv1;",
            "v=STSv1; ;",
            "v=STSv1; id=",
            "v=STSv1; id=2026-01-01",
            f"v=STSv1; id={'a' * 33}",
            "v=STSv1; ID=1",
        ),
        *(
            "v=STSv1; id=1; nonsense",
            "v=STSv1; id=1; a=b=c",
            "v=STSv1; id=1;; ",
            "v=STSv1; id=1; -a=b",
            "v=STSv1; id = 1",
        ),
    ],
)
def test_no_sts_record(text: str) -> None:
    with pytest.raises(ParseError):
        mta_sts.identifier(text)


@pytest.mark.parametrize("body", [POLICY, POLICY.replace("\n", "\r\n"), POLICY.rstrip(), POLICY.replace("\n", " \t\n")])
def test_a_policy(body: str) -> None:
    assert mta_sts.parse(body.encode()) == mta_sts.Policy("enforce", 604800, ("mail.a.example", "*.b.example"))


def test_what_a_policy_may_have_besides() -> None:
    policy = mta_sts.parse(b"max_age:0\nversion:STSv1\nmode:none\nmode: enforce\nx-new: anything \xc3\xa9 at all\n")
    assert policy == mta_sts.Policy("none", 0, ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: STSv1\n", ""),
        ("STSv1", "STSv2"),
        ("version", "Version"),
        ("mode: enforce\n", ""),
        ("enforce", "Enforce"),
        ("enforce", "report"),
        ("max_age: 604800\n", ""),
        ("604800", "31557601"),
        ("604800", "-1"),
        ("604800", "1 week"),
        ("604800", "00000604800"),
        ("mx: mail.a.example\nmx: *.b.example\n", ""),
        ("*.b.example", "*b.example"),
        ("*.b.example", "a.*.b.example"),
        ("*.b.example", "*."),
        ("*.b.example", ".b.example"),
        ("*.b.example", "192.0.2.1"),
        ("*.b.example", "b.example, c.example"),
        ("*.b.example", "caf\u00e9.example"),
        ("version", "<!doctype html>\nversion"),
        ("mode", "\x00\nmode"),
    ],
)
def test_no_policy(old: str, new: str) -> None:
    with pytest.raises(ParseError):
        mta_sts.parse(POLICY.replace(old, new).encode())


def test_a_policy_has_an_end() -> None:
    for body in (POLICY.encode() + b"x: y\n" * 20_000, b"\xff\xfe"):
        with pytest.raises(ParseError):
            mta_sts.parse(body)


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("mail.a.example", True),
        ("MAIL.a.example.", True),
        ("x.b.example", True),
        ("b.example", False),
        ("x.y.b.example", False),
        ("x.mail.a.example", False),
        ("a.example", False),
    ],
)
def test_a_wildcard_is_one_whole_label(host: str, admitted: bool) -> None:
    assert mta_sts.parse(POLICY.encode()).admits(host) is admitted


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("v=TLSRPTv1;rua=mailto:reports@example.com", ("mailto:reports@example.com",)),
        ("v=TLSRPTv1; rua=https://r.example/v1/tlsrpt;", ("https://r.example/v1/tlsrpt",)),
        ("v=TLSRPTv1 ; rua=mailto:a@b.c , https://r.example/x", None),
        ("v=TLSRPTv1; rua=mailto:a@b.c , https://r.example/x; x=y", ("mailto:a@b.c", "https://r.example/x")),
    ],
)
def test_a_reporting_record(text: str, addresses: tuple[str, ...] | None) -> None:
    assert tls_rpt.records([text, "hello"]) == ((text,) if addresses else ())
    if addresses:
        assert tls_rpt.parse(text) == addresses


@pytest.mark.parametrize(
    "text",
    [
        *("v=TLSRPTv1;", "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua=a@b.c", "v=TLSRPTv1; rua=http://a.example/"),
        *(
            "v=TLSRPTv1; rua=mailto:a",
            "v=TLSRPTv1; rua=mailto:a@b.c!10m",
            "v=TLSRPTv1; rua=mailto:a@b.c,",
            "v=TLSRPTv1; x",
        ),
    ],
)
def test_no_reporting_record(text: str) -> None:
    with pytest.raises(ParseError):
        tls_rpt.parse(text)


def certificate(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.a.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    return builder.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)])
def test_what_a_record_is_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    made = certificate(key)
    whole = made.public_bytes(Encoding.DER)
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert tlsa.public_key_info(whole) == public
    for selector, data in ((0, whole), (1, public)):
        for matching, digest in ((0, data), (1, hashlib.sha256(data).digest()), (2, hashlib.sha512(data).digest())):
            text = f"3 {selector} {matching} {digest.hex()}"
            assert tlsa.parse(text).matches(whole)
            assert str(tlsa.parse(text.upper())) == text
            assert not tlsa.parse(f"3 {selector} {matching} {bytes(reversed(digest)).hex()}").matches(whole)


def test_which_records_a_sender_goes_by() -> None:
    short, long = "ab" * 32, "cd" * 64
    none = ["0 1 1 " + short, "1 1 1 " + short, "3 1 1 abcd", "3 2 1 " + short, "3 1 3 " + short, "3 1 1", "hello", ""]
    assert tlsa.usable(none) == ()
    assert len(tlsa.usable([f"3 1 1 {short}", f"2 0 2 {long[:64]} {long[64:]}"])) == 2
    strongest = tlsa.usable([f"3 1 1 {short}", f"3 1 2 {long}", f"3 0 1 {short}", "3 1 0 abcd"])
    assert [(one.selector, one.matching) for one in strongest] == [(1, 2), (0, 1), (1, 0)]


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=200), st.binary(max_size=200))
def test_nothing_but_parse_errors(text: str, data: bytes) -> None:
    tlsa.public_key_info(data)
    for attempt in (
        lambda: mta_sts.parse(data),
        lambda: mta_sts.parse(f"version: STSv1\n{text}".encode()),
        lambda: mta_sts.identifier(f"v=STSv1;{text}"),
        lambda: tls_rpt.parse(f"v=TLSRPTv1;{text}"),
        lambda: tlsa.parse(text),
    ):
        try:
            attempt()
        except ParseError:
            continue
