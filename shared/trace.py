"""What ties log lines, requests and events together: one correlation id and one W3C trace context a piece of work."""

import re
import secrets
from contextvars import ContextVar

# The request's id, carried by every event it causes and every log line written for it.
correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def well_formed(request_id: str | None) -> bool:
    """Whether a caller's request id may be used as ours: 1 to 128 characters that no log or header can trip over."""
    return request_id is not None and _REQUEST_ID.fullmatch(request_id) is not None


def child_of(parent: str | None) -> str:
    """A `traceparent` (W3C Trace Context, section 3.2) below `parent`, or the first of a new trace."""
    span = secrets.token_hex(8)
    if parent is None or not _TRACEPARENT.fullmatch(parent):
        return f"00-{secrets.token_hex(16)}-{span}-01"
    version, trace, _, flags = parent.split("-")
    return f"{version}-{trace}-{span}-{flags}"
