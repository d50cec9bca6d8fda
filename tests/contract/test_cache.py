"""One behaviour for both caches: values that expire, and sliding windows that are exact within 1 %."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from shared.cache import Cache, connect
from shared.clock import Clock
from shared.metrics import Metrics
from tests.support.clock import SetClock
from tests.support.door import Door

START = datetime(2030, 1, 1, tzinfo=UTC)

Open = Callable[[], Cache]  # each call is another process with the same cache


@pytest.fixture(params=["memory", "redis"])
async def open_cache(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    url = "memory:" if request.param == "memory" else request.getfixturevalue("redis_url")
    prefix = f"test-{uuid4().hex}:"
    shared: list[Cache] = []
    async with AsyncExitStack() as stack:

        def open_one() -> Cache:
            if url == "memory:" and shared:
                return shared[0]  # memory is one process's own
            shared.append(connect(url, prefix=prefix, clock=Clock(), metrics=Metrics()))
            stack.push_async_callback(shared[-1].close)
            return shared[-1]

        yield open_one


async def count(cache: Cache, key: str, limit: int, seconds: int, after: float) -> bool:
    (state,) = await cache.windows(key, ((limit, seconds),), START + timedelta(seconds=after))
    return state.allowed


async def test_values_are_kept_for_their_time(open_cache: Open) -> None:
    cache = open_cache()
    assert await cache.get("a") is None
    await cache.set("a", b"\x00value", 60)
    await cache.set("b", b"gone at once", 0.001)
    assert await cache.get("a") == b"\x00value"
    await asyncio.sleep(0.005)
    assert await cache.get("b") is None
    await cache.delete("a")
    await cache.delete("a")
    assert await cache.get("a") is None


async def test_a_window_slides(open_cache: Open) -> None:
    cache = open_cache()
    assert [await count(cache, "k", 3, 60, after) for after in (0, 20, 40, 59)] == [True, True, True, False]
    assert await count(cache, "k", 3, 60, 60.5)  # the first has left
    assert not await count(cache, "k", 3, 60, 61)
    assert await count(cache, "k", 3, 60, 81)
    assert await count(cache, "k", 3, 60, 10_000)
    assert await count(cache, "another key", 3, 60, 61)


async def test_the_state_says_what_is_left_and_when_there_is_more(open_cache: Open) -> None:
    cache = open_cache()
    limits = ((2, 60), (10, 3600))
    first = await cache.windows("k", limits, START)
    assert [(state.limit, state.seconds, state.remaining, state.allowed) for state in first] == [
        (2, 60, 1, True),
        (10, 3600, 9, True),
    ]
    await cache.windows("k", limits, START)
    minute, hour = await cache.windows("k", limits, START)
    assert (minute.allowed, minute.remaining) == (False, 0)
    assert (hour.allowed, hour.remaining) == (True, 8)
    later = datetime.fromtimestamp(minute.reset_at, UTC)
    assert timedelta(seconds=60) <= later - START <= timedelta(seconds=62)
    assert (await cache.windows("k", limits, later))[0].allowed


async def test_a_refused_request_costs_nothing_in_any_window(open_cache: Open) -> None:
    cache = open_cache()
    limits = ((1, 60), (5, 3600))
    await cache.windows("k", limits, START)
    for _ in range(20):
        await cache.windows("k", limits, START + timedelta(seconds=1))
    minute, hour = await cache.windows("k", limits, START + timedelta(seconds=61))
    assert minute.allowed
    assert hour.remaining == 3


async def test_windows_are_exact_within_one_per_cent(open_cache: Open) -> None:
    """Against a log of every accepted request: never more than the limit, and not less than 99 % of the rate."""
    cache, other = open_cache(), open_cache()
    dice = random.Random(7)
    limit, seconds, after = 100, 60, 0.0
    accepted: list[float] = []
    for number in range(2_500):
        after += dice.expovariate(4.0) if number % 500 else 45.0  # bursts with pauses between
        if await count((cache, other)[number % 2], "k", limit, seconds, after):
            accepted.append(after)
        else:
            within_longer = sum(1 for earlier in accepted if after - earlier < seconds * 1.01)
            assert within_longer >= limit  # refused only when a window one per cent longer is full
    for index, time in enumerate(accepted):
        assert sum(1 for earlier in accepted[: index + 1] if time - earlier < seconds) <= limit


async def test_many_at_once_are_counted_one_by_one(open_cache: Open) -> None:
    caches = [open_cache() for _ in range(3)]
    answers = await asyncio.gather(*(count(caches[n % 3], "k", 50, 60, 0) for n in range(150)))
    assert sum(answers) == 50


async def test_a_clock_that_goes_back_frees_nothing(open_cache: Open) -> None:
    cache = open_cache()
    assert await count(cache, "k", 1, 60, 100)
    assert not await count(cache, "k", 1, 60, 10)


async def test_without_redis_each_process_counts_for_itself(unused_tcp_port: int) -> None:
    metrics = Metrics()
    cache = connect(f"redis://127.0.0.1:{unused_tcp_port}/0", prefix="x:", clock=Clock(), metrics=metrics)
    assert not cache.degraded
    await cache.set("a", b"1", 60)
    assert await cache.get("a") == b"1"
    assert [await count(cache, "k", 2, 60, 0) for _ in range(3)] == [True, True, False]
    await cache.delete("a")
    assert await cache.get("a") is None
    assert cache.degraded
    assert 'cache_fallbacks_total{operation="windows"} 3.0' in metrics.render().decode()
    await cache.close()


async def test_redis_is_used_again_when_it_is_back(redis_url: str) -> None:
    """Behind a door that can be shut."""
    parts = urlsplit(redis_url)
    clock = SetClock()
    async with Door(partial(asyncio.open_connection, parts.hostname, parts.port or 6379)) as door:
        behind = f"redis://127.0.0.1:{door.port}{parts.path}"
        cache = connect(behind, prefix=f"test-{uuid4().hex}:", clock=clock, metrics=Metrics())
        await cache.set("a", b"1", 60)
        await door.shut()
        assert await cache.get("a") is None
        assert cache.degraded
        await door.open()
        assert await cache.get("a") is None  # Redis is left alone for a while
        clock.forward(3)
        assert await cache.get("a") == b"1"
        assert not cache.degraded
        await cache.close()
