"""Which service a path belongs to."""

import pytest

from services.gateway.routing import TABLE, match


@pytest.mark.parametrize(
    ("path", "service", "access"),
    [
        ("/v1/scan", "scanner", "credential"),
        ("/v1/scan/", "scanner", "credential"),
        ("/v1/scan/jobs/job_x/report", "scanner", "credential"),
        ("/v1/scan/free", "scanner", "public"),
        ("/v1/scan/free/", "scanner", "public"),
        ("/v1/scan/freedom", "scanner", "credential"),
        ("/v1/auth/login", "auth", "public"),
        ("/v1/auth/api-keys/7", "auth", "credential"),
        ("/v1/billing/webhook", "billing", "public"),
        ("/v1/billing/checkout", "billing", "credential"),
        ("/v1/verify", "reports", "public"),
        ("/v1/badge/example.com.svg", "reports", "public"),
        ("/v1/domains/alerts/read", "monitor", "credential"),
        ("/.well-known/jwks.json", "auth", "public"),
    ],
)
def test_the_longest_prefix_by_whole_segments_wins(path: str, service: str, access: str) -> None:
    row = match(path)
    assert row is not None
    assert (row.service, row.access) == (service, access)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v1",
        "/v2/scan",
        "/v1/scanner",
        "/V1/scan",
        "//v1/scan",
        "/v1//scan",
        "/internal/introspect",
        "/internal",
        "/metrics",
    ],
)
def test_nothing_else_belongs_to_a_service(path: str) -> None:
    assert match(path) is None


def test_only_public_paths_are_counted_by_address() -> None:
    assert all(row.access == "public" for row in TABLE if row.limits)
