"""Sessions and invites go when they expire, keys some time later, so that a late question can still be answered."""

from datetime import timedelta

from services.auth import repository
from shared.clock import Clock
from shared.database import Database
from shared.service import Stopping, Worker

EVERY = 600.0  # seconds
KEYS_KEPT = timedelta(days=90)


def retention(database: Database, clock: Clock) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(EVERY):
            async with database.transaction() as conn:
                await repository.forget(conn, now=clock.now(), keys_kept=KEYS_KEPT)

    return run
