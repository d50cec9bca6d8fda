"""TLS reporting: the TXT record at `_smtp._tls` (RFC 8460 section 3)."""

import re
from collections.abc import Iterable

from services.scanner.engine.parsers.errors import ParseError

_WHITESPACE = " \t"
_MAILTO = re.compile(r"mailto:[!-~]+@[A-Za-z0-9_.-]+(?:\?[!-~]*)?", re.IGNORECASE)
_HTTPS = re.compile(r"https://[A-Za-z0-9\[][!-~]*", re.IGNORECASE)
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+")


def records(texts: Iterable[str]) -> tuple[str, ...]:
    """The TXT records that are not discarded; a sender of reports wants exactly one."""
    return tuple(text for text in texts if text.startswith("v=TLSRPTv1;"))


def parse(text: str) -> tuple[str, ...]:
    """Where reports go: `mailto:` and `https:` addresses. ParseError where nobody would send any."""
    version, *fields = (part.strip(_WHITESPACE) for part in text.split(";"))
    if version != "v=TLSRPTv1":
        raise ParseError("the record does not begin with v=TLSRPTv1;")
    if fields and not fields[-1]:
        fields.pop()
    addresses: list[str] = []
    for field in fields:
        if field.startswith("rua="):
            addresses += [address.strip(_WHITESPACE) for address in field[4:].split(",")]
        elif not _EXTENSION.fullmatch(field):
            raise ParseError(f"{field[:60]!r} is not a field: it should read name=value")
    if not addresses:
        raise ParseError("the record has no rua: it names nobody to report to")
    for address in addresses:
        if "!" in address or not (_MAILTO.fullmatch(address) or _HTTPS.fullmatch(address)):
            raise ParseError(f"the report address {address[:80]!r} is neither mailto:name@domain nor https://...")
    return tuple(addresses)
