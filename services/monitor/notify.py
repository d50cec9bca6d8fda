"""From a fact to those who want to know it: alerts, events, mails and deliveries, all in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.monitor import mail, repository
from services.monitor.alerts import NewAlert
from services.monitor.domains import MonitoredDomain
from services.monitor.webhooks import EventType, envelope
from shared.bus import Bus
from shared.clock import Clock, Ids
from shared.contracts.base import iso
from shared.contracts.events import AlertRaised
from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Notifier:
    bus: Bus
    clock: Clock
    ids: Ids
    public_url: str

    async def webhook(self, conn: Connection, account_id: int, event_type: EventType, data: Mapping[str, Any]) -> None:
        """One delivery for each of the account's endpoints that wants the event; all carry the same event id."""
        endpoints = await repository.listeners(conn, account_id, event_type)
        if not endpoints:
            return
        now = self.clock.now()
        event_id = self.ids.uuid()
        body = envelope(event_id, event_type, now, data)
        for endpoint_id in endpoints:
            await repository.insert_delivery(conn, self.ids.number(), endpoint_id, event_id, event_type, body, now)

    async def alert(self, conn: Connection, domain: MonitoredDomain, alert: NewAlert) -> bool:
        """Raise an alert, unless its cause raised one before: the row, the event, the mail and the webhook."""
        now = self.clock.now()
        alert_id = self.ids.number()
        if not await repository.insert_alert(conn, alert_id, domain, alert, now):
            return False
        raised = AlertRaised(
            alert_id=alert_id,
            account_id=domain.account_id,
            domain_id=domain.id,
            domain=domain.domain,
            alert_type=alert.alert_type,
            severity=alert.severity,
            raised_at=now,
        )
        await self.bus.publish(conn, raised)
        chosen = await repository.preferences(conn, domain.account_id)
        recipient = await repository.email_of(conn, domain.account_id)
        if recipient and getattr(chosen, alert.alert_type, True):
            await repository.insert_mail(conn, mail.of_alert(self.ids.number(), recipient, alert, self.public_url), now)
        await self.webhook(
            conn,
            domain.account_id,
            "alert.triggered",
            {
                "alert_id": alert_id,
                "alert_type": alert.alert_type,
                "severity": alert.severity,
                "title": alert.title,
                "message": alert.message,
                "old_value": alert.old_value,
                "new_value": alert.new_value,
                "domain_id": domain.id,
                "domain": domain.domain,
                "job_id": alert.job_id,
                "created_at": iso(now),
            },
        )
        return True

    async def endpoint_turned_off(self, conn: Connection, endpoint_id: int, url: str) -> None:
        account_id = await repository.account_of_endpoint(conn, endpoint_id)
        recipient = await repository.email_of(conn, account_id)
        if recipient:
            turned_off = mail.of_endpoint_turned_off(self.ids.number(), recipient, url)
            await repository.insert_mail(conn, turned_off, self.clock.now())
