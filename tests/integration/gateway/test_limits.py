"""Rate limits and the memory of credentials, with auth behind them."""

import asyncio
import time

import pytest
import pytest_asyncio

from tests.integration.gateway.test_surface import RATE_HEADERS, problem
from tests.support.installation import Caller, Installation

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("gateway")]

WithKey = tuple[Caller, int, dict[str, dict[str, str]]]


async def test_a_minutes_limit_is_exact_and_asks_for_patience(installed: Installation) -> None:
    caller = await installed.account(requests_per_minute=7)
    answers = await asyncio.gather(*(caller("GET", "/v1/auth/me") for _ in range(4)))
    answers += await asyncio.gather(*(caller("GET", "/v1/scan/recent") for _ in range(8)))
    refused = [answer for answer in answers if answer.status == 429]
    assert len(answers) - len(refused) == 7
    said = problem(refused[0], "rate_limit_exceeded").message.lower()
    assert "quota" not in said and "scan limit" not in said
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 62  # a bucket longer than the window, rounded up twice
    assert set(refused[0].headers) >= RATE_HEADERS
    remaining = sorted((int(a.headers["X-RateLimit-Remaining"]) for a in answers if a.status == 200), reverse=True)
    assert remaining == list(range(6, -1, -1))


async def test_an_hours_limit_is_called_a_quota(installed: Installation) -> None:
    caller = await installed.account(requests_per_hour=2)
    for _ in range(2):
        assert (await caller("GET", "/v1/scan/recent")).status == 200
    refused = await caller("GET", "/v1/domains")
    assert "quota" in problem(refused, "rate_limit_exceeded").message
    assert 3000 < int(refused.headers["Retry-After"]) <= 3637


async def test_free_scans_are_five_an_hour_of_an_address(installed: Installation) -> None:
    stranger = installed.stranger()
    for _ in range(5):
        assert (await stranger("POST", "/v1/scan/free", json={"domain": "not a domain"})).status == 400
    refused = await stranger("POST", "/v1/scan/free", json={"domain": "hardened.test"})
    assert "quota" in problem(refused, "rate_limit_exceeded").message
    assert int(refused.headers["Retry-After"]) > 3000
    other = await installed.stranger()("POST", "/v1/scan/free", json={"domain": "not a domain"})
    assert other.status == 400


async def test_signups_are_ten_an_hour_of_an_address(installed: Installation) -> None:
    stranger = installed.stranger()
    for number in range(10):
        body = {"email": f"{number}@{stranger.address}.test", "password": "x" * 8}
        assert (await stranger("POST", "/v1/auth/signup", json=body)).status in (200, 400)
    body = {"email": f"eleventh@{stranger.address}.test", "password": "x" * 8}
    refused = await stranger("POST", "/v1/auth/signup", json=body)
    assert "quota" in problem(refused, "rate_limit_exceeded").message
    assert int(refused.headers["Retry-After"]) > 3000


@pytest_asyncio.fixture(loop_scope="package")
async def with_key(installed: Installation) -> WithKey:
    """A caller, and one more key of its account: its id, and the options to call with it."""
    owner = await installed.account()
    key = await owner.ok("POST", "/v1/auth/api-keys", json={"name": "short-lived"})
    return owner, key["id"], {"headers": {"Authorization": f"Bearer {key['key']}"}}


async def test_a_revoked_key_is_refused_almost_at_once(with_key: WithKey) -> None:
    owner, key_id, key = with_key
    assert (await owner("GET", "/v1/scan/recent", **key)).status == 200
    revoked = time.monotonic()
    await owner.ok("DELETE", f"/v1/auth/api-keys/{key_id}")
    while (answer := await owner("GET", "/v1/scan/recent", **key)).status == 200:
        assert time.monotonic() - revoked < 3, "the event that empties the gateway's memory did not come"
        await asyncio.sleep(0.02)
    problem(answer, "invalid_api_key")
    assert (await owner("GET", "/v1/scan/recent")).status == 200


async def test_and_within_five_seconds_when_no_event_comes(with_key: WithKey, installed: Installation) -> None:
    owner, key_id, key = with_key
    assert (await owner("GET", "/v1/scan/recent", **key)).status == 200
    await installed.execute("update auth.api_keys set expires_at = now() where id = $1", key_id)
    revoked = time.monotonic()
    assert (await owner("GET", "/v1/scan/recent", **key)).status == 200  # remembered, so that auth is spared
    while (await owner("GET", "/v1/scan/recent", **key)).status == 200:
        assert time.monotonic() - revoked < 5.2
        await asyncio.sleep(0.1)
