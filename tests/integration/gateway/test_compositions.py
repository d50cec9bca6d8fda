"""Answers that take two services: the profile, the scan of a monitored domain, the report as HTML and as PDF."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from shared.postgres import PrivatePostgres
from tests.integration.gateway.test_surface import problem
from tests.support.app import Answer
from tests.support.installation import Caller, Installation, installation

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.xdist_group("gateway")]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def owner(installed: Installation) -> Caller:
    return await installed.account()


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def job_id(owner: Caller) -> str:
    return await owner.scanned("shop.test")


async def test_the_profile_is_put_together_from_three_services(installed: Installation) -> None:
    caller = await installed.account(scans_per_month=7, domains=3)
    assert await caller.ok("GET", "/v1/auth/me") == {
        "id": (await caller.ok("GET", "/v1/auth/me"))["id"],
        "email": caller.email,
        "plan": "agency",
        "api_key": None,
        "scans_this_month": 0,
        "scan_limit": 7,
        "scans_remaining": 7,
        "domain_limit": 3,
        "domains_used": 0,
        "subscription_status": None,
        "created_at": (await caller.ok("GET", "/v1/auth/me"))["created_at"],
        "email_verified": False,
        "oauth_provider": None,
    }
    await caller.ok("POST", "/v1/domains", json={"domain": "example.com"})
    await caller.ok("POST", "/v1/scan", json={"domain": "example.org"})
    key = await caller.ok("POST", "/v1/auth/api-keys", json={})
    after = await caller.ok("GET", "/v1/auth/me")
    assert (after["scans_this_month"], after["scans_remaining"], after["domains_used"]) == (1, 6, 1)
    assert after["api_key"] == key["masked_key"]


async def test_a_monitored_domain_is_scanned_and_charged(installed: Installation) -> None:
    caller = await installed.account(scans_per_month=1)
    domain = await caller.ok("POST", "/v1/domains", json={"domain": "hardened.test"})
    job = await caller.ok("POST", f"/v1/domains/{domain['id']}/scan")
    assert (job["domain"], job["source"], job["status"]) == ("hardened.test", "monitor", "queued")
    assert (await caller.ok("GET", f"/v1/scan/jobs/{job['job_id']}"))["domain"] == "hardened.test"
    await caller.ok("POST", f"/v1/domains/{domain['id']}/scan")  # still the same job
    problem(await caller("POST", "/v1/scan", json={"domain": "example.com"}), "quota_exceeded")


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "application/json, text/html", "application/json"),
        ("", "text/html,application/xhtml+xml;q=0.9", "text/html"),
        ("?format=html", None, "text/html"),
        ("?format=json", "text/html", "application/json"),
        ("?format=csv", "text/html", "text/csv"),
        ("", "text/csv", "text/csv"),
    ],
)
async def test_a_report_comes_in_the_form_that_is_asked_for(
    owner: Caller, job_id: str, query: str, accept: str | None, media_type: str
) -> None:
    headers = {"Accept": accept} if accept else {}
    answer = await owner("GET", f"/v1/scan/jobs/{job_id}/report{query}", headers=headers)
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"].split(";")[0] == media_type
    assert b"shop.test" in answer.body


async def test_the_format_must_be_one_that_there_is(owner: Caller, job_id: str) -> None:
    answer = await owner("GET", f"/v1/scan/jobs/{job_id}/report?format=pdf")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "format")
    answer = await owner("GET", f"/v1/compliance/reports/{job_id}/pdf?paper=a3")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "paper")


@pytest.mark.usefixtures("chromium")
async def test_the_pdf_is_the_same_file_whenever_it_is_asked_for(owner: Caller, job_id: str) -> None:
    path = f"/v1/compliance/reports/{job_id}/pdf"
    one, other = await asyncio.gather(owner("GET", path), owner("GET", path + "/"))
    assert (one.status, one.headers["Content-Type"]) == (200, "application/pdf"), one.body[:300]
    assert one.body == other.body
    assert one.body.startswith(b"%PDF-")
    assert "shop.test-" in one.headers["Content-Disposition"]
    verified = await owner.ok("GET", f"/v1/verify/{one.headers['X-Report-Id']}")
    assert (verified["valid"], verified["domain"]) == (True, "shop.test")


async def test_the_pdf_comes_with_a_plan_that_has_it(installed: Installation) -> None:
    caller = await installed.account(pdf=False)
    job = await caller.scanned("hardened.test")
    problem(await caller("GET", f"/v1/compliance/reports/{job}/pdf"), "plan_upgrade_required")


async def test_a_report_that_is_not_there_yet(owner: Caller) -> None:
    job = await owner.ok("POST", "/v1/scan", json={"domain": "nowhere.test"})
    path = f"/v1/scan/jobs/{job['job_id']}"
    for asked in (f"{path}/report", f"{path}/report?format=html", f"/v1/compliance/reports/{job['job_id']}/pdf"):
        answer = await owner("GET", asked)
        assert answer.json()["error"] in ("scan_not_completed", "scan_failed"), answer.body
    while (await owner.ok("GET", path))["status"] not in ("failed", "completed"):
        pass  # the service holds an early question until something changes
    for asked in (f"{path}/report", f"{path}/report?format=html", f"/v1/compliance/reports/{job['job_id']}/pdf"):
        problem(await owner("GET", asked), "scan_failed")


async def test_progress_is_told_while_it_is_made(owner: Caller) -> None:
    job = await owner.ok("POST", "/v1/scan", json={"domain": "hardened.test", "modules": ["dns", "http_headers"]})
    path = f"/v1/scan/jobs/{job['job_id']}/events"
    headers = {"Authorization": f"Bearer {owner.credential}"}
    async with owner.client.stream("GET", path, headers=headers) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        first = await response.content.readuntil(b"\n\n")
        assert first.startswith(b"event: progress\n")
        rest = await response.content.read()
    last = rest.decode().strip().split("\n\n")[-1]
    assert last.startswith("event: done\n")
    assert orjson.loads(last.partition("data: ")[2])["status"] == "completed"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def switched_off(postgres_server: PrivatePostgres) -> AsyncIterator[Installation]:
    async with installation(postgres_server, free_scan="false", badges="false") as running:
        yield running


async def test_what_is_switched_off_is_not_there(switched_off: Installation) -> None:
    stranger = switched_off.stranger()
    headers = {"X-Request-ID": "same"}

    async def same_as_nothing(method: str, path: str) -> Answer:
        return await stranger(method, path, headers=headers)

    nothing = await same_as_nothing("GET", "/v1/nothing")
    problem(nothing, "not_found")
    for method, path in (
        ("POST", "/v1/scan/free"),
        ("POST", "/v1/scan/free/"),
        ("GET", "/v1/badge/example.com.svg"),
        ("GET", "/v1/badge/example.com.json"),
    ):
        assert (await same_as_nothing(method, path)).body == nothing.body
    assert (await stranger("GET", "/v1/verify/unknown")).status == 404
