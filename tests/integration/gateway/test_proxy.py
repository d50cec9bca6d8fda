"""What passes between a client and a service, and what does not: a real gateway before services with a script."""

import asyncio
import gzip
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from services.gateway import authentication, proxy
from shared.contracts.plans import load_plans
from shared.crypto import ASSERTION_HEADER, verify_assertion
from tests.integration.gateway.scripted import BEARER, Reached, Services, answer, behind
from tests.support.app import Client, principal


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
async def client(services: Services) -> AsyncIterator[Client]:
    async with behind(services) as client:
        yield client


async def raw(client: Client, request: bytes) -> bytes:
    """The whole of what the gateway answers to `request`, byte for byte, on a connection that it closes."""
    address = urlsplit(client.process.urls["gateway"])
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def request_line(line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: gateway", f"Authorization: {BEARER['Authorization']}", "Connection: close"]
    return "\r\n".join([*lines, *headers]).encode("latin-1") + b"\r\n\r\n" + body


async def test_method_path_query_and_body_arrive_as_they_were_sent(client: Client, services: Services) -> None:
    line = "PATCH /v1/domains/%37/b%2fc/?a=%2F&b=%ff&c=x+y"
    response = await raw(client, request_line(line, "Content-Length: 5", body=b"\x00body"))
    assert response.endswith(b"\r\n\r\n{}")
    (reached,) = services.reached
    assert f"{reached.method} {reached.target}" == "PATCH /v1/domains/%37/b%2fc?a=%2F&b=%ff&c=x+y"
    assert reached.body == b"\x00body"


async def test_only_what_services_read_passes(client: Client, services: Services) -> None:
    passed = {"Accept": "text/csv", "Idempotency-Key": "k", "Last-Event-ID": "3", "Content-Type": "text/x"}
    kept = {
        "Cookie": "a=b",
        "X-CL-Assertion": "forged",
        "x-cl-signature": "forged",
        "X-Forwarded-For": "192.0.2.1",
        "X-Real-IP": "192.0.2.1",
        "Forwarded": "for=192.0.2.1",
        "Accept-Encoding": "br",
    }
    await client.post("/v1/domains", headers=BEARER | passed | kept)
    (reached,) = services.reached
    assert {name: reached.header(name) for name in passed} == passed
    assert reached.header("Authorization") is None
    assert {name for name in kept if reached.header(name)} == {"X-CL-Assertion"}
    assert [name.lower() for name, _ in reached.headers].count("x-cl-assertion") == 1


async def test_a_service_is_told_who_calls_by_an_assertion_for_it_alone(client: Client, services: Services) -> None:
    await client.get("/v1/domains", headers=BEARER)
    await client.get("/v1/badge/example.com.svg", headers=BEARER)
    identified, public = (reached.header(ASSERTION_HEADER) or "" for reached in services.reached)
    keys, now = client.process.keys, client.process.clock.now()
    claims = verify_assertion(keys, identified, audience="monitor", now=now).claims
    assert (claims.principal, claims.client) == (services.caller, "127.0.0.1")
    assert verify_assertion(keys, public, audience="reports", now=now).claims.principal is None


@pytest.mark.parametrize(
    "line",
    [
        "GET /internal/introspect",
        "POST /internal/introspect",
        "GET /v1/domains/../../internal/me",
        "GET /v1/domains/%2e%2e/%2e%2e/internal/me",
        "GET /v1/domains/%2E%2E%2Finternal/me",
        "GET /v1/verify/..%2f..%2finternal/me",
        "GET //internal/me",
        "GET //v1/domains",
        "GET http://monitor/internal/me",
        "GET /metrics",
        "CONNECT monitor:80",
        "OPTIONS *",
    ],
)
async def test_no_way_leads_to_what_is_internal(client: Client, services: Services, line: str) -> None:
    response = await raw(client, request_line(line))
    assert response.startswith(b"HTTP/1.1 404 "), response
    assert services.reached == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
        (("Content-Length: 5", "Content-Length: 6"), b"hello"),
        (("Content-Length: +5",), b"hello"),
        (("Content-Length : 5",), b"hello"),
        (("Transfer-Encoding: chunked",), b"5;\nx\r\nhello\r\n0\r\n\r\n"),
        (("Na me: x",), b""),
    ],
)
async def test_what_two_servers_could_read_differently_is_refused(
    client: Client, services: Services, headers: tuple[str, ...], body: bytes
) -> None:
    response = await raw(client, request_line("POST /v1/domains", *headers, body=body))
    assert b" 400 " in response.split(b"\r\n", 1)[0]
    assert orjson.loads(response.partition(b"\r\n\r\n")[2])["error"] == "invalid_request"
    assert services.reached == []


