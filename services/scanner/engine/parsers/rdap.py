"""RDAP answers in JSON: the bootstrap file (RFC 9224) and the domain object (RFC 9083 section 5.3)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.registrations import Registered

_STATUSES = 30
_NAMESERVERS = 20


def bootstrap(body: bytes) -> Mapping[str, tuple[str, ...]]:
    """The base addresses of the RDAP servers by top-level domain, HTTPS first (RFC 9224 sections 3 and 4)."""
    document = _object(body)
    found: dict[str, tuple[str, ...]] = {}
    for service in _list(document.get("services")):
        parts = _list(service)
        if len(parts) < 2:
            continue
        urls = [url if url.endswith("/") else f"{url}/" for url in _list(parts[-1]) if _is_url(url)]
        urls.sort(key=lambda url: not url.lower().startswith("https:"))
        for entry in _list(parts[-2]):
            if isinstance(entry, str) and urls:
                found.setdefault(entry.strip(".").lower(), tuple(urls))
    if not found:
        raise ParseError("it lists no RDAP server")
    return found


def servers(table: Mapping[str, tuple[str, ...]], domain: str) -> tuple[str, ...]:
    """Those of the longest entry that the domain ends in (RFC 9224 section 4)."""
    labels = domain.split(".")
    return next((table[name] for i in range(len(labels)) if (name := ".".join(labels[i:])) in table), ())


def domain(body: bytes, name: str) -> Registered:
    """The domain object of `name`. ParseError where it is no such object, or that of another name."""
    document = _object(body)
    if document.get("objectClassName") != "domain":
        raise ParseError("it is no RDAP domain object")
    called = document.get("ldhName")
    if isinstance(called, str) and called.rstrip(".").lower() != name:
        raise ParseError(f"it speaks of {called[:100]!r}")
    events = tuple(_events(document))
    return Registered(
        registrar=_registrar(document),
        statuses=tuple(status[:60] for status in _list(document.get("status")) if isinstance(status, str))[:_STATUSES],
        registered_at=max(
            (when for action, when in events if action in ("registration", "reregistration")), default=None
        ),
        expires_at=next((when for action, when in events if action == "expiration"), None),
        changed_at=next((when for action, when in events if action == "last changed"), None),
        nameservers=tuple(_nameservers(document))[:_NAMESERVERS],
    )


def _events(document: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """RFC 9083 sections 4.5 and 10.2.3; times as of RFC 3339."""
    for event in _list(document.get("events")):
        if not isinstance(event, dict):
            continue
        action, date = event.get("eventAction"), event.get("eventDate")
        if isinstance(action, str) and isinstance(date, str) and (when := moment(date)):
            yield " ".join(action.lower().split()), when


def moment(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    try:
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except OverflowError:
        return None


def _nameservers(document: Mapping[str, Any]) -> Iterator[str]:
    for server in _list(document.get("nameservers")):
        if isinstance(server, dict) and isinstance(name := server.get("ldhName"), str):
            yield name.rstrip(".").lower()[:253]


def _registrar(document: Mapping[str, Any]) -> str:
    """Of the entity in the role of registrar: its jCard's "fn" (RFC 7095), else its handle."""
    for entity in _list(document.get("entities")):
        if not isinstance(entity, dict) or "registrar" not in _list(entity.get("roles")):
            continue
        card = _list(entity.get("vcardArray"))
        for field in _list(card[1]) if len(card) > 1 else ():
            if isinstance(field, list) and len(field) > 3 and field[0] == "fn" and isinstance(field[3], str):
                return field[3][:200]
        handle = entity.get("handle")
        return handle[:200] if isinstance(handle, str) else ""
    return ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"it is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ParseError("it is no JSON object")
    return document


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.lower().startswith(("https://", "http://"))
