"""Which service answers what: one row a prefix, the longest match wins."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from services.gateway.upstream import SILENCE
from shared.routes import BODY_LIMIT

Access = Literal["credential", "public"]


@dataclass(frozen=True, slots=True)
class ClientLimit:
    """So many requests a client address in a window of so many seconds. `methods`: which count."""

    name: str
    requests: int
    seconds: int
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    prefix: str
    service: str
    access: Access = "credential"
    limits: tuple[ClientLimit, ...] = ()  # on public paths
    max_body: int = BODY_LIMIT  # bytes
    silence: float = SILENCE


SIGN_INS = ClientLimit("sign-in", 30, 60, ("POST",))  # auth has limits of its own on top
FREE_SCANS = ClientLimit("free scan", 5, 3600, ("POST",))
UPLOADS = ClientLimit("verify", 30, 60, ("POST",))
READS = ClientLimit("public", 300, 60, ("GET", "HEAD"))

TABLE: tuple[Row, ...] = (
    Row("/v1/auth/signup", "auth", "public", (SIGN_INS,)),
    Row("/v1/auth/login", "auth", "public", (SIGN_INS,)),
    Row("/v1/auth", "auth"),
    Row("/.well-known/jwks.json", "auth", "public", (READS,)),
    Row("/v1/billing/webhook", "billing", "public", max_body=1024**2),
    Row("/v1/billing", "billing"),
    Row("/v1/scan/free", "scanner", "public", (FREE_SCANS,)),
    Row("/v1/scan", "scanner"),
    Row("/v1/batch", "scanner"),
    Row("/v1/usage", "scanner"),
    Row("/v1/domains", "monitor"),
    Row("/v1/webhooks", "monitor", silence=60.0),  # a test delivery may take 30 s
    Row("/v1/settings", "monitor"),
    Row("/v1/compliance", "reports"),
    Row("/v1/verify", "reports", "public", (UPLOADS, READS), max_body=20 * 1024**2 + 64 * 1024),  # a file in a form
    Row("/v1/badge", "reports", "public", (READS,)),
    Row("/.well-known/compliancelayer-ca.pem", "reports", "public", (READS,)),
)


_BY_PREFIX = {row.prefix: row for row in TABLE}
_DEEPEST = max(prefix.count("/") for prefix in _BY_PREFIX)  # segments


@lru_cache(maxsize=1024)
def match(path: str) -> Row | None:
    """The row with the longest prefix of `path` (decoded), by whole segments. Both slash forms are one path."""
    segments = path.removesuffix("/").split("/")
    longest_first = ("/".join(segments[: length + 1]) for length in range(_DEEPEST, 0, -1))
    return next((_BY_PREFIX[prefix] for prefix in longest_first if prefix in _BY_PREFIX), None)
