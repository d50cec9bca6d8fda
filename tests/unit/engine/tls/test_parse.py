"""Hostile bytes are refused in words, never with another error."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.probes.tls import parse
from services.scanner.engine.probes.tls.parse import Malformed
from tests.support.lab.tls import prime

SERVER_HELLO = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x35" + b"\x00" + b"\x00\x05" + b"\xff\x01\x00\x01\x00"
CERTIFICATES = b"\x00\x00\x0c" + b"\x00\x00\x03abc" + b"\x00\x00\x03def"

PARSERS: list[Callable[[bytes], object]] = [
    parse.server_hello,
    parse.certificates,
    parse.finite_field_group,
    parse.alert,
    parse.messages,
    parse.is_ssl2_server_hello,
    parse.is_warning,
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


@pytest.mark.parametrize(("bits", "known"), [(1024, "RFC 2409 group 2"), (2048, None)])
def test_a_diffie_hellman_group(bits: int, known: str | None) -> None:
    group = parse.finite_field_group((bits // 8).to_bytes(2, "big") + prime(bits).to_bytes(bits // 8, "big"))

    assert (group.bits, group.known_prime) == (bits, known)


def test_an_unknown_name_is_a_warning_and_a_failure_is_none() -> None:
    assert parse.is_warning(b"\x01\x70")
    assert not parse.is_warning(b"\x02\x28")
    assert not parse.is_warning(b"\x01\x00")  # close_notify
