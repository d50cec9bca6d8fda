"""CAA records as an authority reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.parsers import caa
from services.scanner.engine.parsers.errors import ParseError


@pytest.mark.parametrize(
    ("data", "issuer"),
    [
        ('0 issue "ca.example"', "ca.example"),
        ("0 issue ca.example", "ca.example"),
        ('0 ISSUE "CA.example; account=230123"', "ca.example"),
        ('128 issuewild "ca.example; validationmethods=dns-01; accounturi=https://ca.example/a/1"', "ca.example"),
        ('0 issue ";"', ""),
        ('0 issue "  ca.example ;  "', "ca.example"),
        ('0 issue "ca--1.example; a = b"', "ca--1.example"),
        ('0 issue "; policy=ev"', ""),
        ('0 issuemail "ca.example; validationmethods=dns-01,ca-x-custom"', "ca.example"),
        ('0 issue ""', ""),
    ],
)
def test_issuers(data: str, issuer: str) -> None:
    assert caa.parse(data).issuer == issuer


@pytest.mark.parametrize(
    "data",
    [
        "",
        "issue ca.example",
        '256 issue "ca.example"',
        '0 is-sue "ca.example"',
        '128 tbs "unknown"',
        '0 issue "%%%%%"',
        '0 issue "ca.example; account"',
        '0 issue "ca.example; a=b;"',
        '0 issue "ca.example; a=b c"',
        '0 issue "ca.example;;"',
        '0 issue "-ca.example"',
        '0 issue "ca_1.example"',
        '0 issue "ca..example"',
        '0 issuemail "ca example"',
        '0 issue "ca.example; accounturi=https://ca.example/1; accounturi=https://ca.example/2"',
        '0 issue "ca.example; accounturi=12345"',
        '0 issue "ca.example; validationmethods=dns-01,,http-01"',
        '0 issue "ca.example; validationmethods="',
        '0 iodef "security@example.com"',
    ],
)
def test_faults(data: str) -> None:
    with pytest.raises(ParseError):
        caa.parse(data)


def test_an_unknown_tag_that_is_not_critical_is_left_alone() -> None:
    assert caa.parse('0 future "anything"') == caa.Property(False, "future", "anything")


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=300))
def test_nothing_but_parse_error(text: str) -> None:
    for data in (text, f"0 issue {text}", f'0 issue "{text}"'):
        try:
            caa.parse(data)
        except ParseError:
            continue
