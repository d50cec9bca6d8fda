"""Events in their envelopes, and back."""

from datetime import datetime

from pydantic import ValidationError

from shared.contracts.events import BY_NAME, Envelope, Event
from shared.trace import correlation_id, traceparent

MAX_BYTES = 256 * 1024


class PermanentError(Exception):
    """Trying again cannot help: the message goes to the dead letters at once."""


def wrap(event: Event, event_id: str, now: datetime) -> Envelope:
    """`event` with its identity and the current trace. ValueError: over 256 KiB on the wire."""
    envelope = Envelope(
        id=event_id,
        name=event.NAME,
        key=event.key,
        occurred_at=now,
        correlation_id=correlation_id.get(),
        traceparent=traceparent.get(),
        data=event.model_dump(mode="json"),
    )
    size = len(encode(envelope))
    if size > MAX_BYTES:
        raise ValueError(f"{event.NAME} {event.key} has {size} bytes, more than an event may have ({MAX_BYTES})")
    return envelope


def encode(envelope: Envelope) -> bytes:
    return envelope.model_dump_json().encode()


def decode(body: bytes) -> Envelope:
    """PermanentError: `body` is no envelope."""
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        raise PermanentError(f"no envelope: {error}") from error


def unwrap(envelope: Envelope) -> Event:
    """The event inside. PermanentError: of no known kind, or not in its shape."""
    kind = BY_NAME.get(envelope.name)
    if kind is None:
        raise PermanentError(f"unknown event {envelope.name}")
    try:
        return kind.model_validate(envelope.data)
    except ValidationError as error:
        raise PermanentError(f"{envelope.name} is not in its shape: {error}") from error
