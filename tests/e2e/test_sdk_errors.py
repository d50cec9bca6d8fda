"""The vendor's SDK, unmodified, both clients: each of its error classes, raised by what the API really refuses.

What the SDK makes of a 5xx is not here: nothing that a client does brings one about.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from compliancelayer import AsyncComplianceLayer, ComplianceLayer, exceptions
from compliancelayer.exceptions import (
    APIError,
    AuthenticationError,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    ScanError,
    ScanTimeoutError,
    ValidationError,
)

from tests.e2e.conftest import Account, Stage

pytestmark = pytest.mark.xdist_group("e2e")

ABSENT = "job_" + "a" * 26
LONG = "a" * 2000 + ".test"
FREE_SCANS = 5  # an hour from one address
REQUESTS = 120  # a minute on the plan free

Call = Callable[[Any], Any]  # what is done with a client

# What is called, the class that it raises, and the status and code of the answer; None: the SDK's own conclusion.
CASES: tuple[tuple[str, Call, type[APIError], int | None, str | None], ...] = (
    ("a domain that is none", lambda client: client.scan_async("none"), ValidationError, 400, "invalid_domain"),
    ("an unknown job", lambda client: client.get_scan_job(ABSENT), NotFoundError, 404, "not_found"),
    ("the report of an unknown job", lambda client: client.get_scan_report(ABSENT), NotFoundError, 404, "not_found"),
    ("a second domain", lambda client: client.domains.add("second.test"), ForbiddenError, 403, "domain_limit_reached"),
    ("too large a body", lambda client: client.batch_scan([LONG] * 50), APIError, 413, "payload_too_large"),
    ("a scan that fails", lambda client: client.scan("nowhere.test", poll_interval=0.1), ScanError, None, None),
    (
        "a scan that takes longer",
        lambda client: client.scan("broken.test", poll_interval=0.1, poll_timeout=0.2),
        ScanTimeoutError,
        None,
        None,
    ),
)


@pytest.fixture(params=(ComplianceLayer, AsyncComplianceLayer), ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def account(stage: Stage) -> Iterator[Account]:
    """On the plan free, with the one domain that it may monitor."""
    with stage.account() as account:
        account.post("/v1/domains", domain="hardened.test")
        yield account


def refusal(stage: Stage, kind: Any, key: str, call: Call) -> APIError:
    """The error that `call` raises; nothing is tried twice."""

    async def work() -> None:
        client = kind(key, base_url=stage.fleet.url, max_retries=1)
        try:
            await settled(call(client))
        finally:
            await settled(client.close())

    with pytest.raises(APIError) as raised:
        asyncio.run(work())
    return raised.value


async def settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def holds(error: APIError, expected: type[APIError], status: int | None, code: str | None) -> None:
    assert (type(error), error.status_code) == (expected, status)
    if code:
        body: Any = error.response_body
        assert (body["error"], body["message"]) == (code, str(error))


def test_no_class_is_missing_here() -> None:
    raised = {AuthenticationError, QuotaExceededError, RateLimitError, *(case[2] for case in CASES)}
    assert raised == {
        kind for kind in vars(exceptions).values() if inspect.isclass(kind) and issubclass(kind, APIError)
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_is_refused(
    case: tuple[str, Call, type[APIError], int | None, str | None], stage: Stage, kind: Any, account: Account
) -> None:
    _, call, expected, status, code = case
    holds(refusal(stage, kind, account.key, call), expected, status, code)


@pytest.mark.parametrize(("key", "code"), [("cl_wrong", "invalid_api_key"), ("neither key nor token", "unauthorized")])
def test_a_key_that_is_none(stage: Stage, kind: Any, key: str, code: str) -> None:
    holds(refusal(stage, kind, key, lambda client: client.usage()), AuthenticationError, 401, code)


def test_a_report_that_is_not_there(stage: Stage, kind: Any, account: Account) -> None:
    running = account.post("/v1/scan", domain="broken.test")["job_id"]
    error = refusal(stage, kind, account.key, lambda client: client.get_scan_report(running))
    holds(error, ScanError, 409, "scan_not_completed")
    failed = account.post("/v1/scan", domain="nowhere.test")["job_id"]
    account.until(f"/v1/scan/jobs/{failed}", lambda job: job["status"] == "failed")
    holds(
        refusal(stage, kind, account.key, lambda client: client.get_scan_report(failed)), ScanError, 409, "scan_failed"
    )


def test_too_many_requests(stage: Stage, kind: Any) -> None:
    with stage.account() as account:
        for _ in range(REQUESTS - 1):  # making the key was one
            account.get("/v1/webhooks/events/types")
        error = refusal(stage, kind, account.key, lambda client: client.webhooks.list())
    holds(error, RateLimitError, 429, "rate_limit_exceeded")
    assert isinstance(error, RateLimitError) and error.retry_after is not None
    assert 1 <= error.retry_after <= 61  # the window's seconds, and the part of one that it may be longer


@pytest.mark.usefixtures("free_scans")
def test_too_many_free_scans(stage: Stage, kind: Any) -> None:
    for _ in range(FREE_SCANS):
        httpx.post(f"{stage.fleet.url}/v1/scan/free", json={"domain": "none"})
    error = refusal(stage, kind, "no key", lambda client: client.free_scan("hardened.test"))
    holds(error, QuotaExceededError, 429, "rate_limit_exceeded")
