"""Old ticks, alerts, deliveries and mails go."""

from services.monitor import repository
from shared.clock import Clock
from shared.database import Database
from shared.service import Stopping, Worker

EVERY = 3600.0  # seconds


def retention(database: Database, clock: Clock) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(EVERY):
            async with database.transaction() as conn:
                await repository.delete_old(conn, clock.now())

    return run
