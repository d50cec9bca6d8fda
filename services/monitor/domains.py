"""A monitored domain: how often it is scanned and what raises an alert."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from services.monitor.change import Change
from shared.contracts.base import Contract, Timestamp
from shared.contracts.report import Grade

Frequency = Literal["hourly", "daily", "weekly"]
Threshold = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]

MAX_BASELINES = 8

INTERVAL: MappingProxyType[Frequency, timedelta] = MappingProxyType(
    {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
)


class NewDomain(BaseModel):
    domain: Annotated[str, Field(min_length=1, max_length=2048, examples=["example.com"])]
    scan_frequency: Frequency = "daily"
    alert_threshold: Threshold = 10
    alert_on_score_drop: bool = True
    alert_on_critical: bool = True


class DomainChange(Change):
    """What is absent stays as it is; null is refused."""

    scan_frequency: Frequency | None = None
    alert_threshold: Threshold | None = None
    alert_on_score_drop: bool | None = None
    alert_on_critical: bool | None = None
    badge_enabled: bool | None = None
    is_paused: bool | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The score of a scan, comparable with those that lacked the same checks by our doing."""

    score: int
    grade: Grade
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitoredDomain:
    id: int
    account_id: int
    domain: str
    scan_frequency: Frequency
    alert_threshold: float
    alert_on_score_drop: bool
    alert_on_critical: bool
    badge_enabled: bool
    is_paused: bool
    over_limit: bool
    version: int
    created_at: datetime
    next_scan_at: datetime
    last_score: int | None = None
    last_grade: Grade | None = None
    last_scanned_at: datetime | None = None
    last_failed_at: datetime | None = None
    baselines: tuple[Baseline, ...] = ()  # the newest last
    critical_findings: tuple[str, ...] = ()  # of the last scan, as `alerts.known_critical` makes them

    @property
    def failing(self) -> bool:
        """Whether the newest scan known failed."""
        return self.last_failed_at is not None and not self.knows_of(self.last_failed_at)

    def knows_of(self, moment: datetime) -> bool:
        """Whether a scan as new as `moment`, or newer, has been followed already."""
        return self.last_scanned_at is not None and self.last_scanned_at >= moment

    def baseline(self, unavailable: tuple[str, ...]) -> Baseline | None:
        """What a scan that lacked the checks `unavailable` is compared with."""
        return next((one for one in self.baselines if one.unavailable == unavailable), None)


def rebased(baselines: tuple[Baseline, ...], newest: Baseline) -> tuple[Baseline, ...]:
    """What the next scan is compared with. Once a scan could be compared, all older ones are out of date."""
    if any(one.unavailable == newest.unavailable for one in baselines):
        return (newest,)
    return (*baselines, newest)[-MAX_BASELINES:]


class DomainView(Contract):
    """A monitored domain on the wire."""

    id: int
    domain: str
    scan_frequency: Frequency
    alert_threshold: float
    alert_on_score_drop: bool
    alert_on_critical: bool
    created_at: Timestamp
    last_score: int | None
    last_grade: Grade | None
    last_scanned_at: Timestamp | None
    next_scan_at: Timestamp | None
    is_paused: bool
    badge_enabled: bool


class DomainList(Contract):
    domains: tuple[DomainView, ...]
    total: int
    limit_used: int
    limit_max: int


class DomainCount(Contract):
    domains_used: int


def view(domain: MonitoredDomain) -> DomainView:
    paused = domain.is_paused or domain.over_limit
    return DomainView(
        id=domain.id,
        domain=domain.domain,
        scan_frequency=domain.scan_frequency,
        alert_threshold=domain.alert_threshold,
        alert_on_score_drop=domain.alert_on_score_drop,
        alert_on_critical=domain.alert_on_critical,
        created_at=domain.created_at,
        last_score=domain.last_score,
        last_grade=domain.last_grade,
        last_scanned_at=domain.last_scanned_at,
        next_scan_at=None if paused else domain.next_scan_at,
        is_paused=paused,
        badge_enabled=domain.badge_enabled,
    )
