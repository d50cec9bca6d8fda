"""Events that are done and the tombstones of deleted accounts go after a while."""

from datetime import timedelta

from services.billing import repository
from shared.clock import Clock
from shared.database import Database
from shared.service import Stopping, Worker

EVERY = 600.0  # seconds
EVENTS_KEPT = timedelta(days=90)
TOMBSTONES_KEPT = timedelta(days=90)  # longer than any event can be late


def retention(database: Database, clock: Clock) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(EVERY):
            now = clock.now()
            async with database.transaction() as conn:
                await repository.forget(conn, events_before=now - EVENTS_KEPT, customers_before=now - TOMBSTONES_KEPT)

    return run
