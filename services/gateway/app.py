"""The gateway service, wired."""

from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import hdrs, web

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
from shared.web import expected, web_app


def create_app(ctx: Context[GatewaySettings]) -> web.Application:
    upstreams = Upstreams(_urls(ctx.settings), Assertions(ctx.keys, ctx.clock))
    authentication = Authentication(upstreams, ctx.clock)
    limiter = RateLimiter(ctx.cache, ctx.clock, ctx.settings.gateway_replicas)
    entry = Entry(ctx.settings, authentication, limiter)
    proxy = Proxy(entry, upstreams)

    ctx.bus.broadcast(CredentialRevoked, lambda event: authentication.forget(event.account_id))
    ctx.bus.broadcast(AccountDisabled, lambda event: authentication.forget(event.account_id))

    async def connections(_app: web.Application) -> AsyncIterator[None]:
        await upstreams.open()
        yield
        await upstreams.close()

    own = (*compositions.build(upstreams, proxy), pages.build(ctx.settings, ctx.clock))
    app = web_app(ctx, *own, identify=entry.identify)
    for route in (route for routes in own for route in routes):
        for path in {route.pattern, route.pattern.removesuffix("/") + "/"}:
            app.router.add_route("*", path, _only(route.method, entry), expect_handler=expected)
    app.router.add_route("*", "/{path:.*}", proxy.handle, expect_handler=expected)
    app.cleanup_ctx.append(connections)
    app.on_response_prepare.append(add_rate_headers)
    return app


def _only(method: str, entry: Entry) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The answer to any other method on a path of the gateway's own, each of which takes one."""
    allowed = [hdrs.METH_GET, hdrs.METH_HEAD] if method == hdrs.METH_GET else [method]

    async def refuse(request: web.Request) -> web.StreamResponse:
        await entry.identify(request)
        raise web.HTTPMethodNotAllowed(request.method, allowed)

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
