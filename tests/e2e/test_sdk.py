"""The vendor's published SDK, unmodified, both clients: every public name of it, every attribute of every answer."""

import asyncio
import dataclasses
import inspect
from typing import Any

import httpx
import pytest
from compliancelayer import AsyncComplianceLayer, ComplianceLayer, models

from tests.e2e.conftest import FREE_SCANS, Account, Stage, until
from tests.e2e.truth import NEW, UNSEEN, Truth, summary
from tests.support.lab import hardened
from tests.support.lab.world import neglected
from tests.support.receiver import Received

pytestmark = pytest.mark.xdist_group("e2e")

GOOD, BAD, NOWHERE = "hardened.test", "neglected.test", "nowhere.test"

# refresh() of a job from the asynchronous client awaits nothing: that works against no server.
CANNOT_WORK = {AsyncComplianceLayer: {"ScanJob.refresh"}, ComplianceLayer: set[str]()}


class Noted:
    """Passes everything on to a client, a part of it, or an answer; notes what was used of it."""

    def __init__(self, target: Any, used: set[str]) -> None:
        self._target = target
        self._used = used

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._target, name)
        self._used.add(f"{type(self._target).__name__}.{name}")
        return Noted(member, self._used) if type(member).__module__.startswith("compliancelayer") else member


def public_names(client: Any) -> set[str]:
    """What the SDK offers: methods of the client, of its parts and of its models, and the models themselves."""
    parts = [type(part) for name, part in vars(client).items() if not name.startswith("_")]
    answers = [model for model in vars(models).values() if inspect.isclass(model) and dataclasses.is_dataclass(model)]
    offered = {model.__name__ for model in answers}
    for kind in (type(client), *parts, *answers):
        for name, member in vars(kind).items():
            if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                offered.add(f"{kind.__name__}.{name}")
    return offered


class Session:
    """A customer's client at work, with what the database holds to compare its answers with."""

    def __init__(self, kind: Any, stage: Stage, account: Account) -> None:
        self.stage = stage
        self.account = account
        self.truth = Truth(stage, account)
        self.used: set[str] = set()
        self.bare = kind(account.key, base_url=stage.fleet.url)
        self.client: Any = Noted(self.bare, self.used)
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self.do(self.client.close())
        self._loop.close()

    def do(self, answer: Any) -> Any:
        """The answer, awaited where the client is the asynchronous one."""
        return self._loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

    def same(self, answer: Any, held: Any) -> None:
        assert self.plain(answer) == held

    def plain(self, answer: Any) -> Any:
        """An answer with every attribute of it."""
        if isinstance(answer, list):
            return [self.plain(one) for one in answer]
        if isinstance(answer, dict):
            return {name: self.plain(one) for name, one in answer.items()}
        if not dataclasses.is_dataclass(answer):
            return answer
        self.used.add(type(answer).__name__)
        fields = [field.name for field in dataclasses.fields(answer) if not field.name.startswith("_")]
        return {name: self.plain(getattr(answer, name)) for name in fields}

    def noted(self, answer: Any) -> Any:
        return Noted(answer, self.used)


@pytest.mark.parametrize("kind", FREE_SCANS, ids=lambda kind: kind.__name__)
def test_every_public_name_and_every_attribute(kind: Any, stage: Stage, free_scans: dict[Any, Any]) -> None:
    with stage.account("professional") as account:
        session = Session(kind, stage, account)
        try:
            scans(session)
            batches(session)
            monitoring(session, f"{kind.__name__.lower()}.test")
            webhooks(session)
            usage(session)
            free_scan(session, free_scans[kind], FREE_SCANS[kind])
        finally:
            session.close()
    assert public_names(session.bare) - session.used == CANNOT_WORK[kind]


def scans(at: Session) -> None:
    client, truth = at.client, at.truth
    report = at.do(client.scan(BAD, poll_interval=0.1))
    at.same(report, truth.report(report.job_id))
    assert at.noted(report).findings == report.issues
    assert report.grade == "F" and report.critical_issues > 0

    job = at.do(client.scan_async(GOOD))
    at.same(job, truth.job(job.job_id) | NEW)
    assert not at.noted(job).is_complete
    at.account.until(f"/v1/scan/jobs/{job.job_id}", lambda job: job["status"] == "completed")
    if "ScanJob.refresh" not in CANNOT_WORK[type(at.bare)]:
        assert at.noted(job).refresh() is job
        assert job.is_complete and not job.is_failed
    at.same(at.do(client.get_scan_job(job.job_id)), truth.job(job.job_id))
    at.same(at.do(client.get_scan_report(job.job_id)), truth.report(job.job_id))
    at.same(at.do(at.noted(job).get_report()), truth.report(job.job_id))

    jobs = at.do(client.scan_batch([GOOD, NOWHERE]))
    at.same(jobs, [truth.job(job.job_id) | NEW | {"failure_reason": None} for job in jobs])
    for job in jobs:
        at.account.until(f"/v1/scan/jobs/{job.job_id}", lambda job: job["status"] in ("completed", "failed"))
    failed = at.do(client.get_scan_job(jobs[1].job_id))
    assert at.noted(failed).is_failed and failed.failure_reason == "does not resolve"
    at.same(failed, truth.job(failed.job_id))
    at.same(at.do(client.scan_history()), truth.history())
    at.same(at.do(client.scan_history(limit=2)), truth.history()[:2])


