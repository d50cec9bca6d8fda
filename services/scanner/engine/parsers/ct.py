"""The answer of a certificate transparency search as crt.sh gives it: a JSON list of logged certificates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.rdap import moment

_NAMES = 50  # of one certificate


@dataclass(frozen=True, slots=True)
class Logged:
    """A certificate (RFC 9162: or the precertificate before it) in a log."""

    id: str  # the search's own number of it
    names: tuple[str, ...]  # lower case; a wildcard with its "*."
    issuer: str  # "C=US, O=Let's Encrypt, CN=R11"
    not_before: datetime | None
    not_after: datetime | None


def parse(body: bytes) -> tuple[Logged, ...]:
    """One entry a certificate. An answer that was cut off is read up to its last whole entry. ParseError."""
    entries = _entries(body)
    found: dict[tuple[str, ...], Logged] = {}
    for entry in entries:
        if isinstance(entry, dict):
            logged = _logged(entry)
            key = (str(entry.get("serial_number") or logged.id), logged.issuer)
            found.setdefault(key, logged)
    return tuple(found.values())


def _entries(body: bytes) -> list[Any]:
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError:
        end = body.rfind(b"},")
        try:
            entries = orjson.loads(body[: end + 1] + b"]") if end > 0 else None
        except orjson.JSONDecodeError:
            entries = None
    if not isinstance(entries, list):
        raise ParseError("it is no JSON list of certificates")
    return entries


def _logged(entry: Mapping[str, Any]) -> Logged:
    values = (entry.get("name_value"), entry.get("common_name"))
    lines = (line for value in values if isinstance(value, str) for line in value.split("\n"))
    names = dict.fromkeys(line.strip().rstrip(".").lower()[:255] for line in lines if line.strip())
    return Logged(
        id=str(entry.get("id", ""))[:40],
        names=tuple(names)[:_NAMES],
        issuer=str(entry.get("issuer_name", ""))[:300],
        not_before=_when(entry.get("not_before")),
        not_after=_when(entry.get("not_after")),
    )


def _when(value: Any) -> datetime | None:
    return moment(value) if isinstance(value, str) else None
