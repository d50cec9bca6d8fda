"""A service's door to PostgreSQL: one pool, its own schema, and the notifications it listens to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeAlias

import asyncpg
import orjson
import structlog
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = PoolConnectionProxy

ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 15.0
IDLE_SECONDS = 60.0  # an unused connection is closed after that
LISTEN_CHECK_SECONDS = 30.0

# Raised by the server when it cannot serve now: connection lost, shutting down or starting, too many clients, no
# memory or disk, a statement over its time.
_SERVER_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)

log = structlog.get_logger(__name__)


class Unavailable(Exception):
    """PostgreSQL cannot serve now; the same work may succeed later."""


def lost(connection: Connection) -> bool:
    """Whether the server, or the way to it, is gone; the pool has taken such a connection back already."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


class Database:
    """One pool whose connections see the schema `schema` alone.

    json and jsonb are Python objects, timestamptz is an aware datetime.
    """

    def __init__(self, pool: asyncpg.Pool, url: str, schema: str) -> None:
        self.schema = schema
        self._pool = pool
        self._url = url
        self._listener = _Listener(url)

    @classmethod
    async def open(cls, url: str, *, schema: str, size: int = 10) -> Self:
        """At most `size` connections, each made when it is first needed: opening needs no running server."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            timeout=ACQUIRE_SECONDS,
            command_timeout=STATEMENT_SECONDS + 5,  # the server's own limit comes first, unless it is gone
            init=_decode_json,
            server_settings={
                "search_path": schema,
                "application_name": schema,
                "timezone": "UTC",
                "statement_timeout": str(int(STATEMENT_SECONDS * 1000)),
                "idle_in_transaction_session_timeout": "60000",
            },
        )
        await pool
        return cls(pool, url, schema)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for reads. Unavailable: when none is to be had, or it is lost."""
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except (TimeoutError, OSError, asyncpg.InterfaceError, *_SERVER_UNAVAILABLE) as error:
            raise Unavailable(f"no connection to PostgreSQL: {error or type(error).__name__}") from error
        try:
            yield connection
        except _SERVER_UNAVAILABLE as error:
            raise Unavailable(f"PostgreSQL: {error}") from error
        except (OSError, asyncpg.InterfaceError) as error:
            if not lost(connection):
                raise
            raise Unavailable(f"connection to PostgreSQL lost: {error}") from error
        finally:
            with suppress(TimeoutError, OSError, asyncpg.InterfaceError, *_SERVER_UNAVAILABLE):
                await self._pool.release(connection, timeout=ACQUIRE_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by any exception out of it."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def listen(self, channel: str, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback` with the payload of each NOTIFY on `channel`; returns what ends that.

        It is called with "" whenever the listening begins, also after a lost connection: what was notified before
        that is gone, so look at the rows.
        """
        return self._listener.add(channel, callback)

    async def close(self) -> None:
        await self._listener.close()
        try:
            await asyncio.wait_for(self._pool.close(), ACQUIRE_SECONDS)
        except TimeoutError:
            self._pool.terminate()


class _Listener:
    """One LISTEN connection for all channels, made with the first of them and made again when it is lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._callbacks: dict[str, list[Callable[[str], None]]] = {}
        self._changed = asyncio.Event()  # a channel was added, or the connection was lost
        self._task: asyncio.Task[None] | None = None

    def add(self, channel: str, callback: Callable[[str], None]) -> Callable[[], None]:
        callbacks = self._callbacks.setdefault(channel, [])
        callbacks.append(callback)
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return lambda: callbacks.remove(callback)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                connection = await asyncpg.connect(
                    self._url,
                    timeout=ACQUIRE_SECONDS,
                    command_timeout=ACQUIRE_SECONDS,
                    server_settings={"application_name": "listen"},
                )
            except (TimeoutError, OSError, asyncpg.PostgresError) as error:
                log.warning("database.listen_failed", reason=str(error) or type(error).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            delay = 0.1
            try:
                await self._serve(connection)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("database.listen_lost", reason=str(error) or type(error).__name__)
            finally:
                connection.terminate()

    async def _serve(self, connection: asyncpg.Connection) -> None:
        connection.add_termination_listener(lambda _: self._changed.set())
        heard: set[str] = set()
        while True:
            self._changed.clear()
            for channel in self._callbacks.keys() - heard:
                await connection.add_listener(channel, self._notified)
                heard.add(channel)
                self._call(channel, "")
            try:
                async with asyncio.timeout(LISTEN_CHECK_SECONDS):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._changed.wait()
            except TimeoutError:
                await connection.execute("select 1")
            if connection.is_closed():
                raise ConnectionError("closed by the server")

    def _notified(self, _connection: Any, _pid: int, channel: str, payload: Any) -> None:
        self._call(channel, payload)

    def _call(self, channel: str, payload: str) -> None:
        for callback in tuple(self._callbacks.get(channel, ())):
            try:
                callback(payload)
            except Exception:
                log.exception("database.listener_failed", channel=channel)


async def _decode_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),  # version 1 of jsonb's binary form
        decoder=lambda value: orjson.loads(value[1:]),
    )
    await connection.set_type_codec(
        "json", schema="pg_catalog", format="binary", encoder=orjson.dumps, decoder=orjson.loads
    )
