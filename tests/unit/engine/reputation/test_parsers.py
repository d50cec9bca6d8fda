"""Block lists, breach data, lookalikes and known scripts."""

import json

import pytest

from services.scanner.engine.parsers import breaches, dnsbl, lookalikes, malware
from services.scanner.engine.parsers.errors import ParseError


@pytest.mark.parametrize(
    ("subject", "question"),
    [
        ("192.0.2.99", "99.2.0.192.bl.test"),
        ("2001:db8:1:2:3:4:567:89ab", "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test"),
        ("::ffff:7f00:2", "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.test"),
        ("shop.example", "shop.example.bl.test"),
    ],
)
def test_questions(subject: str, question: str) -> None:
    """RFC 5782 sections 2.1, 2.4 and 3, whose example the second is."""
    assert dnsbl.question(subject, "bl.test") == question


@pytest.mark.parametrize(
    ("codes", "refused"),
    [
        ((), False),
        (("127.0.0.2",), False),
        (("127.0.1.4", "127.0.0.10"), False),
        (("127.255.255.254",), True),
        (("127.255.255.255",), True),
        (("127.0.0.1",), True),
        (("198.51.100.7",), True),
        (("garbage",), True),
    ],
)
def test_codes_of_refusal(codes: tuple[str, ...], refused: bool) -> None:
    assert bool(dnsbl.refusal(codes)) == refused


def test_a_policy_is_no_misconduct() -> None:
    assert not dnsbl.misconduct("zen.spamhaus.org", ("127.0.0.10", "127.0.0.11"))
    assert dnsbl.misconduct("zen.spamhaus.org", ("127.0.0.10", "127.0.0.4"))
    assert dnsbl.misconduct("bl.test", ("127.0.0.10",))
    assert dnsbl.meanings("zen.spamhaus.org", ("127.0.0.4",)) == ("XBL: compromised machine",)


BREACH = {"Name": "Shop", "Title": "The Shop", "BreachDate": "2019-03-01", "PwnCount": 5, "DataClasses": ["Passwords"]}


@pytest.mark.parametrize(
    ("answer", "listed", "accounts"),
    [
        ([], 0, None),
        ([BREACH], 1, None),
        ({"breaches": [BREACH], "accounts": 3}, 1, 3),
        ({"accounts": 0}, None, 0),
        ({"breaches": "garbage", "accounts": True}, None, None),
        ({"alice": ["Shop"], "bob": ["Shop", "Other"]}, None, 2),
        ({}, None, 0),
    ],
)
def test_breach_data(answer: object, listed: int | None, accounts: int | None) -> None:
    found = breaches.parse(json.dumps(answer).encode())
    assert (None if found.listed is None else len(found.listed)) == listed
    assert found.accounts == accounts


@pytest.mark.parametrize("answer", [b"", b"1", b'"x"', b'{"message": "unauthorised"}'])
def test_what_is_no_breach_data(answer: bytes) -> None:
    with pytest.raises(ParseError):
        breaches.parse(answer)


def test_an_account_is_never_kept() -> None:
    assert "alice" not in repr(breaches.parse(b'{"alice": ["Shop"]}'))


def test_lookalikes_are_many_kinds_and_few() -> None:
    names = lookalikes.of("example.com")
    assert len(names) == len(set(names)) <= lookalikes.MAX
    assert "example.com" not in names
    assert {"examp1e.com", "example.net", "xample.com", "xeample.com", "example-login.com"} <= set(names)
    assert any(name.startswith("xn--") for name in names)


@pytest.mark.parametrize("registrable", ["a.com", "ab.co.uk", "xn--bcher-kva.example", "9.test", "a" * 63 + ".com"])
def test_lookalikes_of_any_name_are_names(registrable: str) -> None:
    for name in lookalikes.of(registrable):
        assert name.endswith(registrable.partition(".")[2]) or "." in name
        assert all(0 < len(label) <= 63 for label in name.split("."))


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://coinhive.com/lib/coinhive.min.js", "coinhive.com"),
        ("https://cdn.polyfill.io/v3/polyfill.min.js", "polyfill.io"),
        ("https://notcoinhive.com/x.js", None),
        ("https://example.com/coinhive.com", None),
        ("https://[broken", None),
        ("data:text/javascript,1", None),
    ],
)
def test_scripts_by_their_host(url: str, known: str | None) -> None:
    found = malware.hosted(url)
    assert (found and found.known_by) == known


def test_marks_count_in_scripts_alone() -> None:
    assert not malware.inline("<p>new CoinHive.Anonymous('x')</p>")
    assert malware.inline("<SCRIPT>new CoinHive.Anonymous('x')</SCRIPT>")
    assert malware.inline("<script>new CoinHive.Anonymous('x')")
