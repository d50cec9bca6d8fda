"""Webhook endpoints: what they may be, how a delivery is signed, and when it is tried again."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, Field

from services.monitor.change import Change
from services.monitor.retries import DEAD_AFTER
from shared.contracts.base import Contract, Timestamp, iso

EventType = Literal[
    "scan.completed", "scan.failed", "alert.triggered", "score.changed", "score.dropped", "certificate.expiring"
]
EVENT_TYPES: tuple[EventType, ...] = (
    "scan.completed",
    "scan.failed",
    "alert.triggered",
    "score.changed",
    "score.dropped",
    "certificate.expiring",
)
TEST_EVENT = "webhook.test"
USER_AGENT = "ComplianceLayer-Webhooks/1.0"
MAX_ENDPOINTS = 50  # an account

Url = Annotated[str, Field(min_length=1, max_length=2048, examples=["https://hooks.example.com/compliancelayer"])]
Events = Annotated[list[EventType], Field(min_length=1, max_length=20)]
Description = Annotated[str, Field(max_length=500)]


class NewEndpoint(BaseModel):
    url: Url
    enabled_events: Events
    description: Description = ""


class EndpointChange(Change):
    """What is absent stays as it is; null is refused."""

    url: Url | None = None
    enabled_events: Events | None = None
    description: Description | None = None
    is_active: bool | None = None


class EndpointView(Contract):
    id: int
    url: str
    description: str
    enabled_events: tuple[EventType, ...]
    is_active: bool
    created_at: Timestamp
    updated_at: Timestamp
    last_delivery_at: Timestamp | None
    last_success_at: Timestamp | None
    consecutive_failures: int


class CreatedEndpoint(EndpointView):
    """With the signing secret, shown this once."""

    secret: str


class Secret(Contract):
    secret: str


class TestResult(Contract):
    success: bool
    status_code: int | None
    response_time_ms: int | None
    error: str | None


class DeliveryView(Contract):
    id: int
    event_id: str
    event_type: str
    status: Literal["pending", "delivered", "failed"]
    retry_count: int
    created_at: Timestamp
    http_status_code: int | None
    error_message: str | None
    sent_at: Timestamp | None
    delivered_at: Timestamp | None
    failed_at: Timestamp | None


class DeliveryList(Contract):
    deliveries: tuple[DeliveryView, ...]


class EventTypes(Contract):
    event_types: tuple[EventType, ...] = EVENT_TYPES


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint."""

    id: int
    event_id: str
    event_type: str
    body: bytes
    url: str
    secret: bytes  # sealed


@dataclass(frozen=True, slots=True)
class LeasedDelivery(Delivery):
    """A delivery that is this worker's to attempt, until `leased_until`."""

    endpoint_id: int
    retry_count: int
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What decides whether an endpoint stays on."""

    id: int
    account_id: int
    url: str
    is_active: bool
    failing_since: datetime | None  # None: the last delivery was taken

    def is_dead(self, answer: "Answer", now: datetime) -> bool:
        """Whether this failure is the last one it is allowed."""
        return answer.gone or (self.failing_since is not None and now - self.failing_since >= DEAD_AFTER)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint said: a status, or the error in its place."""

    status_code: int | None
    error: str | None
    milliseconds: int | None = None

    @property
    def success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def gone(self) -> bool:
        return self.status_code == 410


def objection(url: str, *, allow_http: bool) -> str | None:
    """Why `url` cannot be a webhook's, None if it can (its address is vetted at each delivery)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must be an https:// URL"
    if parts.scheme == "http" and not allow_http:
        return "must be https://; plain HTTP would show what it carries"
    if parts.username or parts.password:
        return "must not carry a user name or password; the signature proves who sent it"
    if port == 0 or any(ord(character) <= 32 or ord(character) == 127 for character in url):
        return "is not a URL"
    return None


def envelope(event_id: str, event_type: str, created_at: datetime, data: Mapping[str, Any]) -> bytes:
    """The body of a delivery; the same bytes at every attempt."""
    return orjson.dumps({"id": event_id, "type": event_type, "created_at": iso(created_at), "data": dict(data)})


def headers(secret: str, delivery: Delivery, now: datetime) -> dict[str, str]:
    """Both signature schemes: hex HMAC-SHA256 of the body, and Standard Webhooks 1.0 (which also stops replays)."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((delivery.event_id.encode(), timestamp.encode(), delivery.body))
    standard = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-ComplianceLayer-Event": delivery.event_type,
        "X-ComplianceLayer-Delivery": str(delivery.id),
        "X-ComplianceLayer-Signature": hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest(),
        "webhook-id": delivery.event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(standard).decode()}",
    }


def new_secret(random: bytes) -> str:
    return "whsec_" + base64.b64encode(random).decode()
