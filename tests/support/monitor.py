"""Monitor's parts on a real database, with a clock that stands and a bus that keeps what is published."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import services.monitor
from services.monitor import repository
from services.monitor.alerts import AlertView
from services.monitor.domains import MonitoredDomain, NewDomain
from services.monitor.notify import Notifier
from services.monitor.subscribers import subscribe
from services.monitor.webhooks import EVENT_TYPES, DeliveryView, EndpointChange, NewEndpoint
from shared.bus.envelope import wrap
from shared.clock import Ids
from shared.contracts.events import Event, FindingRef, ScanCompleted, ScanFacts, ScanFailed
from shared.database import Connection, Database
from tests.support.clock import SetClock

MIGRATIONS = Path(services.monitor.__file__).parent / "migrations"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

E = TypeVar("E", bound=Event)


class Unsealed:
    """In place of the sealing key: what is stored can be read here."""

    def seal(self, plain: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes) -> bytes:
        return sealed


def completed(**changes: Any) -> ScanCompleted:
    """A full scan of example.test that found nothing, unless `changes` say otherwise."""
    given: dict[str, Any] = {
        "job_id": "job_1",
        "account_id": 1,
        "domain": "example.test",
        "monitored_domain_id": None,
        "source": "monitor",
        "full": True,
        "score": 90,
        "grade": "A",
        "risk_level": "low",
        "coverage": 1.0,
        "total_issues": 0,
        "critical_issues": 0,
        "high_issues": 0,
        "medium_issues": 0,
        "low_issues": 0,
        "module_scores": {},
        "findings": (),
        "facts": ScanFacts(),
        "scanned_at": NOON,
        "scan_duration_ms": 900,
    }
    return ScanCompleted(**(given | changes))


def failed(**changes: Any) -> ScanFailed:
    given: dict[str, Any] = {
        "job_id": "job_f",
        "account_id": 1,
        "domain": "example.test",
        "monitored_domain_id": None,
        "source": "monitor",
        "reason": "example.test does not resolve",
        "failed_at": NOON,
    }
    return ScanFailed(**(given | changes))


def finding(check: str = "open_database", severity: Any = "critical", asset: str = "example.test") -> FindingRef:
    return FindingRef(
        id=check,
        module="open_ports",
        severity=severity,
        asset=asset,
        title=f"{check} is open",
        fingerprint=f"{check}-{asset}",
    )


@dataclass
class Outbox:
    """A bus without consumers; `published` holds what went out."""

    published: list[Event] = field(default_factory=list)
    handlers: dict[type[Event], Callable[..., Awaitable[None]]] = field(default_factory=dict)

    async def publish(self, conn: Connection, event: Event) -> None:
        self.published.append(event)

    def subscribe(self, consumer: str, event: type[E], handler: Callable[..., Awaitable[None]], **_: Any) -> None:
        self.handlers[event] = handler

    def broadcast(self, *_: Any) -> None:
        raise NotImplementedError

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.published if isinstance(event, kind)]


@dataclass
class Desk:
    """One account's monitoring."""

    database: Database
    clock: SetClock = field(default_factory=lambda: SetClock(NOON))
    ids: Ids = field(default_factory=Ids)
    bus: Outbox = field(default_factory=Outbox)
    account_id: int = 1

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.bus, self.clock, self.ids, "https://api.example.com")
        subscribe(self.bus, self.notifier)

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[Connection]:
        async with self.database.transaction() as conn:
            yield conn

    async def hear(self, event: Event) -> None:
        """As the bus delivers it, in one transaction."""
        async with self.rows() as conn:
            await self.bus.handlers[type(event)](conn, event, wrap(event, self.ids.uuid(), self.clock.now()))

    async def watch(self, name: str = "example.test", **changes: Any) -> MonitoredDomain:
        async with self.rows() as conn:
            new = NewDomain(domain=name, **changes)
            return await repository.domains.insert(conn, self.ids.number(), self.account_id, new, self.clock.now())

    async def domain(self, name: str = "example.test") -> MonitoredDomain:
        async with self.rows() as conn:
            found = await repository.domains.find_by_name(conn, self.account_id, name)
        assert found is not None
        return found

    async def alerts(self) -> list[AlertView]:
        """Oldest first."""
        async with self.rows() as conn:
            return (await repository.alerts.page(conn, self.account_id, limit=100))[::-1]

    async def mails(self) -> list[dict[str, Any]]:
        async with self.rows() as conn:
            return [dict(record) for record in await conn.fetch("select * from mail order by created_at, id")]

    async def endpoint(self, url: str = "https://hooks.example.com/", events: Any = EVENT_TYPES) -> int:
        """The id of a new endpoint whose secret is SECRET."""
        async with self.rows() as conn:
            new = NewEndpoint(url=url, enabled_events=list(events))
            number = self.ids.number()
            view = await repository.endpoints.insert(
                conn, number, self.account_id, new, SECRET.encode(), self.clock.now()
            )
        return view.id

    async def turn_on(self, endpoint_id: int) -> None:
        async with self.rows() as conn:
            change = EndpointChange(is_active=True)
            await repository.endpoints.change(conn, self.account_id, endpoint_id, change, self.clock.now())

    async def deliveries(self, endpoint_id: int) -> list[DeliveryView]:
        """Oldest first."""
        async with self.rows() as conn:
            return (await repository.deliveries.of_endpoint(conn, endpoint_id, 100))[::-1]

    async def sent(self, endpoint_id: int) -> list[str]:
        """The types of the events that are on their way to an endpoint, oldest first."""
        return [delivery.event_type for delivery in await self.deliveries(endpoint_id)]

    def later(self, **period: float) -> datetime:
        self.clock.forward(timedelta(**period).total_seconds())
        return self.clock.now()
