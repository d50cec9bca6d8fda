"""Each check of cookies, fired by one attribute of the page's cookie."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.integration.engine.harness import Scan, expect_only
from tests.support.lab import hardened

NONE_NEEDS_SECURE = {"cookie_missing_secure": "SameSite=None without Secure is a cookie without Secure"}
CASES: list[tuple[str, str, Mapping[str, str]]] = [
    ("cookie_missing_secure", "session=2f1c; Path=/; HttpOnly; SameSite=Lax", {}),
    ("cookie_missing_httponly", "__Host-session=2f1c; Path=/; Secure; SameSite=Lax", {}),
    ("cookie_missing_samesite", "__Host-session=2f1c; Path=/; Secure; HttpOnly; SameSite=Sometimes", {}),
    ("cookie_samesite_none_without_secure", "session=2f1c; Path=/; HttpOnly; SameSite=None", NONE_NEEDS_SECURE),
    ("cookie_prefix_invalid", "__Host-session=2f1c; Path=/shop; Secure; HttpOnly; SameSite=Lax", {}),
    (
        "cookie_domain_too_broad",
        "session=2f1c; Domain=hardened.test; Path=/; Secure; HttpOnly; SameSite=Lax",
        {},
    ),
]


@pytest.mark.parametrize(("fires", "cookie", "also"), CASES)
async def test_one_attribute_changes_one_verdict(
    baseline: Scan, fires: str, cookie: str, also: Mapping[str, str]
) -> None:
    site = hardened("hardened.test")
    assert site.web
    changed = replace(site, web=replace(site.web, cookies=(cookie,)))
    verdict = await expect_only(baseline, changed, fires=fires, also=also)
    assert verdict.subject == cookie.partition("=")[0]
    assert verdict.evidence["set_cookie"] == cookie.replace("2f1c", "..."), "the line as served, without its value"
