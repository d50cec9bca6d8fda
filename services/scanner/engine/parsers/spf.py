"""SPF records (RFC 7208 sections 4.5, 5, 6 and 12)."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, cast

from services.scanner.engine.parsers.errors import ParseError

Qualifier = Literal["+", "-", "~", "?"]
LOOKUP_MECHANISMS = frozenset({"include", "a", "mx", "ptr", "exists"})  # section 4.6.4; so does redirect
MAX_RECORD = 65_535
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_MACROS = re.compile(r"%\{[slodiphcrtv][0-9]{0,3}r?[.+,/_=-]*\}|%[%_-]", re.IGNORECASE)
_TOP_LABEL = re.compile(r"[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9-]*|[A-Za-z0-9]+-[A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism. `value` is its domain or network, "" where there is none."""

    qualifier: Qualifier
    mechanism: str
    value: str = ""
    prefix: int | None = None  # of ip4 and ip6

    @property
    def everyone(self) -> bool:
        """Matches any sender of its address family."""
        return self.mechanism == "all" or self.prefix == 0


@dataclass(frozen=True, slots=True)
class Record:
    terms: tuple[Term, ...]  # up to "all", after which none is ever evaluated (section 5.1)
    redirect: str | None = None  # None too where "all" overrides it (section 6.1)


def is_record(text: str) -> bool:
    """Section 4.5: the version, then a space or the end."""
    return text[:7].lower() in ("v=spf1", "v=spf1 ")


def has_macro(domain: str) -> bool:
    return "%" in domain


def parse(text: str) -> Record:
    """ParseError where a receiver answers "permerror"."""
    if not is_record(text):
        raise ParseError("an SPF record begins with v=spf1 and a space")
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in text[:MAX_RECORD].split(" ")[1:]:
        if not word:
            continue
        name, separator, value = word.partition("=")
        if separator and _NAME.fullmatch(name):
            _modifier(name.lower(), value, modifiers)
        else:
            terms.append(_term(word))
    for index, term in enumerate(terms):
        if term.mechanism == "all":
            return Record(tuple(terms[: index + 1]))
    return Record(tuple(terms), modifiers.get("redirect"))


def _modifier(name: str, value: str, modifiers: dict[str, str]) -> None:
    if name in ("redirect", "exp"):
        if name in modifiers:
            raise ParseError(f"the modifier {name} comes twice")
        _check_domain(name, value)
    modifiers[name] = value


def _term(word: str) -> Term:
    qualifier = cast(Qualifier, word[0]) if word[0] in "+-~?" else "+"
    body = word.removeprefix(qualifier) if word[0] in "+-~?" else word
    name = re.split("[:/]", body, maxsplit=1)[0].lower()
    rest = body[len(name) :]
    if name == "all" and not rest:
        return Term(qualifier, name)
    if name in ("include", "exists") and rest.startswith(":"):
        return Term(qualifier, name, _check_domain(name, rest[1:]))
    if name == "ptr" and (not rest or rest.startswith(":")):
        return Term(qualifier, name, _check_domain(name, rest[1:]) if rest else "")
    if name in ("a", "mx"):
        return Term(qualifier, name, _host(name, rest))
    if name in ("ip4", "ip6") and rest.startswith(":"):
        return _network(qualifier, name, rest[1:])
    raise ParseError(f"{word[:80]!r} is not a mechanism of SPF")


def _host(name: str, rest: str) -> str:
    """The domain of `a[:domain][/n][//n]`, without its prefix lengths."""
    domain = _without_prefix(name, _without_prefix(name, rest, "//", 128), "/", 32)
    if not domain:
        return ""
    if not domain.startswith(":"):
        raise ParseError(f"{name}{rest[:80]} is not a mechanism of SPF")
    return _check_domain(name, domain[1:])


def _without_prefix(name: str, rest: str, separator: str, widest: int) -> str:
    head, found, length = rest.rpartition(separator)
    if not found or "}" in length:  # a slash within a macro is a delimiter of its own
        return rest
    if not _is_length(length, widest):
        raise ParseError(f"{name}{rest[:80]} has a wrong prefix length")
    return head


def _is_length(text: str, widest: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= widest


def _network(qualifier: Qualifier, name: str, value: str) -> Term:
    address, slash, length = value.partition("/")
    widest = 32 if name == "ip4" else 128
    try:
        _ = IPv4Address(address) if name == "ip4" else IPv6Address(address)
    except AddressValueError:
        raise ParseError(f"{address[:80]!r} is not an address for {name}") from None
    if slash and not _is_length(length, widest):
        raise ParseError(f"{length[:40]!r} is not a prefix length for {name}")
    return Term(qualifier, name, value, int(length) if slash else widest)


def _check_domain(name: str, domain: str) -> str:
    """A domain-spec (section 7.1), in lower case: macros, visible characters, and an end that can be a top level."""
    plain = _MACROS.sub("", domain)
    if not domain or "%" in plain or not all("!" <= character <= "~" for character in plain):
        raise ParseError(f"{name} has {domain[:80]!r}, which is not a domain name")
    ends_in_macro = domain.endswith("}") and has_macro(domain)
    head, _, top = domain.removesuffix(".").rpartition(".")
    if not ends_in_macro and not (head and _TOP_LABEL.fullmatch(top)):
        raise ParseError(f"{name} has {domain[:80]!r}, which does not end in a top-level domain")
    return domain if has_macro(domain) else domain.removesuffix(".").lower()
