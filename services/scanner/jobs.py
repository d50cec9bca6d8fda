"""A scan's life: accepted, claimed under a lease, finished or failed; each step one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.scanner import repository
from services.scanner.scans import NOBODY, Asked, NewScan, Scan
from services.scanner.summary import Findings, outcome
from shared.bus import Bus
from shared.clock import Clock, Ids
from shared.contracts.events import DomainDue, ScanCompleted, ScanFailed, ScanQueued
from shared.contracts.plans import Plan
from shared.contracts.principal import Principal
from shared.contracts.report import Module, ModuleState, Report, Source
from shared.database import Connection, Database
from shared.errors import ApiError

LEASE = timedelta(seconds=15)
MAX_ATTEMPTS = 5
QUEUE_FACTOR = 10  # times "scans at once" that an account may have queued


def month_of(moment: datetime) -> date:
    """The month that a scan is charged to."""
    return moment.date().replace(day=1)


@dataclass(frozen=True, slots=True)
class Jobs:
    database: Database
    bus: Bus
    clock: Clock
    ids: Ids
    default_plan: Plan

    # --- accepting ---------------------------------------------------------------------------------------------

    async def accept(
        self,
        conn: Connection,
        principal: Principal,
        asked: Asked,
        source: Source,
        monitored_domain_id: int | None = None,
    ) -> Scan:
        """Queue and charge a scan, or join the one under way. ApiError quota_exceeded, rate_limit_exceeded."""
        limits = principal.limits
        new = NewScan(principal.account_id, asked, source, limits.scans_at_once, monitored_domain_id)
        await repository.lock_account(conn, new.account_id)
        if active := await repository.active_scan(conn, new):
            return active
        bound = QUEUE_FACTOR * limits.scans_at_once
        if await repository.queued_count(conn, new.account_id) >= bound:
            raise ApiError(
                "rate_limit_exceeded",
                f"The scan limit of {bound} queued scans is reached. Wait for some to finish.",
                headers={"Retry-After": "10"},
            )
        now = self.clock.now()
        month = month_of(now)
        scan_id = self.ids.text("job_")
        if not await repository.charge(conn, new.account_id, scan_id, month, limits.scans_per_month, now):
            raise ApiError(
                "quota_exceeded",
                f"The quota of {limits.scans_per_month} scans a month is spent. It renews on the first of the "
                "month (UTC); a larger plan has more.",
            )
        return await self._queue(conn, scan_id, new, month, now)

    async def accept_free(self, conn: Connection, asked: Asked) -> Scan:
        """Queue a scan that belongs to nobody."""
        new = NewScan(NOBODY, asked, "free", self.default_plan.limits.scans_at_once)
        await repository.lock_account(conn, NOBODY)
        if await repository.queued_count(conn, NOBODY) >= QUEUE_FACTOR * new.scans_at_once:
            raise ApiError(
                "rate_limit_exceeded",
                "Too many free scans are waiting: the scan limit is reached. Try again in a minute.",
                headers={"Retry-After": "60"},
            )
        return await self._queue(conn, self.ids.text("job_"), new, None, self.clock.now())

    async def accept_due(self, conn: Connection, due: DomainDue) -> None:
        """Queue the uncharged scan of a monitored domain's tick, once a tick."""
        if await repository.tick_exists(conn, due.tick_id):
            return
        at_once = await repository.scans_at_once(conn, due.account_id, self.default_plan.limits.scans_at_once)
        new = NewScan(due.account_id, Asked(due.domain), "monitor", at_once, due.domain_id)
        await repository.lock_account(conn, new.account_id)
        now = self.clock.now()
        scan = await repository.active_scan(conn, new) or await self._queue(conn, self.ids.text("job_"), new, None, now)
        await repository.record_tick(conn, due.tick_id, scan.id, now)

    async def _queue(self, conn: Connection, scan_id: str, new: NewScan, month: date | None, now: datetime) -> Scan:
        scan = await repository.insert_scan(conn, scan_id, new, month, now)
        await self.bus.publish(conn, ScanQueued(job_id=scan.id))
        return scan

    # --- running -----------------------------------------------------------------------------------------------

    async def claim(self) -> Scan | None:
        """The next scan to run. One that was tried too often is failed instead, and the next is looked at."""
        while True:
            async with self.database.transaction() as conn:
                scan = await repository.claim(conn, self.clock.now(), LEASE)
                if scan is None or scan.attempt <= MAX_ATTEMPTS:
                    return scan
                await self._fail(conn, scan, f"given up after {MAX_ATTEMPTS} attempts that did not end")

    async def renew(self, scan: Scan) -> bool:
        async with self.database.transaction() as conn:
            return await repository.renew(conn, scan, self.clock.now() + LEASE)

    async def hand_back(self, scan: Scan) -> None:
        async with self.database.transaction() as conn:
            await repository.hand_back(conn, scan)

    async def set_progress(self, scan: Scan, progress: Mapping[Module, ModuleState]) -> None:
        async with self.database.transaction() as conn:
            await repository.set_progress(conn, scan, progress)

    async def complete(self, scan: Scan, report: Report, findings: Findings) -> bool:
        """Store the report and tell the fleet; False when the scan is no longer this attempt's."""
        async with self.database.transaction() as conn:
            result = outcome(report)
            if not await repository.complete(conn, scan, result, report.scanned_at):
                return False
            await repository.save_report(conn, scan.id, report.model_dump(mode="json"), findings.evidence)
            await self.bus.publish(
                conn,
                ScanCompleted(
                    job_id=scan.id,
                    account_id=scan.account_id or None,
                    domain=scan.domain,
                    monitored_domain_id=scan.monitored_domain_id,
                    source=scan.source,
                    full=scan.feeds_monitoring,
                    score=report.score,
                    grade=report.grade,
                    risk_level=report.risk_level,
                    coverage=report.coverage,
                    unavailable=findings.unavailable,
                    total_issues=report.total_issues,
                    critical_issues=report.critical_issues,
                    high_issues=report.high_issues,
                    medium_issues=report.medium_issues,
                    low_issues=report.low_issues,
                    module_scores={name: module.score for name, module in report.modules.items()},
                    findings=findings.references,
                    facts=findings.facts,
                    scanned_at=report.scanned_at,
                    scan_duration_ms=report.scan_duration_ms,
                ),
            )
            await repository.notify(conn, scan.id)
            return True

    async def fail(self, scan: Scan, reason: str) -> bool:
        async with self.database.transaction() as conn:
            return await self._fail(conn, scan, reason)

    async def _fail(self, conn: Connection, scan: Scan, reason: str) -> bool:
        now = self.clock.now()
        if not await repository.fail(conn, scan, reason, now):
            return False
        await repository.refund(conn, scan.id, now)
        await self.bus.publish(
            conn,
            ScanFailed(
                job_id=scan.id,
                account_id=scan.account_id or None,
                domain=scan.domain,
                monitored_domain_id=scan.monitored_domain_id,
                source=scan.source,
                reason=reason,
                failed_at=now,
            ),
        )
        await repository.notify(conn, scan.id)
        return True

    # --- cancelling --------------------------------------------------------------------------------------------

    async def cancel(self, conn: Connection, scans: list[Scan], reason: str) -> None:
        """Fail what is still queued."""
        for scan in scans:
            await self._fail(conn, scan, reason)
