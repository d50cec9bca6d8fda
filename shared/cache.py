"""A cache that may be lost at any moment, and sliding rate windows: in memory, or in Redis over memory."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.clock import Clock
from shared.metrics import Metrics
from shared.windows import BUCKETS, LUA, Window

Limit = tuple[int, int]  # requests, seconds

_KEYS_KEPT = 50_000  # in memory, of each kind; the least recently used goes first
_REDIS_SECONDS = 1.0
_REST_SECONDS = 2.0  # after a failure Redis is left alone for so long

_log = structlog.get_logger()


class WindowState(NamedTuple):
    """One window after the request: `reset_at` (unix seconds) is when the oldest request in it stops counting."""

    limit: int
    seconds: int
    remaining: int
    reset_at: int
    allowed: bool


class Cache(Protocol):
    async def get(self, key: str) -> bytes | None: ...

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for at most `ttl` seconds."""

    async def delete(self, key: str) -> None: ...

    async def windows(self, key: str, limits: Sequence[Limit], now: datetime) -> tuple[WindowState, ...]:
        """Count one request of `key` in every window, if every one has room; else in none.

        A window of `seconds` counts what came within it, and up to 1 % longer.
        """

    @property
    def degraded(self) -> bool: ...

    async def close(self) -> None: ...


def connect(url: str, *, prefix: str, clock: Clock, metrics: Metrics) -> Cache:
    """`memory:`, or `redis://...`, `rediss://...`, `unix://...` with every key below `prefix`."""
    memory = MemoryCache(clock)
    return memory if urlsplit(url).scheme == "memory" else RedisCache(url, prefix, memory, clock, metrics)


class MemoryCache:
    """For one process. Bounded: the least recently used keys are forgotten first."""

    degraded = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._windows: OrderedDict[str, dict[int, Window]] = OrderedDict()  # of a key, by their seconds

    async def get(self, key: str) -> bytes | None:
        entry = self._values.get(key)
        if entry is None or entry[0] <= self._clock.monotonic():
            self._values.pop(key, None)
            return None
        self._values.move_to_end(key)
        return entry[1]

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        self._values[key] = (self._clock.monotonic() + ttl, value)
        self._values.move_to_end(key)
        if len(self._values) > _KEYS_KEPT:
            self._values.popitem(last=False)

    async def delete(self, key: str) -> None:
        self._values.pop(key, None)

    async def windows(self, key: str, limits: Sequence[Limit], now: datetime) -> tuple[WindowState, ...]:
        time = now.timestamp()
        known = self._known(key)
        windows = [known.get(seconds) or known.setdefault(seconds, Window(seconds)) for _, seconds in limits]
        for window in windows:
            window.advance(time)
        fits = [window.total < limit for window, (limit, _) in zip(windows, limits, strict=True)]
        if all(fits):
            for window in windows:
                window.count()
        return tuple(
            WindowState(limit, seconds, max(limit - window.total, 0), math.ceil(window.reset_at(time)), fit)
            for window, (limit, seconds), fit in zip(windows, limits, fits, strict=True)
        )

    async def close(self) -> None:
        self._values.clear()
        self._windows.clear()

    def _known(self, key: str) -> dict[int, Window]:
        known = self._windows.get(key)
        if known is None:
            known = self._windows[key] = {}
            if len(self._windows) > _KEYS_KEPT:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        return known


class RedisCache:
    """Shared by all processes. While Redis fails, each process counts for itself."""

    def __init__(self, url: str, prefix: str, memory: MemoryCache, clock: Clock, metrics: Metrics) -> None:
        self._redis = Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)
        self._script = self._redis.register_script(LUA)
        self._prefix = prefix
        self._memory = memory
        self._clock = clock
        self._failures = metrics.counter(
            "cache_fallbacks", "Uses of the local cache, Redis being away.", ("operation",)
        )
        self._rest_until = -math.inf

    @property
    def degraded(self) -> bool:
        """Whether the last use failed."""
        return self._rest_until > -math.inf

    async def get(self, key: str) -> bytes | None:
        if self._resting("get"):
            return await self._memory.get(key)
        try:
            value = await self._redis.get(self._prefix + key)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("get", error)
            return await self._memory.get(key)
        self._worked()
        return value.encode() if isinstance(value, str) else value

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        if self._resting("set"):
            await self._memory.set(key, value, ttl)
            return
        try:
            await self._redis.set(self._prefix + key, value, px=max(int(ttl * 1000), 1))
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("set", error)
            await self._memory.set(key, value, ttl)
            return
        self._worked()

    async def delete(self, key: str) -> None:
        await self._memory.delete(key)
        if self._resting("delete"):
            return
        try:
            await self._redis.delete(self._prefix + key)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("delete", error)
            return
        self._worked()

    async def windows(self, key: str, limits: Sequence[Limit], now: datetime) -> tuple[WindowState, ...]:
        if self._resting("windows"):
            return await self._memory.windows(key, limits, now)
        arguments: list[int | float] = [now.timestamp(), BUCKETS]
        for limit, seconds in limits:
            arguments += (limit, seconds)
        try:
            rows = await self._script(keys=[f"{self._prefix}windows:{key}"], args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed("windows", error)
            return await self._memory.windows(key, limits, now)
        self._worked()
        return tuple(
            WindowState(limit, seconds, max(limit - total, 0), math.ceil(float(reset_at)), bool(fit))
            for (limit, seconds), (total, reset_at, fit) in zip(limits, rows, strict=True)
        )

    async def close(self) -> None:
        await self._redis.aclose()

    def _resting(self, operation: str) -> bool:
        resting = self._clock.monotonic() < self._rest_until
        if resting:
            self._failures.labels(operation).inc()
        return resting

    def _worked(self) -> None:
        self._rest_until = -math.inf

    def _failed(self, operation: str, error: Exception) -> None:
        self._rest_until = self._clock.monotonic() + _REST_SECONDS
        self._failures.labels(operation).inc()
        _log.warning("cache unavailable", operation=operation, error=str(error))
