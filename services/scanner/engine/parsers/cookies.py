"""Set-Cookie as user agents read it (RFC 6265, section 5.2; SameSite and name prefixes from draft rfc6265bis)."""

import re
from dataclasses import dataclass

_SESSION_NAME = re.compile(r"sess|sid$|^sid|auth|token|jwt|login|remember|identity|^connect\.|asp\.net", re.IGNORECASE)
_NOT_SESSION = re.compile(r"csrf|xsrf|antiforgery", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie; its value is never kept."""

    name: str
    secure: bool
    http_only: bool
    same_site: str  # lower case: "strict", "lax", "none"; "" where absent or unknown
    domain: str  # without a leading dot; "" for a host-only cookie
    path: str
    deleted: bool  # Max-Age of zero or less, or an Expires at the epoch

    @property
    def session_like(self) -> bool:
        """By its name alone, since nothing else tells from outside."""
        return bool(_SESSION_NAME.search(self.name)) and not _NOT_SESSION.search(self.name)

    def prefix_violation(self, scheme: str) -> str:
        """What a browser rejects a `__Secure-` or `__Host-` cookie for; "" where nothing."""
        lowered = self.name.lower()
        host = lowered.startswith("__host-")
        if not host and not lowered.startswith("__secure-"):
            return ""
        if not self.secure or scheme != "https":
            return "it is set without Secure"
        if host and self.domain:
            return "a __Host- cookie must not have Domain"
        if host and self.path != "/":
            return "a __Host- cookie needs Path=/"
        return ""


def parse(line: str) -> Cookie | None:
    """None where a browser drops the line: neither name nor value."""
    pair, *rest = line.split(";")
    name, equals, value = pair.partition("=")
    name, value = (name.strip(), value.strip()) if equals else ("", pair.strip())
    if not name and not value:
        return None
    attributes: dict[str, str] = {}
    for part in rest:
        key, _, argument = part.partition("=")
        attributes[key.strip().lower()] = argument.strip()  # of a repeated attribute the last counts
    same_site = attributes.get("samesite", "").lower()
    return Cookie(
        name=name[:256],
        secure="secure" in attributes,
        http_only="httponly" in attributes,
        same_site=same_site if same_site in ("strict", "lax", "none") else "",
        domain=attributes.get("domain", "").lower().removeprefix("."),
        path=attributes.get("path", ""),
        deleted=_deleted(attributes),
    )


def _deleted(attributes: dict[str, str]) -> bool:
    max_age = attributes.get("max-age", "")
    if re.fullmatch(r"-?\d+", max_age):
        return max_age.startswith("-") or not max_age.strip("0")
    return re.search(r"\b1970\b|\b70\b", attributes.get("expires", "")) is not None
