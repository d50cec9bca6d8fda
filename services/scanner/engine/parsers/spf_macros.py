"""Macros of SPF (RFC 7208 section 7): their syntax, and what they stand for in one message."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

IPAddress = IPv4Address | IPv6Address

MAX_NAME = 253  # characters of a domain name in presentation form
_TOKEN = re.compile(
    r"%\{(?P<letter>[slodiphcrtv])(?P<digits>[0-9]*)(?P<reverse>r?)(?P<delimiters>[.+,/_=-]*)\}|%[%_-]|[!-$&-~]+",
    re.IGNORECASE,
)
_SPACES = re.compile(r"( +)")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
_ONLY_IN_EXPLANATIONS = frozenset("crt")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

Token = re.Match[str]


def tokens(text: str) -> list[Token] | None:
    """A macro-string in its parts; None where it is none."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or (token["digits"] and not token["digits"].strip("0")):  # section 7.3: a nonzero number
            return None
        found.append(token)
        at = token.end()
    return found


def letters(text: str) -> frozenset[str]:
    """The macro letters in a macro-string or an explanation, in lower case."""
    return frozenset(token["letter"].lower() for token in _TOKEN.finditer(text) if token["letter"])


def is_domain_spec(text: str) -> bool:
    """Section 7.1: ends in a macro or in a label that can be a top level; without the letters of explanations."""
    parts = tokens(text)
    if not parts or letters(text) & _ONLY_IN_EXPLANATIONS:
        return False
    end = parts[-1].group()
    if end.startswith("%"):
        return True
    _, dot, top = end.removesuffix(".").rpartition(".")
    return bool(dot) and _top_level(top)


def _top_level(label: str) -> bool:
    """The rule "toplabel": letters, digits and inner hyphens, and not digits alone."""
    return _LABEL.fullmatch(label) is not None and not label.isdigit()


def expand(text: str, values: Mapping[str, str]) -> str:
    """A macro-string with the values of its letters ("d" -> "example.com") put in. KeyError where one is missing."""
    return "".join(_expanded(token, values) for token in tokens(text) or ())


def expand_explanation(text: str, values: Mapping[str, str]) -> str | None:
    """An explain-string, which may have spaces; None where its syntax is wrong. KeyError as `expand`."""
    parts = _SPACES.split(text)
    if any(tokens(part) is None for part in parts[::2]):
        return None
    return "".join(part if part.startswith(" ") else expand(part, values) for part in parts)


def _expanded(token: Token, values: Mapping[str, str]) -> str:
    text = token.group()
    if not token["letter"]:
        return _ESCAPES.get(text, text)
    value = values[token["letter"].lower()]
    if token["digits"] or token["reverse"] or token["delimiters"]:
        parts = re.split(f"[{re.escape(token['delimiters'] or '.')}]", value)
        if token["reverse"]:
            parts.reverse()
        if token["digits"]:
            parts = parts[-min(int(token["digits"].lstrip("0")[:6]), len(parts)) :]
        value = ".".join(parts)
    return quote(value, safe="-._~") if token["letter"].isupper() else value


def target_name(text: str) -> str:
    """A name to look up: lower case, no final dot, and labels cut from its left until it fits (section 7.3)."""
    name = text.removesuffix(".").lower()
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def well_formed(name: str) -> bool:
    """Whether the DNS can have this name, with more than one label (section 4.3)."""
    labels = name.split(".")
    return (
        len(name) <= MAX_NAME
        and len(labels) > 1
        and all(0 < len(label) <= 63 for label in labels)
        and _top_level(labels[-1])
        and name.isascii()
        and name.isprintable()
    )


def dotted(ip: IPAddress) -> str:
    """The letter i: an IPv4 address as usual, the nibbles of an IPv6 address with dots between them."""
    return str(ip) if isinstance(ip, IPv4Address) else ".".join(ip.exploded.replace(":", ""))
