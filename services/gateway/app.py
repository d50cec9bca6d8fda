"""The gateway service, wired."""

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from services.gateway import compositions, pages
from services.gateway.assertions import Assertions
from services.gateway.authentication import Authentication
from services.gateway.entry import Entry, add_rate_headers
from services.gateway.proxy import Proxy
from services.gateway.rate_limit import RateLimiter
from services.gateway.routing import TABLE
from services.gateway.settings import GatewaySettings
from services.gateway.upstream import Upstreams
from shared.contracts.events import AccountDisabled, CredentialRevoked
from shared.service import Context, Service
from shared.settings import SettingError
from shared.web import web_app


def create_app(ctx: Context[GatewaySettings]) -> web.Application:
    upstreams = Upstreams(_urls(ctx.settings), Assertions(ctx.keys, ctx.clock))
    authentication = Authentication(upstreams, ctx.clock)
    entry = Entry(ctx.settings, authentication, RateLimiter(ctx.cache, ctx.clock))
    proxy = Proxy(entry, upstreams)

    ctx.bus.broadcast(CredentialRevoked, lambda event: authentication.forget(event.account_id))
    ctx.bus.broadcast(AccountDisabled, lambda event: authentication.forget(event.account_id))

    async def connections(_app: web.Application) -> AsyncIterator[None]:
        yield
        await upstreams.close()

    composed = compositions.build(upstreams, proxy)
    app = web_app(ctx, composed, pages.build(ctx.settings, ctx.clock), identify=entry.identify)
    for path in ("/v1/compliance/reports/{job_id}/pdf", "/v1/domains/{domain_id}/scan"):
        allowed = [route.method for route in composed if route.path == path]
        for form in (path, path + "/"):
            app.router.add_route("*", form, _only(allowed))
    app.router.add_route("*", "/{path:.*}", proxy)
    app.cleanup_ctx.append(connections)
    app.on_response_prepare.append(add_rate_headers)
    return app


def _only(methods: list[str]) -> Any:
    """For a path that only the gateway knows: which methods it takes."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, methods)

    return refuse


def _urls(settings: GatewaySettings) -> dict[str, str]:
    urls = {service: settings.url_of(service) for service in {row.service for row in TABLE}}
    for service, url in urls.items():
        if not url:
            raise SettingError(
                f"CL_{service.upper()}_URL: not set. Set it to where {service} listens: http://host:port."
            )
    return urls


service = Service("gateway", GatewaySettings, create_app)
