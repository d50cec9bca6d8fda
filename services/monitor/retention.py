"""Old ticks, alerts, deliveries and mails go."""

from datetime import datetime, timedelta

from services.monitor import repository
from shared.clock import Clock
from shared.database import Database
from shared.service import Stopping, Worker

EVERY = 600.0  # seconds
TICKS_KEPT = timedelta(days=90)
ALERTS_KEPT = timedelta(days=365)
SENT_KEPT = timedelta(days=30)  # deliveries and mails


async def delete_old(database: Database, now: datetime) -> None:
    async with database.transaction() as conn:
        await repository.ticks.delete_old(conn, now - TICKS_KEPT)
        await repository.alerts.delete_old(conn, now - ALERTS_KEPT)
        await repository.deliveries.delete_old(conn, now - SENT_KEPT)
        await repository.mails.delete_old(conn, now - SENT_KEPT)


def retention(database: Database, clock: Clock) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(EVERY):
            await delete_old(database, clock.now())

    return run
