"""API keys, as the gateway calls for them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.auth.app import service
from shared.contracts.principal import Principal, Scope
from tests.support.app import Client, running


@pytest.fixture
async def auth(database_url: str) -> AsyncIterator[Client]:
    async with running(service, database_url=database_url) as client:
        yield client.as_principal(None)


async def signed_in(auth: Client, email: str = "ann@example.test") -> Client:
    answer = await auth.post("/v1/auth/signup", json={"email": email, "password": "correct horse"})
    return auth.as_principal(await introspected(auth, answer.json()["token"]))


async def introspected(auth: Client, credential: str) -> Principal:
    answer = await auth.as_principal(None).post("/internal/introspect", json={"credential": credential})
    assert answer.status == 200, answer.body
    return Principal.model_validate_json(answer.body)


async def refused(auth: Client, key: str) -> bool:
    answer = await auth.as_principal(None).post("/internal/introspect", json={"credential": key})
    return (answer.status, answer.json().get("error")) == (401, "invalid_api_key")


async def test_a_key_is_shown_once_and_stored_nowhere(auth: Client, database_url: str) -> None:
    ann = await signed_in(auth)
    made = await ann.post("/v1/auth/api-keys", json={"name": "ci"})
    assert made.status == 201
    key = made.json()["key"]
    assert set(made.json()["scopes"]) == set(Scope) - {Scope.ACCOUNT_WRITE}

    caller = await introspected(auth, key)
    assert (caller.key_id, caller.account_id) == (made.json()["id"], ann.caller and ann.caller.account_id)
    listed = await ann.get("/v1/auth/api-keys")
    [row] = listed.json()["api_keys"]
    assert row == {name: value for name, value in made.json().items() if name != "key"} | {
        "last_used_at": row["last_used_at"]
    }
    assert row["last_used_at"] is not None
    assert (await ann.get("/internal/me")).json()["api_key"] == row["masked_key"]

    connection = await asyncpg.connect(database_url)
    try:
        for table in ("api_keys", "outbox"):
            for stored in await connection.fetch(f"SELECT t::text FROM auth.{table} t"):
                assert key not in stored[0]
                assert key.encode().hex() not in stored[0]
    finally:
        await connection.close()


async def test_a_wrong_key_is_refused(auth: Client) -> None:
    ann = await signed_in(auth)
    key = (await ann.post("/v1/auth/api-keys", json={})).json()["key"]
    for wrong in (key[:-1], key + "0", "cl_" + key[3:].swapcase(), "cl_", "cl_YOUR_API_KEY"):
        assert await refused(auth, wrong)


async def test_a_revoked_key_is_refused_and_its_revocation_told(auth: Client, database_url: str) -> None:
    ann = await signed_in(auth)
    made = (await ann.post("/v1/auth/api-keys", json={})).json()
    assert (await ann.delete(f"/v1/auth/api-keys/{made['id']}")).status == 200
    assert await refused(auth, made["key"])
    assert (await ann.get("/v1/auth/api-keys")).json() == {"api_keys": []}
    assert (await ann.delete(f"/v1/auth/api-keys/{made['id']}")).status == 404
    connection = await asyncpg.connect(database_url)
    try:
        told = await connection.fetchval(
            "SELECT count(*) FROM auth.outbox WHERE envelope->>'name' = 'credential.revoked.v1'"
        )
    finally:
        await connection.close()
    assert told == 1


async def test_anothers_key_is_not_there(auth: Client) -> None:
    ann, bob = await signed_in(auth), await signed_in(auth, "bob@example.test")
    made = (await ann.post("/v1/auth/api-keys", json={})).json()
    foreign = await bob.delete(f"/v1/auth/api-keys/{made['id']}")
    missing = await bob.delete("/v1/auth/api-keys/1")
    assert foreign.status == missing.status == 404
    assert foreign.json() | {"request_id": ""} == missing.json() | {"request_id": ""}
    await introspected(auth, made["key"])


async def test_a_key_expires(auth: Client) -> None:
    ann = await signed_in(auth)
    past = {"expires_at": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
    answer = await ann.post("/v1/auth/api-keys", json=past)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "expires_at")
    soon = datetime.now(UTC) + timedelta(milliseconds=700)
    key = (await ann.post("/v1/auth/api-keys", json={"expires_at": soon.isoformat()})).json()["key"]
    await introspected(auth, key)
    async with asyncio.timeout(5):
        while not await refused(auth, key):
            pass
    assert datetime.now(UTC) >= soon


async def test_a_key_makes_no_key_that_may_do_more_or_lives_longer(auth: Client) -> None:
    ann = await signed_in(auth)
    expires = datetime.now(UTC) + timedelta(days=1)
    limits = {"scopes": ["account:write", "scan:read"], "expires_at": expires.isoformat()}
    maker = auth.as_principal(
        await introspected(auth, (await ann.post("/v1/auth/api-keys", json=limits)).json()["key"])
    )

    more = await maker.post("/v1/auth/api-keys", json={"scopes": ["scan:write"]})
    assert (more.status, more.json()["errors"][0]["field"]) == (400, "scopes")
    longer = await maker.post("/v1/auth/api-keys", json={"expires_at": (expires + timedelta(days=1)).isoformat()})
    assert (longer.status, longer.json()["errors"][0]["field"]) == (400, "expires_at")
    made = (await maker.post("/v1/auth/api-keys", json={})).json()
    assert made["scopes"] == ["scan:read"]
    assert datetime.fromisoformat(made["expires_at"]) <= expires


async def test_a_key_that_was_just_revoked_makes_no_key(auth: Client) -> None:
    """The gateway may vouch for it for five seconds more."""
    ann = await signed_in(auth)
    made = (await ann.post("/v1/auth/api-keys", json={"scopes": ["account:write"]})).json()
    maker = auth.as_principal(await introspected(auth, made["key"]))
    await ann.delete(f"/v1/auth/api-keys/{made['id']}")
    assert (await maker.post("/v1/auth/api-keys", json={})).status == 401
    assert (await maker.post("/v1/auth/api-key/regenerate")).status == 404


async def test_the_calling_key_is_replaced(auth: Client) -> None:
    ann = await signed_in(auth)
    assert (await ann.post("/v1/auth/api-key/regenerate")).status == 404
    old = (await ann.post("/v1/auth/api-keys", json={"name": "ci", "scopes": ["scan:read"]})).json()
    newest = (await ann.post("/v1/auth/api-keys", json={"name": "laptop"})).json()

    caller = auth.as_principal(await introspected(auth, old["key"]))
    new = (await caller.post("/v1/auth/api-key/regenerate")).json()
    assert (new["name"], new["scopes"]) == ("ci", ["scan:read"])
    assert await refused(auth, old["key"])
    await introspected(auth, new["key"])
    await introspected(auth, newest["key"])

    by_session = (await ann.post("/v1/auth/api-key/regenerate")).json()
    assert by_session["name"] == "ci"  # now the newest
    assert await refused(auth, new["key"])


async def test_scopes_hold(auth: Client) -> None:
    ann = await signed_in(auth)
    plain = auth.as_principal(await introspected(auth, (await ann.post("/v1/auth/api-keys", json={})).json()["key"]))
    assert (await plain.get("/v1/auth/api-keys")).status == 200
    for refusal in (
        await plain.post("/v1/auth/api-keys", json={}),
        await plain.delete("/v1/auth/api-keys/1"),
        await plain.post("/v1/auth/password/change", json={"current_password": "x" * 8, "new_password": "y" * 8}),
    ):
        assert (refusal.status, refusal.json()["error"]) == (403, "forbidden_scope")
    assert (await plain.post("/v1/auth/logout")).status == 400


async def test_an_account_has_a_hundred_keys_at_most(auth: Client) -> None:
    ann = await signed_in(auth)
    statuses = [(await ann.post("/v1/auth/api-keys", json={})).status for _ in range(101)]
    assert statuses == [201] * 100 + [400]


async def test_a_bad_field_is_named(auth: Client) -> None:
    ann = await signed_in(auth)
    for body, field in (
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": 1}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": "scan:read"}, "scopes"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2000-01-01T00:00:00Z"}, "expires_at"),
    ):
        answer = await ann.post("/v1/auth/api-keys", json=body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field), body
