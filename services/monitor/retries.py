"""When a delivery that failed is tried again."""

from datetime import timedelta

# About three days in all, as Standard Webhooks recommends.
WEBHOOK = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MAIL = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))

DEAD_AFTER = sum(WEBHOOK, timedelta())  # an endpoint that took nothing for so long is turned off


def wait(waits: tuple[timedelta, ...], retry_count: int) -> timedelta | None:
    """How long to wait after attempt number `retry_count` (0 the first) failed; None: give up."""
    return waits[retry_count] if retry_count < len(waits) else None
