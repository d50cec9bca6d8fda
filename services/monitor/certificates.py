"""The timer on certificates' end dates: it warns between scans too, from what the last one saw."""

from services.monitor import alerts, repository
from services.monitor.notify import Notifier
from shared.contracts.base import iso
from shared.database import Database
from shared.service import Stopping, Worker

LOOK_EVERY = 10.0  # seconds
AT_ONCE = 100


async def warn(database: Database, notifier: Notifier) -> int:
    """Give the warnings that are due; how many there were."""
    async with database.transaction() as conn:
        now = notifier.clock.now()
        due = await repository.certificates.due(conn, now, AT_ONCE)
        for domain, certificate in due:
            following = alerts.next_warning(certificate.not_after, now)
            await repository.certificates.set_next_warning(conn, certificate, following)
            if await notifier.alert(conn, domain, alerts.of_certificate(domain.domain, certificate, now)):
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
        return len(due)


def certificate_timer(database: Database, notifier: Notifier) -> Worker:
    async def run(stopping: Stopping) -> None:
        while not await stopping.wait(LOOK_EVERY):
            while await warn(database, notifier) == AT_ONCE and not stopping:
                pass

    return run
