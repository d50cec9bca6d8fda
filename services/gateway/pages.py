"""What people and programs read: the page at `/`, the API's documentation, and the well-known files."""

from datetime import datetime, timedelta
from importlib.resources import files

import orjson
from aiohttp import web

from services.gateway.settings import GatewaySettings
from shared.asyncapi import document as asyncapi_document
from shared.clock import Clock
from shared.web import Routes

STATIC = files("services.gateway") / "static"
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "png": "image/png"}

# The pages load nothing from elsewhere and run no script but their own.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def build(settings: GatewaySettings, clock: Clock) -> Routes:
    routes = Routes(tag="Pages")

    @routes.get("/", summary="The page to scan a domain with", public=True, hidden=True)
    async def home() -> web.Response:
        return _file("index.html")

    @routes.get("/docs", summary="The API's documentation", public=True, hidden=True)
    async def docs() -> web.Response:
        return _file("docs.html")

    @routes.get("/static/{name}", summary="A file of the pages", public=True, hidden=True)
    async def static(name: str) -> web.Response:
        return _file(name)

    @routes.get("/v1/openapi.json", summary="This document", public=True, hidden=True)
    async def openapi() -> web.Response:
        document = orjson.loads((files("services.gateway") / "openapi.json").read_bytes())
        document["servers"] = [{"url": settings.public_url}]
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    @routes.get("/asyncapi.json", summary="The events", public=True, hidden=True)
    async def asyncapi() -> web.Response:
        return web.Response(body=orjson.dumps(asyncapi_document()), content_type="application/json")

    @routes.get("/.well-known/security.txt", summary="How to report a vulnerability", public=True, hidden=True)
    async def security_txt() -> web.Response:
        return web.Response(text=security_text(settings, clock.now()), content_type="text/plain")

    return routes


def security_text(settings: GatewaySettings, now: datetime) -> str:
    """RFC 9116: `Contact` and `Expires` are mandatory."""
    contact = settings.support_url or f"{settings.public_url}/"
    expires = now + timedelta(days=90)
    return (
        f"Contact: {contact}\nExpires: {expires:%Y-%m-%dT00:00:00Z}\nPreferred-Languages: en\n"
        f"Canonical: {settings.public_url}/.well-known/security.txt\n"
    )


def _file(name: str) -> web.Response:
    """A file of ours by its bare name. 404 for anything else."""
    kind = TYPES.get(name.rpartition(".")[2])
    file = STATIC / name
    if kind is None or "/" in name or not file.is_file():
        raise web.HTTPNotFound()
    return web.Response(body=file.read_bytes(), content_type=kind, charset="utf-8", headers=HEADERS)
