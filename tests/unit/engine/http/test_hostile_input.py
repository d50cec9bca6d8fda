"""The parsers of web answers on arbitrary and on hostile input: no exception, and time in proportion to length."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.parsers import cookies, csp, hsts, html, pages, secrets, security_txt
from services.scanner.engine.parsers.exposures import LIMIT, PATHS

MARKUP = st.text(alphabet="<>!-/='\" \n&;#xabscriptformhref:[]", max_size=300)


def _html(text: str) -> object:
    return html.parse(text, "https://example.com/")


def _all_paths(text: str) -> object:
    return [sensitive.recognise(text.encode()[:LIMIT]) for sensitive in PATHS]


PARSERS: list[Callable[[str], object]] = [
    hsts.parse, lambda text: csp.parse([text]), cookies.parse, security_txt.parse, _html, pages.error_details,
    pages.default_page, pages.lists_directory, pages.lists_bucket, secrets.keys, secrets.assignments, _all_paths,
]  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.one_of(st.text(max_size=300), MARKUP))
def test_no_text_raises(parser: Callable[[str], object], text: str) -> None:
    parser(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<!-->", "<a ", "<a b='", "<script>", "<title>", " ", "\n", "&#", "<a href=", "a=", ";", "Error: \n",
     "-----BEGIN ", "<title>phpinfo", "AKIAAAAAAAAAAAAAAAAA", "Warning: ", "#\n", '{"', "Interactive Console"],
)  # fmt: skip
def test_hostile_repetition_costs_no_more_than_its_length(parser: Callable[[str], object], piece: str) -> None:
    text = piece * (256 * 1024 // len(piece))
    before = time.process_time()
    parser(text)
    assert time.process_time() - before < 2.0, "far beyond what a pass over 256 KiB costs; quadratic work takes minutes"
