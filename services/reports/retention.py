"""Files that nothing needs any longer, and what a crash left behind, go; the registry itself stays."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from services.reports import repository
from services.reports.issuing import file_name
from services.reports.storage import DirectoryStorage
from shared.clock import Clock
from shared.database import Database
from shared.service import Stopping

EVERY = 600.0  # seconds
BATCH = 500
ORPHAN_AGE = timedelta(minutes=10)  # longer than any report takes to issue
REMOVED_DOMAIN = timedelta(days=30)
STALE_SCORE = timedelta(days=90)  # a badge does not show an older scan


@dataclass(frozen=True)
class Retention:
    database: Database
    storage: DirectoryStorage
    clock: Clock
    keep: timedelta  # how long the plan that keeps the most keeps a scan

    async def run(self, stopping: Stopping) -> None:
        while not await stopping.wait(EVERY):
            await self.sweep()

    async def sweep(self) -> None:
        now = self.clock.now()
        async with self.database.transaction() as conn:
            await repository.forget_badges(conn, now - REMOVED_DOMAIN, now - STALE_SCORE)
            unneeded = await repository.reports_to_unstore(conn, now - self.keep, BATCH)
            await repository.mark_unstored(conn, unneeded)
        await self._remove_orphans()

    async def _remove_orphans(self) -> None:
        """Files that no row says are stored: half-written, of a transaction that failed, or unneeded since just now."""
        moment = (self.clock.now() - ORPHAN_AGE).timestamp()
        names = await asyncio.to_thread(lambda: list(self.storage.names_before(moment)))
        async with self.database.connection() as conn:
            kept = await repository.registered(conn, [name.removesuffix(".pdf") for name in names])
        keep = {file_name(report_id) for report_id in kept}
        for name in names:
            if name not in keep:
                await asyncio.to_thread(self.storage.delete, name)
