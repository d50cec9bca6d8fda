"""`/v1/scan`, `/v1/batch` and `/v1/usage`."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import orjson
from aiohttp import web

from services.scanner import batch, free, repository, usage
from services.scanner.export import csv
from services.scanner.jobs import Jobs, month_of
from services.scanner.polling import Polls
from services.scanner.requests import (
    BatchRequest,
    CompareRequest,
    DomainScanRequest,
    FreeScanRequest,
    HistoryQuery,
    ReportQuery,
    ScanRequest,
    UsageQuery,
    day_end,
    day_start,
    target,
    targets,
)
from services.scanner.scans import Asked, Scan, job, row
from services.scanner.settings import ScannerSettings
from services.scanner.stream import follow, wants_stream
from services.scanner.watch import Watch
from shared import cursor
from shared.clock import Clock
from shared.contracts.base import Contract
from shared.contracts.principal import Principal, Scope
from shared.contracts.report import Job, Report, ScanRow
from shared.crypto import SIGNATURE_HEADER, sign_document
from shared.database import Connection, Database
from shared.errors import ApiError, NotFound
from shared.keys import Keys
from shared.web import Routes

SYNCHRONOUS = 24.0  # seconds: the synchronous answers come in under 25
REPEATED_BATCH = timedelta(seconds=60)
RECENT = 20


class History(Contract):
    scans: tuple[ScanRow, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Scanner:
    """What the routes work with."""

    settings: ScannerSettings
    database: Database
    jobs: Jobs
    watch: Watch
    polls: Polls
    clock: Clock
    keys: Keys


def build(scanner: Scanner) -> Routes:
    routes = Routes(tag="Scanning")

    async def owned(conn: Connection, principal: Principal, job_id: str) -> Scan:
        scan = await repository.scan(conn, job_id, principal.account_id)
        if scan is None:
            raise NotFound()
        return scan

    async def completed_report(conn: Connection, principal: Principal, job_id: str) -> tuple[Scan, Report]:
        scan = await owned(conn, principal, job_id)
        if scan.status == "failed":
            raise ApiError("scan_failed", f"The scan failed: {scan.failure_reason}")
        body = await repository.report(conn, scan.id)
        if body is None:
            raise ApiError("scan_not_completed", f"The scan is {scan.status}. Ask again when it is completed.")
        return scan, Report.model_validate(body)

    @routes.post(
        "/v1/scan",
        summary="Queue a scan of a domain",
        scope=Scope.SCAN_WRITE,
        idempotent=True,
        errors=("invalid_domain", "quota_exceeded"),
    )
    async def create_scan(principal: Principal, conn: Connection, body: ScanRequest) -> Job:
        return job(await scanner.jobs.accept(conn, principal, body.asked(), "api"))

    @routes.post(
        "/internal/scans",
        summary="Queue a scan of a monitored domain",
        scope=Scope.DOMAINS_WRITE,
        idempotent=True,
        hidden=True,
    )
    async def create_domain_scan(principal: Principal, conn: Connection, body: DomainScanRequest) -> Job:
        domain = target(body.domain).domain
        return job(await scanner.jobs.accept(conn, principal, Asked(domain), "monitor", body.monitored_domain_id))

    @routes.get("/v1/scan/jobs/{job_id}", summary="A scan's state and progress", scope=Scope.SCAN_READ)
    async def get_job(principal: Principal, job_id: str) -> Job:
        async with scanner.database.connection() as conn:
            scan = await owned(conn, principal, job_id)
        return job(await scanner.polls.hold(principal.account_id, scan))

    @routes.get(
        "/v1/scan/jobs/{job_id}/events",
        summary="A scan's progress as server-sent events",
        scope=Scope.SCAN_READ,
        responses={200: "text/event-stream"},
    )
    async def get_events(request: web.Request, principal: Principal, job_id: str) -> web.StreamResponse:
        async with scanner.database.connection() as conn:
            scan = await owned(conn, principal, job_id)

        async def done(last: Scan) -> Contract:
            return job(last)

        return await follow(request, scanner.watch, scan, done)

    @routes.get(
        "/v1/scan/jobs/{job_id}/report",
        summary="The full report of a completed scan",
        scope=Scope.SCAN_READ,
        errors=("scan_not_completed", "scan_failed"),
        responses={200: ("application/json", "text/csv", "text/html")},
    )
    async def get_report(
        request: web.Request, principal: Principal, job_id: str, query: ReportQuery
    ) -> Report | web.Response:
        async with scanner.database.connection() as conn:
            scan, report = await completed_report(conn, principal, job_id)
            if query.include == "raw":
                report = report.model_copy(update={"raw_results": await repository.evidence(conn, scan.id)})
        if query.format == "csv" or (query.format is None and request.headers.get("Accept", "").startswith("text/csv")):
            return web.Response(
                text=csv.render(report),
                content_type="text/csv",
                headers={
                    "Content-Disposition": f'attachment; filename="{report.domain}-{report.scanned_at:%Y-%m-%d}.csv"'
                },
            )
        return report

    @routes.get("/internal/reports/{job_id}", summary="A report, signed for the reports service", hidden=True)
    async def get_signed_report(principal: Principal, job_id: str) -> web.Response:
        async with scanner.database.connection() as conn:
            scan, report = await completed_report(conn, principal, job_id)
        document = {
            "account_id": principal.account_id,
            "full": scan.feeds_monitoring,
            "report": report.model_dump(mode="json"),
        }
        payload = orjson.dumps(document)
        return web.Response(
            body=payload,
            content_type="application/json",
            headers={SIGNATURE_HEADER: sign_document(scanner.keys, payload)},
        )

    @routes.get("/v1/scan/recent", summary="The 20 newest scans", scope=Scope.SCAN_READ)
    async def recent(principal: Principal) -> History:
        async with scanner.database.connection() as conn:
            scans = await repository.history(conn, principal.account_id, limit=RECENT)
        return History(scans=tuple(row(scan) for scan in scans), next_cursor=None)

    @routes.get("/v1/scan/history", summary="Scans, newest first", scope=Scope.SCAN_READ)
    async def history(principal: Principal, query: HistoryQuery) -> History:
        before = cursor.decode(query.cursor) if query.cursor else None
        domain = target(query.domain).domain if query.domain else None
        async with scanner.database.connection() as conn:
            scans = await repository.history(
                conn, principal.account_id, limit=query.limit + 1, domain=domain, status=query.status, before=before
            )
        page = scans[: query.limit]
        more = len(scans) > query.limit
        following = cursor.encode(page[-1].queued_at, page[-1].id) if more else None
        return History(scans=tuple(row(scan) for scan in page), next_cursor=following)

    @routes.post(
        "/v1/scan/free",
        summary="Scan a domain without an account",
        public=True,
        errors=("invalid_domain", "scan_failed", "rate_limit_exceeded"),
        responses={200: ("application/json", "text/event-stream")},
    )
    async def free_scan(request: web.Request, body: FreeScanRequest) -> free.FreeReport | web.StreamResponse:
        domain = target(body.domain).domain
        async with scanner.database.transaction() as conn:
            scan = await scanner.jobs.accept_free(conn, Asked(domain, free.FREE_MODULES))

        async def done(last: Scan) -> free.FreeReport:
            async with scanner.database.connection() as conn:
                report = await repository.report(conn, last.id)
            if report is None:
                raise ApiError("scan_failed", f"No result: {last.failure_reason or 'the scan did not end in time'}")
            return free.free_report(report, scanner.settings.public_url)

        if wants_stream(request):
            return await follow(request, scanner.watch, scan, done, timeout=SYNCHRONOUS)
        return await done(await scanner.watch.until_finished(scan, SYNCHRONOUS))

    async def scan_all(principal: Principal, domains: list[str]) -> list[batch.DomainResult]:
        """Scan each domain, or join the same list of a minute ago; what is not done in time goes on."""
        accepted = await accept_all(principal, domains)
        ids = [entry["job_id"] for entry in accepted.values() if "job_id" in entry]
        async with scanner.database.connection() as conn:
            scans = await repository.scans(conn, ids)
        ended = await asyncio.gather(*(scanner.watch.until_finished(scan, SYNCHRONOUS - 1) for scan in scans.values()))
        scans = {scan.id: scan for scan in ended}
        async with scanner.database.connection() as conn:
            reports = await repository.reports(conn, ids)
        return [
            batch.domain_result(
                domain, scans.get(entry.get("job_id", "")), entry.get("refusal"), reports.get(entry.get("job_id", ""))
            )
            for domain, entry in accepted.items()
        ]

    async def accept_all(principal: Principal, domains: list[str]) -> Mapping[str, dict[str, str]]:
        digest = hashlib.sha256(orjson.dumps(sorted(domains))).digest()
        now = scanner.clock.now()
        async with scanner.database.transaction() as conn:
            await repository.lock_account(conn, principal.account_id)
            earlier = await repository.recent_batch(conn, principal.account_id, digest, now - REPEATED_BATCH)
            if earlier is not None:
                return earlier
            accepted: dict[str, dict[str, str]] = {}
            for domain in domains:
                try:
                    scan = await scanner.jobs.accept(conn, principal, Asked(domain), "batch")
                    accepted[domain] = {"job_id": scan.id}
                except ApiError as refusal:
                    accepted[domain] = {"refusal": refusal.message}
            await repository.save_batch(conn, principal.account_id, digest, accepted, now)
            return accepted

    @routes.post(
        "/v1/batch/scan",
        summary="Scan up to 50 domains and wait for them",
        scope=Scope.SCAN_WRITE,
        idempotent=True,
        errors=("invalid_domain",),
    )
    async def batch_scan(principal: Principal, body: BatchRequest) -> batch.Batch:
        return batch.batch(await scan_all(principal, targets(body.domains)), body.sort_by)

    @routes.post(
        "/v1/batch/compare",
        summary="Scan up to 50 domains and rank them",
        scope=Scope.SCAN_WRITE,
        idempotent=True,
        errors=("invalid_domain",),
    )
    async def batch_compare(principal: Principal, body: CompareRequest) -> batch.Comparison:
        return batch.comparison(await scan_all(principal, targets(body.domains, at_least=2)))

    async def used_this_month(principal: Principal) -> int:
        async with scanner.database.connection() as conn:
            return await repository.used(conn, principal.account_id, month_of(scanner.clock.now()))

    @routes.get("/internal/usage", summary="This month's scans", hidden=True)
    async def usage_count(principal: Principal) -> usage.UsageCount:
        return usage.count(principal, await used_this_month(principal))

    @routes.get("/v1/usage/summary", summary="Scans by day, source and state", scope=Scope.ACCOUNT_READ)
    async def usage_summary(principal: Principal, query: UsageQuery) -> usage.UsageSummary:
        start, end = query.period(scanner.clock.now())
        used = await used_this_month(principal)
        async with scanner.database.connection() as conn:
            rows = await repository.usage_by_day(conn, principal.account_id, day_start(start), day_end(end))
        return usage.summary(principal, used, start, end, rows)

    @routes.get("/v1/usage/limits", summary="What the plan allows", scope=Scope.ACCOUNT_READ)
    async def usage_limits(principal: Principal) -> usage.UsageLimits:
        return usage.limits(principal, await used_this_month(principal), scanner.clock.now())

    return routes
