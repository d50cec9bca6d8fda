"""Rate limits: sliding windows an account, or a client address on public paths, and the headers that tell of them."""

import ipaddress
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from services.gateway.routing import ClientLimit
from shared.cache import Cache, WindowState
from shared.clock import Clock
from shared.contracts.principal import Principal
from shared.errors import ApiError

MINUTE, HOUR, DAY = 60, 3600, 86400
NAMES = {MINUTE: "minute", HOUR: "hour", DAY: "day"}


class RateLimiter:
    def __init__(self, cache: Cache, clock: Clock, replicas: int) -> None:
        """`replicas`: how many gateways share the limits; each keeps to its part while the shared cache is away."""
        self._cache = cache
        self._clock = clock
        self._replicas = replicas

    async def account(self, principal: Principal) -> Mapping[str, str]:
        """Count one request of the account; the headers for its answer. ApiError rate_limit_exceeded."""
        limits = principal.limits
        windows = (
            (limits.requests_per_minute, MINUTE),
            (limits.requests_per_hour, HOUR),
            (limits.requests_per_day, DAY),
        )
        now = self._clock.now()
        states = await self._count(f"account:{principal.account_id}", windows, now)
        headers = describe(states, principal.plan, now.timestamp())
        refused = longest_refused(states)
        if refused is None:
            return headers
        # A client that reads "quota" or "scan limit" gives up at once; one that does not, waits and tries again.
        message = (
            f"More than {refused.limit} requests in a minute. Wait a little and try again."
            if refused.seconds == MINUTE
            else f"The quota of {refused.limit} requests a {NAMES[refused.seconds]} is spent."
        )
        raise ApiError(
            "rate_limit_exceeded", message, headers={**headers, "Retry-After": wait(refused, now.timestamp())}
        )

    async def client(self, address: str | None, limit: ClientLimit) -> None:
        """Count one request of a client address. ApiError rate_limit_exceeded."""
        now = self._clock.now()
        key = f"client:{limit.name}:{network_of(address)}"
        refused = longest_refused(await self._count(key, ((limit.requests, limit.seconds),), now))
        if refused is None:
            return
        message = (
            f"More than {refused.limit} requests in a minute from your address. Wait a little and try again."
            if refused.seconds == MINUTE
            else f"The quota of {refused.limit} {limit.name} requests an hour for your address is spent."
        )
        raise ApiError("rate_limit_exceeded", message, headers={"Retry-After": wait(refused, now.timestamp())})

    async def _count(self, key: str, windows: Sequence[tuple[int, int]], now: datetime) -> Sequence[WindowState]:
        parts = self._replicas if self._cache.degraded else 1
        return await self._cache.windows(key, [(math.ceil(limit / parts), seconds) for limit, seconds in windows], now)


def network_of(address: str | None) -> str:
    """What one client may have addresses of: an IPv4 address, or an IPv6 /64."""
    if address is None:
        return "unknown"
    ip = ipaddress.ip_address(address)
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def longest_refused(states: Sequence[WindowState]) -> WindowState | None:
    """The window that has to be waited for."""
    return max((state for state in states if not state.allowed), key=lambda state: state.reset_at, default=None)


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
        "RateLimit-Policy": _policy(tuple((state.limit, state.seconds) for state in states)),
        "RateLimit": ", ".join(
            f'"{NAMES[state.seconds]}";r={state.remaining};t={max(math.ceil(state.reset_at - now), 0)}'
            for state in states
        ),
    }


@lru_cache(maxsize=256)
def _policy(windows: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f'"{NAMES[seconds]}";q={limit};w={seconds}' for limit, seconds in windows)
