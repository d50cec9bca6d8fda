"""What may be scanned: a public domain name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A normalised domain: lower case, A-labels, no trailing dot."""

    domain: str
    registrable: str  # by the Public Suffix List: "example.co.uk" for "shop.example.co.uk"


class InvalidDomain(ValueError):
    """The message says what is wrong with the input and what to type instead."""


def parse(text: str) -> Target:
    """`https://Example.COM/path` -> example.com. InvalidDomain otherwise (RFC 1035 2.3.4, RFC 5891, UTS 46)."""
    raise NotImplementedError
