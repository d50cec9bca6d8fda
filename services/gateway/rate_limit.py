"""Rate limits: sliding windows an account, or a client address on public paths, and the headers that tell of them."""

import ipaddress
import math
from collections.abc import Mapping, Sequence

from services.gateway.routing import ClientLimit
from shared.cache import Cache, WindowState
from shared.clock import Clock
from shared.contracts.principal import Principal
from shared.errors import ApiError

MINUTE, HOUR, DAY = 60, 3600, 86400
NAMES = {MINUTE: "minute", HOUR: "hour", DAY: "day"}


class RateLimiter:
    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    async def account(self, principal: Principal) -> Mapping[str, str]:
        """Count one request of the account; the headers for its answer. ApiError rate_limit_exceeded."""
        limits = principal.limits
        windows = (
            (limits.requests_per_minute, MINUTE),
            (limits.requests_per_hour, HOUR),
            (limits.requests_per_day, DAY),
        )
        now = self._clock.now()
        states = await self._cache.windows(f"account:{principal.account_id}", windows, now)
        headers = describe(states, principal.plan, now.timestamp())
        refused = next((state for state in states if not state.allowed), None)
        if refused is None:
            return headers
        name = NAMES[refused.seconds]
        # A client that reads "quota" or "scan limit" gives up at once; one that does not, waits and tries again.
        message = (
            f"More than {refused.limit} requests in a minute. Wait a little and try again."
            if refused.seconds == MINUTE
            else f"The quota of {refused.limit} requests a {name} is spent."
        )
        raise ApiError(
            "rate_limit_exceeded", message, headers={**headers, "Retry-After": wait(refused, now.timestamp())}
        )

    async def client(self, address: str | None, limit: ClientLimit) -> None:
        """Count one request of a client address. ApiError rate_limit_exceeded."""
        now = self._clock.now()
        key = f"client:{limit.name}:{network_of(address)}"
        (state,) = await self._cache.windows(key, ((limit.requests, limit.seconds),), now)
        if state.allowed:
            return
        message = (
            f"More than {limit.requests} requests in a minute from your address. Wait a little and try again."
            if limit.seconds == MINUTE
            else f"The quota of {limit.requests} {limit.name} requests an hour for your address is spent."
        )
        raise ApiError("rate_limit_exceeded", message, headers={"Retry-After": wait(state, now.timestamp())})


def network_of(address: str | None) -> str:
    """An IPv6 client counts by its /64: it has all of it."""
    if address is None:
        return "unknown"
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)


def wait(state: WindowState, now: float) -> str:
    """`Retry-After`: whole seconds, at least one."""
    return str(max(math.ceil(state.reset_at - now), 1))


def describe(states: Sequence[WindowState], plan: str, now: float) -> dict[str, str]:
    """X-RateLimit-* for the window with the smallest share left, and the IETF fields for all of them
    (draft-ietf-httpapi-ratelimit-headers)."""
    tightest = min(states, key=lambda state: state.remaining / state.limit)
    return {
        "X-RateLimit-Limit": str(tightest.limit),
        "X-RateLimit-Remaining": str(tightest.remaining),
        "X-RateLimit-Reset": str(tightest.reset_at),
        "X-RateLimit-Plan": plan,
        "RateLimit-Policy": ", ".join(
            f'"{NAMES[state.seconds]}";q={state.limit};w={state.seconds}' for state in states
        ),
        "RateLimit": ", ".join(
            f'"{NAMES[state.seconds]}";r={state.remaining};t={max(math.ceil(state.reset_at - now), 0)}'
            for state in states
        ),
    }
