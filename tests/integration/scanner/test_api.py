"""The scanner's API on real scans of a lab site: progress, reports, batches, history and usage."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.scanner.app import service
from shared.contracts.report import Module
from tests.support.app import Answer, Client, principal, running
from tests.support.lab import Lab, hardened
from tests.support.lab.world import neglected

ME, OTHER = principal(1), principal(2)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with Lab() as lab:
        await lab.serve(hardened("hardened.test"), neglected("neglected.test"))
        settings = {name.removeprefix("CL_").lower(): value for name, value in lab.settings().items()}
        async with running(service, database_url=database_url, **settings) as started:
            yield started.as_principal(ME)


async def completed(client: Client, domain: str, **asked: Any) -> dict[str, Any]:
    answer = await client.post("/v1/scan", json={"domain": domain, **asked})
    assert answer.status == 200, answer.body
    job: dict[str, Any] = answer.json()
    async with asyncio.timeout(30):
        while job["status"] in ("queued", "running"):
            job = (await client.get(f"/v1/scan/jobs/{job['job_id']}")).json()
    return job


def error(answer: Answer) -> str:
    body = answer.json()
    assert body["detail"] == body["message"] and body["status"] == answer.status
    code: str = body["error"]
    return code


async def test_from_request_to_report(client: Client) -> None:
    job = await completed(client, "https://Hardened.TEST/path")
    assert job["domain"] == "hardened.test" and job["status"] == "completed"
    assert job["result"]["grade"] == "A" and job["progress"]["done"] == job["progress"]["total"] == len(Module)
    report = (await client.get(job["result"]["report_url"])).json()
    assert report["job_id"] == job["job_id"] and report["score"] == job["result"]["score"]
    assert report["raw_results"] == {}
    raw = (await client.get(job["result"]["report_url"] + "?include=raw")).json()
    assert raw["raw_results"]["evidence"]

    table = await client.get(job["result"]["report_url"], headers={"Accept": "text/csv"})
    assert table.headers["Content-Type"].startswith("text/csv")
    assert next(csv.reader(io.StringIO(table.body.decode())))[:2] == ["domain", "scanned_at"]

    history = (await client.get("/v1/scan/history")).json()
    assert [row["job_id"] for row in history["scans"]] == [job["job_id"]] and history["next_cursor"] is None
    recent = (await client.get("/v1/scan/recent")).json()["scans"]
    assert recent == history["scans"] and recent[0]["score"] == report["score"]
    summary = (await client.get("/v1/usage/summary")).json()
    assert (summary["total_scans"], summary["scans_this_month"]) == (1, 1)


async def test_what_is_not_yours_is_not_there(client: Client) -> None:
    job = await completed(client, "nowhere.test")
    assert job["status"] == "failed" and job["failure_reason"] == "does not resolve" and job["result"] is None
    stranger = client.as_principal(OTHER)
    for path in ("", "/report", "/events"):
        foreign = await stranger.get(f"/v1/scan/jobs/{job['job_id']}{path}", headers={"X-Request-ID": "same"})
        unknown = await stranger.get(f"/v1/scan/jobs/job_none{path}", headers={"X-Request-ID": "same"})
        assert foreign.status == unknown.status == 404 and foreign.body == unknown.body
    assert error(await client.get(f"/v1/scan/jobs/{job['job_id']}/report")) == "scan_failed"
    assert (await client.get("/v1/usage/limits")).json()["scans_used"] == 0


async def test_events_tell_of_each_step_and_end(client: Client) -> None:
    job = (await client.post("/v1/scan", json={"domain": "hardened.test"})).json()
    async with client.stream("GET", f"/v1/scan/jobs/{job['job_id']}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        blocks = (await response.text()).strip().split("\n\n")
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks if block[0] != ":"]
    assert {event["event"] for event in events[:-1]} == {"progress"} and events[-1]["event"] == "done"
    revisions = [int(event["id"]) for event in events]
    assert revisions == sorted(revisions)
    done = [json.loads(event["data"])["progress"]["done"] for event in events]
    assert done == sorted(done) and done[-1] == len(Module)
    assert json.loads(events[-1]["data"])["status"] == "completed"

    again = await client.get(f"/v1/scan/jobs/{job['job_id']}/events", headers={"Last-Event-ID": events[-1]["id"]})
    assert again.body.decode().startswith("event: done")


async def test_a_repeated_poll_is_held_until_there_is_news(client: Client) -> None:
    job = (await client.post("/v1/scan", json={"domain": "hardened.test"})).json()
    polls = 0
    while job["status"] in ("queued", "running"):
        job = (await client.get(f"/v1/scan/jobs/{job['job_id']}")).json()
        polls += 1
    assert polls < 60  # a loop without a pause would otherwise ask thousands of times


async def test_chosen_modules_are_scored_alone(client: Client) -> None:
    job = await completed(client, "hardened.test", modules=["dns", "csp"])
    report = (await client.get(job["result"]["report_url"])).json()
    assert sorted(report["modules"]) == sorted(job["requested_modules"]) == ["csp", "dns"]


async def test_a_wider_scan_is_another_one(client: Client) -> None:
    usual, full, intrusive = [
        (await client.post("/v1/scan", json={"domain": "dark.test", **asked})).json()
        for asked in ({}, {"profile": "full"}, {"intrusive": True})
    ]
    assert len({usual["job_id"], full["job_id"], intrusive["job_id"]}) == 3
    assert (usual["profile"], full["profile"]) == ("standard", "full")
    assert (usual["intrusive"], intrusive["intrusive"]) == (False, True)
    again = (await client.post("/v1/scan", json={"domain": "dark.test", "profile": "full"})).json()
    assert again["job_id"] == full["job_id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "domain"),
        ({"domain": 7}, "domain"),
        ({"domain": "a" * 3000}, "domain"),
        ({"domain": "hardened.test", "profile": "deep"}, "profile"),
        ({"domain": "hardened.test", "intrusive": 1}, "intrusive"),
        ({"domain": "hardened.test", "modules": ["moon"]}, "modules.0"),
        ({"domain": "hardened.test", "modules": []}, "modules"),
    ],
)
async def test_a_wrong_field_is_named(client: Client, body: dict[str, Any], field: str) -> None:
    answer = await client.post("/v1/scan", json=body)
    assert answer.status == 400 and error(answer) == "invalid_request"
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("domain", ["localhost", "192.0.2.1", "com", "exa mple.test", "[::1]", "a..test", "x.local"])
async def test_what_cannot_be_a_public_domain_is_refused_with_the_reason(client: Client, domain: str) -> None:
    answer = await client.post("/v1/scan", json={"domain": domain})
    assert answer.status == 400 and error(answer) == "invalid_domain"
    assert answer.json()["errors"][0]["field"] == "domain"


async def test_a_free_scan_needs_nobody(client: Client) -> None:
    public = client.as_principal(None)
    answer = await public.post("/v1/scan/free", json={"domain": "neglected.test"})
    body = answer.json()
    assert answer.status == 200 and body["grade"] in ("D", "F") and len(body["top_issues"]) == 3
    assert "open_ports" not in body["modules"] and body["upgrade_cta"]["url"]
    streamed = await public.post(
        "/v1/scan/free", json={"domain": "hardened.test"}, headers={"Accept": "text/event-stream"}
    )
    last = json.loads(streamed.body.decode().strip().rsplit("data: ", 1)[1])
    assert last["grade"] == "A"
    assert error(await public.post("/v1/scan/free", json={"domain": "nowhere.test"})) == "scan_failed"
    assert (await client.get("/v1/scan/history")).json()["scans"] == []


async def test_a_batch_and_a_comparison(client: Client) -> None:
    domains = ["hardened.test", "neglected.test", "nowhere.test"]
    first = (await client.post("/v1/batch/scan", json={"domains": domains})).json()
    assert [result["domain"] for result in first["results"]] == ["neglected.test", "hardened.test", "nowhere.test"]
    assert "does not resolve" in first["results"][-1]["error"] and first["total"] == 3
    assert first["summary"]["grade_distribution"] == {"A": 1, "F": 1}
    used = (await client.get("/v1/usage/limits")).json()["scans_used"]
    assert used == 2

    again = (await client.post("/v1/batch/compare", json={"domains": domains})).json()
    assert again["winner"] == "hardened.test" and [entry["rank"] for entry in again["ranked"]] == [1, 2, 3]
    assert {result["job_id"] for result in again["full_results"]} == {result["job_id"] for result in first["results"]}
    assert (await client.get("/v1/usage/limits")).json()["scans_used"] == used


async def test_a_batch_beyond_the_quota_says_so(client: Client) -> None:
    limits = principal(3, plan="free").limits.model_copy(update={"scans_per_month": 1})
    small = client.as_principal(principal(3, limits=limits))
    answer = (await small.post("/v1/batch/scan", json={"domains": ["hardened.test", "neglected.test"]})).json()
    spent = next(result for result in answer["results"] if result["domain"] == "neglected.test")
    assert "quota" in spent["error"] and spent["overall_score"] is None and spent["job_id"] is None


async def test_an_idempotent_request_has_one_effect(client: Client) -> None:
    async def one() -> Answer:
        headers = {"Idempotency-Key": "k1"}
        return await client.post("/v1/scan", json={"domain": "hardened.test"}, headers=headers)

    answers = await asyncio.gather(*(one() for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert (await client.get("/v1/usage/limits")).json()["scans_used"] == 1
    other = await client.post("/v1/scan", json={"domain": "neglected.test"}, headers={"Idempotency-Key": "k1"})
    assert error(other) == "idempotency_conflict"


async def test_the_history_is_paged(client: Client) -> None:
    jobs = [
        (await completed(client, domain))["job_id"] for domain in ("hardened.test", "nowhere.test", "neglected.test")
    ]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await client.get(f"/v1/scan/history?limit=2{cursor}")).json()
        seen += [row["job_id"] for row in page["scans"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == jobs[::-1]
    failed = (await client.get("/v1/scan/history?status=failed")).json()["scans"]
    assert [row["domain"] for row in failed] == ["nowhere.test"]
    named = (await client.get("/v1/scan/history?domain=Hardened.test")).json()["scans"]
    assert [row["domain"] for row in named] == ["hardened.test"]
