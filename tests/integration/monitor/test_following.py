"""From events to alerts, on a real database."""

import asyncio
import re
from datetime import timedelta

import pytest

from services.monitor import repository
from services.monitor.alerts import Preferences
from services.monitor.domains import DomainChange
from services.monitor.retention import ALERTS_KEPT, delete_old
from shared.contracts.events import (
    AccountCreated,
    AccountDeleted,
    AccountDisabled,
    AlertRaised,
    CertificateFact,
    ScanFacts,
    SubscriptionChanged,
)
from shared.contracts.plans import load_plans
from tests.support.monitor import MIGRATIONS, NOON, Desk, completed, failed, finding

PLANS = load_plans()
HOUR = timedelta(hours=1)


def subscribed(version: int, plan: str) -> SubscriptionChanged:
    return SubscriptionChanged(
        account_id=1, version=version, plan=plan, limits=PLANS[plan].limits, status="active", changed_at=NOON
    )


def created(email: str = "me@example.org") -> AccountCreated:
    return AccountCreated(account_id=1, user_id=2, email=email, plan="free", created_at=NOON)


async def test_a_drop_becomes_an_alert_an_event_a_mail_and_webhooks(desk: Desk) -> None:
    await desk.watch()
    await desk.hear(created())
    endpoint = await desk.endpoint()
    await desk.hear(completed(score=90))
    await desk.hear(completed(job_id="job_2", score=79, grade="B", scanned_at=NOON + HOUR))
    (alert,) = await desk.alerts()
    assert (alert.alert_type, alert.old_value, alert.new_value, alert.job_id) == ("score_drop", "90", "79", "job_2")
    assert [event.alert_id for event in desk.bus.of(AlertRaised)] == [alert.id]
    (mail,) = await desk.mails()
    assert mail["recipient"] == "me@example.org" and "79" in mail["subject"]
    assert sorted(await desk.sent(endpoint)) == [
        "alert.triggered",
        "scan.completed",
        "scan.completed",
        "score.changed",
        "score.dropped",
    ]
    domain = await desk.domain()
    assert (domain.last_score, domain.last_grade, domain.last_scanned_at) == (79, "B", NOON + HOUR)


async def test_a_repeated_or_older_scan_changes_nothing(desk: Desk) -> None:
    await desk.watch()
    await desk.hear(completed(score=90))
    dropped = completed(job_id="job_3", score=70, scanned_at=NOON + 2 * HOUR)
    await desk.hear(dropped)
    await desk.hear(dropped)
    await desk.hear(completed(job_id="job_2", score=20, scanned_at=NOON + HOUR))
    assert [alert.job_id for alert in await desk.alerts()] == ["job_3"]
    assert (await desk.domain()).last_score == 70


@pytest.mark.parametrize("change", [{"full": False}, {"domain": "other.test"}, {"account_id": 2}, {"account_id": None}])
async def test_a_scan_that_is_partial_or_of_another_feeds_nothing(desk: Desk, change: dict[str, object]) -> None:
    await desk.watch()
    await desk.hear(completed(score=90))
    await desk.hear(completed(job_id="job_2", score=10, scanned_at=NOON + HOUR, findings=(finding(),), **change))
    assert await desk.alerts() == [] and (await desk.domain()).last_score == 90


async def test_webhooks_tell_of_every_scan_of_the_account_but_no_other(desk: Desk) -> None:
    mine, quiet = await desk.endpoint(), await desk.endpoint(events=["scan.failed"])
    await desk.hear(completed(full=False, domain="not-monitored.test"))
    await desk.hear(completed(account_id=2))
    await desk.hear(failed())
    assert sorted(await desk.sent(mine)) == ["scan.completed", "scan.failed"]
    assert await desk.sent(quiet) == ["scan.failed"]


async def test_a_row_of_failed_scans_is_told_once(desk: Desk) -> None:
    domain = await desk.watch()

    async def fail(hours: int) -> None:
        await desk.hear(failed(job_id=f"f{hours}", monitored_domain_id=domain.id, failed_at=NOON + hours * HOUR))

    await fail(1)
    await fail(2)
    await desk.hear(completed(scanned_at=NOON))  # older than the failures, and late
    await fail(3)
    assert [alert.job_id for alert in await desk.alerts()] == ["f1"]
    await desk.hear(completed(scanned_at=NOON + 4 * HOUR))
    await fail(3)  # late: older than the scan that worked
    await fail(5)
    assert {alert.job_id for alert in await desk.alerts()} == {"f1", "f5"}


async def test_only_scheduled_scans_of_this_very_domain_fail_loudly(desk: Desk) -> None:
    domain = await desk.watch()
    await desk.hear(failed(source="api", monitored_domain_id=domain.id))
    await desk.hear(failed(monitored_domain_id=domain.id + 1))  # cancelled when it was removed, before it came back
    assert await desk.alerts() == []


