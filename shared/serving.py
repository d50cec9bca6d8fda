"""Serves an application on a socket; even what is no HTTP is answered in the error form."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from shared.clock import Ids
from shared.errors import REQUEST_ID, REQUEST_ID_HEADER, ApiError, problem_response

_LINE_BYTES = 16 * 1024  # of the request line, and of one header


async def serve(app: web.Application, sock: socket.socket, *, drain: float) -> Callable[[], Awaitable[None]]:
    """Start; returns what stops it, giving requests that run `drain` seconds to finish."""
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=drain)
    await runner.setup()
    loop = asyncio.get_running_loop()
    manager = runner.server
    if manager is None:
        raise RuntimeError("an application runner that is set up has a server")

    def protocol() -> web.RequestHandler:
        return _Protocol(manager, loop=loop, max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES)

    server = await loop.create_server(protocol, sock=sock)

    async def stop() -> None:
        server.close()
        await runner.cleanup()

    return stop


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """For what never became a request: a malformed or over-long line or header."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        request[REQUEST_ID] = Ids().text("req_")
        response = problem_response(ApiError("invalid_request", "This is not a well-formed HTTP request."), request)
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
        response.force_close()
        return response
