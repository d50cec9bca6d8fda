"""CAA records: which authorities may issue certificates (RFC 8659 section 4)."""

import re
from dataclasses import dataclass

from services.scanner.engine.parsers.errors import ParseError

KNOWN_TAGS = frozenset(
    # RFC 8659, RFC 9495, and the contact tags and BIMI's of the IANA registry "CAA Properties"
    {"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}
)
CRITICAL = 128
_LABEL = r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PARAMETER = re.compile(rf"({_LABEL})[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+")
_METHODS = re.compile(r"[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*")
_ISSUERS = frozenset({"issue", "issuewild", "issuemail", "issuevmc"})
_SEEN = re.compile(r'([0-9]{1,5})[ \t]+([^ \t"]{1,255})[ \t]+("?)(.*)\3', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Property:
    """`issuer` is the domain of an issue, issuewild, issuemail or issuevmc tag; "" there means: nobody may issue."""

    critical: bool
    tag: str  # lower case
    value: str
    issuer: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()  # name in lower case, value


def parse(data: str) -> Property:
    """Presentation form, `0 issue "ca.example"`. ParseError where an authority would not take it as written."""
    seen = _SEEN.fullmatch(data.strip())
    if seen is None:
        raise ParseError(f"{data[:80]!r} is not `flags tag value`")
    flags, tag, value = int(seen[1]), seen[2].lower(), seen[4].replace('\\"', '"')
    if flags > 255:
        raise ParseError(f"the flags {flags} are above 255")
    if not (tag.isascii() and tag.isalnum()):
        raise ParseError(f"the tag {tag[:40]!r} is not letters and digits")
    critical = bool(flags & CRITICAL)
    if critical and tag not in KNOWN_TAGS:
        raise ParseError(f"the critical tag {tag[:40]!r} is not registered: no authority may issue")
    if tag in _ISSUERS:
        issuer, parameters = _issuer(value)
        _fit(parameters)
        return Property(critical, tag, value, issuer, parameters)
    if tag == "iodef" and not value.startswith(("mailto:", "http://", "https://")):
        raise ParseError(f"iodef {value[:80]!r} is not a mailto:, http: or https: URL")
    return Property(critical, tag, value)


def _issuer(value: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """RFC 8659 section 4.2: an issuer's domain, then parameters; a value that does not parse allows nobody."""
    domain, *rest = (part.strip(" \t") for part in value.split(";"))
    if domain and not _DOMAIN.fullmatch(domain):
        raise ParseError(f"{domain[:80]!r} is not an issuer's domain name: no authority may issue")
    if rest == [""]:  # the parameters may be left out after the semicolon
        return domain.lower(), ()
    found = []
    for part in rest:
        seen = _PARAMETER.fullmatch(part)
        if seen is None:
            raise ParseError(f"{part[:80]!r} is not a parameter: it should read name=value")
        found.append((seen[1].lower(), seen[2]))
    return domain.lower(), tuple(found)


def _fit(parameters: tuple[tuple[str, str], ...]) -> None:
    """RFC 8657 sections 3 and 4: with a parameter that cannot be met, the property allows nobody."""
    for name, form, what in (("accounturi", _URI, "a URI"), ("validationmethods", _METHODS, "a list of methods")):
        values = [value for given, value in parameters if given == name]
        if len(values) > 1:
            raise ParseError(f"{name} is there {len(values)} times: no account or method fits all")
        if values and not form.fullmatch(values[0]):
            raise ParseError(f"{name} {values[0][:80]!r} is not {what}: nobody may issue by it")
