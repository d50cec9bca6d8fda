"""`/v1/domains`, `/v1/webhooks` and `/v1/settings`."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from services.monitor import repository, webhooks
from services.monitor.alerts import AlertList, AlertView, Preferences
from services.monitor.channels.webhook import WebhookChannel
from services.monitor.domains import (
    INTERVAL,
    DomainChange,
    DomainCount,
    DomainList,
    DomainView,
    MonitoredDomain,
    NewDomain,
    view,
)
from services.monitor.settings import MonitorSettings
from services.monitor.webhooks import (
    CreatedEndpoint,
    Delivery,
    DeliveryList,
    DeliveryView,
    EndpointChange,
    EndpointView,
    EventTypes,
    NewEndpoint,
    Secret,
    TestResult,
)
from shared import cursor
from shared.bus import Bus
from shared.clock import Clock, Ids
from shared.contracts.base import Contract
from shared.contracts.events import DomainChanged
from shared.contracts.principal import Principal, Scope
from shared.contracts.report import Severity
from shared.database import Connection, Database
from shared.domain_name import InvalidDomain, parse
from shared.egress import Egress, Refused
from shared.errors import ApiError, InvalidField, NotFound
from shared.keys import Sealer
from shared.web import Routes

VETS_AT_ONCE = 4  # each holds a database connection while a name is resolved
VET_TIMEOUT = 5.0  # seconds


class Deleted(Contract):
    id: int
    deleted: bool = True


class MarkedRead(Contract):
    marked: int


class AlertQuery(BaseModel):
    unread_only: bool = False
    severity: Severity | None = None
    domain_id: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class DeliveryQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = 50


@dataclass(frozen=True)
class Monitor:
    """What the routes work with."""

    settings: MonitorSettings
    database: Database
    bus: Bus
    egress: Egress
    seal: Sealer
    tests: WebhookChannel
    clock: Clock
    ids: Ids
    vets: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(VETS_AT_ONCE))


def build_domains(monitor: Monitor) -> Routes:
    routes = Routes(tag="Monitoring")

    async def owned(
        conn: Connection, principal: Principal, domain_id: int, *, to_change: bool = False
    ) -> MonitoredDomain:
        domain = await repository.domains.find(conn, principal.account_id, domain_id, to_change=to_change)
        if domain is None:
            raise NotFound()
        return domain

    async def announce(conn: Connection, domain: MonitoredDomain, *, removed: bool = False) -> None:
        await monitor.bus.publish(
            conn,
            DomainChanged(
                domain_id=domain.id,
                account_id=domain.account_id,
                version=domain.version + removed,
                domain=domain.domain,
                badge_enabled=domain.badge_enabled,
                removed=removed,
            ),
        )

    # Literal paths come before those with an id: "alerts" is none.
    @routes.get("/v1/domains/alerts", summary="Alerts, newest first", scope=Scope.DOMAINS_READ)
    async def list_alerts(principal: Principal, query: AlertQuery) -> AlertList:
        before = _place(query.cursor) if query.cursor else None
        async with monitor.database.connection() as conn:
            found = await repository.alerts.page(
                conn,
                principal.account_id,
                limit=query.limit + 1,
                unread_only=query.unread_only,
                severity=query.severity,
                domain_id=query.domain_id,
                before=before,
            )
        page = tuple(found[: query.limit])
        more = len(found) > query.limit
        following = cursor.encode(page[-1].created_at, str(page[-1].id)) if more else None
        return AlertList(alerts=page, next_cursor=following)

    @routes.post("/v1/domains/alerts/read", summary="Mark all alerts read", scope=Scope.DOMAINS_WRITE)
    async def read_all(principal: Principal, conn: Connection) -> MarkedRead:
        return MarkedRead(marked=await repository.alerts.mark_all_read(conn, principal.account_id))

    @routes.post("/v1/domains/alerts/{alert_id}/read", summary="Mark an alert read", scope=Scope.DOMAINS_WRITE)
    async def read_alert(principal: Principal, conn: Connection, alert_id: int) -> AlertView:
        alert = await repository.alerts.mark_read(conn, principal.account_id, alert_id)
        if alert is None:
            raise NotFound()
        return alert

    @routes.get("/internal/domains/count", summary="How many domains are monitored", hidden=True)
    async def count(principal: Principal) -> DomainCount:
        async with monitor.database.connection() as conn:
            return DomainCount(domains_used=await repository.domains.count(conn, principal.account_id))

    @routes.get("/internal/domains/{domain_id}", summary="A domain to scan", scope=Scope.DOMAINS_WRITE, hidden=True)
    async def get_domain_to_scan(principal: Principal, domain_id: int) -> DomainView:
        async with monitor.database.connection() as conn:
            return view(await owned(conn, principal, domain_id))

    @routes.get("/v1/domains", summary="All monitored domains", scope=Scope.DOMAINS_READ)
    async def list_domains(principal: Principal) -> DomainList:
        async with monitor.database.connection() as conn:
            found = await repository.domains.of_account(conn, principal.account_id)
        return DomainList(
            domains=tuple(view(domain) for domain in found),
            total=len(found),
            limit_used=len(found),
            limit_max=principal.limits.domains,
        )

    @routes.post(
        "/v1/domains",
        summary="Monitor a domain",
        scope=Scope.DOMAINS_WRITE,
        errors=("invalid_domain", "domain_already_monitored", "domain_limit_reached"),
    )
    async def add_domain(principal: Principal, conn: Connection, body: NewDomain) -> DomainView:
        try:
            name = parse(body.domain).domain
        except InvalidDomain as error:
            raise ApiError("invalid_domain", str(error), errors=InvalidField("domain", str(error)).errors) from None
        await repository.accounts.lock(conn, principal.account_id)
        if await repository.domains.find_by_name(conn, principal.account_id, name):
            raise ApiError("domain_already_monitored", f"{name} is monitored already.")
        limit = principal.limits.domains
        if await repository.domains.count(conn, principal.account_id) >= limit:
            raise ApiError(
                "domain_limit_reached",
                f"Your plan monitors {limit} domain{'s' if limit != 1 else ''}. Remove one, or take a larger plan.",
            )
        new = body.model_copy(update={"domain": name})
        domain = await repository.domains.insert(
            conn, monitor.ids.number(), principal.account_id, new, monitor.clock.now()
        )
        await announce(conn, domain)
        return view(domain)

    @routes.get("/v1/domains/{domain_id}", summary="A monitored domain", scope=Scope.DOMAINS_READ)
    async def get_domain(principal: Principal, domain_id: int) -> DomainView:
        async with monitor.database.connection() as conn:
            return view(await owned(conn, principal, domain_id))

    @routes.patch("/v1/domains/{domain_id}", summary="Change how a domain is monitored", scope=Scope.DOMAINS_WRITE)
    async def change_domain(principal: Principal, conn: Connection, domain_id: int, body: DomainChange) -> DomainView:
        domain = await owned(conn, principal, domain_id, to_change=True)
        next_scan_at = domain.next_scan_at
        if body.scan_frequency and body.scan_frequency != domain.scan_frequency:
            next_scan_at = min(next_scan_at, monitor.clock.now() + INTERVAL[body.scan_frequency])
        changed = await repository.domains.change(conn, domain.id, body, next_scan_at)
        await announce(conn, changed)
        return view(changed)

    @routes.delete("/v1/domains/{domain_id}", summary="Stop monitoring a domain", scope=Scope.DOMAINS_WRITE)
    async def delete_domain(principal: Principal, conn: Connection, domain_id: int) -> Deleted:
        await repository.accounts.lock(conn, principal.account_id)
        domain = await owned(conn, principal, domain_id, to_change=True)
        await repository.domains.delete(conn, domain.id)
        await repository.domains.keep_within(conn, principal.account_id, principal.limits.domains)
        await announce(conn, domain, removed=True)
        return Deleted(id=domain.id)

    @routes.get("/v1/settings/alert-preferences", summary="Which alerts are mailed", scope=Scope.ACCOUNT_READ)
    async def get_preferences(principal: Principal) -> Preferences:
        async with monitor.database.connection() as conn:
            return await repository.accounts.preferences(conn, principal.account_id)

    @routes.put("/v1/settings/alert-preferences", summary="Choose which alerts are mailed", scope=Scope.ACCOUNT_WRITE)
    async def put_preferences(principal: Principal, conn: Connection, body: Preferences) -> Preferences:
        """What is absent stays as it is."""
        known = await repository.accounts.preferences(conn, principal.account_id)
        chosen = known.model_copy(update=body.model_dump(exclude_unset=True))
        await repository.accounts.set_preferences(conn, principal.account_id, chosen)
        return chosen

    return routes


def build_webhooks(monitor: Monitor) -> Routes:
    routes = Routes(tag="Webhooks")

    async def vet(url: str) -> None:
        """InvalidField when `url` cannot be a webhook's; it is vetted again at every delivery."""
        reason = webhooks.objection(url, allow_http=monitor.settings.webhook_allow_http)
        if reason is None:
            if monitor.vets.locked():
                raise ApiError("service_unavailable", "Too many URLs are being checked just now. Try again.")
            try:
                async with monitor.vets, asyncio.timeout(VET_TIMEOUT):
                    await monitor.egress.resolve(urlsplit(url).hostname or "")
            except Refused as refused:
                reason = str(refused)
            except (OSError, ValueError):  # TimeoutError is an OSError
                reason = "its host does not resolve"
        if reason:
            raise InvalidField("url", reason)

    async def owned(conn: Connection, principal: Principal, endpoint_id: int) -> EndpointView:
        endpoint = await repository.endpoints.find(conn, principal.account_id, endpoint_id)
        if endpoint is None:
            raise NotFound()
        return endpoint

    @routes.get("/v1/webhooks/events/types", summary="The events that can be subscribed to", scope=Scope.WEBHOOKS_READ)
    async def event_types(principal: Principal) -> EventTypes:
        return EventTypes()

    @routes.get("/v1/webhooks", summary="All webhook endpoints", scope=Scope.WEBHOOKS_READ)
    async def list_endpoints(principal: Principal) -> list[EndpointView]:
        async with monitor.database.connection() as conn:
            return await repository.endpoints.of_account(conn, principal.account_id)

    @routes.post(
        "/v1/webhooks", summary="Add a webhook endpoint", scope=Scope.WEBHOOKS_WRITE, status=201, shown_once=("secret",)
    )
    async def add_endpoint(principal: Principal, conn: Connection, body: NewEndpoint) -> CreatedEndpoint:
        await vet(body.url)
        await repository.accounts.lock(conn, principal.account_id)
        if len(await repository.endpoints.of_account(conn, principal.account_id)) >= webhooks.MAX_ENDPOINTS:
            raise ApiError("invalid_request", f"An account has at most {webhooks.MAX_ENDPOINTS} endpoints. Delete one.")
        secret = webhooks.new_secret(monitor.ids.token(32))
        endpoint = await repository.endpoints.insert(
            conn,
            monitor.ids.number(),
            principal.account_id,
            body,
            monitor.seal.seal(secret.encode()),
            monitor.clock.now(),
        )
        return CreatedEndpoint(secret=secret, **dict(endpoint))

    @routes.get("/v1/webhooks/{endpoint_id}", summary="A webhook endpoint", scope=Scope.WEBHOOKS_READ)
    async def get_endpoint(principal: Principal, endpoint_id: int) -> EndpointView:
        async with monitor.database.connection() as conn:
            return await owned(conn, principal, endpoint_id)

    @routes.patch("/v1/webhooks/{endpoint_id}", summary="Change a webhook endpoint", scope=Scope.WEBHOOKS_WRITE)
    async def change_endpoint(
        principal: Principal, conn: Connection, endpoint_id: int, body: EndpointChange
    ) -> EndpointView:
        await owned(conn, principal, endpoint_id)
        if body.url is not None:
            await vet(body.url)
        changed = await repository.endpoints.change(conn, principal.account_id, endpoint_id, body, monitor.clock.now())
        if changed is None:
            raise NotFound()
        return changed

    @routes.delete(
        "/v1/webhooks/{endpoint_id}", summary="Delete a webhook endpoint", scope=Scope.WEBHOOKS_WRITE, status=204
    )
    async def delete_endpoint(principal: Principal, conn: Connection, endpoint_id: int) -> None:
        if not await repository.endpoints.delete(conn, principal.account_id, endpoint_id):
            raise NotFound()

    @routes.post("/v1/webhooks/{endpoint_id}/test", summary="Send a test event now", scope=Scope.WEBHOOKS_WRITE)
    async def test_endpoint(principal: Principal, endpoint_id: int) -> TestResult:
        async with monitor.database.connection() as conn:
            endpoint = await owned(conn, principal, endpoint_id)
            secret = await repository.endpoints.sealed_secret(conn, endpoint.id)
        now = monitor.clock.now()
        event_id = monitor.ids.uuid()
        body = webhooks.envelope(event_id, webhooks.TEST_EVENT, now, {"message": "This is a test of your endpoint."})
        delivery = Delivery(monitor.ids.number(), event_id, webhooks.TEST_EVENT, body, endpoint.url, secret)
        answer = await monitor.tests.send(delivery, now)
        return TestResult(
            success=answer.success,
            status_code=answer.status_code,
            response_time_ms=answer.milliseconds,
            error=answer.error,
        )

    @routes.post(
        "/v1/webhooks/{endpoint_id}/rotate-secret",
        summary="Replace the signing secret",
        scope=Scope.WEBHOOKS_WRITE,
        shown_once=("secret",),
    )
    async def rotate_secret(principal: Principal, conn: Connection, endpoint_id: int) -> Secret:
        secret = webhooks.new_secret(monitor.ids.token(32))
        sealed = monitor.seal.seal(secret.encode())
        if not await repository.endpoints.set_secret(
            conn, principal.account_id, endpoint_id, sealed, monitor.clock.now()
        ):
            raise NotFound()
        return Secret(secret=secret)

    @routes.get("/v1/webhooks/{endpoint_id}/deliveries", summary="Deliveries, newest first", scope=Scope.WEBHOOKS_READ)
    async def list_deliveries(principal: Principal, endpoint_id: int, query: DeliveryQuery) -> DeliveryList:
        async with monitor.database.connection() as conn:
            endpoint = await owned(conn, principal, endpoint_id)
            found = await repository.deliveries.of_endpoint(conn, endpoint.id, query.limit)
        return DeliveryList(deliveries=tuple(found))

    @routes.post(
        "/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver",
        summary="Deliver an event again",
        scope=Scope.WEBHOOKS_WRITE,
    )
    async def redeliver(principal: Principal, conn: Connection, endpoint_id: int, delivery_id: int) -> DeliveryView:
        endpoint = await owned(conn, principal, endpoint_id)
        delivery = await repository.deliveries.redeliver(conn, endpoint.id, delivery_id, monitor.clock.now())
        if delivery is None:
            raise NotFound()
        return delivery

    return routes


def _place(text: str) -> tuple[datetime, int]:
    moment, number = cursor.decode(text)
    if not number.isdecimal() or not 0 < int(number) < 2**53:
        raise InvalidField("cursor", "not a cursor of ours: use next_cursor of the page before")
    return moment, int(number)
