"""The scanner service, wired: its API, its workers, or both."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from services.scanner import repository, routes
from services.scanner.engine.network import World
from services.scanner.engine.scan import Options, Progress, prepare, run
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.target import parse
from services.scanner.engine.version import engine_version
from services.scanner.jobs import Jobs
from services.scanner.polling import Polls
from services.scanner.retention import retention
from services.scanner.scans import Scan
from services.scanner.settings import ScannerSettings
from services.scanner.subscribers import subscribe_api, subscribe_worker
from services.scanner.summary import Findings, findings
from services.scanner.watch import Watch
from services.scanner.worker import RunScan, Worker
from shared.contracts.report import Report
from shared.service import Context, Service
from shared.web import web_app

GRACE = 5.0  # seconds: the engine ends a scan at its time limit; the worker gives up on one that does not


def create_app(ctx: Context[ScannerSettings]) -> web.Application:
    settings = ctx.settings
    jobs = Jobs(ctx.database, ctx.bus, ctx.clock, ctx.ids, ctx.plans[settings.plan_of_new_accounts])
    watch = Watch(ctx.database)
    topics = []

    if settings.scanner_role in ("worker", "all"):
        worker = Worker(jobs, _engine(settings), settings.scan_concurrency, settings.scan_timeout + GRACE)
        subscribe_worker(ctx.bus, worker)
        ctx.worker("scans", worker)
    if settings.scanner_role in ("api", "all"):
        polls = Polls(watch, ctx.clock)
        topics.append(routes.build(routes.Scanner(settings, ctx.database, jobs, watch, polls, ctx.clock, ctx.keys)))
        subscribe_api(ctx.bus, jobs)
        ctx.worker("retention", retention(jobs))

    async def prepared(_app: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(prepare)
        yield

    async def listening(_app: web.Application) -> AsyncIterator[None]:
        stop = await ctx.database.listen(repository.CHANGED, watch.changed)
        yield
        stop()

    app = web_app(ctx, *topics)
    if settings.scanner_role != "api":
        app.cleanup_ctx.append(prepared)
    if topics:
        app.cleanup_ctx.append(listening)
    return app


def _engine(settings: ScannerSettings) -> RunScan:
    world = World.from_settings(EngineSettings.of(settings), engine_version())

    async def run_scan(scan: Scan, progress: Progress) -> tuple[Report, Findings]:
        options = Options(scan.modules, scan.profile, scan.intrusive, settings.scan_timeout)
        scanned = await run(parse(scan.domain), options, world, progress)
        return scanned.report.model_copy(update={"job_id": scan.id}), findings(scanned)

    return run_scan


service = Service("scanner", ScannerSettings, create_app, migrations=Path(__file__).parent / "migrations")
