"""The customer's life with the product, told once: the demo prints it, the tests hold it, in every form."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.fleet import Fleet
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.world import NOWHERE, neglected
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

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if self.credential:
            headers["Authorization"] = f"Bearer {self.credential}"
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            body = await response.read()
            data = json.loads(body) if "json" in response.content_type else None
            return Answer(response.status, dict(response.headers), body, data)

    async def call(self, method: str, path: str, expect: int = 200, **options: Any) -> Answer:
        deadline = time.monotonic() + 60
        while True:
            answer = await self.ask(method, path, **options)
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

    async def until_refused(self, path: str, code: str, within: float = 5.0) -> None:
        """Ask `path` until it is refused with `code`."""
        deadline = time.monotonic() + within
        while (answer := await self.ask("GET", path)).data.get("error") != code:
            if time.monotonic() > deadline:
                raise Unexpected(f"{path} was not refused with {code}: {answer.data}")
            await asyncio.sleep(0.1)


@dataclass
class Told:
    """What the story brought to light, for the demo to show and the tests to look at."""

    report: dict[str, Any] = field(default_factory=dict)
    bad_report: dict[str, Any] = field(default_factory=dict)
    html: bytes = b""
    pdf: bytes = b""
    report_id: str = ""
    certificate: bytes = b""
    charged: int = 0
    accepted: int = 0


@dataclass
class Story:
    """`with_faults`: the worker is killed in mid-scan, and the broker is away while the target gets worse."""

    fleet: Fleet
    lab: Lab
    stripe: FakeStripe
    receiver: Receiver
    say: Say = print
    with_pdf: bool = True
    with_faults: bool = False
    told: Told = field(default_factory=Told)

    @asynccontextmanager
    async def customer(self) -> AsyncIterator[Customer]:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Customer(self.fleet.url, session)

    async def tell(self) -> Told:
        async with self.customer() as customer:
            await self.sign_up(customer)
            await self.scan(customer)
            jobs = await self.scan_what_resists(customer)
            async with self.customer() as another:
                await asyncio.gather(self.upgrade(customer), self.leave(another))
            await self.see_what_resisted(customer, jobs)
            await self.watch(customer)
            await self.cancel(customer)
            await self.settle_up(customer)
        return self.told

    async def upgrade(self, customer: Customer) -> None:
        await self.buy(customer)
        if self.with_pdf:
            await self.get_pdf(customer)

    async def sign_up(self, customer: Customer) -> str:
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
        self.say(f"Signed up as {email} (plan free), made the API key {key['masked_key']}")
        return email

    async def scan(self, customer: Customer) -> None:
        self.told.report = await self._scan(customer, GOOD)
        self.told.bad_report = await self._scan(customer, BAD)
        report_path = f"/v1/scan/jobs/{self.told.bad_report['job_id']}/report"
        self.told.html = (await customer.call("GET", report_path, headers={"Accept": "text/html"})).body
        refused = await customer.call("GET", f"/v1/compliance/reports/{self.told.bad_report['job_id']}/pdf", 403)
        if refused.data["error"] != "plan_upgrade_required":
            raise Unexpected(f"the PDF was refused with {refused.data['error']}")
        self.say("The PDF was refused: plan_upgrade_required")

    async def _scan(self, customer: Customer, domain: str) -> dict[str, Any]:
        self.say(f"Scanning {domain}")
        job = (await customer.call("POST", "/v1/scan", json={"domain": domain})).data
        report = await self._report(customer, await customer.finished(job, Progress(self.say)))
        self.say(
            f"Scanned {domain}: grade {report['grade']}, score {report['score']}, {report['total_issues']} issues "
            f"({report['scan_duration_ms'] / 1000:.1f} s)"
        )
        return report

    async def _report(self, customer: Customer, job: dict[str, Any]) -> dict[str, Any]:
        """The report of a job that must have completed, and is charged."""
        if job["status"] != "completed":
            raise Unexpected(f"the scan of {job['domain']} failed: {job['failure_reason']}")
        self.told.accepted += 1
        report: dict[str, Any] = (await customer.call("GET", f"/v1/scan/jobs/{job['job_id']}/report")).data
        return report

    async def scan_what_resists(self, customer: Customer) -> list[dict[str, Any]]:
        """The jobs: the first ends in its budget, whatever befalls its worker; the others fail, and are given back."""
        domains = ("broken.test", "dark.test", NOWHERE)
        jobs = [(await customer.call("POST", "/v1/scan", json={"domain": domain})).data for domain in domains]
        if self.with_faults:
            await customer.until(f"/v1/scan/jobs/{jobs[0]['job_id']}", lambda job: job["status"] == "running", 30)
            await self.fleet.kill_worker()
            self.say("The worker was killed in mid-scan, and started again")
        return jobs

    async def see_what_resisted(self, customer: Customer, jobs: list[dict[str, Any]]) -> None:
        broken, *failed = [await customer.finished(job) for job in jobs]
        report = await self._report(customer, broken)
        self.say(
            f"broken.test was scanned in its budget ({report['scan_duration_ms'] / 1000:.1f} s): grade "
            f"{report['grade']}, {report['coverage']:.0%} seen"
        )
        for job in failed:
            if job["status"] != "failed":
                raise Unexpected(f"the scan of {job['domain']} did not fail: {job}")
            self.say(f"{job['domain']} could not be scanned: {job['failure_reason']}")

    async def buy(self, customer: Customer) -> None:
        checkout = (await customer.call("POST", "/v1/billing/checkout", json={"plan": "professional"})).data
        self.stripe.webhook_url = f"{self.fleet.url}/v1/billing/webhook"
        self.subscription = await self.stripe.complete_checkout(checkout["session_id"])
        await customer.until("/v1/auth/me", lambda me: me["plan"] == "professional", PLAN_CHANGE_SECONDS)
        self.say("Paid for professional; the limits were lifted")

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
        self.say(f"Got the signed PDF ({len(pdf.body) // 1024} KB, {self.told.report_id}); a tampered copy was refused")

    async def watch(self, customer: Customer) -> None:
        wanted = {
            "url": self.receiver.url,
            "enabled_events": ["alert.triggered", "scan.completed", "score.dropped"],
        }
        endpoint = (await customer.call("POST", "/v1/webhooks", 201, json=wanted)).data
        domain = (await customer.call("POST", "/v1/domains", json={"domain": WATCHED, "alert_threshold": 5})).data
        path = f"/v1/domains/{domain['id']}"
        watched = await customer.until(path, lambda now: now["last_score"] is not None, SCAN_SECONDS)
        self.say(f"Monitoring {WATCHED}: score {watched['last_score']}")
        await self.lab.change(worse(WATCHED))
        async with self.fleet.broker_away() if self.with_faults else nullcontext():
            job = (await customer.call("POST", f"{path}/scan")).data
            await self._report(customer, await customer.finished(job))
        if self.with_faults:
            self.say("The broker was stopped, and started again after the scan")
        dropped = await self._dropped(customer, path)
        if not dropped.signed_with(endpoint["secret"]):
            raise Unexpected("the alert's signatures do not hold")
        self.say(f"The target got worse; the alert came by webhook: {dropped.event['data']['title']}")

    async def _dropped(self, customer: Customer, path: str) -> Received:
        """A scan in which a source was late, as on a busy machine, has no like to compare with: the next one tells."""
        for _ in range(2):
            with suppress(TimeoutError):
                return await self.receiver.wait_for(is_drop, timeout=25)
            job = (await customer.call("POST", f"{path}/scan")).data
            await self._report(customer, await customer.finished(job))
        return await self.receiver.wait_for(is_drop, timeout=25)

    async def cancel(self, customer: Customer) -> None:
        await self.stripe.cancel_subscription(self.subscription)
        await customer.until("/v1/auth/me", lambda me: me["plan"] == "free", PLAN_CHANGE_SECONDS)
        await customer.call("GET", f"/v1/compliance/reports/{self.told.report['job_id']}/pdf", 403)
        self.say("Cancelled; the PDF of another scan was refused")

    async def settle_up(self, customer: Customer) -> None:
        """One charge for each scan that completed, and one alert."""
        me = (await customer.call("GET", "/v1/auth/me")).data
        self.told.charged = me["scans_this_month"]
        if self.told.charged != self.told.accepted:
            raise Unexpected(f"{self.told.charged} scans were charged, {self.told.accepted} completed")
        alerts = (await customer.call("GET", "/v1/domains/alerts")).data["alerts"]
        drops = [alert for alert in alerts if alert["alert_type"] == "score_drop"]
        delivered = list(filter(is_drop, self.receiver.received))
        if len(drops) != 1 or len(delivered) != 1:
            raise Unexpected(f"{len(drops)} alerts, {len(delivered)} times delivered, in place of one: {alerts}")
        self.say(f"Charged {self.told.charged} scans, as many as completed; one alert, delivered once")

    async def leave(self, customer: Customer) -> None:
        """A customer whom the operator disables and then deletes."""
        email = await self.sign_up(customer)
        await self.fleet.admin("disable-account", email)
        await customer.until_refused("/v1/auth/me", "account_disabled")
        await self.fleet.admin("delete-account", email, "--yes")
        await customer.until_refused("/v1/auth/me", "invalid_api_key")
        self.say("The operator disabled and deleted that account; its key was refused")


class Progress:
    """Says which modules finished since it was last told."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._seen: set[str] = set()

    def __call__(self, progress: dict[str, Any]) -> None:
        finished = {name for name, state in progress["modules"].items() if state in ("done", "not_tested")}
        if new := sorted(finished - self._seen):
            self._seen |= finished
            self._say(f"  {progress['done']}/{progress['total']}  {', '.join(new)}")


def is_drop(received: Received) -> bool:
    event = received.event
    return bool(event["type"] == "alert.triggered" and event["data"]["alert_type"] == "score_drop")


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
