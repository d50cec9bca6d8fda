"""How often a client may try to sign up or sign in."""

import hashlib
import math
from ipaddress import ip_address, ip_network

from shared.cache import Cache
from shared.clock import Clock
from shared.errors import ApiError

_MINUTE, _HOUR = 60, 3600

SIGNUPS = ((10, _HOUR),)  # of one client address
ATTEMPTS = ((20, 15 * _MINUTE),)  # at one account from one client address
GUESSES = ((100, _HOUR),)  # at one account from everywhere; NIST SP 800-63B section 3.2.2 asks for no more than 100


class Throttle:
    """Counts attempts. Each method raises ApiError `rate_limit_exceeded` instead of letting one too many through."""

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    async def signup(self, client: str | None) -> None:
        await self._count(f"signup:{_network(client)}", SIGNUPS, "The quota of sign-ups from your address is spent.")

    async def login(self, email: str, client: str | None) -> None:
        # Addresses stay out of the cache's keys.
        account = hashlib.sha256(email.encode()).hexdigest()
        await self._count(f"login:{account}:{_network(client)}", ATTEMPTS, "The quota of attempts to sign in is spent.")
        await self._count(f"login:{account}", GUESSES, "The quota of attempts to sign in to this account is spent.")

    async def _count(self, key: str, limits: tuple[tuple[int, int], ...], message: str) -> None:
        now = self._clock.now()
        states = await self._cache.windows(key, limits, now)
        refused = [state for state in states if not state.allowed]
        if refused:
            seconds = max(1, math.ceil(max(state.reset_at for state in refused) - now.timestamp()))
            raise ApiError(
                "rate_limit_exceeded",
                f"{message} Try again in {seconds} seconds.",
                headers={"Retry-After": str(seconds)},
            )


def _network(client: str | None) -> str:
    """What one client may have addresses of: an IPv4 address, or an IPv6 /64."""
    if client is None:
        return "unknown"
    address = ip_address(client)
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))
