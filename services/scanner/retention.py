"""Old scans go when their account's plan no longer keeps them."""

from services.scanner import repository
from services.scanner.jobs import Jobs
from shared.service import Stopping, Worker

EVERY = 600.0  # seconds


def retention(jobs: Jobs) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(EVERY):
            async with jobs.database.transaction() as conn:
                await repository.delete_old(conn, jobs.clock.now(), jobs.default_plan.limits.history_days)

    return run
