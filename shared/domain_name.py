"""A public domain name: what may be scanned and monitored."""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import idna

from shared.egress import special_use

if TYPE_CHECKING:
    from tldextract import TLDExtract

_MAX_INPUT = 2048  # a whole URL may be pasted
_MAX_NAME = 253  # RFC 1035 2.3.4, in presentation form
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # WHATWG URL, "ends in a number": an IPv4 address however written


@dataclass(frozen=True, slots=True)
class DomainName:
    """A normalised domain: lower case, A-labels, no trailing dot."""

    domain: str
    registrable: str  # by the Public Suffix List: "example.co.uk" for "shop.example.co.uk"


class InvalidDomain(ValueError):
    """The message says what is wrong with the input and what to type instead."""


def parse(text: str) -> DomainName:
    """`https://Example.COM/path` -> example.com. InvalidDomain otherwise (RFC 1035 2.3.4, RFC 5891, UTS 46)."""
    domain = _ascii(_host(text))
    labels = domain.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise InvalidDomain("An IP address cannot be scanned; type the domain name of the site instead.")
    if special_use(domain):
        raise InvalidDomain(f"Names ending in .{labels[-1]} are not public; type a domain of the Internet.")
    if len(labels) == 1:
        raise InvalidDomain(f"'{domain}' is a single label; type a full domain such as example.com.")
    return DomainName(domain, _registrable(domain))


def _host(text: str) -> str:
    """The host in what was typed: scheme, user, port, path and one trailing dot removed."""
    text = text.strip()
    if not text:
        raise InvalidDomain("The domain is empty; type one such as example.com.")
    if len(text) > _MAX_INPUT:
        raise InvalidDomain(f"The input is longer than {_MAX_INPUT} characters; type only the domain.")
    if any(character.isspace() or not character.isprintable() or character == "\\" for character in text):
        raise InvalidDomain("Spaces, backslashes and control characters cannot be part of a domain.")
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise InvalidDomain("Only http and https addresses are taken; type the domain alone, such as example.com.")
    authority = re.split(r"[/?#]", rest if separator else text, maxsplit=1)[0].rpartition("@")[2]
    if authority.startswith("[") or authority.count(":") > 1:
        raise InvalidDomain("An IP address cannot be scanned; type the domain name of the site instead.")
    host, colon, port = authority.partition(":")
    if colon and not re.fullmatch("[0-9]{0,5}", port):
        raise InvalidDomain(f"':{port[:20]}' is not a port; type the domain alone, such as example.com.")
    return host


def _ascii(host: str) -> str:
    """A-labels in lower case. The length is bounded first: IDNA processing is slow on long input (CVE-2024-3651)."""
    if len(host) > _MAX_NAME + 1:
        raise InvalidDomain(f"A domain name has at most {_MAX_NAME} characters.")
    try:
        mapped = idna.uts46_remap(host, std3_rules=True, transitional=False)
        labels = mapped.removesuffix(".").split(".")
        domain = ".".join(label if _LABEL.fullmatch(label) else idna.alabel(label).decode() for label in labels)
        for label in labels:
            if label.startswith("xn--"):
                idna.ulabel(label)
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidDomain(f"'{host[:80]}' is not a valid domain name ({error}).") from error
    if len(domain) > _MAX_NAME:
        raise InvalidDomain(f"A domain name has at most {_MAX_NAME} characters.")
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise InvalidDomain(f"'{host[:80]}' is not a valid domain name: letters, digits and inner hyphens, 63 a label.")
    return domain


def _registrable(domain: str) -> str:
    found = _suffixes()(domain, include_psl_private_domains=True)
    if found.suffix and found.domain:
        return f"{found.domain}.{found.suffix}"
    if found.suffix and _suffixes()(domain, include_psl_private_domains=False).domain:
        return domain  # a hoster's suffix, such as github.io, is a site of its own too
    if found.suffix:
        raise InvalidDomain(f"'{domain}' is a public suffix that nobody can register; type a name below it.")
    return ".".join(domain.split(".")[-2:])  # a TLD the list does not know: its default rule "*"


def registered(domain: str) -> str:
    """What a registry of the DNS has on record: github.io for shop.github.io, whose suffix is a hoster's (the private
    part of the Public Suffix List), and the registrable domain of any other."""
    found = _suffixes()(domain, include_psl_private_domains=False)
    return f"{found.domain}.{found.suffix}" if found.suffix and found.domain else ".".join(domain.split(".")[-2:])


@cache
def _suffixes() -> "TLDExtract":
    from tldextract import TLDExtract

    return TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)
