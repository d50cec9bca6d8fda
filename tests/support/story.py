"""The customer's life with the product, told once: the demo prints it, the tests hold it, in every form of the fleet."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.fleet import Fleet
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.world import neglected
from tests.support.receiver import Received, Receiver
from tests.support.stripe import FakeStripe

PLAN_CHANGE_SECONDS = 20.0  # for Stripe's event to reach every limit
SCAN_SECONDS = 90.0

GOOD, BAD, WATCHED = "hardened.test", "neglected.test", "watched.test"

Say = Callable[[str], None]


class Unexpected(Exception):
    """An answer that the story does not allow."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    data: Any


@dataclass
class Customer:
    """Calls the API as a client that waits for a service that is being restarted."""

    url: str
    session: aiohttp.ClientSession
    credential: str | None = None

    async def call(self, method: str, path: str, expect: int = 200, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential}"
        deadline = time.monotonic() + 60
        while True:
            async with self.session.request(method, self.url + path, headers=headers, **options) as response:
                body = await response.read()
                is_json = "json" in response.content_type
                answer = Answer(
                    response.status,
                    dict(response.headers),
                    body,
                    await response.json(content_type=None) if is_json else None,
                )
            if answer.status == expect:
                return answer
            if answer.status != 503 or time.monotonic() > deadline:
                raise Unexpected(f"{method} {path}: {answer.status} in place of {expect}: {answer.body[:500]!r}")
            await asyncio.sleep(0.5)

    async def finished(
        self, job: dict[str, Any], progress: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Poll a job until it ends."""
        deadline = time.monotonic() + SCAN_SECONDS
        while job["status"] not in ("completed", "failed"):
            if time.monotonic() > deadline:
                raise Unexpected(f"the scan of {job['domain']} did not end: {job}")
            job = (await self.call("GET", f"/v1/scan/jobs/{job['job_id']}")).data
            if progress:
                progress(job["progress"])
        return job

    async def until(self, path: str, wanted: Callable[[Any], bool], timeout: float) -> Any:
        """Ask `path` until its answer is as wanted."""
        deadline = time.monotonic() + timeout
        while True:
            data = (await self.call("GET", path)).data
            if wanted(data):
                return data
            if time.monotonic() > deadline:
                raise Unexpected(f"{path} did not become as expected: {data}")
            await asyncio.sleep(0.2)


@dataclass
class Told:
    """What the story brought to light, for the demo to show and the tests to look at."""

    report: dict[str, Any] = field(default_factory=dict)
    bad_report: dict[str, Any] = field(default_factory=dict)
    html: bytes = b""
    pdf: bytes = b""
    report_id: str = ""
    certificate: bytes = b""
    alert: Received | None = None
    charged: int = 0
    accepted: int = 0
    steps: list[str] = field(default_factory=list)


@dataclass
class Story:
    fleet: Fleet
    lab: Lab
    stripe: FakeStripe
    receiver: Receiver
    say: Say = print
    told: Told = field(default_factory=Told)

    def step(self, text: str) -> None:
        self.told.steps.append(text)
        self.say(text)

    @asynccontextmanager
    async def customer(self) -> AsyncIterator[Customer]:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Customer(self.fleet.url, session)

    async def tell(self, *, with_pdf: bool = True, with_faults: bool = False) -> Told:
        """The whole story. `with_faults`: the worker is killed in mid-scan, and the broker restarted in mid-story."""
        async with self.customer() as customer:
            await self.sign_up(customer)
            await self.scan(customer)
            if with_faults:
                await self.kill_in_mid_scan(customer)
            await self.buy(customer)
            if with_pdf:
                await self.get_pdf(customer)
            if with_faults:
                await self.fleet.restart_broker()
                self.step("The broker was stopped and started again")
            await self.watch(customer)
            await self.cancel(customer)
            await self.settle_up(customer)
        return self.told

    async def sign_up(self, customer: Customer) -> None:
        email = f"ada-{time.monotonic_ns()}@customer.test"
        session = await customer.call(
            "POST", "/v1/auth/signup", json={"email": email, "password": "correct horse battery"}
        )
        customer.credential = session.data["token"]
        me = (await customer.call("GET", "/v1/auth/me")).data
        if me["plan"] != "free":
            raise Unexpected(f"a new account has the plan {me['plan']}")
        key = (await customer.call("POST", "/v1/auth/api-keys", 201, json={"name": "demo"})).data
        customer.credential = key["key"]
        self.step(f"Signed up as {email} (plan free), made the API key {key['masked_key']}")

    async def scan(self, customer: Customer) -> None:
        self.told.report = await self._scan(customer, GOOD)
        self.told.bad_report = await self._scan(customer, BAD)
        report_path = f"/v1/scan/jobs/{self.told.bad_report['job_id']}/report"
        self.told.html = (await customer.call("GET", report_path, headers={"Accept": "text/html"})).body
        refused = await customer.call("GET", f"/v1/compliance/reports/{self.told.bad_report['job_id']}/pdf", 403)
        if refused.data["error"] != "plan_upgrade_required":
            raise Unexpected(f"the PDF was refused with {refused.data['error']}")
        self.step("The PDF was refused: plan_upgrade_required")

    async def _scan(self, customer: Customer, domain: str) -> dict[str, Any]:
        started = time.monotonic()
        job = (await customer.call("POST", "/v1/scan", json={"domain": domain})).data
        self.told.accepted += 1
        job = await customer.finished(job)
        if job["status"] != "completed":
            raise Unexpected(f"the scan of {domain} failed: {job['failure_reason']}")
        report: dict[str, Any] = (await customer.call("GET", f"/v1/scan/jobs/{job['job_id']}/report")).data
        self.step(
            f"Scanned {domain}: grade {report['grade']}, score {report['score']}, {report['total_issues']} issues "
            f"({time.monotonic() - started:.1f} s)"
        )
        return report

    async def kill_in_mid_scan(self, customer: Customer) -> None:
        job = (await customer.call("POST", "/v1/scan", json={"domain": "broken.test"})).data
        self.told.accepted += 1
        await customer.until(f"/v1/scan/jobs/{job['job_id']}", lambda now: now["status"] == "running", 30)
        await self.fleet.kill_worker()
        job = await customer.finished(job)
        if job["status"] != "completed":
            raise Unexpected(f"the scan did not survive its worker: {job['failure_reason']}")
        self.step("The worker was killed in mid-scan; the scan ended all the same")

    async def buy(self, customer: Customer) -> None:
        checkout = (await customer.call("POST", "/v1/billing/checkout", json={"plan": "professional"})).data
        self.stripe.webhook_url = f"{self.fleet.url}/v1/billing/webhook"
        self.subscription = await self.stripe.complete_checkout(checkout["session_id"])
        await customer.until("/v1/auth/me", lambda me: me["plan"] == "professional", PLAN_CHANGE_SECONDS)
        self.step("Paid for professional; the limits were lifted")

    async def get_pdf(self, customer: Customer) -> None:
        pdf = await customer.call("GET", f"/v1/compliance/reports/{self.told.bad_report['job_id']}/pdf")
        self.told.pdf, self.told.report_id = pdf.body, pdf.headers["X-Report-Id"]
        again = await customer.call("GET", f"/v1/compliance/reports/{self.told.bad_report['job_id']}/pdf")
        if again.body != pdf.body:
            raise Unexpected("the same report was issued twice")
        async with self.customer() as stranger:
            known = (await stranger.call("GET", f"/v1/verify/{self.told.report_id}")).data
            genuine = (await stranger.call("POST", "/v1/verify", data=pdf.body)).data
            tampered = (await stranger.call("POST", "/v1/verify", data=tamper(pdf.body))).data
            self.told.certificate = (await stranger.call("GET", "/.well-known/compliancelayer-ca.pem")).body
        if not (known["valid"] and genuine["valid"]) or tampered["valid"] or tampered["reason"] != "unknown_file":
            raise Unexpected(f"verification: {known}, {genuine}, {tampered}")
        self.step(
            f"Got the signed PDF ({len(pdf.body) // 1024} KB, {self.told.report_id}); a tampered copy was refused"
        )

    async def watch(self, customer: Customer) -> None:
        endpoint = (
            await customer.call(
                "POST",
                "/v1/webhooks",
                201,
                json={
                    "url": self.receiver.url,
                    "enabled_events": ["alert.triggered", "scan.completed", "score.dropped"],
                },
            )
        ).data
        domain = (await customer.call("POST", "/v1/domains", json={"domain": WATCHED, "alert_threshold": 5})).data
        path = f"/v1/domains/{domain['id']}"
        watched = await customer.until(path, lambda now: now["last_score"] is not None, SCAN_SECONDS)
        self.step(f"Monitoring {WATCHED}: score {watched['last_score']}")
        await self.lab.change(worse(WATCHED))
        job = (await customer.call("POST", f"{path}/scan")).data
        self.told.accepted += 1
        await customer.finished(job)
        dropped = await self.receiver.wait_for(
            lambda one: one.event["type"] == "alert.triggered" and one.event["data"]["alert_type"] == "score_drop",
            timeout=60,
        )
        if not dropped.signed_with(endpoint["secret"]):
            raise Unexpected("the alert's signatures do not hold")
        alerts = (await customer.call("GET", "/v1/domains/alerts")).data["alerts"]
        drops = [alert for alert in alerts if alert["alert_type"] == "score_drop"]
        if len(drops) != 1:
            raise Unexpected(f"{len(drops)} alerts in place of one: {alerts}")
        self.told.alert = dropped
        self.step(f"The target got worse; the alert came by webhook: {dropped.event['data']['title']}")

    async def cancel(self, customer: Customer) -> None:
        await self.stripe.cancel_subscription(self.subscription)
        await customer.until("/v1/auth/me", lambda me: me["plan"] == "free", PLAN_CHANGE_SECONDS)
        await customer.call("GET", f"/v1/compliance/reports/{self.told.report['job_id']}/pdf", 403)
        self.step("Cancelled; the PDF of another scan was refused")

    async def settle_up(self, customer: Customer) -> None:
        me = (await customer.call("GET", "/v1/auth/me")).data
        self.told.charged = me["scans_this_month"]
        if self.told.charged != self.told.accepted:
            raise Unexpected(f"{self.told.charged} scans were charged, {self.told.accepted} accepted")
        self.step(f"Charged {self.told.charged} scans, as many as were accepted")


def tamper(pdf: bytes) -> bytes:
    """The same file with one byte changed in its middle."""
    middle = len(pdf) // 2
    return pdf[:middle] + bytes([pdf[middle] ^ 1]) + pdf[middle + 1 :]


def worse(name: str) -> Site:
    """What the watched site becomes: the neglected one under its name."""
    return neglected(name)


def watched() -> Site:
    return hardened(WATCHED)


def settings(lab: Lab, stripe: FakeStripe) -> dict[str, str]:
    """What the fleet is started with: the lab as the world, the fake Stripe, and webhooks to loopback."""
    given = lab.settings()
    given["CL_EGRESS_ALLOW"] += ",127.0.0.1/32"
    return given | {
        "CL_STRIPE_SECRET_KEY": stripe.secret_key,
        "CL_STRIPE_WEBHOOK_SECRET": stripe.webhook_secret,
        "CL_STRIPE_API_BASE": stripe.url,
        "CL_WEBHOOK_ALLOW_HTTP": "true",
        "CL_SCAN_TIMEOUT": "6",
    }