async def test_a_chunked_body_arrives_whole(client: Client, services: Services) -> None:
    chunked = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    assert b" 200 " in await raw(client, request_line("POST /v1/domains", "Transfer-Encoding: chunked", body=chunked))
    (reached,) = services.reached
    assert (reached.body, reached.header("Content-Length")) == (b"hello world", "11")


async def test_a_compressed_body_is_sent_on_as_what_it_is(client: Client, services: Services) -> None:
    await client.post("/v1/domains", headers=BEARER | {"Content-Encoding": "gzip"}, data=gzip.compress(b"hello"))
    (reached,) = services.reached
    assert (reached.body, reached.header("Content-Encoding")) == (b"hello", None)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_cannot_be_read_is_refused(client: Client, services: Services, encoding: str) -> None:
    garbage = await client.post("/v1/domains", headers=BEARER | {"Content-Encoding": encoding}, data=b"garbage")
    assert (garbage.status, garbage.json()["error"]) == (400, "invalid_request")
    assert services.reached == []


@pytest.mark.parametrize("how", ["declared", "chunked", "compressed"])
async def test_a_body_has_a_bound(client: Client, services: Services, how: str) -> None:
    content, headers = b"x" * (64 * 1024 + 1), dict(BEARER)
    if how == "compressed":
        content, headers["Content-Encoding"] = gzip.compress(b"x" * 10_000_000), "gzip"

    async def dripped() -> AsyncIterator[bytes]:
        yield content

    response = await client.post("/v1/domains", headers=headers, data=dripped() if how == "chunked" else content)
    assert (response.status, response.json()["error"]) == (413, "payload_too_large")
    assert services.reached == []


async def test_an_expectation_is_met_or_ignored(client: Client, services: Services) -> None:
    met = await raw(client, request_line("POST /v1/domains", "Expect: 100-continue", "Content-Length: 2", body=b"{}"))
    assert met.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    ignored = await raw(client, request_line("GET /v1/domains", "Expect: miracles"))
    assert ignored.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [reached.header("Expect") for reached in services.reached] == [None, None]


async def test_header_bytes_that_are_no_text_do_no_harm(client: Client, services: Services) -> None:
    assert b" 200 " in await raw(client, request_line("POST /v1/domains", "Idempotency-Key: \xff\xfe"))
    assert not (services.reached[0].header("Idempotency-Key") or "").isascii()


async def test_a_services_headers_pass_but_for_those_of_the_connection(client: Client, services: Services) -> None:
    async def script(_reached: Reached, writer: asyncio.StreamWriter) -> None:
        answer(writer, b"{}", "200 OK", "Content-Disposition: x", "Server: secret", "Keep-Alive: 5", "X-Request-ID: no")

    services.script = script
    got = await client.get("/v1/domains", headers=BEARER | {"X-Request-ID": "mine"})
    assert got.headers["Content-Disposition"] == "x"
    assert (got.headers["Server"], got.headers["X-Request-ID"]) == ("ComplianceLayer", "mine")
    assert "Keep-Alive" not in got.headers


