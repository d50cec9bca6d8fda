"""Parsers of what targets publish take time in proportion to its length."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from services.scanner.engine.parsers import caa, dkim, dmarc, mta_sts, spf, spf_macros, tls_rpt, tlsa
from services.scanner.engine.parsers.errors import ParseError

SIZE = 65_536
SECONDS = 2.0  # a hundredth of it is usual; a quadratic parser takes tens of seconds


def _policy(text: str) -> object:
    return mta_sts.parse(text.encode())


def _explanation(text: str) -> object:
    return spf_macros.expand_explanation(text, {"d": "a.example", "l": "x-y"})


@pytest.mark.parametrize(
    ("parse", "start", "repeated"),
    [
        *((spf.parse, "v=spf1 a:", part) for part in ("a/1", "%{d1r", "mx:", "//", " include:b.example", "a-")),
        *((dmarc.parse, "v=DMARC1;", part) for part in ("a=b;", ";", "rua=mailto:a@b.c,", "rua=", "mailto:a@b.", "x")),
        *((dkim.parse, "v=DKIM1;", part) for part in ("a=b;", "p=AAAA", ";", " ", "x")),
        *(
            (tls_rpt.parse, "v=TLSRPTv1; rua=", part)
            for part in ("mailto:a@b.c,", "a@", "mailto:@", ";a=b", "https://a")
        ),
        *((mta_sts.identifier, "v=STSv1;", part) for part in ("id=a;", "a=b;", ";", "a", " ")),
        *((_policy, "version: STSv1\n", part) for part in ("mx: a.b\n", "mx: ", "a: b c\n", "a:", ": ", "- ")),
        *((tlsa.parse, "3 1 1 ", part) for part in ("00", "0 ", " ", "g")),
        *((_explanation, "", part) for part in ("%{d}", "%", " ", "%{l1r-+,/_=.}", "a b ")),
        *((caa.parse, '0 issue "', part) for part in ("a.", "a-", "a=b;", "a = ", '\\"', " ")),
    ],
)
def test_time_is_linear(parse: Callable[[str], object], start: str, repeated: str) -> None:
    text = start + repeated * (SIZE // len(repeated))
    started = time.process_time()
    with suppress(ParseError):
        parse(text)
    assert time.process_time() - started < SECONDS
