"""security.txt (RFC 9116)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")
# RFC 3339, section 5.6: what the Internet date format of RFC 9116, section 2.5.5 looks like.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:(\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ARMOUR = "-----BEGIN PGP SIGNED MESSAGE-----"  # RFC 9580, section 7: cleartext signature
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_ADDRESSES = ("contact", "encryption", "acknowledgments", "canonical", "policy", "hiring")  # fields of URIs
_A_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class SecurityTxt:
    contacts: tuple[str, ...]
    expires: tuple[str, ...]  # as written; exactly one is allowed
    languages: tuple[str, ...] = ()  # Preferred-Languages; at most one is allowed
    canonical: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()  # web addresses in its fields that are not https
    signed: bool = False


def parse(text: str) -> SecurityTxt:
    """Fields by name, ASCII case-insensitive; comments, signatures and unknown fields are passed over (section 2)."""
    lines = re.split(r"\r?\n", text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))[:1000]
    signed = bool(lines) and lines[0].strip() == _ARMOUR
    if signed:
        lines = lines[next((number for number, line in enumerate(lines) if not line.strip()), 0) :]  # past Hash:
        lines = [line.removeprefix("- ") for line in lines]
    fields: dict[str, list[str]] = {}
    for line in lines:
        if signed and line.startswith(_SIGNATURE):
            break
        if match := _FIELD.match(line):
            fields.setdefault(match[1].lower(), []).append(match[2].strip())
    values = {name: tuple(found[:20]) for name, found in fields.items()}
    return SecurityTxt(
        contacts=values.get("contact", ()),
        expires=values.get("expires", ()),
        languages=values.get("preferred-languages", ()),
        canonical=values.get("canonical", ()),
        insecure=tuple(
            value for name in _ADDRESSES for value in values.get(name, ()) if value.lower().startswith("http:")
        ),
        signed=signed,
    )


def looks_like_one(text: str) -> bool:
    """A site that answers every path with a page has no security.txt for all that."""
    file = parse(text)
    return bool(file.contacts or file.expires) and text.lstrip()[:1] != "<"


def problems(file: SecurityTxt, now: datetime) -> tuple[str, ...]:
    """Why researchers cannot rely on the file (sections 2.5.3, 2.5.5 and 2.5.8)."""
    return tuple(_problems(file, now))


def _problems(file: SecurityTxt, now: datetime) -> Iterator[str]:
    if not file.contacts:
        yield "it has no Contact"
    elif not any(re.match(r"(https|mailto|tel):", contact, re.IGNORECASE) for contact in file.contacts):
        yield "no Contact is an https:, mailto: or tel: address"
    if len(file.expires) != 1:
        yield "it has no Expires" if not file.expires else "it has more than one Expires"
    elif (end := _timestamp(file.expires[0])) is None:
        yield f"Expires is no RFC 3339 time: {file.expires[0][:80]}"
    elif end <= now:
        yield f"it expired on {end.date().isoformat()}"
    if len(file.languages) > 1:
        yield "it has more than one Preferred-Languages"
    if file.insecure:
        yield f"a web address in it is not https: {file.insecure[0][:80]}"


def remarks(file: SecurityTxt, now: datetime) -> Iterator[str]:
    """What is recommended, not demanded."""
    end = _timestamp(file.expires[0]) if len(file.expires) == 1 else None
    if end and end > now + _A_YEAR:
        yield "Expires is more than a year ahead (section 2.5.5)"
    if not file.signed:
        yield "it is not signed (section 2.3)"


def _timestamp(text: str) -> datetime | None:
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return None
    leap = match[1] == "60"
    try:
        moment = datetime.fromisoformat((text[:17] + "59" + text[19:] if leap else text).upper())
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
