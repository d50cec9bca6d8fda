"""From a fact to those who want to know it: alerts, events, mails and deliveries, all in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.monitor import mail, repository
from services.monitor.alerts import NewAlert
from services.monitor.domains import MonitoredDomain
from services.monitor.webhooks import Endpoint, EventType, envelope
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
        endpoints = await repository.endpoints.listening(conn, account_id, event_type)
        if not endpoints:
            return
        now = self.clock.now()
        event_id = self.ids.uuid()
        body = envelope(event_id, event_type, now, data)
        for endpoint_id in endpoints:
            await repository.deliveries.insert(conn, self.ids.number(), endpoint_id, event_id, event_type, body, now)

    async def alert(self, conn: Connection, domain: MonitoredDomain, alert: NewAlert) -> bool:
        """Raise an alert, unless its cause raised one before: the row, the event, the mail and the webhook."""
        now = self.clock.now()
        alert_id = self.ids.number()
        if not await repository.alerts.insert(conn, alert_id, domain, alert, now):
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
        chosen = await repository.accounts.preferences(conn, domain.account_id)
        recipient = await repository.accounts.recipient(conn, domain.account_id)
        if recipient and getattr(chosen, alert.alert_type, True):
            message = mail.of_alert(self.ids.number(), domain.account_id, recipient, alert, self.public_url)
            await repository.mails.insert(conn, message, now)
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

    async def endpoint_turned_off(self, conn: Connection, endpoint: Endpoint) -> None:
        recipient = await repository.accounts.recipient(conn, endpoint.account_id)
        if recipient:
            message = mail.of_endpoint_turned_off(
                self.ids.number(), endpoint.account_id, recipient, endpoint.id, endpoint.url
            )
            await repository.mails.insert(conn, message, self.clock.now())
