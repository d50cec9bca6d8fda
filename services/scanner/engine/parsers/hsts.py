"""Strict-Transport-Security (RFC 6797, section 6.1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

PRELOAD_MAX_AGE = 31_536_000  # seconds; https://hstspreload.org/#requirements
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE = re.compile(rf" ?(?:({_NAME}) ?(?:= ?({_NAME}|\"(?:[^\"\\]|\\.)*\"))?)? ?(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Hsts:
    max_age: int  # seconds
    include_subdomains: bool
    preload: bool = field(default=False, compare=False)  # no matter of RFC 6797


def parse(value: str) -> Hsts | None:
    """None where a browser would ignore the header: bad syntax, no max-age, a repeated directive, no number."""
    directives: dict[str, str | None] = {}
    position, value = (
        0,
        re.sub(r"[ \t]+", " ", value),
    )  # what may be repeated without bound would be tried without bound
    while position < len(value):
        part = _DIRECTIVE.match(value, position)
        if not part or part.end() == position:
            return None
        position = part.end()
        if not part[1]:
            continue
        name = part[1].lower()
        if name in directives:
            return None
        directives[name] = re.sub(r"\\(.)", r"\1", part[2][1:-1]) if (part[2] or "").startswith('"') else part[2]
    seconds = directives.get("max-age") or ""
    if not (seconds.isascii() and seconds.isdigit()) or directives.get("includesubdomains") is not None:
        return None
    return Hsts(int(seconds[:12]), "includesubdomains" in directives, "preload" in directives)


def preload_problems(policy: Hsts) -> Iterator[str]:
    """Why browsers' preload list would not take the domain, as far as the header says (hstspreload.org)."""
    if policy.max_age < PRELOAD_MAX_AGE:
        yield f"max-age is less than {PRELOAD_MAX_AGE}"
    if not policy.include_subdomains:
        yield "includeSubDomains is missing"
    if not policy.preload:
        yield "preload is missing"
