"""What every caller may rely on, whichever service answers: slash forms, credentials, errors, ids, documents."""

import asyncio
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from shared.contracts.problem import Problem
from tests.support.app import Answer
from tests.support.installation import Caller, Installation

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("gateway")]

RATE_HEADERS = {
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Plan",
    "RateLimit",
    "RateLimit-Policy",
}
COLLECTIONS = (
    "/v1/auth/me",
    "/v1/auth/api-keys",
    "/v1/scan/recent",
    "/v1/scan/history",
    "/v1/usage/summary",
    "/v1/usage/limits",
    "/v1/domains",
    "/v1/domains/alerts",
    "/v1/webhooks",
    "/v1/webhooks/events/types",
    "/v1/settings/alert-preferences",
)


def problem(answer: Answer, code: str) -> Problem:
    """The answer's body, which is in the error form in every respect."""
    body = Problem.model_validate(answer.json())
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (body.error, body.status, body.detail) == (code, answer.status, body.message)
    assert body.request_id == answer.headers["X-Request-ID"]
    return body


@pytest_asyncio.fixture(loop_scope="package")
async def caller(installed: Installation) -> Caller:
    return await installed.account()


@pytest.mark.parametrize("path", COLLECTIONS)
async def test_both_slash_forms_answer_alike_with_no_redirect(caller: Caller, path: str) -> None:
    one, other = await caller("GET", path), await caller("GET", path + "/")
    assert (one.status, one.body) == (other.status, other.body) == (200, one.body)
    assert set(one.headers) >= RATE_HEADERS


async def test_what_is_posted_has_both_slash_forms_too(caller: Caller) -> None:
    for path, body in (
        ("/v1/scan", {"domain": "example.com"}),
        ("/v1/scan/", {"domain": "example.com"}),
        ("/v1/auth/api-keys/", {"name": "x"}),
        ("/v1/domains/", {"domain": "example.com"}),
    ):
        assert (await caller("POST", path, json=body)).status in (200, 201), path


async def test_head_is_get_without_a_body(caller: Caller) -> None:
    for path in ("/v1/scan/history", "/v1/auth/me", "/", "/v1/openapi.json"):
        answer = await caller("HEAD", path)
        assert (answer.status, answer.body) == (200, b""), path


@pytest.mark.parametrize("credential", [None, "cl_foreign", "eyJhbGciOiJub25lIn0.e30."])
async def test_on_public_paths_a_credential_is_not_looked_at(installed: Installation, credential: str | None) -> None:
    stranger = installed.stranger()
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    for path, status in (
        ("/", 200),
        ("/docs", 200),
        ("/v1/openapi.json", 200),
        ("/asyncapi.json", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/v1/badge/example.com.svg", 200),
        ("/v1/verify/cl_rpt_unknown", 404),
        ("/.well-known/jwks.json", 200),
        ("/.well-known/security.txt", 200),
        ("/.well-known/compliancelayer-ca.pem", 200),
    ):
        assert (await stranger("GET", path, headers=headers)).status == status, path
    login = await stranger("POST", "/v1/auth/login", json={"email": "a@b.test", "password": "x" * 8}, headers=headers)
    assert problem(login, "unauthorized").message.startswith("The e-mail address or the password")
    assert (await stranger("POST", "/v1/verify", data=b"%PDF-", headers=headers)).json()["reason"] == "unknown_file"


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "unauthorized"),
        ("Basic YTpi", "unauthorized"),
        ("Bearer nonsense", "unauthorized"),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "unauthorized"),
        ("Bearer cl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "invalid_api_key"),
    ],
)
async def test_elsewhere_it_must_be_a_good_one(installed: Installation, authorization: str | None, code: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for path in ("/v1/scan/history", "/v1/auth/me", "/v1/compliance/reports/job_x/pdf"):
        answer = await installed.stranger()("GET", path, headers=headers)
        problem(answer, code)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_disabled_account_is_refused_whichever_service_answers(installed: Installation) -> None:
    caller = await installed.account()
    await installed.execute(
        "update auth.accounts set status = 'disabled' where id = (select account_id from auth.users where email = $1)",
        caller.email,
    )
    for path in ("/v1/scan/history", "/v1/auth/me", "/v1/domains", "/v1/webhooks", "/v1/auth/api-keys"):
        problem(await caller("GET", path), "account_disabled")


@pytest.mark.parametrize("given", ["my-id_1.~:/+=", "x" * 128])
async def test_a_well_formed_request_id_is_kept(caller: Caller, given: str) -> None:
    for path in ("/v1/scan/history", "/v1/auth/me", "/v1/nothing", "/"):
        assert (await caller("GET", path, headers={"X-Request-ID": given})).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "é", "<script>"])
async def test_any_other_is_replaced(caller: Caller, given: str | None) -> None:
    headers = {"X-Request-ID": given} if given is not None else {}
    answer = await caller("GET", "/v1/nothing", headers=headers)
    assert answer.headers["X-Request-ID"].startswith("req_")
    problem(answer, "not_found")


