"""A clock that stands until it is told to go."""

from datetime import UTC, datetime, timedelta

from shared.clock import Clock


class SetClock(Clock):
    def __init__(self, now: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def forward(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds
