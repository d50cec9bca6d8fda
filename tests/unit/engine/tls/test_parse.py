"""Hostile bytes are refused in words, never with another error."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.probes.tls import parse, suites
from services.scanner.engine.probes.tls.parse import Malformed
from tests.support.lab.tls import prime

SERVER_HELLO = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x35" + b"\x00" + b"\x00\x05" + b"\xff\x01\x00\x01\x00"
CERTIFICATES = b"\x00\x00\x0c" + b"\x00\x00\x03abc" + b"\x00\x00\x03def"

PARSERS: list[Callable[[bytes], object]] = [
    parse.server_hello,
    parse.extensions,
    parse.certificates,
    parse.certificates_with_extensions,
    parse.certificate_status,
    parse.chosen_protocol,
    parse.early_data,
    lambda data: parse.key_exchange(data, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "TLSv1.2"),
    lambda data: parse.key_exchange(data, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA", "TLSv1.2"),
    parse.alert,
    parse.messages,
    parse.ssl2_kinds,
    parse.is_ssl2_error,
    parse.is_passing,
]


@pytest.mark.parametrize("parser", PARSERS)
@given(data=st.binary(max_size=300))
def test_anything_else_is_malformed(parser: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(Malformed):
        parser(data)


@given(header=st.binary(min_size=5, max_size=5))
def test_a_record_header_is_bounded(header: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert parse.record_header(header)[1] <= parse.MAX_RECORD


@given(cut=st.integers(0, len(SERVER_HELLO) - 1))
def test_a_hello_cut_short_is_malformed_unless_it_lacks_only_extensions(cut: int) -> None:
    whole_without_extensions = 38
    if cut == whole_without_extensions:
        assert not parse.server_hello(SERVER_HELLO[:cut]).secure_renegotiation
    else:
        with pytest.raises(Malformed):
            parse.server_hello(SERVER_HELLO[:cut])


def test_the_parts_of_a_flight() -> None:
    assert parse.server_hello(SERVER_HELLO).secure_renegotiation
    assert parse.certificates(CERTIFICATES) == (b"abc", b"def")
    assert parse.messages(b"\x02\x00\x00\x01x\x0b\x00\x00\x02y") == ([(2, b"x")], b"\x0b\x00\x00\x02y")


def test_no_more_certificates_are_taken_than_ten() -> None:
    chain = b"\x00\x00\x01x" * 50

    assert len(parse.certificates(len(chain).to_bytes(3, "big") + chain)) == parse.MAX_CERTIFICATES


def key_exchange(bits: int, signature: bytes = b"") -> bytes:
    numbers = (prime(bits).to_bytes(bits // 8, "big"), b"\x02", b"\x05")
    return b"".join(len(number).to_bytes(2, "big") + number for number in numbers) + signature


@pytest.mark.parametrize(("bits", "known"), [(1024, "RFC 2409 group 2"), (2048, "RFC 3526 group 14")])
def test_a_diffie_hellman_group(bits: int, known: str | None) -> None:
    seen = parse.key_exchange(key_exchange(bits, b"\x02\x01"), "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "TLSv1.2")

    assert seen.dh
    assert (seen.dh.bits, seen.dh.known_prime) == (bits, known)
    assert suites.signature_name(seen.signature or 0) == "rsa_pkcs1_sha1"


def test_an_elliptic_curve() -> None:
    named = b"\x03\x00\x1d\x20" + bytes(32) + b"\x08\x04"

    seen = parse.key_exchange(named, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLSv1.2")
    older = parse.key_exchange(named, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLSv1.1")

    assert (seen.curve, seen.signature, older.signature) == (suites.X25519, 0x0804, None)
    assert parse.key_exchange(b"\x01", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLSv1.2") == parse.KeyExchange()


def test_only_what_need_not_end_the_handshake_is_passed_over() -> None:
    assert parse.is_passing(b"\x01\x70")  # unrecognized_name
    assert not parse.is_passing(b"\x01\x28")  # handshake_failure, whatever its level
    assert not parse.is_passing(b"\x02\x70")
    assert not parse.is_passing(b"\x01\x00")  # close_notify


def test_the_kinds_of_ssl_2_0() -> None:
    body = b"\x04\x00\x01\x00\x02\x00\x02\x00\x06\x00\x00" + b"ab" + b"\x07\x00\xc0\x01\x00\x80"
    message = (0x8000 | len(body)).to_bytes(2, "big") + body

    assert parse.ssl2_kinds(message) == ("SSL_CK_DES_192_EDE3_CBC_WITH_MD5", "SSL_CK_RC4_128_WITH_MD5")
    assert parse.ssl2_kinds(message[:14]) == ("any of SSL 2.0",)
    assert parse.ssl2_kinds(b"\x80\x03\x00\x00\x01") == ()
    assert parse.is_ssl2_error(b"\x80\x03\x00\x00\x01")


def test_what_comes_with_a_certificate_of_tls_1_3() -> None:
    beside = b"\x00\x05\x00\x07\x01\x00\x00\x03abc" + b"\x00\x12\x00\x02xy"
    entry = b"\x00\x00\x03der" + len(beside).to_bytes(2, "big") + beside
    entries = entry + b"\x00\x00\x03top\x00\x00"

    seen = parse.certificates_with_extensions(b"\x00" + len(entries).to_bytes(3, "big") + entries)

    assert seen == parse.Shown((b"der", b"top"), b"abc", b"xy")


def test_a_ticket_with_early_data() -> None:
    ticket = bytes(8) + b"\x01n" + b"\x00\x01t"

    assert parse.early_data(ticket + b"\x00\x08\x00\x2a\x00\x04\x00\x00\x40\x00") == 16384
    assert parse.early_data(ticket + b"\x00\x00") == 0
