"""Cache-Control and its kin: whether shared caches may use an answer again (RFC 9111)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

_DIRECTIVE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,;\"]*)))?")


class Headers(Protocol):
    def header(self, name: str) -> str | None: ...


def directives(header: str | None) -> Mapping[str, str]:
    """Names in lower case (section 5.2); of a repeated one the first counts."""
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(header or ""):
        found.setdefault(match[1].lower(), match[2] if match[2] is not None else match[3] or "")
    return found


def shared_cache_may_reuse(response: Headers, now: datetime) -> str:
    """Why a shared cache may answer others with this answer, unasked; "" where it may not (sections 3 and 4.2)."""
    control = directives(response.header("cache-control"))
    if not control.keys().isdisjoint(("no-store", "private", "no-cache")) or response.header("vary") == "*":
        return ""
    if "s-maxage" in control or "max-age" in control:
        name = "s-maxage" if "s-maxage" in control else "max-age"
        fresh = control[name].isascii() and control[name].isdigit() and int(control[name][:12]) > 0
        return f"{name}={control[name][:20]}" if fresh else ""
    if expires := response.header("expires"):
        return f"Expires is {expires[:40]}" if _later(expires, response.header("date"), now) else ""
    if "public" in control:
        return "it is public"
    if "no-cache" in directives(response.header("pragma")):
        return ""
    return "nothing says how long, so that they may decide it (RFC 9111 section 4.2.2)"


def _later(expires: str, date: str | None, now: datetime) -> bool:
    """An Expires that is no date is over (section 5.3)."""
    end = _date(expires)
    return end is not None and end > (_date(date or "") or now)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
