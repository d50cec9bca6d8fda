"""Strict-Transport-Security (RFC 6797, section 6.1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hsts:
    max_age: int  # seconds
    include_subdomains: bool


def parse(value: str) -> Hsts | None:
    """None where a browser would ignore the header: no max-age, a repeated directive, a number that is none."""
    directives: dict[str, str] = {}
    for part in value.split(";"):
        name, _, argument = part.partition("=")
        name = name.strip().lower()
        if not name:
            continue
        if name in directives:
            return None
        directives[name] = argument.strip().strip('"')
    seconds = directives.get("max-age", "")
    if not (seconds.isascii() and seconds.isdigit()):
        return None
    return Hsts(int(seconds[:12]), "includesubdomains" in directives)
