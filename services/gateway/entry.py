"""What every request passes first: whose it is, and whether there is room for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from services.gateway.authentication import Authentication
from services.gateway.client import client_address
from services.gateway.rate_limit import RateLimiter
from services.gateway.routing import Row, match
from services.gateway.settings import GatewaySettings
from shared.errors import NotFound
from shared.web import Caller

RATE: web.RequestKey[Mapping[str, str]] = web.RequestKey("rate", Mapping[str, str])


@dataclass(frozen=True)
class Entry:
    settings: GatewaySettings
    authentication: Authentication
    limiter: RateLimiter

    async def identify(self, request: web.Request) -> Caller:
        """The caller, counted against the limits. On public paths a credential is neither needed nor looked at."""
        row = match(request.path)
        client = client_address(request, self.settings.trusted_proxies)
        if row is None:
            return Caller(client=client)
        self._refuse_what_is_off(row)
        if row.access == "public":
            for limit in row.limits:
                if request.method in limit.methods:
                    await self.limiter.client(client, limit)
            return Caller(client=client)
        principal = await self.authentication.principal(request)
        request[RATE] = await self.limiter.account(principal)
        return Caller(principal, client)

    def _refuse_what_is_off(self, row: Row) -> None:
        off = (row.prefix == "/v1/scan/free" and not self.settings.free_scan) or (
            row.prefix == "/v1/badge" and not self.settings.badges
        )
        if off:
            raise NotFound()


async def add_rate_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer to an identified caller."""
    for name, value in request.get(RATE, {}).items():
        response.headers.setdefault(name, value)
