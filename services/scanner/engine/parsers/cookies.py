"""Set-Cookie as user agents read it (RFC 6265, section 5.2; SameSite, prefixes and bounds from draft rfc6265bis)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_SESSION_NAME = re.compile(
    r"sess|sid$|^sid|auth|token|jwt|login|remember|identity|^connect\.|asp\.net|^laravel|ticket$", re.IGNORECASE
)
_NOT_SESSION = re.compile(r"csrf|xsrf|antiforgery|requestverification|^_ga|^__cf_bm$|^aws(?:alb|elb)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_WHITESPACE = " \t"
_LONGEST_ATTRIBUTE = 1024  # octets of a value; a longer attribute is passed over
_DATE_TOKEN = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)")
_DAY = re.compile(r"(\d{1,2})(?!\d)")
_YEAR = re.compile(r"(\d{2,4})(?!\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH_IS_OVER = datetime(1971, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie; its value is never kept."""

    name: str
    secure: bool
    http_only: bool
    same_site: str  # lower case: "strict", "lax", "none"; "" where absent or unknown
    domain: str  # without a leading dot; "" for a host-only cookie
    path: str
    deleted: bool  # Max-Age of zero or less, or an Expires that is over
    partitioned: bool = False

    @property
    def session_like(self) -> bool:
        """By its name alone, since nothing else tells from outside."""
        return bool(_SESSION_NAME.search(self.name)) and not _NOT_SESSION.search(self.name)

    def prefix_violation(self, scheme: str) -> str:
        """What a browser rejects a `__Secure-` or `__Host-` cookie for (letters in any case); "" where nothing."""
        lowered = self.name.lower()
        host = lowered.startswith("__host-")
        if not host and not lowered.startswith("__secure-"):
            return ""
        if not self.secure or scheme != "https":
            return "it is set without Secure" if not self.secure else "it is set over plain HTTP"
        if host and self.domain:
            return "a __Host- cookie must not have Domain"
        if host and self.path != "/":
            return "a __Host- cookie needs Path=/"
        return ""

    def foreign_to(self, host: str, registrable: str) -> bool:
        """Whether browsers drop it for its Domain: another host's, or a public suffix (sections 5.3 and 5.5)."""
        if not self.domain or self.domain == host:
            return False
        return not host.endswith(f".{self.domain}") or (registrable.endswith(f".{self.domain}"))


def parse(line: str, now: datetime = _EPOCH_IS_OVER) -> Cookie | None:
    """None where a browser drops the line: control characters, neither name nor value. `now` decides what is over."""
    if _CONTROL.search(line):
        return None
    pair, *rest = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", name
    name, value = name.strip(_WHITESPACE), value.strip(_WHITESPACE)
    if not name and not value:
        return None
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, argument = part.partition("=")
        key, argument = key.strip(_WHITESPACE).lower(), argument.strip(_WHITESPACE)
        if len(argument) > _LONGEST_ATTRIBUTE or (key == "max-age" and not re.fullmatch(r"-?\d+", argument, re.ASCII)):
            continue
        if key == "expires" and _date(argument) is None:
            continue
        attributes[key] = argument  # of a repeated attribute the last counts
    same_site = attributes.get("samesite", "").lower()
    path = attributes.get("path", "")
    return Cookie(
        name=name[:256],
        secure="secure" in attributes,
        http_only="httponly" in attributes,
        same_site=same_site if same_site in ("strict", "lax", "none") else "",
        domain=attributes.get("domain", "").lower().removeprefix("."),
        path=path if path.startswith("/") else "",
        deleted=_deleted(attributes, now),
        partitioned="partitioned" in attributes,
    )


def _deleted(attributes: dict[str, str], now: datetime) -> bool:
    """Max-Age goes before Expires."""
    if max_age := attributes.get("max-age"):
        return max_age.startswith("-") or not max_age.strip("0")
    expires = _date(attributes.get("expires", ""))
    return expires is not None and expires <= now


def _date(text: str) -> datetime | None:
    """A cookie date (RFC 6265, section 5.1.1); None where it is none."""
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DATE_TOKEN.findall(text)[:20]:
        if time is None and (found := _TIME.match(token)):
            time = int(found[1]), int(found[2]), int(found[3])
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    try:
        return datetime(year, month, day, time[0], time[1], time[2], tzinfo=UTC) if year >= 1601 else None
    except ValueError:
        return None