def batches(at: Session) -> None:
    batch = at.do(at.client.batch_scan([GOOD, BAD, NOWHERE]))
    held = at.truth.batch(BAD, GOOD, NOWHERE)  # the worst first, what has no score last
    at.same(batch, {"results": held, "total": 3, "summary": summary(held)})
    by_name = at.do(at.client.batch_scan([GOOD, BAD, NOWHERE], sort_by="domain"))
    at.same(by_name.results, at.truth.batch(GOOD, BAD, NOWHERE))

    compared = at.do(at.client.compare([BAD, GOOD]))
    good, bad = at.truth.batch(GOOD, BAD)
    ranked = [
        {"rank": rank, **{name: one[name] for name in ("domain", "overall_score", "overall_grade")}}
        for rank, one in enumerate((good, bad), 1)
    ]
    modules = {
        name: {GOOD: scores["score"], BAD: bad["modules"][name]["score"]} for name, scores in good["modules"].items()
    }
    at.same(
        compared,
        {
            "ranked": ranked,
            "winner": GOOD,
            "score_gap": good["overall_score"] - bad["overall_score"],
            "module_comparison": modules,
            "full_results": [good, bad],
        },
    )


def monitoring(at: Session, domain: str) -> None:
    client, truth = at.client, at.truth
    at.stage.run(at.stage.lab.serve(hardened(domain)))
    added = at.do(client.domains.add(domain, scan_interval="hourly", alert_threshold=5))
    at.same([added], [held | UNSEEN for held in truth.domains()])
    assert (added.domain, added.scan_frequency, added.alert_threshold) == (domain, "hourly", 5)
    at.account.until(f"/v1/domains/{added.id}", lambda now: now["last_score"] is not None)
    at.same(at.do(client.domains.list()), {"domains": truth.domains(), "total": 1, "limit_used": 1, "limit_max": 50})

    badge = at.do(client.badge_svg(domain))
    assert "not scanned" in badge
    at.account.api.patch(f"/v1/domains/{added.id}", json={"badge_enabled": True}).raise_for_status()
    plastic = until(lambda: at.do(client.badge_svg(domain, style="plastic")), lambda svg: "not scanned" not in svg)
    assert plastic == httpx.get(client.badge_url(domain, style="plastic")).text
    assert client.badge_url(domain) == f"{at.stage.fleet.url}/v1/badge/{domain}.svg"

    at.stage.run(at.stage.lab.change(neglected(domain)))
    job = at.do(client.domains.scan(added.id))
    at.same(job, truth.job(job.job_id) | NEW)
    at.account.until("/v1/domains/alerts", lambda answer: answer["alerts"])
    alerts = at.do(client.domains.alerts())
    at.same(alerts, truth.alerts())
    (drop,) = [alert for alert in alerts if alert.alert_type == "score_drop"]
    assert (drop.old_value, drop.is_read, drop.domain_id) == ("100", False, added.id)
    at.account.post(f"/v1/domains/alerts/{drop.id}/read")
    unread = at.do(client.domains.alerts(unread_only=True, severity="critical", domain_id=added.id, limit=2))
    at.same(unread, [held for held in truth.alerts() if held["severity"] == "critical" and not held["is_read"]][:2])

    at.do(client.domains.remove(added.id))
    assert truth.domains() == []


def webhooks(at: Session) -> None:
    client, truth, receiver = at.client, at.truth, at.stage.receiver
    assert at.do(client.webhooks.event_types()) == at.account.get("/v1/webhooks/events/types")["event_types"]
    endpoint = at.do(client.webhooks.create(receiver.url, ["scan.completed"], description="ours"))
    at.same([endpoint], [held | {"secret": endpoint.secret} for held in truth.webhooks()])
    at.same(at.do(client.webhooks.list()), truth.webhooks())

    tested = at.do(client.webhooks.test(endpoint.id))
    at.same(tested, {"success": True, "status_code": 200, "response_time_ms": tested.response_time_ms, "error": None})
    assert 0 <= tested.response_time_ms < 10_000

    def ours(received: Received) -> bool:
        return received.signed_with(endpoint.secret)

    assert at.stage.run(receiver.wait_for(ours)).event["type"] == "webhook.test"
    job_id = at.account.scanned(GOOD)
    sent = at.stage.run(receiver.wait_for(lambda received: received.event["data"].get("job_id") == job_id))
    assert ours(sent) and sent.event["type"] == "scan.completed"
    until(lambda: truth.deliveries(endpoint.id)[0]["status"], lambda status: status == "delivered")
    (delivery,) = deliveries = at.do(client.webhooks.deliveries(endpoint.id))
    at.same(deliveries, truth.deliveries(endpoint.id))
    assert at.noted(delivery).success and delivery.event_id == sent.event["id"]

    at.same([at.do(client.webhooks.get(endpoint.id))], truth.webhooks())
    changed = at.do(
        client.webhooks.update(endpoint.id, description="off", enabled_events=["scan.failed"], is_active=False)
    )
    at.same([changed], truth.webhooks())
    assert (changed.description, changed.enabled_events, changed.is_active) == ("off", ["scan.failed"], False)
    at.do(client.webhooks.delete(endpoint.id))
    assert truth.webhooks() == []


def usage(at: Session) -> None:
    at.same(at.do(at.client.usage()), at.truth.usage() | {"raw": at.account.get("/v1/auth/me")})


def free_scan(at: Session, free: Any, domain: str) -> None:
    at.used.add(f"{type(at.bare).__name__}.free_scan")
    at.same(free, at.truth.free(domain) | {"upgrade_cta": free.upgrade_cta})
    assert at.noted(free).top_findings == free.top_issues
    assert domain in free.upgrade_cta["message"]
    assert free.upgrade_cta["url"].startswith(at.stage.fleet.url)