async def test_preferences_choose_the_mails_and_alerts_are_kept_anyhow(desk: Desk) -> None:
    await desk.watch()
    await desk.hear(created())
    async with desk.rows() as conn:
        await repository.accounts.set_preferences(conn, 1, Preferences(critical_issue=False))
    await desk.hear(completed(findings=(finding(),)))
    assert len(await desk.alerts()) == 1 and await desk.mails() == []


async def test_an_address_that_comes_after_the_domain_is_used(desk: Desk) -> None:
    await desk.hear(subscribed(1, "starter"))
    await desk.watch()
    await desk.hear(completed(findings=(finding(),)))
    assert await desk.mails() == []
    await desk.hear(created())
    await desk.hear(completed(scanned_at=NOON + HOUR, job_id="job_2", findings=(finding("exposed_git"),)))
    assert [mail["recipient"] for mail in await desk.mails()] == ["me@example.org"]


async def test_a_smaller_plan_pauses_the_newest_and_a_larger_one_resumes_them(desk: Desk) -> None:
    for number in range(4):
        await desk.watch(f"d{number}.test")
        desk.later(minutes=1)

    async def monitored() -> list[bool]:
        return [not (await desk.domain(f"d{number}.test")).over_limit for number in range(4)]

    await desk.hear(subscribed(2, "free"))
    assert await monitored() == [True, False, False, False]
    await desk.hear(subscribed(1, "agency"))  # older, and late
    assert await monitored() == [True, False, False, False]
    async with desk.rows() as conn:
        due = await repository.ticks.due(conn, desk.later(days=1), 10)
    assert [domain.domain for domain in due] == ["d0.test"]
    await desk.hear(subscribed(3, "starter"))
    assert await monitored() == [True] * 4


async def test_a_disabled_account_is_left_in_peace(desk: Desk) -> None:
    domain = await desk.watch()
    await desk.hear(created())
    endpoint = await desk.endpoint()
    await desk.hear(AccountDisabled(account_id=1, version=2))
    await desk.hear(failed(monitored_domain_id=domain.id, reason="the account is disabled"))
    async with desk.rows() as conn:
        assert await repository.ticks.due(conn, desk.later(days=1), 10) == []
    assert await desk.mails() == [] and await desk.sent(endpoint) == []


async def test_nothing_is_left_of_a_deleted_account(desk: Desk) -> None:
    await desk.watch()
    await desk.hear(created())
    await desk.endpoint()
    async with desk.rows() as conn:
        await repository.accounts.set_preferences(conn, 1, Preferences())
        await repository.ticks.insert(conn, 5, (await repository.domains.of_account(conn, 1))[0].id, NOON)
    certificate = CertificateFact(host="example.test", port=443, not_after=NOON, issuer="CA", sha256="ab")
    facts = ScanFacts(certificates=(certificate,), certificates_tested=True)
    await desk.hear(completed(findings=(finding(),), facts=facts))
    await desk.hear(AccountDeleted(account_id=1))
    async with desk.rows() as conn:
        tables = re.findall(r"create table (\w+)", (MIGRATIONS / "0001_monitoring.sql").read_text())
        left = {table: await conn.fetchval(f"select count(*) from {table}") for table in tables}
    assert len(left) == 9 and set(left.values()) == {0}


async def test_changes_of_one_domain_at_once_all_count(desk: Desk) -> None:
    domain = await desk.watch()

    async def change(threshold: float) -> None:
        async with desk.rows() as conn:
            found = await repository.domains.find(conn, 1, domain.id, to_change=True)
            assert found is not None
            await repository.domains.change(conn, domain.id, DomainChange(alert_threshold=threshold), NOON)

    scans = [completed(job_id=f"j{n}", scanned_at=NOON + n * HOUR, findings=(finding(),)) for n in range(8)]
    await asyncio.gather(*(change(number + 1) for number in range(8)), *(desk.hear(scan) for scan in scans))
    found = await desk.domain()
    assert found.version == 9 and found.last_scanned_at == NOON + 7 * HOUR
    assert len(await desk.alerts()) == 1, "one finding is new once"


async def test_old_rows_go_and_young_ones_stay(desk: Desk) -> None:
    await desk.watch()
    await desk.hear(created())
    endpoint = await desk.endpoint()
    await desk.hear(completed(findings=(finding(),)))
    await delete_old(desk.database, desk.clock.now() + timedelta(days=29))
    assert len(await desk.mails()) == 1 and len(await desk.deliveries(endpoint)) == 2
    await delete_old(desk.database, desk.clock.now() + timedelta(days=31))
    assert await desk.mails() == [] and await desk.deliveries(endpoint) == []
    assert len(await desk.alerts()) == 1
    await delete_old(desk.database, desk.clock.now() + ALERTS_KEPT + timedelta(seconds=1))
    assert await desk.alerts() == []
