"""The web layer around a toy service: identity, parsing, the error form, request ids."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import aiohttp
import pytest

from shared.contracts.principal import Scope
from shared.contracts.problem import Problem
from shared.crypto import ASSERTION_HEADER, sign_assertion
from shared.postgres import SOCKET
from tests.support import toy
from tests.support.app import Answer, Client, principal, running
from tests.support.door import Door

ME = principal(7)
NOTE = {"text": "hello"}


def problem(answer: Answer, code: str) -> Problem:
    """The answer's body, which is in the error form in every respect."""
    body = Problem.model_validate(answer.json())
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (body.error, body.status, body.detail) == (code, answer.status, body.message)
    assert body.request_id == answer.headers["X-Request-ID"]
    return body


async def test_a_note_is_stored_and_read(client: Client) -> None:
    me = client.as_principal(ME)
    created = await me.post("/v1/notes", json=NOTE | {"unknown": [1], "id": 99})
    assert created.status == 201
    assert created.headers["Content-Type"].startswith("application/json")
    note = created.json()
    assert (await me.get(f"/v1/notes/{note['id']}")).json() == note | {"secret": None}


async def test_a_path_and_its_form_with_a_slash_answer_alike(client: Client) -> None:
    me = client.as_principal(ME)
    await me.post("/v1/notes/", json=NOTE)
    one, other = await me.get("/v1/notes"), await me.get("/v1/notes/")
    assert (one.status, one.body) == (other.status, other.body) == (200, other.body)
    assert len(one.json()) == 1


async def test_foreign_absent_and_impossible_ids_answer_byte_for_byte_alike(client: Client) -> None:
    note = (await client.as_principal(ME).post("/v1/notes", json=NOTE)).json()
    somebody_else = client.as_principal(principal(8))
    fixed = {"headers": {"X-Request-ID": "same"}}
    paths = (
        f"/v1/notes/{note['id']}",
        "/v1/notes/12345",
        "/v1/notes/abc",
        "/v1/notes/-1",
        "/v1/notes/0",
        "/v1/notes/9" + "9" * 99,
    )
    answers = [await somebody_else.get(path, **fixed) for path in paths]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    problem(answers[0], "not_found")
    assert (await somebody_else.get("/v1/nowhere", **fixed)).body == answers[0].body


async def test_an_id_that_cannot_be_stored_is_as_unknown_as_any(client: Client) -> None:
    for path in ("/v1/names/a%00b", "/v1/names/%ED%A0%80%00"):
        problem(await client.get(path), "not_found")


async def test_wrong_methods_are_told_the_right_ones(client: Client) -> None:
    answer = await client.as_principal(ME).delete("/v1/notes")
    problem(answer, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "text"),
        (b"{}", "text"),
        (b'{"text": 1}', "text"),
        (b'{"text": null}', "text"),
        (b'{"text": "%s"}' % (b"x" * 1001), "text"),
        (b'{"text": "a\\u0000b"}', "text"),
        (b'{"text": "x", "tags": ["a", "b\\u0000"]}', "tags.1"),
        (b'{"text": "x", "tags": [1]}', "tags.0"),
        (b'{"text": "x", "colour": "green"}', "colour"),
        (b'{"text": "x", "weight": "1"}', "weight"),
        (b'{"text": "x", "weight": NaN}', "weight"),
        (b'{"text": "x", "weight": 1e999}', "weight"),
        (b'{"text": "x", "count": 1.5}', "count"),
        (b'{"text": "x", "count": 1e400}', "count"),
        (b'{"text": "x", "count": 9007199254740993}', "count"),
        (b'{"text": "x", "count": %s}' % (b"9" * 5000), None),
        (b'{"text": "x", "pinned": "yes"}', "pinned"),
        (b'{"text": "\\ud800"}', None),
        (b'{"text": "\xff"}', None),
        (b"\xef\xbb\xbf{}", None),
        (b"[" * 10_000, None),
        (b'{"text": ' * 500, None),
        (b"[]", None),
        (b'"text"', None),
        (b"null", None),
        (b"{", None),
    ],
)
async def test_a_wrong_body_is_refused_with_the_field_named(client: Client, body: bytes, field: str | None) -> None:
    answer = await client.as_principal(ME).post("/v1/notes", data=body)
    refusal = problem(answer, "invalid_request")
    if field is not None:
        assert refusal.errors is not None
        assert [error.field for error in refusal.errors] == [field]
        assert field in refusal.message


async def test_all_wrong_fields_are_named_at_once(client: Client) -> None:
    answer = await client.as_principal(ME).post("/v1/notes", json={"count": "x", "pinned": 3})
    errors = problem(answer, "invalid_request").errors or ()
    assert {error.field for error in errors} == {"text", "count", "pinned"}


async def test_a_wrong_query_is_refused_with_the_field_named(client: Client) -> None:
    me = client.as_principal(ME)
    for query, field in (("limit=0", "limit"), ("limit=x", "limit"), ("limit=1e9", "limit"), ("colour=%00", "colour")):
        errors = problem(await me.get(f"/v1/notes?{query}"), "invalid_request").errors or ()
        assert [error.field for error in errors] == [field]
    assert (await me.get("/v1/notes?limit=3&colour=blue&unknown=1")).status == 200


