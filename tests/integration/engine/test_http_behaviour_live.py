"""Each check of how web servers behave, fired by one setting of the server or one change of its page."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import hardened
from tests.support.lab.web import COOKIES, PAGE, Reply, WebSpec

Change = Callable[[WebSpec], WebSpec]
SITE = "https://hardened.test"
PLAIN = "http://hardened.test"


def page(old: str, new: str) -> Change:
    assert old in PAGE
    return lambda web: replace(web, page=PAGE.replace(old, new))


def through_plain_http(web: WebSpec) -> WebSpec:
    """The root leads to plain HTTP, which leads back to HTTPS and the same page."""
    moved = replace(web, secure_redirect="http://{host}/shop")
    return moved.serve("/shop", PAGE, "text/html; charset=utf-8", Set_Cookie=COOKIES[0])


CASES: list[tuple[str, Change, str, object, Mapping[str, str]]] = [
    (
        "http_not_redirected_to_https",
        lambda web: replace(web, redirect=None),
        "urls",
        [f"{PLAIN}/"],
        {
            "login_form_over_http": "the page, with its login form, is now served over plain HTTP",
            "cookie_prefix_invalid": "and sets its __Host- cookie there",
        },
    ),
    (
        "redirect_chain_insecure_hop",
        through_plain_http,
        "urls",
        [f"{SITE}/", f"{PLAIN}/shop", f"{SITE}/shop"],
        {},
    ),
    (
        "redirect_to_other_host_before_https",
        lambda web: replace(web, redirect="https://www.hardened.test{path}"),
        "location",
        "https://www.hardened.test/",
        {},
    ),
    (
        "mixed_content_active",
        page("</head>", '<script src="http://hardened.test/old.js"></script></head>'),
        "urls",
        [f"{PLAIN}/old.js"],
        {},
    ),
    (
        "mixed_content_passive",
        page('src="/assets/logo.png"', f'src="{PLAIN}/logo.png"'),
        "urls",
        [f"{PLAIN}/logo.png"],
        {},
    ),
    (
        "form_posts_to_http",
        page("</body>", f'<form action="{PLAIN}/search"><input name="q"></form></body>'),
        "actions",
        [f"{PLAIN}/search"],
        {},
    ),
    (
        "login_form_over_http",
        page('action="/login"', f'action="{PLAIN}/login"'),
        "actions",
        [f"{PLAIN}/login"],
        {"form_posts_to_http": "a login form is a form"},
    ),
    ("http_trace_enabled", lambda web: replace(web, trace=True), "status", 200, {}),
    (
        "http_dangerous_methods",
        lambda web: replace(web, allow="GET, HEAD, OPTIONS, PUT, DELETE"),
        "allow",
        "GET, HEAD, OPTIONS, PUT, DELETE",
        {},
    ),
    (
        "directory_listing_enabled",
        lambda web: web.serve("/assets/", "<title>Index of /assets/</title>", "text/html"),
        "url",
        f"{SITE}/assets/",
        {},
    ),
    (
        "verbose_error_page",
        lambda web: replace(web, missing=Reply(b"<pre>Traceback (most recent call last):\n  File ...", status=404)),
        "details",
        ["Python traceback"],
        {},
    ),
    (
        "default_page_exposed",
        page("A tidy shop</title>", "Welcome to nginx!</title>"),
        "title",
        "Welcome to nginx!",
        {},
    ),
    (
        "security_txt_missing",
        lambda web: replace(web, security_txt=None),
        "status",
        404,
        {"security_txt_invalid": "there is none to judge"},
    ),
    (
        "security_txt_invalid",
        lambda web: replace(web, security_txt="Contact: mailto:a@hardened.test\nExpires: 2020-01-01T00:00:00Z\n"),
        "expires",
        ["2020-01-01T00:00:00Z"],
        {},
    ),
]


@pytest.mark.parametrize(("fires", "change", "name", "value", "also"), CASES)
async def test_one_setting_changes_one_verdict(
    baseline: Scan, fires: str, change: Change, name: str, value: object, also: Mapping[str, str]
) -> None:
    site = hardened("hardened.test")
    assert site.web
    verdict = await expect_only(baseline, replace(site, web=change(site.web)), fires=fires, also=also)
    assert verdict.evidence[name] == value


async def test_a_site_without_https_fails_for_that_and_not_for_what_needs_https() -> None:
    """Both are of a page without anything that would tell of its own that it came over plain HTTP. The TLS of the mail
    host is judged as before."""
    site = hardened("hardened.test")
    assert site.web
    bare = replace(site.web, page="<p>Hello", cookies=())
    before = await scanned(replace(site, web=bare))
    needs_https = dict.fromkeys(
        (
            "hsts_missing",
            "hsts_short_max_age",
            "hsts_no_subdomains",
            "mixed_content_active",
            "mixed_content_passive",
            "http_not_redirected_to_https",
            "redirect_to_other_host_before_https",
        ),
        "it is about HTTPS",
    )
    needs_https["security_txt_invalid"] = "RFC 9116 wants it over HTTPS"
    changed = replace(site, tls=None, web=replace(bare, redirect=None))
    verdict = await expect_only(before, changed, fires="https_not_available", also=needs_https)
    assert verdict.evidence["address"]


async def test_a_password_that_goes_to_another_domain_is_told(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    changed = page('action="/login"', 'action="https://sign-in.example/"')(site.web)
    verdict = await expect_only(baseline, replace(site, web=changed), fires="form_posts_to_http")
    assert (verdict.confidence, verdict.evidence["actions"]) == ("inferred", ["https://sign-in.example/"])


async def test_a_challenge_in_front_of_the_site_is_no_page() -> None:
    site = hardened("hardened.test")
    assert site.web
    challenge = Reply(b"<title>Just a moment...</title>", status=403, headers=(("cf-mitigated", "challenge"),))
    found = await scanned(replace(site, web=replace(site.web, page="", missing=challenge)))
    for check_id in ("csp_missing", "x_content_type_options_missing", "exposed_env_file", "default_page_exposed"):
        assert found.statuses[check_id] == "not_tested", check_id


async def test_a_server_that_turns_the_scan_away_is_not_judged_by_its_refusal() -> None:
    site = hardened("hardened.test")
    assert site.web
    refusal = replace(site.web, page="", missing=Reply(b"Request blocked", status=403))
    found = await scanned(replace(site, web=refusal))
    verdict = found.verdicts("csp_missing", "not_tested")[0]
    assert (verdict.fault, found.statuses["csp_missing"]) == ("target", "not_tested")
