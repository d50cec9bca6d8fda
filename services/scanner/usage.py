"""What an account has used of its plan, and what it may."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

from shared.contracts.base import Contract, Timestamp
from shared.contracts.principal import Principal
from shared.contracts.report import JobStatus, Source


class UsageCount(Contract):
    """Scans of this month; what failed was given back."""

    scans_this_month: int
    scan_limit: int
    scans_remaining: int


class UsageDay(Contract):
    day: date
    scans: int


class UsageSummary(Contract):
    start_date: date
    end_date: date
    total_scans: int
    by_status: dict[JobStatus, int]
    by_source: dict[Source, int]
    by_day: tuple[UsageDay, ...]
    scans_this_month: int
    scan_limit: int
    scans_remaining: int


class UsageLimits(Contract):
    plan: str
    scans_per_month: int
    scans_used: int
    scans_remaining: int
    resets_at: Timestamp
    monitored_domains: int
    pdf_reports: bool
    scans_at_once: int
    history_days: int
    requests_per_minute: int
    requests_per_hour: int
    requests_per_day: int


def next_month(moment: datetime) -> datetime:
    """The first instant of the month after, UTC: when the quota renews."""
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return datetime(year, month, 1, tzinfo=UTC)


def count(principal: Principal, used: int) -> UsageCount:
    limit = principal.limits.scans_per_month
    return UsageCount(scans_this_month=used, scan_limit=limit, scans_remaining=max(limit - used, 0))


def summary(
    principal: Principal, used: int, start: date, end: date, rows: Sequence[tuple[date, Source, JobStatus, int]]
) -> UsageSummary:
    """`rows`: (day, source, status, scans)."""
    by_day: Counter[date] = Counter()
    by_source: Counter[Source] = Counter()
    by_status: Counter[JobStatus] = Counter()
    for day, source, status, scans in rows:
        by_day[day] += scans
        by_source[source] += scans
        by_status[status] += scans
    return UsageSummary(
        start_date=start,
        end_date=end,
        total_scans=sum(by_day.values()),
        by_status=dict(by_status),
        by_source=dict(by_source),
        by_day=tuple(UsageDay(day=day, scans=scans) for day, scans in sorted(by_day.items())),
        **count(principal, used).model_dump(),
    )


def limits(principal: Principal, used: int, now: datetime) -> UsageLimits:
    allowed = principal.limits
    return UsageLimits(
        plan=principal.plan,
        scans_per_month=allowed.scans_per_month,
        scans_used=used,
        scans_remaining=max(allowed.scans_per_month - used, 0),
        resets_at=next_month(now),
        monitored_domains=allowed.domains,
        pdf_reports=allowed.pdf,
        scans_at_once=allowed.scans_at_once,
        history_days=allowed.history_days,
        requests_per_minute=allowed.requests_per_minute,
        requests_per_hour=allowed.requests_per_hour,
        requests_per_day=allowed.requests_per_day,
    )
