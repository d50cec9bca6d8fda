"""Who is calling."""

from enum import StrEnum
from typing import Literal

from shared.contracts.base import Contract
from shared.contracts.plans import Limits


class Scope(StrEnum):
    """What a credential may be used for."""

    SCAN_READ = "scan:read"
    SCAN_WRITE = "scan:write"
    DOMAINS_READ = "domains:read"
    DOMAINS_WRITE = "domains:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    REPORTS_READ = "reports:read"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"


class Principal(Contract):
    """The account behind a credential, with all that a service needs to serve it."""

    account_id: int
    user_id: int
    key_id: int | None = None  # None: a session (JWT)
    session_id: str | None = None  # None: an API key
    role: Literal["owner", "member"] = "owner"
    scopes: frozenset[Scope]
    plan: str
    limits: Limits
    status: Literal["active", "disabled"] = "active"