async def test_not_yours_is_not_there_byte_for_byte(installed: Installation) -> None:
    owner, other = await installed.account(), await installed.account()
    scanned = await owner.scanned("hardened.test")
    domain = await owner.ok("POST", "/v1/domains", json={"domain": "hardened.test"})
    key = await owner.ok("POST", "/v1/auth/api-keys", json={"name": "mine"})

    same = {"X-Request-ID": "same"}
    for method, path, mine in (
        ("GET", "/v1/scan/jobs/{}", scanned),
        ("GET", "/v1/scan/jobs/{}/events", scanned),
        ("GET", "/v1/scan/jobs/{}/report", scanned),
        ("GET", "/v1/scan/jobs/{}/report?format=html", scanned),
        ("GET", "/v1/compliance/reports/{}/pdf", scanned),
        ("GET", "/v1/domains/{}", domain["id"]),
        ("PATCH", "/v1/domains/{}", domain["id"]),
        ("DELETE", "/v1/domains/{}", domain["id"]),
        ("POST", "/v1/domains/{}/scan", domain["id"]),
        ("DELETE", "/v1/auth/api-keys/{}", key["id"]),
    ):
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        answers = [
            await other(method, path.format(identity), headers=same, **body)
            for identity in (mine, "9007199254740991", "x", "0", "-1", "9" * 40, "%00", "%C3%A9", "a%2Fb")
        ]
        assert {answer.status for answer in answers} == {404}, path
        assert len({answer.body for answer in answers}) == 1, path
        problem(answers[0], "not_found")
        assert (await owner("GET", f"/v1/domains/{domain['id']}")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/scan", "POST"),
        ("DELETE", "/v1/scan/", "POST"),
        ("OPTIONS", "/v1/scan/history", "GET, HEAD"),
        ("PUT", "/v1/domains", "GET, HEAD, POST"),
        ("POST", "/v1/auth/me", "GET, HEAD"),
        ("POST", "/v1/compliance/reports/job_x/pdf", "GET, HEAD"),
        ("GET", "/v1/domains/7/scan", "POST"),
        ("GET", "/v1/scan/free", "POST"),
        ("DELETE", "/v1/verify", "GET, HEAD, POST"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/v1/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(caller: Caller, method: str, path: str, allow: str) -> None:
    answer = await caller(method, path)
    problem(answer, "method_not_allowed")
    assert answer.headers["Allow"] == allow


async def test_a_body_may_be_64_kib_and_a_file_20_mib(caller: Caller) -> None:
    large = b'{"domain": "' + b"x" * 65_536 + b'"}'
    problem(await caller("POST", "/v1/scan", data=large), "payload_too_large")
    assert (await caller("POST", "/v1/verify", data=BytesIO(bytes(20 * 1024**2)))).json()["reason"] == "unknown_file"
    problem(await caller("POST", "/v1/verify", data=BytesIO(bytes(20 * 1024**2 + 1))), "payload_too_large")


async def test_every_answer_to_an_identified_caller_tells_the_limits(caller: Caller) -> None:
    for method, path in (
        ("GET", "/v1/scan/jobs/unknown"),
        ("POST", "/v1/scan"),
        ("DELETE", "/v1/auth/me"),
        ("POST", "/v1/domains"),
        ("GET", "/v1/compliance/reports/unknown/pdf"),
        ("GET", "/v1/compliance"),
    ):
        answer = await caller(method, path)
        assert answer.status >= 400
        assert set(answer.headers) >= RATE_HEADERS, path
        assert answer.headers["X-RateLimit-Plan"] == "agency"


async def test_a_repeated_post_has_one_effect(caller: Caller) -> None:
    key = {"Idempotency-Key": "once"}
    first = await caller("POST", "/v1/auth/api-keys", json={"name": "x"}, headers=key)
    assert first.status == 201  # auth takes no key: a secret is shown once
    one, other = await asyncio.gather(
        *(caller("POST", "/v1/domains", json={"domain": "hardened.test"}, headers=key) for _ in range(2))
    )
    assert (one.status, one.body) == (other.status, other.body) == (200, one.body)
    problem(await caller("POST", "/v1/domains", json={"domain": "example.com"}, headers=key), "idempotency_conflict")
    path = f"/v1/domains/{one.json()['id']}/scan"
    again = [await caller("POST", path, headers=key) for _ in range(2)]
    assert again[0].json()["job_id"] == again[1].json()["job_id"]
    assert problem(await caller("POST", "/v1/domains", json={}, headers={"Idempotency-Key": "ü"}), "invalid_request")


async def test_the_documents_are_valid_and_know_where_they_are_served(installed: Installation) -> None:
    stranger = installed.stranger()
    openapi = await stranger.ok("GET", "/v1/openapi.json")
    validate(openapi)
    assert openapi["openapi"].startswith("3.1")
    assert openapi["servers"] == [{"url": "https://scan.example.com"}]
    asyncapi = await stranger.ok("GET", "/asyncapi.json")
    assert asyncapi["asyncapi"].startswith("3.")
    text = (await stranger("GET", "/.well-known/security.txt")).body.decode().splitlines()
    assert "Contact: mailto:help@example.com" in text
    assert "Canonical: https://scan.example.com/.well-known/security.txt" in text
    assert any(line.startswith("Expires: ") and line.endswith("Z") for line in text)


async def test_pages_load_nothing_from_elsewhere_and_hold_no_other_file(installed: Installation) -> None:
    stranger = installed.stranger()
    for path in ("/", "/docs", "/static/page.js", "/static/page.css"):
        answer = await stranger("GET", path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("..%2Fapp.py", "app.py", "", ".html", "page.css%00", "swagger-ui.NOTICE"):
        assert (await stranger("GET", f"/static/{name}")).status == 404, name
