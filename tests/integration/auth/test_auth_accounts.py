"""Sign-up, sign-in, sessions and the password, as the gateway calls them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.auth.app import service
from shared.contracts.principal import Principal
from tests.support.app import Client, running

PASSWORD = "correct horse"


@pytest.fixture
async def auth(database_url: str) -> AsyncIterator[Client]:
    async with running(service, database_url=database_url) as client:
        yield client.as_principal(None)


async def signed_up(auth: Client, email: str = "ann@example.test") -> dict[str, Any]:
    answer = await auth.post("/v1/auth/signup", json={"email": email, "password": PASSWORD})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def introspected(auth: Client, credential: str) -> Principal:
    answer = await auth.post("/internal/introspect", json={"credential": credential})
    assert answer.status == 200, answer.body
    return Principal.model_validate_json(answer.body)


async def refusal(auth: Client, credential: str) -> str:
    answer = await auth.post("/internal/introspect", json={"credential": credential})
    assert answer.status == 401
    return str(answer.json()["error"])


async def test_a_new_account_can_be_used_at_once(auth: Client) -> None:
    body = await signed_up(auth, "Ann@Example.TEST")
    assert body["access_token"] == body["token"]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 86400)
    assert body["user"]["email"] == "ann@example.test"
    ann = await introspected(auth, body["token"])
    assert (ann.plan, ann.limits.scans_per_month, ann.status, ann.key_id) == ("agency", 5000, "active", None)

    me = (await auth.as_principal(ann).get("/internal/me")).json()
    assert me == {
        "id": ann.user_id,
        "email": "ann@example.test",
        "plan": "agency",
        "email_verified": False,
        "created_at": body["user"]["created_at"],
        "api_key": None,
        "scan_limit": 5000,
        "domain_limit": 200,
        "subscription_status": None,
        "oauth_provider": None,
    }


async def test_login_does_not_tell_which_half_was_wrong(auth: Client) -> None:
    await signed_up(auth)
    good = await auth.post("/v1/auth/login", json={"email": "ANN@example.test", "password": PASSWORD})
    assert good.status == 200
    wrong_password = await auth.post("/v1/auth/login", json={"email": "ann@example.test", "password": PASSWORD + "x"})
    wrong_email = await auth.post("/v1/auth/login", json={"email": "bob@example.test", "password": PASSWORD})
    assert wrong_password.status == wrong_email.status == 401
    said = [{**answer.json(), "request_id": None} for answer in (wrong_password, wrong_email)]
    assert said[0] == said[1]


async def test_an_address_signs_up_once_even_at_the_same_time(auth: Client) -> None:
    both = await asyncio.gather(
        *(auth.post("/v1/auth/signup", json={"email": "ann@example.test", "password": PASSWORD}) for _ in range(3))
    )
    assert sorted(answer.status for answer in both) == [200, 400, 400]
    again = await auth.post("/v1/auth/signup", json={"email": "ann@example.test", "password": PASSWORD})
    assert (again.status, again.json()["error"], again.json()["errors"][0]["field"]) == (
        400,
        "invalid_request",
        "email",
    )


async def test_a_bad_field_is_named(auth: Client) -> None:
    good = {"email": "ann@example.test", "password": PASSWORD}
    for field, value in (
        ("email", "ann"),
        ("email", 7),
        ("email", "a" * 300 + "@example.test"),
        ("email", None),
        ("password", "short"),
        ("password", "x" * 129),
        ("password", "correct\0horse"),
        ("password", None),
    ):
        for path in ("/v1/auth/signup", "/v1/auth/login"):
            answer = await auth.post(path, json=good | {field: value})
            assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field), (path, value)
            assert PASSWORD not in answer.body.decode()


async def test_logout_ends_the_calling_session_alone(auth: Client) -> None:
    first = (await signed_up(auth))["token"]
    second = (await auth.post("/v1/auth/login", json={"email": "ann@example.test", "password": PASSWORD})).json()[
        "token"
    ]
    ann = await introspected(auth, first)
    assert (await auth.as_principal(ann).post("/v1/auth/logout")).status == 200
    assert await refusal(auth, first) == "unauthorized"
    await introspected(auth, second)


async def test_a_new_password_ends_every_session(auth: Client) -> None:
    token = (await signed_up(auth))["token"]
    ann = auth.as_principal(await introspected(auth, token))
    change = {"current_password": "wrong horse", "new_password": "battery staple"}
    wrong = await ann.post("/v1/auth/password/change", json=change)
    assert (wrong.status, wrong.json()["errors"][0]["field"]) == (400, "current_password")
    await introspected(auth, token)

    assert (await ann.post("/v1/auth/password/change", json=change | {"current_password": PASSWORD})).status == 200
    assert await refusal(auth, token) == "unauthorized"
    login = {"email": "ann@example.test", "password": PASSWORD}
    assert (await auth.post("/v1/auth/login", json=login)).status == 401
    assert (await auth.post("/v1/auth/login", json=login | {"password": "battery staple"})).status == 200


async def test_what_is_no_token_is_unauthorized(auth: Client) -> None:
    for credential in ("", "x", "e30.e30.e30", "Bearer", "\u2603", "x" * 4096):
        assert await refusal(auth, credential) == "unauthorized"


async def test_guessing_is_throttled_by_account_and_client(auth: Client) -> None:
    wrong = {"email": "ann@example.test", "password": "wrong horse"}
    statuses = [(await auth.post("/v1/auth/login", json=wrong)).status for _ in range(21)]
    assert statuses == [401] * 20 + [429]
    refused = await auth.post("/v1/auth/login", json=wrong)
    assert 1 <= int(refused.headers["Retry-After"]) <= 910
    elsewhere = auth.as_principal(None, client="203.0.113.10")
    assert (await elsewhere.post("/v1/auth/login", json=wrong)).status == 401


async def test_ten_sign_ups_an_hour_from_one_network(auth: Client) -> None:
    for number in range(10):
        client = auth.as_principal(None, client=f"2001:db8::{number:x}")
        await signed_up(client, f"user{number}@example.test")
    body = {"email": "one-more@example.test", "password": PASSWORD}
    assert (await client.post("/v1/auth/signup", json=body)).json()["error"] == "rate_limit_exceeded"
    assert (await auth.as_principal(None, client="2001:db8:0:1::1").post("/v1/auth/signup", json=body)).status == 200


async def test_the_keys_of_tokens_are_public(auth: Client) -> None:
    answer = await auth.get("/.well-known/jwks.json")
    [key] = answer.json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], "d" in key) == ("OKP", "Ed25519", "EdDSA", False)


@pytest.mark.parametrize("mode", ["closed", "invite"])
async def test_sign_up_can_be_closed(database_url: str, mode: str) -> None:
    async with running(service, database_url=database_url, signup=mode) as client:
        for code in (None, "guess"):
            body = {"email": "ann@example.test", "password": PASSWORD, "invite_code": code}
            answer = await client.as_principal(None).post("/v1/auth/signup", json=body)
            assert (answer.status, answer.json()["error"]) == (403, "signup_closed")


async def test_the_first_account_gets_a_new_key_each_time(auth: Client) -> None:
    first = (await auth.post("/internal/bootstrap")).json()
    second = (await auth.post("/internal/bootstrap")).json()
    assert first["email"] == second["email"]
    assert second["password"] is None
    assert await refusal(auth, first["key"]) == "invalid_api_key"
    owner = await introspected(auth, second["key"])
    assert owner.plan == "agency"
    login = {"email": first["email"], "password": first["password"]}
    assert (await auth.post("/v1/auth/login", json=login)).status == 200


async def test_internal_routes_are_for_the_gateway_alone(auth: Client) -> None:
    caller = await introspected(auth, (await signed_up(auth))["token"])
    for client in (auth.as_principal(caller), Client(auth.process, "auth")):
        for path in ("/internal/introspect", "/internal/bootstrap"):
            assert (await client.post(path, json={"credential": "x"})).status == 404
