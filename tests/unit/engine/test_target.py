"""What counts as a public domain, and what is said of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.target import InvalidDomain, Target, parse


@pytest.mark.parametrize(
    ("text", "domain", "registrable"),
    [
        ("example.com", "example.com", "example.com"),
        ("  https://Example.COM/path?q=1#f ", "example.com", "example.com"),
        ("HTTP://example.com:8080/x", "example.com", "example.com"),
        ("https://user:secret@example.com/", "example.com", "example.com"),
        ("example.com.", "example.com", "example.com"),
        ("shop.example.co.uk", "shop.example.co.uk", "example.co.uk"),
        ("bücher.de", "xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("faß.de", "xn--fa-hia.de", "xn--fa-hia.de"),  # IDNA 2008: not "fass.de"
        ("xn--bcher-kva.de", "xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("ｅｘａｍｐｌｅ。com", "example.com", "example.com"),
        ("ab--cd.com", "ab--cd.com", "ab--cd.com"),
        ("github.io", "github.io", "github.io"),
        ("someone.github.io", "someone.github.io", "someone.github.io"),
        ("hardened.test", "hardened.test", "hardened.test"),
        ("www.a.example", "www.a.example", "a.example"),
    ],
)
def test_taken(text: str, domain: str, registrable: str) -> None:
    assert parse(text) == Target(domain, registrable)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("localhost", "localhost"),
        ("printer.local", ".local"),
        ("db.internal", ".internal"),
        ("abc.onion", ".onion"),
        ("a.invalid", ".invalid"),
        ("1.0.0.127.in-addr.arpa", ".arpa"),
        ("com", "single label"),
        ("test", "single label"),
        ("co.uk", "public suffix"),
        ("127.0.0.1", "IP address"),
        ("127.1", "IP address"),
        ("0x7f.1", "IP address"),
        ("example.0x7f", "IP address"),
        ("2130706433", "IP address"),
        ("１２７.0.0.1", "IP address"),
        ("[::1]", "IP address"),
        ("http://[2001:db8::1]:80/", "IP address"),
        ("2001:db8::1", "IP address"),
        ("ftp://example.com", "http and https"),
        ("javascript://example.com", "http and https"),
        ("example.com:port", "not a port"),
        ("exa mple.com", "Spaces"),
        ("example.com\x00.evil.test", "control characters"),
        ("http://example.com\\@evil.test", "backslashes"),
        ("a..com", "not a valid domain"),
        (".com", "not a valid domain"),
        ("-a.com", "not a valid domain"),
        ("a_b.com", "not a valid domain"),
        ("xn--zzzzzz.com", "not a valid domain"),
        (f"{'a' * 64}.com", "not a valid domain"),
        (".".join(["a" * 60] * 5), "253"),
        ("x" * 100_000, "2048"),
    ],
)
def test_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(InvalidDomain, match=says):
        parse(text)


@given(st.text(max_size=80))
def test_any_text_gives_a_target_or_a_reason(text: str) -> None:
    try:
        target = parse(text)
    except InvalidDomain as error:
        assert str(error).endswith(".")
    else:
        assert target.domain == target.domain.lower()
        assert target.domain.isascii()
        assert len(target.domain) <= 253
        assert target.domain.endswith(target.registrable)
        assert parse(target.domain) == target
