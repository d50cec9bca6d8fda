"""What a URL may be, and how a delivery is signed."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, hmac

from services.monitor import webhooks
from services.monitor.retries import DEAD_AFTER
from services.monitor.webhooks import Answer, Delivery, Endpoint
from tests.support.monitor import NOON, SECRET

DELIVERY = Delivery(5, "2b5f6d5e-0000-4000-8000-000000000001", "scan.completed", b'{"a":1}', "https://h.test/", b"")


def hmac_sha256(key: bytes, content: bytes) -> bytes:
    """By another implementation than the one under test."""
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(content)
    return mac.finalize()


def test_both_signatures_hold() -> None:
    moment = datetime(2026, 11, 24, 12, 0, 0, 999999, tzinfo=UTC)
    headers = webhooks.headers(SECRET, DELIVERY, moment)
    assert headers["X-ComplianceLayer-Signature"] == hmac_sha256(SECRET.encode(), b'{"a":1}').hex()
    timestamp = "1795521600"
    signed = f"{DELIVERY.event_id}.{timestamp}.".encode() + b'{"a":1}'
    key = base64.b64decode(SECRET.partition("_")[2])
    assert headers["webhook-timestamp"] == timestamp
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac_sha256(key, signed)).decode()
    assert headers["webhook-id"] == DELIVERY.event_id and headers["X-ComplianceLayer-Delivery"] == "5"
    assert headers["X-ComplianceLayer-Event"] == "scan.completed"
    assert headers["User-Agent"] == "ComplianceLayer-Webhooks/1.0"


def test_a_secret_is_of_the_form_that_standard_webhooks_names() -> None:
    secret = webhooks.new_secret(bytes(range(32)))
    assert secret.startswith("whsec_") and base64.b64decode(secret[6:], validate=True) == bytes(range(32))


def test_the_body_is_the_contracts() -> None:
    body = json.loads(webhooks.envelope("an id", "scan.failed", NOON, {"job_id": "job_1"}))
    assert body == {
        "id": "an id",
        "type": "scan.failed",
        "created_at": "2026-11-24T12:00:00.000Z",
        "data": {"job_id": "job_1"},
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://:443/",
        "https://user@hooks.example.com/",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://[::1/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX-Injected: 1",
        "https://hooks.example.com/\x7f",
        "http://hooks.example.com/",
    ],
)
def test_what_cannot_be_a_webhooks_url(url: str) -> None:
    assert webhooks.objection(url, allow_http=False)


def test_https_is_taken_and_http_where_the_operator_allows_it() -> None:
    assert webhooks.objection("https://hooks.example.com:8443/a?b=c#d", allow_http=False) is None
    assert webhooks.objection("HTTPS://Hooks.Example.com", allow_http=False) is None
    assert webhooks.objection("http://hooks.example.com/", allow_http=True) is None


def test_an_endpoint_is_dead_when_it_took_nothing_for_three_days_or_is_gone() -> None:
    endpoint = Endpoint(1, 1, "https://h.test/", True, NOON)
    refused, gone = Answer(500, "answered 500"), Answer(410, "answered 410")
    assert not endpoint.is_dead(refused, NOON + DEAD_AFTER - timedelta(microseconds=1))
    assert endpoint.is_dead(refused, NOON + DEAD_AFTER)
    assert replace(endpoint, failing_since=None).is_dead(gone, NOON)
    assert not replace(endpoint, failing_since=None).is_dead(refused, NOON)


@pytest.mark.parametrize(("status", "success"), [(200, True), (204, True), (299, True), (302, False), (None, False)])
def test_2xx_alone_is_success(status: int | None, success: bool) -> None:
    assert Answer(status, None).success is success
