"""The service's routes, as the gateway calls them, in a process of monitor's own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.monitor.app import service
from services.monitor.webhooks import MAX_ENDPOINTS
from shared.contracts.principal import Scope
from tests.support.app import Answer, Client, principal, running
from tests.support.receiver import Receiver

FREE, STARTER = principal(1, plan="free"), principal(1, plan="starter")
STRANGER = principal(2)
HOOK = {"url": "https://127.0.0.1:9/hook", "enabled_events": ["scan.completed"]}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    options: dict[str, Any] = {"egress_allow": "127.0.0.0/8", "webhook_allow_http": "true"}
    async with running(service, database_url=database_url, **options) as one:
        yield one.as_principal(STARTER)


def field_of(answer: Answer) -> str:
    assert answer.status == 400, answer.body
    field: str = answer.json()["errors"][0]["field"]
    return field


async def test_domains(client: Client) -> None:
    body = {"domain": "https://Example.COM/path", "id": 5, "last_score": 3, "is_paused": True}
    added = (await client.post("/v1/domains/", json=body)).json()
    assert added.keys() == {
        *("id", "domain", "scan_frequency", "alert_threshold", "alert_on_score_drop", "alert_on_critical"),
        *("created_at", "last_score", "last_grade", "last_scanned_at", "next_scan_at", "is_paused", "badge_enabled"),
    }
    assert (added["domain"], added["scan_frequency"], added["alert_threshold"]) == ("example.com", "daily", 10)
    assert added["next_scan_at"] == added["created_at"] and added["created_at"].endswith("Z"), "its scan is due at once"
    assert added["last_score"] is None and added["is_paused"] is False and added["id"] != 5
    path = f"/v1/domains/{added['id']}"
    assert (await client.get(path)).json()["domain"] == "example.com"
    listed = (await client.get("/v1/domains")).json()
    assert (listed["total"], listed["limit_used"], listed["limit_max"]) == (1, 1, 10)
    assert [domain["id"] for domain in listed["domains"]] == [added["id"]]

    change = {"alert_threshold": 5, "is_paused": True, "badge_enabled": True, "domain": "other.test", "last_score": 1}
    changed = (await client.patch(path, json=change)).json()
    assert (changed["alert_threshold"], changed["is_paused"], changed["badge_enabled"]) == (5, True, True)
    assert (changed["domain"], changed["last_score"], changed["next_scan_at"]) == ("example.com", None, None)
    assert changed["alert_on_critical"] is True, "what is absent stays"

    again = await client.post("/v1/domains", json={"domain": "EXAMPLE.com."})
    assert (again.status, again.json()["error"]) == (400, "domain_already_monitored")
    assert (await client.as_principal(STRANGER).post("/v1/domains", json={"domain": "example.com"})).status == 200
    assert (await client.delete(path)).json() == {"id": added["id"], "deleted": True}
    assert (await client.get("/v1/domains")).json()["total"] == 0


async def test_a_wrong_domain_is_refused_by_name(client: Client) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "domain"),
        ({"domain": None}, "domain"),
        ({"domain": 5}, "domain"),
        ({"domain": "localhost"}, "domain"),
        ({"domain": "192.0.2.1"}, "domain"),
        ({"domain": "a\0.test"}, "domain"),
        ({"domain": "a.test", "alert_threshold": "10"}, "alert_threshold"),
        ({"domain": "a.test", "alert_threshold": 1e308}, "alert_threshold"),
        ({"domain": "a.test", "scan_frequency": "HOURLY"}, "scan_frequency"),
    ]
    for body, field in wrong:
        assert field_of(await client.post("/v1/domains", json=body)) == field, body


async def test_the_domain_limit_is_exact_when_many_come_at_once(client: Client) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/domains", json={"domain": f"d{number}.test"}) for number in range(14))
    )
    codes = sorted(answer.json().get("error", "") for answer in answers)
    assert codes == [""] * 10 + ["domain_limit_reached"] * 4
    assert (await client.get("/internal/domains/count")).json() == {"domains_used": 10}


async def test_one_domain_at_once_is_added_once(client: Client) -> None:
    answers = await asyncio.gather(*(client.post("/v1/domains", json={"domain": "a.test"}) for _ in range(6)))
    assert sorted(answer.json().get("error", "") for answer in answers) == [""] + ["domain_already_monitored"] * 5


async def test_a_domain_removed_makes_room_for_one_that_the_plan_had_paused(client: Client) -> None:
    first = (await client.post("/v1/domains", json={"domain": "a.test"})).json()["id"]
    second = (await client.post("/v1/domains", json={"domain": "b.test"})).json()["id"]
    third = (await client.post("/v1/domains", json={"domain": "c.test"})).json()["id"]
    free = client.as_principal(FREE)
    await free.delete(f"/v1/domains/{first}")
    assert (await free.get(f"/v1/domains/{second}")).json()["is_paused"] is False
    assert (await free.get(f"/v1/domains/{third}")).json()["is_paused"] is True
    refused = await free.post("/v1/domains", json={"domain": "d.test"})
    assert (refused.status, refused.json()["error"]) == (403, "domain_limit_reached")
    assert "monitors 1 domain." in refused.json()["message"]


async def test_a_changed_frequency_never_puts_a_scan_off(client: Client) -> None:
    domain = (await client.post("/v1/domains", json={"domain": "a.test", "scan_frequency": "weekly"})).json()
    path = f"/v1/domains/{domain['id']}"
    hourly = (await client.patch(path, json={"scan_frequency": "hourly"})).json()
    added, due = (datetime.fromisoformat(text) for text in (domain["created_at"], hourly["next_scan_at"]))
    assert due - added < timedelta(hours=1, minutes=1), (
        "within the hour, whether or not the first scan was made by then"
    )
    weekly = (await client.patch(path, json={"scan_frequency": "weekly"})).json()
    assert weekly["next_scan_at"] <= hourly["next_scan_at"] or due == added


async def test_null_and_wrong_values_of_a_change_are_refused_by_name(client: Client) -> None:
    domain = (await client.post("/v1/domains", json={"domain": "a.test"})).json()
    endpoint = (await client.post("/v1/webhooks", json=HOOK)).json()
    wrong: list[tuple[str, dict[str, Any]]] = [
        (f"/v1/domains/{domain['id']}", {"alert_threshold": None}),
        (f"/v1/domains/{domain['id']}", {"is_paused": 1}),
        (f"/v1/webhooks/{endpoint['id']}", {"url": None}),
        (f"/v1/webhooks/{endpoint['id']}", {"enabled_events": []}),
    ]
    for path, body in wrong:
        assert field_of(await client.patch(path, json=body)) == next(iter(body))
    assert (await client.patch(f"/v1/domains/{domain['id']}", json={})).status == 200


async def test_what_is_anothers_is_not_there(client: Client) -> None:
    domain = (await client.post("/v1/domains", json={"domain": "a.test"})).json()["id"]
    endpoint = (await client.post("/v1/webhooks", json=HOOK)).json()["id"]
    stranger = client.as_principal(STRANGER)
    headers = {"X-Request-ID": "same-request-id"}

    async def ask(method: str, path: str) -> tuple[int, bytes]:
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        answer = await stranger.request(method, path, headers=headers, **body)
        return answer.status, answer.body

    unknown = await ask("GET", "/v1/domains/1")
    assert unknown[0] == 404
    for method, path in [
        ("GET", f"/v1/domains/{domain}"),
        ("PATCH", f"/v1/domains/{domain}"),
        ("DELETE", f"/v1/domains/{domain}"),
        ("GET", f"/internal/domains/{domain}"),
        ("POST", f"/v1/domains/alerts/{domain}/read"),
        ("GET", f"/v1/webhooks/{endpoint}"),
        ("PATCH", f"/v1/webhooks/{endpoint}"),
        ("DELETE", f"/v1/webhooks/{endpoint}"),
        ("POST", f"/v1/webhooks/{endpoint}/test"),
        ("POST", f"/v1/webhooks/{endpoint}/rotate-secret"),
        ("GET", f"/v1/webhooks/{endpoint}/deliveries"),
        ("POST", f"/v1/webhooks/{endpoint}/deliveries/1/redeliver"),
        ("GET", "/v1/domains/0"),
        ("GET", "/v1/domains/-1"),
        ("GET", "/v1/domains/99999999999999999999"),
        ("GET", "/v1/webhooks/x"),
    ]:
        assert await ask(method, path) == unknown, path
    assert (await client.get(f"/v1/domains/{domain}")).status == (await client.get(f"/v1/webhooks/{endpoint}")).status


async def test_every_route_needs_a_caller_and_its_scope(client: Client) -> None:
    nobody = client.as_principal(None)
    narrow = client.as_principal(principal(1, scopes=frozenset({Scope.SCAN_READ})))
    for method, path in [
        ("GET", "/v1/domains"),
        ("GET", "/v1/domains/alerts"),
        ("GET", "/v1/webhooks"),
        ("GET", "/v1/webhooks/events/types"),
        ("GET", "/v1/settings/alert-preferences"),
    ]:
        assert (await nobody.request(method, path)).status == 401, path
        refused = await narrow.request(method, path)
        assert (refused.status, refused.json()["error"]) == (403, "forbidden_scope"), path


async def test_alerts_are_a_list_of_their_own(client: Client) -> None:
    assert (await client.get("/v1/domains/alerts/")).json() == {"alerts": [], "next_cursor": None}
    assert (await client.post("/v1/domains/alerts/read")).json() == {"marked": 0}
    for query, field in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("severity=fatal", "severity"),
        ("unread_only=perhaps", "unread_only"),
        ("domain_id=x", "domain_id"),
        ("cursor=x", "cursor"),
        ("cursor=MDAwMS0wMS0wMVQwMDowMDowMCswMDowMCDCsg", "cursor"),
    ]:
        assert field_of(await client.get(f"/v1/domains/alerts?{query}")) == field, query


async def test_alerts_are_paged_filtered_and_read(client: Client, database_url: str) -> None:
    domain = (await client.post("/v1/domains", json={"domain": "a.test"})).json()["id"]
    conn = await asyncpg.connect(database_url)
    moment = datetime.fromisoformat("2026-11-24T12:00:00.123456+00:00")
    await conn.executemany(
        """insert into monitor.alert (id, account_id, domain_id, domain, alert_type, severity, title, message, job_id,
                                      created_at, cause)
           values ($1, 1, $2, 'a.test', 'critical_issue', $3, 'title', 'message', 'job_1', $4, $5)""",
        # Pairs of one moment: the place in the list is told apart by the id alone.
        [
            (n, domain, ("critical", "medium")[n % 2], moment + timedelta(seconds=n // 2), f"cause {n}")
            for n in range(1, 8)
        ],
    )
    await conn.close()
    seen: list[int] = []
    cursor = ""
    while True:
        page = (await client.get(f"/v1/domains/alerts?limit=2{cursor}")).json()
        seen += [alert["id"] for alert in page["alerts"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert page["alerts"][-1].keys() == {
        *("id", "alert_type", "severity", "title", "message", "is_read", "created_at", "old_value", "new_value"),
        *("scan_id", "job_id", "domain_id", "domain"),
    }

    async def ids(query: str, who: Client = client) -> list[int]:
        return [alert["id"] for alert in (await who.get(f"/v1/domains/alerts?{query}")).json()["alerts"]]

    assert await ids("severity=critical") == [6, 4, 2]
    assert await ids(f"domain_id={domain}&limit=1") == [7] and await ids(f"domain_id={domain + 1}") == []
    assert (await client.post("/v1/domains/alerts/6/read")).json()["is_read"] is True
    assert await ids("unread_only=true&severity=critical") == [4, 2]
    stranger = client.as_principal(STRANGER)
    assert await ids("", stranger) == [] and (await stranger.post("/v1/domains/alerts/read")).json() == {"marked": 0}
    assert (await client.post("/v1/domains/alerts/read")).json() == {"marked": 6}
    assert await ids("unread_only=true") == [] and len(await ids("")) == 7
    await client.delete(f"/v1/domains/{domain}")
    assert await ids("") == [], "a domain's alerts go with it"


async def test_preferences(client: Client) -> None:
    path = "/v1/settings/alert-preferences"
    on = {"score_drop": True, "critical_issue": True, "cert_expiry": True, "config_change": True}
    assert (await client.get(path)).json() == on
    assert (await client.put(path, json={"cert_expiry": False, "scan_failed": False})).json() == on | {
        "cert_expiry": False
    }
    assert (await client.put(path, json={"score_drop": False})).json()["cert_expiry"] is False
    assert (await client.get(path)).json() == on | {"cert_expiry": False, "score_drop": False}
    assert field_of(await client.put(path, json={"score_drop": "no"})) == "score_drop"
    assert (await client.as_principal(STRANGER).get(path)).json() == on


async def test_webhooks(client: Client) -> None:
    created = await client.post("/v1/webhooks", json=HOOK | {"description": "ours", "secret": "mine"})
    assert created.status == 201
    endpoint = created.json()
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_") and len(secret) == len("whsec_") + 44
    assert endpoint.keys() == {
        *("id", "url", "description", "enabled_events", "is_active", "created_at", "updated_at"),
        *("last_delivery_at", "last_success_at", "consecutive_failures"),
    }
    path = f"/v1/webhooks/{endpoint['id']}"
    assert (await client.get(path)).json() == endpoint == (await client.get("/v1/webhooks")).json()[0]
    changed = (await client.patch(path, json={"is_active": False, "consecutive_failures": 9})).json()
    assert changed["is_active"] is False and changed["consecutive_failures"] == 0 and changed["url"] == HOOK["url"]
    rotated = (await client.post(f"{path}/rotate-secret")).json()
    assert rotated.keys() == {"secret"} and rotated["secret"] != secret
    assert len((await client.get("/v1/webhooks/events/types")).json()["event_types"]) == 6
    assert (await client.get(f"{path}/deliveries")).json() == {"deliveries": []}
    deleted = await client.delete(path)
    assert (deleted.status, deleted.body) == (204, b"") and (await client.get(path)).status == 404


async def test_a_secret_is_shown_once_and_kept_sealed(client: Client, database_url: str) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await client.post("/v1/webhooks", json=HOOK, headers=headers)
    second = await client.post("/v1/webhooks", json=HOOK, headers=headers)
    secret = first.json()["secret"]
    assert second.status == 201 and second.json()["id"] == first.json()["id"] and second.json().get("secret") is None
    assert len((await client.get("/v1/webhooks")).json()) == 1
    conn = await asyncpg.connect(database_url)
    rows = str([await conn.fetch(f"select * from monitor.{table}") for table in ("endpoint", "idempotency")])
    await conn.close()
    assert secret not in rows and secret.removeprefix("whsec_") not in rows


async def test_a_url_that_cannot_be_is_refused_by_name(client: Client) -> None:
    endpoint = (await client.post("/v1/webhooks", json=HOOK)).json()
    for url in (
        "hooks.example.com",
        "ftp://127.0.0.1/",
        "https://user:password@127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://hooks.internal/",
        "https://nowhere.invalid/",
        "https://" + "a" * 300 + ".test/",
        "https://xn--\u00fc.test/",
    ):
        assert field_of(await client.post("/v1/webhooks", json=HOOK | {"url": url})) == "url", url
        assert field_of(await client.patch(f"/v1/webhooks/{endpoint['id']}", json={"url": url})) == "url", url


async def test_plain_http_and_loopback_are_the_operators_to_allow(database_url: str) -> None:
    async with running(service, database_url=database_url) as one:
        strict = one.as_principal(STARTER)
        assert (
            "https" in (await strict.post("/v1/webhooks", json=HOOK | {"url": "http://192.0.2.1/"})).json()["message"]
        )
        refused = await strict.post("/v1/webhooks", json=HOOK)
        assert field_of(refused) == "url" and "127.0.0.1" in refused.json()["message"]


async def test_endpoints_are_bounded(client: Client) -> None:
    answers = await asyncio.gather(*(client.post("/v1/webhooks", json=HOOK) for _ in range(3)))
    for _ in range(MAX_ENDPOINTS + 5 - len(answers)):
        answers.append(await client.post("/v1/webhooks", json=HOOK))
    statuses = [answer.status for answer in answers]
    kept = len((await client.get("/v1/webhooks")).json())
    assert kept == MAX_ENDPOINTS == statuses.count(201) and set(statuses) <= {201, 400, 503}


async def test_a_test_event_is_sent_now_and_its_outcome_told(client: Client) -> None:
    async with Receiver() as receiver:
        created = (await client.post("/v1/webhooks", json=HOOK | {"url": receiver.url})).json()
        path = f"/v1/webhooks/{created['id']}/test"
        good = (await client.post(path)).json()
        assert (good["success"], good["status_code"], good["error"]) == (True, 200, None)
        assert isinstance(good["response_time_ms"], int)
        (received,) = receiver.received
        assert received.event["type"] == "webhook.test" and received.signed_with(created["secret"])
        rotated = (await client.post(f"/v1/webhooks/{created['id']}/rotate-secret")).json()["secret"]
        receiver.status = 500
        bad = (await client.post(path)).json()
        assert (bad["success"], bad["status_code"], bad["error"]) == (False, 500, "answered 500")
        assert receiver.received[-1].signed_with(rotated) and not receiver.received[-1].signed_with(created["secret"])
    away = (await client.post(path)).json()
    assert away["success"] is False and away["status_code"] is None and away["error"]
    assert (await client.get(f"/v1/webhooks/{created['id']}/deliveries")).json() == {"deliveries": []}
