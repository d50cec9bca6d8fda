"""Which service answers what: one row a prefix, the longest match wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Access = Literal["credential", "public"]


@dataclass(frozen=True, slots=True)
class Row:
    prefix: str
    service: str
    access: Access = "credential"
    limit: "ClientLimit | None" = None  # per client address, on public paths
    max_body: int = 64 * 1024
    timeout: float | None = 30.0  # seconds for the whole answer; None: as long as it streams


@dataclass(frozen=True, slots=True)
class ClientLimit:
    """So many requests a client address in a window of so many seconds. `methods`: which count."""

    name: str
    requests: int
    seconds: int
    methods: tuple[str, ...] = ("GET", "HEAD", "POST")


SIGNUPS = ClientLimit("signup", 10, 3600, ("POST",))
LOGINS = ClientLimit("login", 30, 60, ("POST",))
FREE_SCANS = ClientLimit("free scan", 5, 3600, ("POST",))
UPLOADS = ClientLimit("verify", 30, 60, ("POST",))
PUBLIC_READS = ClientLimit("public", 300, 60)

TABLE: tuple[Row, ...] = (
    Row("/v1/auth/signup", "auth", "public", SIGNUPS),
    Row("/v1/auth/login", "auth", "public", LOGINS),
    Row("/v1/auth", "auth"),
    Row("/.well-known/jwks.json", "auth", "public", PUBLIC_READS),
    Row("/v1/billing/webhook", "billing", "public", max_body=1024 * 1024),
    Row("/v1/billing", "billing"),
    Row("/v1/scan/free", "scanner", "public", FREE_SCANS, timeout=None),
    Row("/v1/scan", "scanner", timeout=None),
    Row("/v1/batch", "scanner"),
    Row("/v1/usage", "scanner"),
    Row("/v1/domains", "monitor"),
    Row("/v1/webhooks", "monitor", timeout=60.0),
    Row("/v1/settings", "monitor"),
    Row("/v1/compliance", "reports"),
    Row("/v1/verify", "reports", "public", UPLOADS, max_body=20 * 1024 * 1024 + 64 * 1024),
    Row("/v1/badge", "reports", "public", PUBLIC_READS),
    Row("/.well-known/compliancelayer-ca.pem", "reports", "public", PUBLIC_READS),
)


def normalise(path: str) -> str:
    """Both slash forms are one path."""
    return path.rstrip("/") or "/"


def match(path: str, table: Sequence[Row] = TABLE) -> Row | None:
    """The row with the longest prefix of `path`, by whole segments."""
    candidates = [row for row in table if path == row.prefix or path.startswith(row.prefix + "/")]
    return max(candidates, key=lambda row: len(row.prefix), default=None)
