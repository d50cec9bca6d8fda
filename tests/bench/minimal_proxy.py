"""The least that aiohttp needs for a reverse proxy: no credentials, no limits, no errors. It listens on CL_PORT."""

import argparse
import os
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host"})
SESSION = web.AppKey("session", aiohttp.ClientSession)


def minimal_proxy(upstream: str) -> web.Application:
    async def forward(request: web.Request) -> web.Response:
        async with request.app[SESSION].request(
            request.method,
            URL(upstream + request.raw_path, encoded=True),
            headers={name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP},
            data=await request.read() if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as opened:
            app[SESSION] = opened
            yield

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_get("/readyz", ready)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream", help="http://host:port")
    given = parser.parse_args()
    port = int(os.environ["CL_PORT"])
    web.run_app(minimal_proxy(given.upstream), host="127.0.0.1", port=port, access_log=None, print=None)
