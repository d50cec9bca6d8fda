"""The few answers that take two services. The services stay ignorant of each other."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, Field

from services.gateway.proxy import Proxy, forwarded, passed_on
from services.gateway.upstream import Upstreams
from shared.contracts.base import Contract, Timestamp
from shared.contracts.principal import Principal, Scope
from shared.contracts.report import Job
from shared.crypto import SIGNATURE_HEADER
from shared.errors import ApiError
from shared.web import Caller, Routes, caller

RENDERING = 60.0  # seconds: a first PDF starts a browser


class Profile(Contract):
    """The account behind the credential, with what it has used of its plan."""

    id: int
    email: str
    plan: str
    api_key: str | None  # the newest, masked
    scans_this_month: int
    scan_limit: int
    scans_remaining: int
    domain_limit: int
    domains_used: int
    subscription_status: str | None
    created_at: Timestamp
    email_verified: bool
    oauth_provider: None = None


class PaperQuery(BaseModel):
    paper: Literal["a4", "letter"] = Field("a4", description="the paper size; each has a report id of its own")


def build(upstreams: Upstreams, proxy: Proxy) -> tuple[Routes, ...]:
    accounts, domains, reports = Routes(tag="Authentication"), Routes(tag="Monitoring"), Routes(tag="Reports")

    async def ask(
        service: str,
        method: str,
        path: str,
        who: Caller,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a service's success; its error is the caller's answer."""
        async with upstreams.answer(service, method, path, who, body=body, headers=headers) as answer:
            content = await answer.read()
        if answer.status >= 400:
            raise _error(content, answer.headers)
        return content

    @accounts.get("/v1/auth/me", summary="The account, its plan and what it has used", scope=Scope.ACCOUNT_READ)
    async def me(request: web.Request, principal: Principal) -> Profile:
        who = caller(request)
        parts = await asyncio.gather(
            ask("auth", "GET", "/internal/me", who),
            ask("scanner", "GET", "/internal/usage", who),
            ask("monitor", "GET", "/internal/domains/count", who),
        )
        merged = {name: value for part in parts for name, value in orjson.loads(part).items()}
        # The plan that this request was served by: what it says is what the next request gets.
        return Profile.model_validate({**merged, "plan": principal.plan, "domain_limit": principal.limits.domains})

    @domains.post(
        "/v1/domains/{domain_id}/scan",
        summary="Scan a monitored domain now",
        scope=Scope.DOMAINS_WRITE,
        errors=("not_found", "quota_exceeded"),
        idempotent=False,  # the scanner keeps the record
    )
    async def scan_domain(request: web.Request, principal: Principal, domain_id: int) -> Job:
        who = caller(request)
        domain = orjson.loads(await ask("monitor", "GET", f"/internal/domains/{domain_id}", who))
        body = orjson.dumps({"domain": domain["domain"], "monitored_domain_id": domain_id})
        headers = {**forwarded(request), "Content-Type": "application/json"}
        return Job.model_validate_json(await ask("scanner", "POST", "/internal/scans", who, body=body, headers=headers))

    async def rendered(request: web.Request, job_id: str, path: str) -> web.StreamResponse:
        """What reports makes of the scanner's signed document."""
        who = caller(request)
        async with upstreams.answer("scanner", "GET", f"/internal/reports/{job_id}", who) as signed:
            document = await signed.read()
        if signed.status != 200:
            raise _error(document, signed.headers)
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signed.headers.get(SIGNATURE_HEADER, "")}
        answering = upstreams.answer("reports", "POST", path, who, body=document, headers=headers, silence=RENDERING)
        async with answering as answer:
            return await passed_on(request, answer)

    @reports.get(
        "/v1/compliance/reports/{job_id}/pdf",
        summary="The signed PDF of a completed scan",
        scope=Scope.REPORTS_READ,
        errors=("not_found", "plan_upgrade_required", "scan_not_completed", "scan_failed", "service_unavailable"),
        responses={200: "application/pdf"},
    )
    async def pdf(request: web.Request, principal: Principal, job_id: str, query: PaperQuery) -> web.StreamResponse:
        return await rendered(request, _segment(job_id), f"/internal/reports/pdf?paper={query.paper}")

    @reports.get("/v1/scan/jobs/{job_id}/report", summary="The report as HTML", scope=Scope.SCAN_READ, hidden=True)
    async def report(request: web.Request, principal: Principal, job_id: str) -> web.StreamResponse:
        if not _wants_html(request):
            return await proxy.forward(request, caller(request))
        return await rendered(request, _segment(job_id), "/internal/reports/html")

    return accounts, domains, reports


def _wants_html(request: web.Request) -> bool:
    """`?format=html`, or a browser: text/html is the first type that it names."""
    chosen = request.query.get("format")
    first = request.headers.get(hdrs.ACCEPT, "").split(",")[0].split(";")[0].strip().lower()
    return chosen == "html" or (chosen is None and first == "text/html")


def _segment(job_id: str) -> str:
    """An id as one segment of a path, whatever was sent: an id of ours is letters, digits and `_`."""
    return job_id if job_id.replace("_", "").isalnum() and job_id.isascii() else "none"


def _error(content: bytes, headers: Mapping[str, str]) -> ApiError:
    """A service's error as our own answer, with its remedy."""
    problem = orjson.loads(content)
    kept = {name: headers[name] for name in ("Retry-After", "Allow") if name in headers}
    return ApiError(problem["error"], problem["message"], errors=problem.get("errors") or (), headers=kept)