async def test_bodies_are_bounded(client: Client) -> None:
    me = client.as_principal(ME)

    async def in_pieces() -> Any:
        for _ in range(100):
            yield b"x" * 1000

    bomb = gzip.compress(b"x" * 10_000_000)
    for body, headers in ((b"x" * 65_537, {}), (in_pieces(), {}), (bomb, {"Content-Encoding": "gzip"})):
        problem(await me.post("/v1/notes", data=body, headers=headers), "payload_too_large")
    assert (await me.post("/v1/files", data=b"x" * 100_000)).json() == {"size": 100_000}
    problem(await me.post("/v1/files", data=b"x" * 100_001), "payload_too_large")


async def test_a_body_in_a_coding_that_it_is_not_in(client: Client) -> None:
    answer = await client.as_principal(ME).post("/v1/notes", data=b"{}", headers={"Content-Encoding": "gzip"})
    problem(answer, "invalid_request")


async def test_a_route_with_a_principal_believes_the_gateways_assertion_alone(client: Client) -> None:
    problem(await client.get("/v1/notes"), "unauthorized")
    problem(await client.as_principal(None).get("/v1/notes"), "unauthorized")
    now = client.process.clock.now()
    good = {"audience": "toy", "principal": ME, "client": None, "now": now}
    for changes in ({"audience": "other"}, {"now": now - timedelta(minutes=2)}):
        token = sign_assertion(client.process.keys, **(good | changes))
        problem(await client.get("/v1/notes", headers={ASSERTION_HEADER: token}), "unauthorized")
    for token in ("", "x", "a.b.c"):
        problem(await client.get("/v1/notes", headers={ASSERTION_HEADER: token}), "unauthorized")


async def test_scopes_and_disabled_accounts(client: Client) -> None:
    reader = client.as_principal(principal(7, scopes=frozenset({Scope.SCAN_READ})))
    assert (await reader.get("/v1/notes")).status == 200
    refusal = problem(await reader.post("/v1/notes", json=NOTE), "forbidden_scope")
    assert Scope.SCAN_WRITE in refusal.message
    problem(await client.as_principal(principal(7, status="disabled")).get("/v1/notes"), "account_disabled")


async def test_internal_routes_are_for_the_gateways_own_calls(client: Client) -> None:
    assert (await client.as_principal(None).post("/internal/reset")).status == 200
    problem(await client.as_principal(ME).post("/internal/reset"), "not_found")
    problem(await client.post("/internal/reset"), "not_found")


async def test_the_clients_address_comes_from_the_assertion(client: Client) -> None:
    forged = {"X-Forwarded-For": "192.0.2.1"}
    answer = await client.as_principal(None, client="198.51.100.4").get("/v1/names/x", headers=forged)
    assert answer.json() == {"name": "x", "client": "198.51.100.4"}


async def test_request_ids_are_taken_when_well_formed_and_made_otherwise(client: Client) -> None:
    assert (await client.get("/v1/names/x", headers={"X-Request-ID": "abc-1"})).headers["X-Request-ID"] == "abc-1"
    for bad in ("", "a b", "x" * 129, "é", "<script>"):
        made = (await client.get("/v1/names/x", headers={"X-Request-ID": bad})).headers["X-Request-ID"]
        assert made.startswith("req_")


async def test_a_failed_handler_is_rolled_back_and_says_where_to_ask(client: Client) -> None:
    me = client.as_principal(ME)
    refusal = problem(await me.post("/v1/notes", json=NOTE | {"fail_with": "bug"}), "internal_server_error")
    assert refusal.request_id in refusal.message
    assert "https://help.example" in refusal.message
    problem(await me.post("/v1/notes", json=NOTE | {"fail_with": "quota_exceeded"}), "quota_exceeded")
    assert (await me.get("/v1/notes")).json() == []


async def test_a_broken_stream_does_not_look_whole(client: Client) -> None:
    async with client.stream("GET", "/v1/stream") as response:
        assert response.headers["X-Request-ID"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert (await client.get("/v1/names/x")).status == 200


async def test_head_is_get_without_its_body(client: Client) -> None:
    answer = await client.request("HEAD", "/v1/names/x")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_database_that_is_away_is_said_to_be_so_until_it_is_back(database_url: str) -> None:
    async with (
        behind_door(database_url) as (door, url),
        running(toy.service, database_url=url) as client,
    ):
        me = client.as_principal(ME)
        assert (await me.get("/v1/notes")).status == 200
        await door.shut()
        answer, ready, alive = await asyncio.gather(me.get("/v1/notes"), client.get("/readyz"), client.get("/healthz"))
        problem(answer, "service_unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert (ready.status, ready.json()["missing"]) == (503, ["toy"])
        assert alive.status == 200
        await door.open()
        assert (await me.get("/v1/notes")).status == 200
        assert (await client.get("/readyz")).status == 200


@asynccontextmanager
async def behind_door(database_url: str) -> AsyncIterator[tuple[Door, str]]:
    """A door before the test's PostgreSQL, and the URL through it."""
    parts = urlsplit(database_url)
    (folder,) = parse_qs(parts.query)["host"]
    async with Door(partial(asyncio.open_unix_connection, f"{folder}/{SOCKET}")) as door:
        credentials = parts.netloc.rpartition("@")[0]
        yield door, urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{door.port}", query=""))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01 no HTTP\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /v1/notes HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_in_the_error_form(client: Client, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(client.process.urls["toy"].removeprefix("unix://"))
    writer.write(request_bytes)
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.") and b" 400 " in head.splitlines()[0]
    refusal = Problem.model_validate_json(body)
    assert refusal.error == "invalid_request"
    assert f"X-Request-ID: {refusal.request_id}".encode() in head


async def test_an_id_of_any_length_is_unknown(client: Client) -> None:
    problem(await client.as_principal(ME).get("/v1/notes/" + "x" * 10_000), "not_found")
