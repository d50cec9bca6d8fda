"""The timer on certificates' end dates: it warns between scans too, from what the last one saw."""

from datetime import timedelta

from services.monitor import alerts, repository
from services.monitor.notify import Notifier
from shared.contracts.base import iso
from shared.database import Database
from shared.service import Stopping, Worker

LOOK_EVERY = 10.0  # seconds
AT_ONCE = 100


async def warn(database: Database, notifier: Notifier) -> int:
    """Give the warnings that are due; how many certificates were looked at."""
    async with database.transaction() as conn:
        now = notifier.clock.now()
        horizon = now + timedelta(days=max(alerts.WARN_DAYS))
        ending = await repository.ending_certificates(conn, horizon, AT_ONCE)
        for domain, certificate in ending:
            alert = alerts.of_certificate(domain.domain, certificate, now)
            days = alerts.warning_due(certificate.not_after, now)
            if alert is None or days is None:
                continue
            await repository.set_warned(conn, certificate, days)
            if await notifier.alert(conn, domain, alert):
                await notifier.webhook(
                    conn,
                    domain.account_id,
                    "certificate.expiring",
                    {
                        "domain_id": domain.id,
                        "domain": domain.domain,
                        "host": certificate.host,
                        "port": certificate.port,
                        "issuer": certificate.issuer,
                        "sha256": certificate.sha256,
                        "not_after": iso(certificate.not_after),
                        "days_left": max((certificate.not_after - now).days, 0),
                    },
                )
        return len(ending)


def certificate_timer(database: Database, notifier: Notifier) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(LOOK_EVERY):
            await warn(database, notifier)

    return run
