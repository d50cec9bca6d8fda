"""A small service on the real web layer: notes, and routes that misbehave on request."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import Field

from shared.contracts.base import Contract
from shared.contracts.principal import Principal, Scope
from shared.database import Connection
from shared.errors import ApiError, NotFound
from shared.routes import Routes
from shared.service import Context, Service
from shared.settings import ServiceSettings
from shared.web import client_address, web_app


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class NewNote(Contract):
    text: str = Field(max_length=1000)
    colour: Colour = Colour.RED
    weight: float = 1.0
    count: int = 0
    pinned: bool = False
    tags: tuple[str, ...] = ()
    fail_with: str | None = None
    seconds: float = 0.0


class Note(Contract):
    id: int
    text: str
    secret: str | None = None


class Page(Contract):
    limit: int = Field(50, ge=1, le=100)
    colour: Colour | None = None


def routes(ctx: Context[ServiceSettings]) -> Routes:
    routes = Routes("Toy")

    async def add(conn: Connection, principal: Principal, body: NewNote) -> Note:
        row = await conn.fetchval(
            "insert into note (account_id, text) values ($1, $2) returning id", principal.account_id, body.text
        )
        await asyncio.sleep(body.seconds)
        if body.fail_with == "bug":
            raise ZeroDivisionError
        if body.fail_with:
            raise ApiError(body.fail_with, "As you asked.")
        return Note(id=row, text=body.text, secret="whsec_shown_once")

    @routes.post("/v1/notes", summary="Add a note", scope=Scope.SCAN_WRITE, status=201, shown_once=("secret",))
    async def add_note(principal: Principal, conn: Connection, body: NewNote) -> Note:
        return await add(conn, principal, body)

    @routes.post("/v1/slow-notes", summary="Add a note in a transaction of the handler's own")
    async def add_slowly(principal: Principal, body: NewNote) -> Note:
        async with ctx.database.transaction() as conn:
            return await add(conn, principal, body)

    @routes.get("/v1/notes", summary="List notes", scope=Scope.SCAN_READ)
    async def list_notes(principal: Principal, conn: Connection, query: Page) -> list[Note]:
        rows = await conn.fetch(
            "select id, text from note where account_id = $1 order by id limit $2", principal.account_id, query.limit
        )
        return [Note(id=row["id"], text=row["text"]) for row in rows]

    @routes.get("/v1/notes/{note_id}", summary="Read a note")
    async def read_note(principal: Principal, conn: Connection, note_id: int) -> Note:
        row = await conn.fetchrow(
            "select id, text from note where id = $1 and account_id = $2", note_id, principal.account_id
        )
        if row is None:
            raise NotFound()
        return Note(id=row["id"], text=row["text"])

    @routes.get("/v1/names/{name}", summary="Greet", public=True)
    async def greet(request: web.Request, name: str) -> dict[str, Any]:
        return {"name": name, "client": client_address(request)}

    @routes.post("/v1/files", summary="Measure a file", public=True, raw_body=100_000)
    async def measure(request: web.Request) -> dict[str, int]:
        return {"size": len(await request.read())}

    @routes.get("/v1/stream", summary="Stream, then break", public=True, responses={200: "text/event-stream"})
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        raise ZeroDivisionError

    @routes.post("/internal/reset", summary="Delete all notes", internal=True)
    async def reset(conn: Connection) -> None:
        await conn.execute("delete from note")

    return routes


def create_app(ctx: Context[ServiceSettings]) -> web.Application:
    return web_app(ctx, routes(ctx))


service = Service(
    name="toy", settings=ServiceSettings, create_app=create_app, migrations=Path(__file__).parent / "toy_migrations"
)
