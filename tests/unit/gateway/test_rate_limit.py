"""Limits of accounts and of client addresses: when they refuse, what they say, and the headers that tell of them."""

from typing import Any

import pytest

from services.gateway.rate_limit import RateLimiter
from services.gateway.routing import FREE_SCANS, SIGN_INS
from shared.cache import MemoryCache
from shared.contracts.plans import Limits, load_plans
from shared.contracts.principal import Principal
from shared.errors import ApiError
from tests.support.app import principal
from tests.support.clock import SetClock

GENEROUS = 1_000_000
WORDS_THAT_STOP_A_CLIENT = ("quota", "scan limit")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def limiter(clock: SetClock) -> RateLimiter:
    return RateLimiter(MemoryCache(clock), clock, replicas=1)


def limited(minute: int = GENEROUS, hour: int = GENEROUS, day: int = GENEROUS) -> Principal:
    given: dict[str, Any] = load_plans()["free"].limits.model_dump()
    given |= {"requests_per_minute": minute, "requests_per_hour": hour, "requests_per_day": day}
    return principal(limits=Limits(**given), plan="free")


async def refusal(limiter: RateLimiter, caller: Principal) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await limiter.account(caller)
    assert caught.value.code == "rate_limit_exceeded"
    return caught.value


async def test_a_spent_minute_asks_for_patience_and_for_nothing_else(limiter: RateLimiter, clock: SetClock) -> None:
    caller = limited(minute=3)
    for _ in range(3):
        await limiter.account(caller)
    error = await refusal(limiter, caller)
    assert not any(word in error.message.lower() for word in WORDS_THAT_STOP_A_CLIENT)
    assert 60 <= int(error.headers["Retry-After"]) <= 61
    clock.forward(int(error.headers["Retry-After"]))
    await limiter.account(caller)


@pytest.mark.parametrize(
    ("caller", "seconds"), [(limited(hour=3), 3600), (limited(day=3), 86400), (limited(3, 3, 3), 86400)]
)
async def test_a_spent_hour_or_day_is_called_a_quota(limiter: RateLimiter, caller: Principal, seconds: int) -> None:
    for _ in range(3):
        await limiter.account(caller)
    error = await refusal(limiter, caller)
    assert "quota" in error.message
    assert seconds <= int(error.headers["Retry-After"]) <= seconds * 1.01 + 1


async def test_a_refused_request_costs_nothing(limiter: RateLimiter, clock: SetClock) -> None:
    caller = limited(minute=2, hour=4)
    for _ in range(2):
        await limiter.account(caller)
    for _ in range(10):
        await refusal(limiter, caller)
    clock.forward(61)
    for _ in range(2):
        await limiter.account(caller)
    assert "quota" in (await refusal(limiter, caller)).message


async def test_the_headers_tell_of_the_window_with_the_smallest_share_left(
    limiter: RateLimiter, clock: SetClock
) -> None:
    caller = limited(minute=10, hour=4, day=100)
    headers = await limiter.account(caller)
    assert headers["X-RateLimit-Limit"] == "4"
    assert headers["X-RateLimit-Remaining"] == "3"
    assert 3600 <= int(headers["X-RateLimit-Reset"]) - clock.now().timestamp() <= 3636
    assert headers["X-RateLimit-Plan"] == "free"
    assert headers["RateLimit-Policy"] == '"minute";q=10;w=60, "hour";q=4;w=3600, "day";q=100;w=86400'
    assert headers["RateLimit"].startswith('"minute";r=9;t=6')
    assert [part.split(";")[1] for part in headers["RateLimit"].split(", ")] == ["r=9", "r=3", "r=99"]


async def test_a_refusal_has_the_same_headers(limiter: RateLimiter) -> None:
    caller = limited(minute=1)
    answered = await limiter.account(caller)
    error = await refusal(limiter, caller)
    assert error.headers.keys() == answered.keys() | {"Retry-After"}
    assert error.headers["X-RateLimit-Remaining"] == "0"


async def test_accounts_and_addresses_are_counted_each_for_itself(limiter: RateLimiter) -> None:
    for _ in range(FREE_SCANS.requests):
        await limiter.client("2001:db8::1", FREE_SCANS)
    with pytest.raises(ApiError) as caught:
        await limiter.client("2001:db8::2", FREE_SCANS)
    assert "quota" in caught.value.message and "free scan" in caught.value.message
    await limiter.client("2001:db8:0:1::1", FREE_SCANS)
    await limiter.client("2001:db8::1", SIGN_INS)


async def test_a_minute_of_an_address_asks_for_patience(limiter: RateLimiter) -> None:
    for _ in range(SIGN_INS.requests):
        await limiter.client("203.0.113.1", SIGN_INS)
    with pytest.raises(ApiError) as caught:
        await limiter.client("203.0.113.1", SIGN_INS)
    assert not any(word in caught.value.message.lower() for word in WORDS_THAT_STOP_A_CLIENT)
    assert 60 <= int(caught.value.headers["Retry-After"]) <= 61


async def test_while_the_shared_cache_is_away_each_gateway_keeps_to_its_part(clock: SetClock) -> None:
    class Away(MemoryCache):
        degraded = True

    limiter = RateLimiter(Away(clock), clock, replicas=3)
    caller = limited(minute=10)
    for _ in range(4):
        await limiter.account(caller)
    await refusal(limiter, caller)
