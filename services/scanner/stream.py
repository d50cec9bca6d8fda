"""A scan's progress as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from services.scanner.scans import Scan, job
from services.scanner.watch import Watch
from shared.contracts.base import Contract
from shared.errors import ApiError, problem

COMMENT_EVERY = 15.0  # seconds
WRITE_TIMEOUT = 10.0  # seconds: a client that takes nothing for so long is let go


def wants_stream(request: web.Request) -> bool:
    return request.headers.get("Accept", "").startswith("text/event-stream")


async def follow(
    request: web.Request,
    watch: Watch,
    scan: Scan,
    done: Callable[[Scan], Awaitable[Contract]],
    timeout: float | None = None,
) -> web.StreamResponse:
    """`progress` events until the scan ends (or `timeout` seconds), then `done` with what `done` makes of it.

    The event id is the scan's revision: a client that comes back with `Last-Event-ID` is told only what is newer.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    response.headers["X-Accel-Buffering"] = "no"
    await response.prepare(request)

    async def send(text: str) -> None:
        async with asyncio.timeout(WRITE_TIMEOUT):
            await response.write(text.encode())

    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout if timeout is not None else float("inf")
    known = request.headers.get("Last-Event-ID", "")
    if known != str(scan.revision):
        await send(_event("progress", scan.revision, job(scan).model_dump_json()))
    while not scan.finished and loop.time() < deadline:
        current = await watch.until_changed(scan, min(COMMENT_EVERY, deadline - loop.time()))
        if current.revision == scan.revision:
            await send(": still here\n\n")
        elif not current.finished:
            await send(_event("progress", current.revision, job(current).model_dump_json()))
        scan = current
    try:
        body = (await done(scan)).model_dump_json()
    except ApiError as error:
        body = problem(error, request).model_dump_json(exclude_none=True)
    await send(_event("done", scan.revision, body))
    await response.write_eof()
    return response


def _event(name: str, revision: int, data: str) -> str:
    return f"event: {name}\nid: {revision}\ndata: {data}\n\n"
