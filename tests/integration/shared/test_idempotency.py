"""`Idempotency-Key`: one effect and one answer, whatever is repeated, at once or later."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.support import toy
from tests.support.app import Answer, Client, principal, running
from tests.support.clock import SetClock

ME = principal(7)
DAY = 24 * 3600
ROUTES = ("/v1/notes", "/v1/slow-notes")  # the effect in the layer's transaction, and in the handler's own


async def post(client: Client, path: str, key: str, **body: Any) -> Answer:
    return await client.as_principal(ME).post(path, json={"text": "x"} | body, headers={"Idempotency-Key": key})


async def notes(client: Client) -> int:
    return len((await client.as_principal(ME).get("/v1/notes?limit=100")).json())


@pytest.mark.parametrize("path", ROUTES)
async def test_fifty_at_once_have_one_effect_and_one_answer(client: Client, path: str) -> None:
    answers = await asyncio.gather(*(post(client, path, "k", seconds=0.2) for _ in range(50)))
    assert {answer.status for answer in answers} == {answers[0].status}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await notes(client) == 1


@pytest.mark.parametrize("path", ROUTES)
async def test_a_repetition_gets_the_same_answer_and_another_body_none(client: Client, path: str) -> None:
    first, again = await post(client, path, "k"), await post(client, path, "k")
    assert (again.status, again.json()["id"]) == (first.status, first.json()["id"])
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    other = await post(client, path, "k", text="y")
    assert (other.status, other.json()["error"]) == (409, "idempotency_conflict")
    assert (await post(client, path, "k")).json()["id"] == first.json()["id"]
    assert (await post(client, path, "another key")).json()["id"] != first.json()["id"]
    assert await notes(client) == 2


async def test_a_secret_is_shown_once(client: Client) -> None:
    first, again = await post(client, "/v1/notes", "k"), await post(client, "/v1/notes", "k")
    assert first.json()["secret"] == "whsec_shown_once"
    assert again.json() == first.json() | {"secret": None}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("invalid_domain", False),
        ("quota_exceeded", False),
        ("rate_limit_exceeded", False),
        ("bug", False),
        ("scan_failed", True),
        ("not_found", True),
    ],
)
async def test_which_refusals_are_kept(client: Client, path: str, code: str, kept: bool) -> None:
    first, again = [await post(client, path, "k", fail_with=code) for _ in range(2)]
    assert first.status == again.status >= 400
    same = first.json()["request_id"] == again.json()["request_id"]
    assert same is kept
    assert await notes(client) == 0


@pytest.mark.parametrize("path", ROUTES)
async def test_after_a_failure_the_repetition_is_the_first_to_act(client: Client, path: str) -> None:
    """A body cannot change under one key, so the failure is one of time: the first is broken off."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await post(client, path, "k", seconds=1.0)
    answer = await post(client, path, "k", seconds=1.0)
    assert answer.status in (200, 201)
    assert await notes(client) == 1


async def test_keys_are_an_accounts_and_a_routes_own(client: Client) -> None:
    await post(client, "/v1/notes", "k")
    await post(client, "/v1/slow-notes", "k")
    somebody_else = client.as_principal(principal(8))
    await somebody_else.post("/v1/notes", json={"text": "x"}, headers={"Idempotency-Key": "k"})
    assert await notes(client) == 2
    assert len((await somebody_else.get("/v1/notes")).json()) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_malformed_key_is_refused(client: Client, key: str) -> None:
    answer = await post(client, "/v1/notes", key)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


async def test_a_key_of_the_greatest_length_is_taken(client: Client) -> None:
    assert (await post(client, "/v1/notes", "~" * 255)).status == 201


class TickingClock(SetClock):
    """Each look takes a second."""

    def monotonic(self) -> float:
        self.forward(1)
        return super().monotonic()


@pytest.mark.parametrize("path", ROUTES)
async def test_an_answer_is_kept_for_a_day(database_url: str, path: str) -> None:
    clock = SetClock()
    async with running(toy.service, database_url=database_url, clock=clock) as client:
        first = (await post(client, path, "k")).json()["id"]
        clock.forward(DAY - 1)
        assert (await post(client, path, "k")).json()["id"] == first
        clock.forward(1)
        assert (await post(client, path, "k", text="another body")).json()["id"] != first


async def test_one_that_still_runs_is_waited_for_and_then_said_to_run(database_url: str) -> None:
    clock = TickingClock()
    async with running(toy.service, database_url=database_url, clock=clock) as client:
        await post(client, "/v1/slow-notes", "k")
        await _claim(database_url, clock)
        answer = await post(client, "/v1/slow-notes", "k")
        assert (answer.status, answer.json()["error"]) == (409, "idempotency_conflict")
        assert answer.headers["Retry-After"] == "2"
        assert await notes(client) == 1


async def test_a_claim_of_a_process_that_died_is_taken_over(database_url: str) -> None:
    clock = SetClock()
    async with running(toy.service, database_url=database_url, clock=clock) as client:
        await post(client, "/v1/slow-notes", "k")
        await _claim(database_url, clock)
        clock.forward(60)
        assert (await post(client, "/v1/slow-notes", "k")).status == 200
        assert await notes(client) == 2


async def _claim(database_url: str, clock: SetClock) -> None:
    """Leave the record as a process does that is amid the effect."""
    conn = await asyncpg.connect(database_url)
    await conn.execute("update toy.idempotency set state = 'running', created_at = $1", clock.now())
    await conn.close()
