"""`Idempotency-Key`: a repeated POST gets the first one's answer, and has no second effect.

The record is written in the transaction of the effect. Refusals that a better request would not get (400, 401, 403,
429) are not kept, nor is a failure of ours: its transaction was rolled back, so the repetition is the first to act.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
from aiohttp import hdrs, web

from shared.clock import Clock
from shared.database import Connection, Database
from shared.errors import ApiError, InvalidField, problem_response
from shared.routes import Route
from shared.service import Stopping, Worker

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
WAIT = 10.0  # seconds for the first one to finish
_ABANDONED = timedelta(seconds=60)  # a claim this old belongs to a process that died
_NOT_KEPT = frozenset({400, 401, 403, 429})
_PURGE_EVERY = 3600.0  # seconds

Effect = Callable[[Connection | None], Awaitable[web.StreamResponse]]


class KeyConflict(ApiError):
    """The key itself is refused: nothing was done, and nothing is kept."""

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__("idempotency_conflict", message, headers=headers)


class StillRunning(KeyConflict):
    def __init__(self) -> None:
        super().__init__(f"The first request with this {HEADER} is still running. Ask again.", {"Retry-After": "2"})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def response(self) -> web.Response:
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@dataclass(frozen=True)
class Call:
    """One request under a key."""

    request: web.Request
    route: Route
    account_id: int
    key: str
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, request: web.Request, route: Route, account_id: int, body: bytes) -> "Call":
        """InvalidField unless the key is 1 to 255 printable ASCII characters."""
        key = request.headers[HEADER]
        if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            raise InvalidField(HEADER, "must be 1 to 255 printable ASCII characters")
        digest = hashlib.sha256(f"{request.method} {request.path_qs}\n".encode() + body).digest()
        return cls(request, route, account_id, key, digest)

    @property
    def name(self) -> str:
        return f"{self.route.method} {self.route.path}"


class Idempotency:
    """The kept answers of one service."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def once(self, call: Call, effect: Effect) -> web.StreamResponse:
        """The answer kept for `call`, or that of `effect`, which then is kept. StillRunning after 10 s."""
        run = self._within_transaction if "conn" in call.route.takes else self._after_claim
        deadline = self._clock.monotonic() + WAIT
        pause = 0.02
        while True:
            answer = await run(call, effect)
            if answer is not None:
                return answer
            if self._clock.monotonic() >= deadline:
                raise StillRunning()
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def purge(self) -> Worker:
        """Deletes what is past its day."""

        async def run(stopping: Stopping) -> None:
            while not stopping:
                async with self._database.transaction() as conn:
                    await conn.execute("delete from idempotency where created_at < $1", self._clock.now() - KEPT)
                await stopping.wait(_PURGE_EVERY)

        return run

    async def _within_transaction(self, call: Call, effect: Effect) -> web.StreamResponse | None:
        """None: another one with this key holds the lock."""
        try:
            async with self._database.transaction() as conn:
                if not await _lock(conn, call):
                    return None
                found = await self._find(conn, call)
                if found is not None:
                    return found.response() if isinstance(found, Answer) else None
                response = await effect(conn)
                await _keep(conn, call, _answer(response, call.route), self._clock.now())
                return response
        except ApiError as error:
            if _is_kept(error):
                async with self._database.transaction() as conn:
                    await _keep(
                        conn, call, _answer(problem_response(error, call.request), call.route), self._clock.now()
                    )
            raise

    async def _after_claim(self, call: Call, effect: Effect) -> web.StreamResponse | None:
        """For an effect that makes its own transactions: a claim before it, its answer after it."""
        async with self._database.transaction() as conn:
            if not await _lock(conn, call):
                return None
            found = await self._find(conn, call)
            if found is not None:
                return found.response() if isinstance(found, Answer) else None
            await _claim(conn, call, self._clock.now())
        outcome: Answer | None = None
        try:
            response = await effect(None)
            outcome = _answer(response, call.route)
            return response
        except ApiError as error:
            if _is_kept(error):
                outcome = _answer(problem_response(error, call.request), call.route)
            raise
        finally:
            async with self._database.transaction() as conn:
                if outcome is None:
                    await _forget(conn, call)
                else:
                    await _keep(conn, call, outcome, self._clock.now())

    async def _find(self, conn: Connection, call: Call) -> "Answer | datetime | None":
        """The kept answer; the time of a claim that is still alive; None when the effect is to be made now."""
        row = await conn.fetchrow(
            "select request_hash, state, status, headers, body, created_at from idempotency"
            " where account_id = $1 and route = $2 and key = $3",
            call.account_id,
            call.name,
            call.key,
        )
        now = self._clock.now()
        if row is None or now - row["created_at"] >= KEPT:
            return None
        if bytes(row["request_hash"]) != call.digest:
            raise KeyConflict(f"This {HEADER} was used with another request. Use a new one.")
        if row["state"] == "running":
            return None if now - row["created_at"] >= _ABANDONED else row["created_at"]
        return Answer(row["status"], row["headers"], bytes(row["body"]))


async def _lock(conn: Connection, call: Call) -> bool:
    """Of several at once, one gets it, until the end of its transaction. The others hold no connection meanwhile."""
    name = f"{call.account_id} {call.name} {call.key}"
    return bool(
        await conn.fetchval(
            "select pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' ' || $1, 0))", name
        )
    )


async def _claim(conn: Connection, call: Call, now: datetime) -> None:
    await conn.execute(
        "insert into idempotency (account_id, route, key, request_hash, state, created_at)"
        " values ($1, $2, $3, $4, 'running', $5)"
        " on conflict (account_id, route, key) do update"
        " set request_hash = excluded.request_hash, state = 'running', created_at = excluded.created_at",
        call.account_id,
        call.name,
        call.key,
        call.digest,
        now,
    )


async def _keep(conn: Connection, call: Call, answer: Answer, now: datetime) -> None:
    await conn.execute(
        "insert into idempotency (account_id, route, key, request_hash, state, status, headers, body, created_at)"
        " values ($1, $2, $3, $4, 'done', $5, $6, $7, $8)"
        " on conflict (account_id, route, key) do update"
        " set request_hash = excluded.request_hash, state = 'done', status = excluded.status,"
        " headers = excluded.headers, body = excluded.body, created_at = excluded.created_at",
        call.account_id,
        call.name,
        call.key,
        call.digest,
        answer.status,
        answer.headers,
        answer.body,
        now,
    )


async def _forget(conn: Connection, call: Call) -> None:
    await conn.execute(
        "delete from idempotency where account_id = $1 and route = $2 and key = $3 and state = 'running'",
        call.account_id,
        call.name,
        call.key,
    )


def _is_kept(error: ApiError) -> bool:
    return error.status < 500 and error.status not in _NOT_KEPT and not isinstance(error, KeyConflict)


def _answer(response: web.StreamResponse, route: Route) -> Answer:
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes | None):
        raise TypeError(
            f"{route.method} {route.path}: a streamed answer cannot be kept; mark the route idempotent=False"
        )
    body = response.body or b""
    if route.shown_once and response.status < 400:
        body = orjson.dumps(orjson.loads(body) | dict.fromkeys(route.shown_once))
    headers = {str(name): value for name, value in response.headers.items() if name != hdrs.CONTENT_LENGTH}
    return Answer(response.status, headers, body)
