"""SPF records (RFC 7208 sections 4.5, 4.6.1, 5, 6 and the ABNF of section 12)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, cast

from services.scanner.engine.parsers import spf_macros
from services.scanner.engine.parsers.errors import ParseError

Qualifier = Literal["+", "-", "~", "?"]
LOOKUP_MECHANISMS = frozenset({"include", "a", "mx", "ptr", "exists"})  # section 4.6.4; so does redirect
MAX_RECORD = 65_535
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([+?~-]?)([A-Za-z0-9]+)(.*)", re.DOTALL)
_LENGTHS = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?")  # dual-cidr-length
_LENGTHS_AT_THE_END = re.compile(r"(?:/[0-9]{1,2})?(?://[0-9]{1,3})?$")
_LONGEST_LENGTHS = len("/32//128")
_NETWORK = re.compile(r":([0-9A-Fa-f.:]+)(?:/(0|[1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism. `value` is its domain-spec, "" where there is none; `prefix` the bits compared: (IPv4, IPv6)."""

    qualifier: Qualifier
    mechanism: str
    value: str = ""
    prefix: tuple[int, int] = (32, 128)  # of a and mx
    network: IPv4Network | IPv6Network | None = None  # of ip4 and ip6

    @property
    def everyone(self) -> bool:
        """Matches any sender of an address family."""
        return self.mechanism == "all" or (self.network is not None and self.network.prefixlen == 0)

    def __str__(self) -> str:
        qualifier = "" if self.qualifier == "+" else self.qualifier
        if self.network is not None:
            return f"{qualifier}{self.mechanism}:{self.network}"
        return qualifier + self.mechanism + (f":{self.value}" if self.value else "")


@dataclass(frozen=True, slots=True)
class Record:
    terms: tuple[Term, ...]  # up to "all", after which none is ever evaluated (section 5.1)
    redirect: str | None = None  # a domain-spec; None too where "all" overrides it (section 6.1)
    explanation: str | None = None  # the domain-spec of exp


def is_record(text: str) -> bool:
    """Section 4.5: the version, then a space or the end."""
    return text[:7].lower() in ("v=spf1", "v=spf1 ")


def select(texts: Iterable[str]) -> tuple[str, ...]:
    """The SPF records among the TXT records of a name; a receiver wants exactly one (section 4.5)."""
    return tuple(text for text in texts if is_record(text))


def parse(text: str) -> Record:
    """ParseError where a receiver answers "permerror": an error anywhere voids the whole record (section 4.6)."""
    if not is_record(text):
        raise ParseError("an SPF record begins with v=spf1 and a space")
    if len(text) > MAX_RECORD:
        raise ParseError(f"the record is longer than {MAX_RECORD} characters")
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in filter(None, text.split(" ")[1:]):
        if found := _MODIFIER.fullmatch(word):
            _modifier(found[1].lower(), found[2], modifiers)
        else:
            terms.append(_term(word))
    explanation = modifiers.get("exp")
    for index, term in enumerate(terms):
        if term.mechanism == "all":
            return Record(tuple(terms[: index + 1]), None, explanation)
    return Record(tuple(terms), modifiers.get("redirect"), explanation)


def _modifier(name: str, value: str, modifiers: dict[str, str]) -> None:
    if name not in ("redirect", "exp"):
        if spf_macros.tokens(value) is None:
            raise ParseError(f"the modifier {name[:40]} has {value[:80]!r}, which is no macro string")
        return
    if name in modifiers:
        raise ParseError(f"the modifier {name} comes twice")
    modifiers[name] = _domain_spec(name, value)


def _term(word: str) -> Term:
    found = _DIRECTIVE.fullmatch(word)
    if found:
        qualifier, name, rest = cast(Qualifier, found[1] or "+"), found[2].lower(), found[3]
        if name == "all" and not rest:
            return Term(qualifier, name)
        if name in ("include", "exists") and rest.startswith(":"):
            return Term(qualifier, name, _domain_spec(name, rest[1:]))
        if name == "ptr" and (not rest or rest.startswith(":")):
            return Term(qualifier, name, _domain_spec(name, rest[1:]) if rest else "")
        if name in ("a", "mx") and (not rest or rest[0] in ":/"):
            return _hosts(qualifier, name, rest)
        if name in ("ip4", "ip6") and rest.startswith(":"):
            return _addresses(qualifier, name, rest)
    raise ParseError(f"{word[:80]!r} is not a mechanism of SPF")


def _hosts(qualifier: Qualifier, name: str, rest: str) -> Term:
    """`a[:domain][/n][//n]`; a slash elsewhere is a character of the domain."""
    found = _LENGTHS_AT_THE_END.search(rest[-_LONGEST_LENGTHS:])
    ending = found.group() if found else ""
    lengths = _LENGTHS.fullmatch(ending)
    four, six = (int(lengths[1] or 32), int(lengths[2] or 128)) if lengths else (-1, -1)
    if not (0 <= four <= 32 and 0 <= six <= 128):
        raise ParseError(f"{name}{rest[:80]} has a wrong prefix length")
    domain = rest.removesuffix(ending)
    if domain and not domain.startswith(":"):
        raise ParseError(f"{name}{rest[:80]} is not a mechanism of SPF")
    return Term(qualifier, name, _domain_spec(name, domain[1:]) if domain else "", (four, six))


def _addresses(qualifier: Qualifier, name: str, rest: str) -> Term:
    found = _NETWORK.fullmatch(rest)
    try:
        if not found:
            raise ValueError
        made = IPv4Network if name == "ip4" else IPv6Network
        suffix = f"/{found[2]}" if found[2] else ""
        return Term(qualifier, name, network=made(found[1] + suffix, strict=False))
    except ValueError:
        raise ParseError(f"{(name + rest)[:80]!r} names no network of its family") from None


def _domain_spec(name: str, text: str) -> str:
    if not spf_macros.is_domain_spec(text):
        raise ParseError(f"{name} has {text[:80]!r}, which is not a domain name")
    return text
