"""The one error form of every answer: the contract's fields, which are also RFC 9457 problem details."""

from types import MappingProxyType

from shared.contracts.base import Contract


class FieldError(Contract):
    field: str
    message: str


class Problem(Contract):
    """`detail` repeats `message` and is always a string; `type` and `title` are RFC 9457 section 3.1."""

    type: str
    title: str
    status: int
    error: str
    message: str
    detail: str
    request_id: str
    errors: tuple[FieldError, ...] | None = None


STATUS_OF: MappingProxyType[str, int] = MappingProxyType(
    {
        "invalid_request": 400,
        "invalid_domain": 400,
        "domain_already_monitored": 400,
        "unauthorized": 401,
        "invalid_api_key": 401,
        "account_disabled": 403,
        "quota_exceeded": 403,
        "plan_upgrade_required": 403,
        "domain_limit_reached": 403,
        "signup_closed": 403,
        "forbidden_scope": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "scan_not_completed": 409,
        "scan_failed": 409,
        "idempotency_conflict": 409,
        "payload_too_large": 413,
        "rate_limit_exceeded": 429,
        "internal_server_error": 500,
        "service_unavailable": 503,
    }
)
