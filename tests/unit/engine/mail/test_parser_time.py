"""Parsers of what targets publish take time in proportion to its length."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from services.scanner.engine.parsers import caa, dkim, dmarc, spf
from services.scanner.engine.parsers.errors import ParseError

SIZE = 65_536
SECONDS = 0.25  # a tenth of it is usual; a quadratic parser takes tens of seconds


@pytest.mark.parametrize(
    ("parse", "start", "repeated"),
    [
        *((spf.parse, "v=spf1 a:", part) for part in ("a/1", "%{d1r", "mx:", "//", " include:b.example", "a-")),
        *((dmarc.parse, "v=DMARC1;", part) for part in ("a=b;", ";", "rua=mailto:a@b.c,", "rua=", "mailto:a@b.", "x")),
        *((dkim.parse, "v=DKIM1;", part) for part in ("a=b;", "p=AAAA", ";", " ", "x")),
        *((caa.parse, '0 issue "', part) for part in ("a.", "a-", "a=b;", "a = ", '\\"', " ")),
    ],
)
def test_time_is_linear(parse: Callable[[str], object], start: str, repeated: str) -> None:
    text = start + repeated * (SIZE // len(repeated))
    started = time.process_time()
    with suppress(ParseError):
        parse(text)
    assert time.process_time() - started < SECONDS
