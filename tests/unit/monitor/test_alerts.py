"""Which scans and which moments raise an alert."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor import alerts
from services.monitor.alerts import Certificate
from services.monitor.domains import Baseline, MonitoredDomain, rebased
from tests.support.monitor import NOON, completed, failed, finding

FIRST = MonitoredDomain(
    id=7,
    account_id=1,
    domain="example.test",
    scan_frequency="daily",
    alert_threshold=10,
    alert_on_score_drop=True,
    alert_on_critical=True,
    badge_enabled=False,
    is_paused=False,
    over_limit=False,
    version=1,
    created_at=NOON,
    next_scan_at=NOON,
)
KNOWN = replace(FIRST, last_score=90, last_grade="A", last_scanned_at=NOON, baselines=(Baseline(90, "A"),))
LATER = NOON + timedelta(days=1)


def types(domain: MonitoredDomain, **event: Any) -> list[str]:
    return [alert.alert_type for alert in alerts.of_scan(domain, completed(scanned_at=LATER, **event))]


@pytest.mark.parametrize(("score", "raised"), [(100, 0), (90, 0), (81, 0), (80, 1), (0, 1)])
def test_a_drop_of_the_threshold_or_more_is_told(score: int, raised: int) -> None:
    assert types(KNOWN, score=score) == ["score_drop"] * raised


@pytest.mark.parametrize(("threshold", "score", "raised"), [(9.5, 81, 0), (9.5, 80, 1), (0.5, 89, 1), (100, 0, 0)])
def test_the_threshold_is_the_customers(threshold: float, score: int, raised: int) -> None:
    assert types(replace(KNOWN, alert_threshold=threshold), score=score) == ["score_drop"] * raised


def test_a_drop_says_from_what_to_what() -> None:
    (alert,) = alerts.of_scan(KNOWN, completed(job_id="job_9", score=69, grade="C", scanned_at=LATER))
    assert (alert.old_value, alert.new_value, alert.severity, alert.job_id) == ("90", "69", "high", "job_9")
    assert "from 90 (A) to 69 (C)" in alert.message and "10 or more" in alert.message


def test_a_first_scan_has_nothing_to_have_dropped_from() -> None:
    assert types(FIRST, score=0, grade="F") == []


def test_what_was_turned_off_is_not_told() -> None:
    quiet = replace(KNOWN, alert_on_score_drop=False, alert_on_critical=False)
    assert types(quiet, score=0, findings=(finding(),)) == []


def test_critical_findings_are_told_when_they_are_new() -> None:
    assert types(FIRST, findings=(finding(),)) == ["critical_issue"], "also those of the first scan"
    known = replace(KNOWN, critical_findings=tuple(alerts.known_critical(KNOWN, completed(findings=(finding(),)))))
    assert types(known, findings=(finding(), finding(severity="high", check="x"))) == []
    other_host = finding(asset="www.example.test")
    (alert,) = alerts.of_scan(known, completed(findings=(finding(), other_host), scanned_at=LATER))
    assert "www.example.test" in alert.message and alert.new_value == "open_database"


def test_one_scan_raises_a_bounded_number() -> None:
    many = tuple(finding(asset=f"h{number}.test") for number in range(300))
    assert len(types(FIRST, findings=many)) == alerts.MAX_CRITICAL
    assert len(alerts.known_critical(FIRST, completed(findings=many))) == 300, "the rest are not new tomorrow"


def followed(domain: MonitoredDomain, **event: Any) -> MonitoredDomain:
    """`domain` after a scan, as the subscriber keeps it."""
    scan = completed(**event)
    return replace(
        domain,
        baselines=rebased(domain.baselines, Baseline(scan.score, scan.grade, scan.unavailable)),
        critical_findings=tuple(alerts.known_critical(domain, scan)),
    )


def test_a_source_of_ours_that_comes_and_goes_raises_nothing() -> None:
    without = followed(KNOWN, score=97, unavailable=("dnsbl_listed",))
    assert types(KNOWN, score=60, unavailable=("dnsbl_listed",)) == []
    assert types(without, score=90) == [], "back to what it was"
    assert types(without, score=80) == ["score_drop"], "against the last scan with all sources"


def test_a_source_that_stays_away_silences_nothing() -> None:
    without = followed(KNOWN, score=97, unavailable=("dkim_missing",))
    assert types(without, score=87, unavailable=("dkim_missing",)) == ["score_drop"]
    settled = followed(without, score=87, unavailable=("dkim_missing",))
    assert [baseline.score for baseline in settled.baselines] == [87]


@given(st.lists(st.sampled_from(["", "a", "b", "a b", "c", "d", "e", "f", "g", "h", "i"]), max_size=40))
def test_what_is_compared_with_is_the_last_of_its_kind_and_bounded(kinds: list[str]) -> None:
    domain = FIRST
    for score, kind in enumerate(kinds):
        unavailable = tuple(kind.split())
        before = domain.baseline(unavailable)
        assert before is None or (kinds[before.score] == kind and kind not in kinds[before.score + 1 : score])
        domain = followed(domain, score=score, unavailable=unavailable)
        assert domain.baselines[-1].score == score and len(domain.baselines) <= 8


def test_a_finding_that_we_could_not_look_for_is_not_new_when_it_is_seen_again() -> None:
    seen = followed(KNOWN, findings=(finding(), finding("exposed_git")))
    unseen = followed(seen, unavailable=("open_database",))
    assert types(unseen, findings=(finding(),)) == []
    assert types(unseen, findings=(finding("exposed_git"),)) == ["critical_issue"], "that one was gone"


def test_a_row_of_failures_is_told_once() -> None:
    assert alerts.of_failure(KNOWN, failed()) is not None
    failing = replace(KNOWN, last_failed_at=NOON + timedelta(hours=1))
    assert failing.failing and alerts.of_failure(failing, failed()) is None
    assert not replace(failing, last_scanned_at=NOON + timedelta(hours=2)).failing
    never_scanned = replace(FIRST, last_failed_at=NOON)
    assert never_scanned.failing


END = datetime(2027, 1, 1, tzinfo=UTC)
CERTIFICATE = Certificate(7, "www.example.test", 443, "ab" * 32, "A CA", END)


@pytest.mark.parametrize(
    ("left", "cause", "severity"),
    [
        (timedelta(days=30), "30", "medium"),
        (timedelta(days=14, seconds=1), "30", "medium"),
        (timedelta(days=14), "14", "medium"),
        (timedelta(days=7), "7", "high"),
        (timedelta(hours=24), "1", "high"),
        (timedelta(seconds=1), "1", "high"),
        (timedelta(), "0", "critical"),
        (timedelta(days=-400), "0", "critical"),
    ],
)
def test_the_nearest_warning_of_a_certificates_end(left: timedelta, cause: str, severity: str) -> None:
    alert = alerts.of_certificate("example.test", CERTIFICATE, END - left)
    assert alert.cause.endswith(f" {cause}") and alert.severity == severity
    assert ("expired on" if cause == "0" else "expires on") in alert.title
    assert alert.new_value == "2027-01-01T00:00:00.000Z"


def test_each_warning_comes_at_its_time() -> None:
    moment: datetime | None = alerts.first_warning(END)
    left = []
    while moment is not None:
        left.append((END - moment).days)
        moment = alerts.next_warning(END, moment)
    assert left == [30, 14, 7, 1, 0]


@pytest.mark.parametrize("end", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_certificate_may_name_any_year(end: datetime) -> None:
    assert alerts.first_warning(end) <= end
    assert alerts.of_certificate("example.test", replace(CERTIFICATE, not_after=end), NOON).alert_type == "cert_expiry"
