"""The parsers of web answers on arbitrary and on hostile input: no exception, and time in proportion to length."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.parsers import caching, cookies, csp, hsts, html, pages, robots, secrets, security_txt
from services.scanner.engine.parsers.exposures import LIMIT, PATHS
from services.scanner.engine.parsers.field_values import NotStructured, dictionary, get_decode_split, item

MARKUP = st.text(alphabet="<>!-/='\" \n&;#xabscriptformhref:[]", max_size=300)


def _html(text: str) -> object:
    return html.parse(text, "https://example.com/")


def _structured(text: str) -> object:
    with suppress(NotStructured):
        dictionary(text)
    with suppress(NotStructured):
        item(text)
    return None


def _shown(text: str) -> object:
    return pages.turned_away(403, (("cf-mitigated", text),), text), pages.decoded(text.encode(), text)


def _policies(text: str) -> object:
    """The headers of an answer are 64 KiB at most."""
    policies = csp.parse([f"script-src {text[: 32 * 1024]}", text[: 32 * 1024]])
    return csp.broad_script_sources(policies), [list(policy.remarks()) for policy in policies]


def _all_paths(text: str) -> object:
    return [sensitive.recognise(text.encode()[:LIMIT]) for sensitive in PATHS]


PARSERS: list[Callable[[str], object]] = [
    hsts.parse, lambda text: csp.parse([text]), cookies.parse, security_txt.parse, _html, pages.error_details,
    robots.telling_paths, robots.looks_like_one, get_decode_split, _structured, caching.directives, _shown, _policies,
    pages.default_page, pages.lists_directory, pages.lists_bucket, secrets.keys, secrets.assignments, _all_paths,
]  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.one_of(st.text(max_size=300), MARKUP))
def test_no_text_raises(parser: Callable[[str], object], text: str) -> None:
    parser(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<!-->", "<a ", "<a b='", "<script>", "<title>", " ", "\n", "&#",
     "\t \x01", ", ", "*.com ", "script-src *.a unpkg.com,", "<style>@import url(", "(a ",
     "Disallow:/admin\n", "<a href=", "a=", ";", "Error: \n",
     "-----BEGIN ", "<title>phpinfo", "AKIAAAAAAAAAAAAAAAAA", "Warning: ", "#\n", '{"', "Interactive Console"],
)  # fmt: skip
def test_hostile_repetition_costs_no_more_than_its_length(parser: Callable[[str], object], piece: str) -> None:
    text = piece * (256 * 1024 // len(piece))
    before = time.process_time()
    parser(text)
    assert time.process_time() - before < 2.0, "far beyond what a pass over 256 KiB costs; quadratic work takes minutes"
