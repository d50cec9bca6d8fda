"""When the next scan, and the next attempt at a delivery, is due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor import retries
from services.monitor.domains import INTERVAL, Frequency
from services.monitor.schedule import next_after

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(sorted(INTERVAL)), MOMENTS)
def test_the_next_tick_is_in_step_and_the_first_after_now(
    scheduled_for: datetime, frequency: Frequency, now: datetime
) -> None:
    interval = INTERVAL[frequency]
    following = next_after(scheduled_for, frequency, now)
    assert following > now and following > scheduled_for
    assert (following - scheduled_for) % interval == timedelta()
    assert following - max(now, scheduled_for) <= interval


def test_webhooks_are_tried_for_about_three_days() -> None:
    minutes = [0.0]
    while (wait := retries.wait(retries.WEBHOOK, len(minutes) - 1)) is not None:
        minutes.append(wait.total_seconds() / 60)
    assert minutes == pytest.approx([0, 5 / 60, 5, 30, 120, 300, 600, 840, 1200, 1440])
    assert timedelta(hours=75, minutes=35, seconds=5) == retries.DEAD_AFTER


def test_mail_is_tried_for_more_than_a_day() -> None:
    waits = [retries.wait(retries.MAIL, number) for number in range(8)]
    assert waits[0] == timedelta(minutes=1) and waits[7] is None
    assert sum(retries.MAIL, timedelta()) > timedelta(days=1)
