"""Each check of response headers, fired by the one header that it is about."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.engine.harness import Scan, expect_only
from tests.support.lab import hardened
from tests.support.lab.web import HEADERS, WebSpec

Change = Callable[[WebSpec], WebSpec]
NO_HSTS = {"hsts_short_max_age": "no HSTS, no max-age", "hsts_no_subdomains": "no HSTS to cover them"}
POLICY = dict(HEADERS)["Content-Security-Policy"]
FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")

CASES: list[tuple[str, Change, Mapping[str, Any], Mapping[str, str]]] = [
    ("hsts_missing", lambda web: web.set("Strict-Transport-Security"), {"header": None}, NO_HSTS),
    (
        "hsts_missing",
        lambda web: web.set("Strict-Transport-Security", "max-age=0"),
        {"header": "max-age=0"},
        NO_HSTS,
    ),
    (
        "hsts_short_max_age",
        lambda web: web.set("Strict-Transport-Security", "max-age=3600; includeSubDomains"),
        {"max_age": 3600},
        {},
    ),
    (
        "hsts_no_subdomains",
        lambda web: web.set("Strict-Transport-Security", "max-age=63072000"),
        {"header": "max-age=63072000"},
        {},
    ),
    (
        "x_content_type_options_missing",
        lambda web: web.set("X-Content-Type-Options", "none, nosniff"),  # the first value alone counts
        {"header": "none, nosniff"},
        {},
    ),
    (
        "clickjacking_protection_missing",
        lambda web: web.set("Content-Security-Policy", FRAMED),  # X-Frame-Options is then ignored
        {"frame_ancestors": ["*"], "x_frame_options": "DENY"},
        {},
    ),
    (
        "referrer_policy_missing",
        lambda web: web.set("Referrer-Policy", "no-referrer, unsafe-url"),
        {"header": "no-referrer, unsafe-url"},
        {},
    ),
    ("permissions_policy_missing", lambda web: web.set("Permissions-Policy"), {"header": None}, {}),
    (
        "cross_origin_isolation_missing",
        lambda web: web.set("Cross-Origin-Opener-Policy"),
        {
            "headers": {
                "cross-origin-opener-policy": None,
                "cross-origin-embedder-policy": "require-corp",
                "cross-origin-resource-policy": "same-origin",
            }
        },
        {},
    ),
    (
        "server_version_disclosed",
        lambda web: web.set("Server", "shopd/1.18.0"),  # a product of which nothing else is known
        {"headers": {"server": "shopd/1.18.0"}},
        {},
    ),
    (
        "internal_ip_in_headers",
        lambda web: web.set("X-Backend", "10.0.3.17:8080"),
        {"headers": {"x-backend": "10.0.3.17:8080"}},
        {},
    ),
    (
        "cors_arbitrary_origin_with_credentials",
        lambda web: replace(web, cors="reflect"),
        {
            "sent_origin": "https://foreign-origin.example",
            "allow_origin": "https://foreign-origin.example",
            "allow_credentials": "true",
        },
        {},
    ),
    (
        "cors_arbitrary_origin_with_credentials",
        lambda web: replace(web, cors="suffix"),  # https://hardened.test.foreign-origin.example begins like its own
        {
            "sent_origin": "https://hardened.test.foreign-origin.example",
            "allow_origin": "https://hardened.test.foreign-origin.example",
            "allow_credentials": "true",
        },
        {},
    ),
    (
        "permissions_policy_missing",
        lambda web: web.set("Permissions-Policy", "camera 'none'"),  # the syntax of the header before it
        {"header": "camera 'none'"},
        {},
    ),
    ("sensitive_response_cacheable", lambda web: web.set("Cache-Control"), {"cache_control": None}, {}),
    (
        "sensitive_response_cacheable",
        lambda web: web.set("Cache-Control", "public, max-age=600"),
        {"cache_control": "public, max-age=600"},
        {},
    ),
    ("cors_wildcard_origin", lambda web: replace(web, cors="any"), {"allow_origin": "*"}, {}),
]


@pytest.mark.parametrize(("fires", "change", "evidence", "also"), CASES)
async def test_one_header_changes_one_verdict(
    baseline: Scan, fires: str, change: Change, evidence: Mapping[str, Any], also: Mapping[str, str]
) -> None:
    site = hardened("hardened.test")
    assert site.web
    verdict = await expect_only(baseline, replace(site, web=change(site.web)), fires=fires, also=also)
    assert verdict.evidence == evidence
