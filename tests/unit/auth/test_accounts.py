"""E-mail addresses."""

import pytest

from services.auth.accounts import InvalidEmail, normalise_email


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("ann@example.test", "ann@example.test"),
        ("ann+tag@example.com", "ann+tag@example.com"),
        ("ann@xn--bcher-kva.example.com", "ann@bücher.example.com"),
    ],
)
def test_one_spelling(typed: str, stored: str) -> None:
    assert normalise_email(typed) == stored


@pytest.mark.parametrize(
    "typed", ["", "ann", "ann@", "@example.com", "ann@localhost", "a b@example.com", "ann@example.com\0"]
)
def test_what_is_no_address(typed: str) -> None:
    with pytest.raises(InvalidEmail):
        normalise_email(typed)
