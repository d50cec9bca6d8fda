"""security.txt (RFC 9116)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*):[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class SecurityTxt:
    contacts: tuple[str, ...]
    expires: tuple[str, ...]  # as written; exactly one is allowed


def parse(text: str) -> SecurityTxt:
    """Fields by name, ASCII case-insensitive; comments, signatures and unknown fields are passed over (section 2)."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines()[:1000]:
        if match := _FIELD.match(line):
            fields.setdefault(match[1].lower(), []).append(match[2].strip())
    return SecurityTxt(tuple(fields.get("contact", ())[:20]), tuple(fields.get("expires", ())[:20]))


def looks_like_one(text: str) -> bool:
    """A site that answers every path with a page has no security.txt for all that."""
    file = parse(text)
    return bool(file.contacts or file.expires) and text.lstrip()[:1] != "<"


def problems(file: SecurityTxt, now: datetime) -> tuple[str, ...]:
    """Why researchers cannot rely on the file (sections 2.5.3 and 2.5.5)."""
    found = []
    if not file.contacts:
        found.append("it has no Contact")
    elif not any(re.match(r"(https|mailto|tel):", contact, re.IGNORECASE) for contact in file.contacts):
        found.append("no Contact is an https:, mailto: or tel: address")
    if len(file.expires) != 1:
        found.append("it has no Expires" if not file.expires else "it has more than one Expires")
    elif (end := _timestamp(file.expires[0])) is None:
        found.append(f"Expires is no RFC 3339 time: {file.expires[0][:80]}")
    elif end <= now:
        found.append(f"it expired on {end.date().isoformat()}")
    return tuple(found)


def _timestamp(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
