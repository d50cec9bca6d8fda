"""The claim loop: takes scans from the table while it has free slots, and runs each under its lease."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from services.scanner.engine.scan import ScanFailed
from services.scanner.jobs import LEASE, Jobs
from services.scanner.scans import Scan
from services.scanner.summary import Findings
from shared.contracts.report import Module, ModuleState, Report
from shared.database import Unavailable
from shared.service import Stopping

log = structlog.get_logger(__name__)

LOOK_EVERY = 2.0  # seconds: the doorbell only makes it sooner
PROGRESS_EVERY = 0.1  # seconds at most between two writes of a scan's progress
RENEW_EVERY = LEASE.total_seconds() / 3

Progress = Callable[[Mapping[Module, ModuleState]], None]
RunScan = Callable[[Scan, Progress], Awaitable[tuple[Report, Findings]]]


@dataclass
class Worker:
    jobs: Jobs
    run_scan: RunScan  # raises ScanFailed
    slots: int
    timeout: float  # seconds for one scan, over all
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def ring(self) -> None:
        """A scan was queued, or a slot came free."""
        self._bell.set()

    async def __call__(self, stopping: Stopping) -> None:
        """Claim and run until told to stop; what still runs then is handed back."""
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            while not stopping:
                self._bell.clear()
                await self._fill_slots()
                bell = asyncio.ensure_future(self._bell.wait())
                await asyncio.wait({bell, stopped}, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
                bell.cancel()
        finally:
            stopped.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _fill_slots(self) -> None:
        while len(self._running) < self.slots:
            try:
                scan = await self.jobs.claim()
            except Unavailable:
                return  # the database is away: look again at the next tick
            if scan is None:
                return
            task = asyncio.create_task(self._run(scan), name=f"scan {scan.id}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.ring()
        if not task.cancelled() and (error := task.exception()):
            log.error("scan_worker_error", task=task.get_name(), exc_info=error)

    async def _run(self, scan: Scan) -> None:
        reported = _Reported(self.jobs, scan)
        work = asyncio.create_task(self._scan(scan, reported))
        beside = [asyncio.create_task(self._hold_lease(scan, work)), asyncio.create_task(reported.write())]
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            if not work.cancelled():  # a shutdown, rather than a lost lease
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                await self.jobs.hand_back(scan)
                raise
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _scan(self, scan: Scan, reported: "_Reported") -> None:
        try:
            async with asyncio.timeout(self.timeout):
                report, findings = await self.run_scan(scan, reported.update)
        except ScanFailed as failure:
            await self.jobs.fail(scan, failure.reason)
        except TimeoutError:
            await self.jobs.fail(scan, f"did not end within {self.timeout:.0f} seconds")
        except Exception:
            log.exception("scan_error", job_id=scan.id, domain=scan.domain)
            await self.jobs.fail(scan, "an error of ours; it has been recorded")
        else:
            if not await self.jobs.complete(scan, report, findings):
                log.warning("scan_fenced", job_id=scan.id, attempt=scan.attempt)

    async def _hold_lease(self, scan: Scan, work: asyncio.Task[None]) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            with contextlib.suppress(Unavailable):
                if not await self.jobs.renew(scan):
                    log.warning("scan_lease_lost", job_id=scan.id, attempt=scan.attempt)
                    work.cancel()
                    return


class _Reported:
    """A scan's progress on its way to the table, a few times a second at most."""

    def __init__(self, jobs: Jobs, scan: Scan) -> None:
        self._jobs = jobs
        self._scan = scan
        self._latest: Mapping[Module, ModuleState] = {}
        self._news = asyncio.Event()

    def update(self, progress: Mapping[Module, ModuleState]) -> None:
        self._latest = dict(progress)
        self._news.set()

    async def write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            with contextlib.suppress(Unavailable):
                await self._jobs.set_progress(self._scan, self._latest)
            await asyncio.sleep(PROGRESS_EVERY)