async def test_events_pass_one_by_one(client: Client, services: Services) -> None:
    go_on = asyncio.Event()

    async def script(_reached: Reached, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"7\r\nfirst\n\n\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(b"6\r\nlast\n\n\r\n0\r\n\r\n")

    services.script = script
    async with client.stream("GET", "/v1/scan/jobs/x/events", headers=BEARER) as response:
        assert await response.content.readany() == b"first\n\n"
        go_on.set()
        assert await response.content.read() == b"last\n\n"


async def test_when_the_client_leaves_the_service_is_left_too(client: Client, services: Services) -> None:
    left = asyncio.Event()

    async def script(_reached: Reached, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"4\r\n: \n\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            left.set()
            raise

    services.script = script
    async with client.stream("GET", "/v1/scan/jobs/x/events", headers=BEARER) as response:
        await response.content.readany()
    async with asyncio.timeout(10):
        await left.wait()


@pytest.mark.parametrize("declared", [100, 10_000_000])
async def test_an_answer_that_breaks_off_is_never_taken_for_whole(
    client: Client, services: Services, declared: int
) -> None:
    async def script(_reached: Reached, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {declared}\r\n\r\nhalf".encode())
        await writer.drain()
        writer.transport.abort()

    services.script = script
    if declared <= proxy.WHOLE:
        got = await client.get("/v1/domains", headers=BEARER)
        assert (got.status, got.json()["error"], got.headers["Retry-After"]) == (503, "service_unavailable", "2")
    else:
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.get("/v1/domains", headers=BEARER)


@pytest.mark.parametrize("words", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_a_service_that_makes_no_sense_is_unavailable(client: Client, services: Services, words: bytes) -> None:
    async def script(_reached: Reached, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        writer.close()

    services.script = script
    got = await client.post("/v1/domains", headers=BEARER)
    assert (got.status, got.json()["error"]) == (503, "service_unavailable")
    assert len(services.reached) == 1  # a POST is not sent twice


async def test_credentials_are_asked_for_once_and_remembered(client: Client, services: Services) -> None:
    got = await asyncio.gather(*(client.get("/v1/domains", headers=BEARER) for _ in range(10)))
    assert {one.status for one in got} == {200}
    assert services.introspected == 1


async def test_while_auth_is_away_the_answer_is_503_and_is_not_remembered(client: Client, services: Services) -> None:
    async def script(_reached: Reached, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    services.introspect = script
    away = await asyncio.gather(*(client.get("/v1/domains", headers=BEARER) for _ in range(3)))
    assert [(one.status, one.json()["error"]) for one in away] == [(503, "service_unavailable")] * 3
    services.introspect = None
    assert (await client.get("/v1/domains", headers=BEARER)).status == 200


@pytest.mark.parametrize("given", [None, "Basic x", "Bearer", "Bearer  ", f"Bearer {'x' * 5000}", "Bearer \xff"])
async def test_without_a_credential_nobody_is_asked(client: Client, services: Services, given: str | None) -> None:
    lines = [f"Authorization: {given}"] if given is not None else []
    request = "\r\n".join(["GET /v1/domains HTTP/1.1", "Host: x", "Connection: close", *lines]).encode("latin-1")
    head, _, body = (await raw(client, request + b"\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ") and b"WWW-Authenticate: Bearer" in head
    assert orjson.loads(body)["error"] == "unauthorized"
    assert (services.introspected, services.reached) == (0, [])


async def test_what_auth_does_not_know_is_an_invalid_key(client: Client, services: Services) -> None:
    got = await client.get("/v1/domains", headers={"Authorization": "bearer unknown"})
    assert (got.status, got.json()["error"], got.headers["WWW-Authenticate"]) == (401, "invalid_api_key", "Bearer")
    assert services.reached == []


async def test_two_gateways_share_the_limits_in_redis(redis_url: str) -> None:
    limits = load_plans()["free"].limits.model_copy(update={"requests_per_minute": 30})
    caller = principal(secrets.randbits(48), limits=limits)  # an account that no other run counts for
    services = Services(caller)
    async with behind(services, cache_url=redis_url) as one, behind(services, cache_url=redis_url) as other:
        got = await asyncio.gather(
            *(gateway.get("/v1/domains", headers=BEARER) for gateway in (one, other) for _ in range(20))
        )
        health = await one.get("/readyz")
    assert health.json()["degraded"] == []
    allowed = [answered for answered in got if answered.status == 200]
    assert len(allowed) == len(services.reached) == 30
    assert {answered.status for answered in got} == {200, 429}
    assert sorted(int(answered.headers["X-RateLimit-Remaining"]) for answered in allowed) == list(range(30))


def test_a_credential_is_known_for_no_longer_than_the_contract_says() -> None:
    assert authentication.REMEMBER <= 5
