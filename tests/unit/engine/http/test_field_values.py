"""Fetch's lists, structured fields by RFC 9651, and Cache-Control by RFC 9111."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from services.scanner.engine.evidence.http import Response
from services.scanner.engine.parsers.caching import shared_cache_may_reuse
from services.scanner.engine.parsers.field_values import NotStructured, Token, dictionary, get_decode_split, item

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", ("",)),
        ("nosniff,", ("nosniff", "")),
        (",nosniff", ("", "nosniff")),
        (" nosniff\t, x", ("nosniff", "x")),
        ('"a,b",c', ('"a,b"', "c")),
        ('a "b\\",c" d,e', ('a "b\\",c" d', "e")),
        ('"never closed, x', ('"never closed, x',)),
    ],
)
def test_get_decode_and_split(value: str | None, expected: tuple[str, ...] | None) -> None:
    assert get_decode_split(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("camera=(), geolocation=(self)", {"camera": (), "geolocation": (Token("self"),)}),
        ('fullscreen=(self "https://a.example")', {"fullscreen": (Token("self"), "https://a.example")}),
        ("camera=*", {"camera": Token("*")}),
        ("a=1, b=?0, c", {"a": 1, "b": False, "c": True}),
        ("a=1;x=2;y, a=3", {"a": 3}),  # the last counts
        ("  a=1.5\t,\tb=:aGk=:", {"a": 1.5, "b": b":aGk=:"}),
        ("a=@1659578233, b=-999999999999999", {"a": b"@1659578233", "b": -999999999999999}),
        ("", {}),
    ],
)
def test_dictionaries(text: str, expected: Mapping[str, object]) -> None:
    assert dictionary(text) == expected


@pytest.mark.parametrize(
    "text",
    ["camera 'none'", "camera=()geolocation=()", "camera=(),", "=1", "A=1", "a=", "a=(1 2", "a=(1,2)", 'a="x', "a=1..2",
     "a=?2", "a=1; ", "a=1234567890123456", "a=\xe9", "camera=none;geolocation none"],
)  # fmt: skip
def test_what_does_not_parse_is_ignored_as_a_whole(text: str) -> None:
    with pytest.raises(NotStructured):
        dictionary(text)


def test_items() -> None:
    assert item(' same-origin;report-to="x" ') == Token("same-origin")
    assert item('"same-origin"') == "same-origin"
    for broken in ("same-origin, same-origin", "", "same-origin;"):
        with pytest.raises(NotStructured):
            item(broken)


@pytest.mark.parametrize(
    ("headers", "reusable"),
    [
        ({"cache-control": "no-store"}, False),
        ({"cache-control": "Private, max-age=60"}, False),
        ({"cache-control": "no-cache"}, False),
        ({"cache-control": "max-age=0, must-revalidate"}, False),
        ({"cache-control": "max-age=60"}, True),
        ({"cache-control": 'max-age="60"'}, True),
        ({"cache-control": "s-maxage=0, max-age=60"}, False),  # s-maxage is what shared caches go by
        ({"cache-control": "public"}, True),
        ({"cache-control": "max-age=never"}, False),  # not fresh (section 4.2.1)
        ({"expires": "Thu, 01 Jan 2099 00:00:00 GMT"}, True),
        ({"expires": "0"}, False),
        ({"expires": "-1", "cache-control": "public"}, False),
        ({"pragma": "no-cache"}, False),
        ({"vary": "*"}, False),
        ({}, True),
    ],
)
def test_what_shared_caches_may_use_again(headers: Mapping[str, str], reusable: bool) -> None:
    response = Response("https://example.com/", "192.0.2.1", 200, tuple(headers.items()))
    assert bool(shared_cache_may_reuse(response, NOW)) is reusable
