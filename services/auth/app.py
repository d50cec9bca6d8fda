"""The auth service."""

from pathlib import Path

from aiohttp import web

from services.auth import internal, routes
from services.auth.credentials import Credentials
from services.auth.passwords import Passwords
from services.auth.retention import retention
from services.auth.settings import AuthSettings
from services.auth.subscribers import subscribe
from services.auth.throttling import Throttle
from services.auth.tokens import Tokens
from shared.service import Context, Service
from shared.web import web_app


def create_app(ctx: Context[AuthSettings]) -> web.Application:
    tokens = Tokens(ctx.keys.jwt, ctx.settings.public_url)
    auth = routes.Auth(
        ctx=ctx,
        passwords=Passwords(),
        credentials=Credentials(tokens, ctx.keys.api_key_peppers, ctx.bus, ctx.clock, ctx.ids),
        throttle=Throttle(ctx.cache, ctx.clock),
    )
    subscribe(ctx.bus)
    ctx.worker("retention", retention(ctx.database, ctx.clock))
    return web_app(ctx, routes.build(auth), internal.build(auth))


service = Service(
    name="auth",
    settings=AuthSettings,
    create_app=create_app,
    migrations=Path(__file__).parent / "migrations",
)
