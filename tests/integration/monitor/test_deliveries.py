"""Webhooks on their way: leases, retries, refusals, and endpoints that are slow, gone or hostile."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, cast

import pytest

from services.monitor import repository
from services.monitor.channels.webhook import WebhookChannel
from services.monitor.deliveries import AT_ONCE_AN_ENDPOINT, LEASE, WebhookDeliveries
from services.monitor.retries import WEBHOOK
from services.monitor.webhooks import DeliveryView, LeasedDelivery
from shared.contracts.events import AccountCreated
from shared.egress import Egress, Resolver, system_resolver
from shared.keys import Sealer
from shared.service import Stopping
from tests.support.monitor import NOON, SECRET, Desk, Unsealed, completed
from tests.support.receiver import Received, Receiver

LOOPBACK = ip_network("127.0.0.0/8")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as one:
        yield one


@asynccontextmanager
async def sending(
    desk: Desk,
    *,
    allow: tuple[Any, ...] = (LOOPBACK,),
    resolver: Resolver = system_resolver,
    allow_http: bool = True,
    timeout: float = 30.0,
) -> AsyncIterator[WebhookDeliveries]:
    egress = Egress(allow=allow, resolver=resolver)
    channel = WebhookChannel(
        egress,
        cast(Sealer, Unsealed()),
        ssl.create_default_context(),
        allow_http=allow_http,
        connections=64,
        timeout=timeout,
    )
    yield WebhookDeliveries(desk.database, channel, desk.notifier, desk.clock)
    await channel.close()


async def attempt_due(deliveries: WebhookDeliveries) -> int:
    """Attempt what is due now, one after another."""
    due = await deliveries.lease(64, set())
    for delivery in due:
        await deliveries.attempt(delivery)
    return len(due)


async def only(desk: Desk, endpoint: int) -> DeliveryView:
    (delivery,) = await desk.deliveries(endpoint)
    return delivery


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[str]:
    """The URL of a server that says `answer` to anything, and then nothing more; None: it never says a word."""
    ended = asyncio.Event()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
        await ended.wait()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        ended.set()
        server.close()
        await asyncio.gather(*serving)


async def test_an_event_arrives_signed_with_the_contracts_data(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed(score=81, grade="B", total_issues=3, high_issues=1, medium_issues=2))
    async with sending(desk) as deliveries:
        assert await attempt_due(deliveries) == 1
        assert await attempt_due(deliveries) == 0
    (received,) = receiver.received
    assert received.signed_with(SECRET) and not received.signed_with("whsec_AAAA")
    assert received.headers["Content-Type"] == "application/json"
    delivery = await only(desk, endpoint)
    assert received.headers["X-ComplianceLayer-Delivery"] == str(delivery.id)
    assert received.event["id"] == delivery.event_id == received.headers["webhook-id"]
    assert received.event["data"] == {
        "scan_id": None,
        "job_id": "job_1",
        "domain": "example.test",
        "score": 81,
        "grade": "B",
        "issues_count": 3,
        "critical_issues": 0,
        "high_issues": 1,
        "medium_issues": 2,
        "low_issues": 0,
        "scanned_at": "2026-11-24T12:00:00.000Z",
        "scan_duration_ms": 900,
    }
    assert (delivery.status, delivery.retry_count, delivery.http_status_code) == ("delivered", 0, 200)
    assert (
        delivery.sent_at == delivery.delivered_at == NOON
        and delivery.failed_at is None
        and delivery.error_message is None
    )


async def test_the_schedule_is_kept_to_the_second_with_the_same_bytes(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    receiver.status = 503
    async with sending(desk) as deliveries:
        assert await attempt_due(deliveries) == 1
        for number, wait in enumerate(WEBHOOK, start=1):
            delivery = await only(desk, endpoint)
            assert (delivery.status, delivery.retry_count) == ("pending", number)
            desk.later(seconds=wait.total_seconds() - 1)
            assert await attempt_due(deliveries) == 0
            desk.later(seconds=1)
            assert await attempt_due(deliveries) == 1
        desk.later(days=30)
        assert await attempt_due(deliveries) == 0
    assert len(receiver.received) == 10
    assert len({received.body for received in receiver.received}) == 1
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert len({received.headers["webhook-timestamp"] for received in receiver.received}) == 10, "no replay"
    assert all(received.signed_with(SECRET) for received in receiver.received)
    delivery = await only(desk, endpoint)
    assert (delivery.status, delivery.retry_count, delivery.error_message) == ("failed", 9, "answered 503")
    assert delivery.failed_at == delivery.sent_at == NOON + sum(WEBHOOK, timedelta())


async def activity(desk: Desk, endpoint: int) -> tuple[bool, int]:
    async with desk.rows() as conn:
        view = await repository.endpoints.find(conn, 1, endpoint)
    assert view is not None
    return view.is_active, view.consecutive_failures


async def test_three_days_without_success_turn_an_endpoint_off_and_say_so(desk: Desk, receiver: Receiver) -> None:
    await desk.hear(AccountCreated(account_id=1, user_id=2, email="me@example.org", plan="free", created_at=NOON))
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    receiver.status = 500
    async with sending(desk) as deliveries:
        for wait in (timedelta(), *WEBHOOK):
            assert await activity(desk, endpoint) == (True, len(receiver.received))
            desk.later(seconds=wait.total_seconds())
            await attempt_due(deliveries)
    assert await activity(desk, endpoint) == (False, 10)
    (mail,) = await desk.mails()
    assert mail["recipient"] == "me@example.org" and receiver.url in mail["body"]
    await desk.hear(completed(job_id="job_2"))
    assert len(await desk.deliveries(endpoint)) == 1, "nothing new is kept for it"


async def test_one_success_makes_an_endpoint_healthy_again(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    async with sending(desk) as deliveries:
        for status in (500, 200, 500):
            receiver.status = status
            await desk.hear(completed())
            desk.later(days=4)
            await attempt_due(deliveries)
    assert (await activity(desk, endpoint))[0], "what failed for four days in all never did so in a row"


async def test_gone_turns_off_at_once_and_what_waits_is_kept(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    await desk.hear(completed(job_id="job_2"))
    receiver.status = 410
    async with sending(desk) as deliveries:
        first, second = await deliveries.lease(64, set())
        await deliveries.attempt(first)
        assert await activity(desk, endpoint) == (False, 1)
        desk.later(days=1)
        assert await attempt_due(deliveries) == 0
        assert sorted(delivery.status for delivery in await desk.deliveries(endpoint)) == ["failed", "pending"]
        receiver.status = 200
        await desk.turn_on(endpoint)
        assert await activity(desk, endpoint) == (True, 0)
        assert await attempt_due(deliveries) == 1
    assert receiver.received[-1].headers["X-ComplianceLayer-Delivery"] == str(second.id)


async def test_a_redelivery_is_the_same_event_again(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    async with sending(desk) as deliveries:
        await attempt_due(deliveries)
        delivery = await only(desk, endpoint)
        async with desk.rows() as conn:
            again = await repository.deliveries.redeliver(conn, endpoint, delivery.id, desk.later(days=2))
            assert again is not None and again.status == "pending"
            assert await repository.deliveries.redeliver(conn, endpoint, delivery.id + 1, NOON) is None
            assert await repository.deliveries.redeliver(conn, endpoint + 1, delivery.id, NOON) is None
        await attempt_due(deliveries)
    first, second = receiver.received
    assert first.body == second.body and second.signed_with(SECRET)
    assert (await only(desk, endpoint)).delivered_at == NOON + timedelta(days=2)


async def test_workers_share_the_work_and_send_nothing_twice(desk: Desk, receiver: Receiver) -> None:
    for _ in range(10):
        await desk.endpoint(receiver.url)
    for number in range(4):
        await desk.hear(completed(job_id=f"job_{number}"))
    async with sending(desk) as deliveries:
        leased = await asyncio.gather(*(deliveries.lease(7, set()) for _ in range(12)))
        everything = [delivery for some in leased for delivery in some]
        everything += await deliveries.lease(64, set())
        assert len(everything) == len({delivery.id for delivery in everything}) == 40
        await asyncio.gather(*(deliveries.attempt(delivery) for delivery in everything))
        desk.later(days=5)
        assert await attempt_due(deliveries) == 0
    assert len(receiver.received) == 40


async def test_a_lease_that_ended_is_taken_by_another_whose_word_counts(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    async with sending(desk) as deliveries:
        (lost,) = await deliveries.lease(64, set())
        assert await deliveries.lease(64, set()) == []
        desk.later(seconds=LEASE.total_seconds())
        (taken,) = await deliveries.lease(64, set())
        assert taken.body == lost.body
        receiver.status = 500
        await deliveries.attempt(lost)
        assert (await only(desk, endpoint)).retry_count == 0 and await activity(desk, endpoint) == (True, 0)
        receiver.status = 200
        await deliveries.attempt(taken)
    assert (await only(desk, endpoint)).status == "delivered"


async def test_a_redelivery_outdoes_the_attempt_under_way(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    async with sending(desk) as deliveries:
        (under_way,) = await deliveries.lease(64, set())
        async with desk.rows() as conn:
            await repository.deliveries.redeliver(conn, endpoint, under_way.id, desk.later(seconds=1))
        await deliveries.attempt(under_way)
        assert (await only(desk, endpoint)).status == "pending"
        assert await attempt_due(deliveries) == 1
    assert len(receiver.received) == 2


async def test_an_endpoint_deleted_in_mid_attempt_is_no_error(desk: Desk, receiver: Receiver) -> None:
    endpoint = await desk.endpoint(receiver.url)
    await desk.hear(completed())
    async with sending(desk) as deliveries:
        (delivery,) = await deliveries.lease(64, set())
        async with desk.rows() as conn:
            assert await repository.endpoints.delete(conn, 1, endpoint)
        await deliveries.attempt(delivery)
    assert len(receiver.received) == 1 and await desk.deliveries(endpoint) == []


def about(job_id: str) -> Callable[[Received], bool]:
    return lambda received: bool(received.event["data"]["job_id"] == job_id)


async def test_a_slow_endpoint_holds_up_no_other(desk: Desk, receiver: Receiver) -> None:
    stopping = Stopping()
    async with sending(desk) as deliveries:
        async with answering(None) as silent:
            slow = await desk.endpoint(silent)
            for number in range(20):
                await desk.hear(completed(job_id=f"job_{number}"))
            worker = asyncio.create_task(deliveries(stopping))
            for number in range(3):
                await desk.endpoint(receiver.url)
                await desk.hear(completed(job_id=f"news_{number}"))
                await receiver.wait_for(about(f"news_{number}"), timeout=5)
            attempted = [one.id for one in await desk.deliveries(slow) if one.sent_at]
            stopping.set()
        await worker
    assert attempted == [], "the slow one had not ended an attempt by then"


async def test_one_endpoint_gets_a_few_places_at_once(desk: Desk) -> None:
    crowded, other = await desk.endpoint("https://a.example.com/"), await desk.endpoint("https://b.example.com/")
    for number in range(10):
        await desk.hear(completed(job_id=f"job_{number}"))
    async with sending(desk) as deliveries:
        leased = await deliveries.lease(64, set())
        assert len(leased) == 2 * AT_ONCE_AN_ENDPOINT
        assert {one.endpoint_id for one in await deliveries.lease(64, {crowded})} == {other}
        assert await deliveries.lease(0, set()) == []


async def answer_of(desk: Desk, url: str, **options: Any) -> tuple[int | None, str | None]:
    """What is recorded of one attempt at `url`."""
    endpoint = await desk.endpoint(url)
    await desk.hear(completed())
    async with sending(desk, **options) as deliveries:
        await attempt_due(deliveries)
    delivery = await only(desk, endpoint)
    return delivery.http_status_code, delivery.error_message


async def test_a_redirect_is_not_followed(desk: Desk, receiver: Receiver) -> None:
    location = f"HTTP/1.1 307 Moved\r\nLocation: {receiver.url}\r\nContent-Length: 0\r\n\r\n".encode()
    async with answering(location) as url:
        status, error = await answer_of(desk, url)
    assert status == 307 and "redirects are not followed" in str(error)
    assert receiver.received == []


async def test_silence_ends(desk: Desk) -> None:
    async with answering(None) as url:
        assert await answer_of(desk, url, timeout=0.2) == (None, "no answer within 0 seconds")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
    ],
)
async def test_a_body_without_end_costs_nothing(desk: Desk, head: bytes) -> None:
    async with answering(head) as url:
        assert await answer_of(desk, url, timeout=5) == (200, None)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x1b[31m nonsense \xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 99_999,
    ],
)
async def test_garbage_is_a_failure_with_a_word_that_can_be_kept(desk: Desk, answer: bytes) -> None:
    async with answering(answer) as url:
        status, error = await answer_of(desk, url, timeout=0.5)
    assert status is None and error and len(error) <= 500 and error.isprintable()


async def test_a_name_that_turns_to_a_private_address_is_refused_at_delivery(desk: Desk, receiver: Receiver) -> None:
    answers = iter([("127.0.0.1",), ("10.0.0.7",), ("169.254.169.254",)])

    async def rebinding(_name: str) -> tuple[str, ...]:
        return next(answers)

    port = receiver.url.rpartition(":")[2].partition("/")[0]
    endpoint = await desk.endpoint(f"http://rebinding.example.com:{port}/hook")
    async with sending(desk, resolver=rebinding) as deliveries:
        for number in range(3):
            await desk.hear(completed(job_id=f"job_{number}"))
            await attempt_due(deliveries)
            desk.later(seconds=1)
    assert len(receiver.received) == 1
    first, second, third = await desk.deliveries(endpoint)
    assert first.status == "delivered"
    assert "10.0.0.7 is not contacted" in str(second.error_message)
    assert "169.254.169.254 is not contacted" in str(third.error_message)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "localhost", "[::ffff:127.0.0.1]"]
)
async def test_no_private_address_is_contacted(desk: Desk, host: str, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    status, error = await answer_of(desk, f"http://{host}:{port}/hook", allow=())
    assert status is None and "not contacted" in str(error) and receiver.received == []


async def test_plain_http_is_refused_when_the_operator_no_longer_allows_it(desk: Desk, receiver: Receiver) -> None:
    status, error = await answer_of(desk, receiver.url, allow_http=False)
    assert status is None and "must be https://" in str(error) and receiver.received == []


async def test_a_secret_that_cannot_be_opened_fails_its_delivery_alone(desk: Desk, receiver: Receiver) -> None:
    class Foreign(Unsealed):
        def open(self, sealed: bytes) -> bytes:
            raise ValueError("sealed with a key that is not here")

    delivery = LeasedDelivery(1, desk.ids.uuid(), "scan.completed", b"{}", receiver.url, b"", 1, 0, NOON)
    channel = WebhookChannel(
        Egress(allow=(LOOPBACK,)),
        cast(Sealer, Foreign()),
        ssl.create_default_context(),
        allow_http=True,
        connections=1,
        timeout=5,
    )
    answer = await channel.send(delivery, NOON)
    await channel.close()
    assert answer.status_code is None and "not here" in str(answer.error) and receiver.received == []
