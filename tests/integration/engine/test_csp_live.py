"""Each check of the content policy and of what pages load from others, fired by one change of policy or page."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.integration.engine.harness import Scan, expect_only
from tests.support.lab import hardened
from tests.support.lab.web import HEADERS, PAGE, WebSpec

Change = Callable[[WebSpec], WebSpec]
POLICY = dict(HEADERS)["Content-Security-Policy"]
NO_POLICY = dict.fromkeys(
    ("csp_unsafe_inline", "csp_unsafe_eval", "csp_broad_source", "csp_missing_base_object"),
    "there is no policy to judge",
)


def scripts(addition: str) -> Change:
    return lambda web: web.set("Content-Security-Policy", POLICY.replace("script-src ", f"script-src {addition} "))


def report_only(web: WebSpec) -> WebSpec:
    return web.set("Content-Security-Policy").set("Content-Security-Policy-Report-Only", POLICY)


def checkout(web: WebSpec) -> WebSpec:
    """A payment page with a script of others, under a policy that lets any host serve scripts."""
    added = '<script src="https://js.stripe.com/v3/"></script><script src="https://widgets.example/w.js"></script>'
    return scripts("https:")(replace(web, page=PAGE.replace("</head>", added + "</head>")))


def tracked(web: WebSpec) -> WebSpec:
    added = '<script src="https://www.google-analytics.com/analytics.js" integrity="sha384-x"></script>'
    return replace(web, page=PAGE.replace("</head>", added + "</head>"))


CASES: list[tuple[str, Change, str, object, Mapping[str, str]]] = [
    (
        "csp_missing",
        lambda web: web.set("Content-Security-Policy"),
        "policies",
        None,
        {**NO_POLICY, "csp_report_only": "there is no policy of either kind"},
    ),
    ("csp_report_only", report_only, "policies", [POLICY], {**NO_POLICY, "csp_missing": "nothing is enforced"}),
    (
        "csp_unsafe_inline",
        scripts("'unsafe-inline'"),
        "policies",
        [POLICY.replace("script-src ", "script-src 'unsafe-inline' ")],
        {},
    ),
    (
        "csp_unsafe_eval",
        scripts("'unsafe-eval'"),
        "policies",
        [POLICY.replace("script-src ", "script-src 'unsafe-eval' ")],
        {},
    ),
    ("csp_broad_source", scripts("https:"), "policies", [POLICY.replace("script-src ", "script-src https: ")], {}),
    (
        "csp_missing_base_object",
        lambda web: web.set("Content-Security-Policy", POLICY.replace("base-uri 'none'; ", "")),
        "policies",
        [POLICY.replace("base-uri 'none'; ", "")],
        {},
    ),
    (
        "sri_missing_third_party_script",
        lambda web: replace(web, page=PAGE.replace('integrity="sha384-lab"', "")),
        "urls",
        ["https://cdn.example/lib.js"],
        {},
    ),
    (
        "payment_page_scripts_uncontrolled",
        checkout,
        "urls",
        ["https://widgets.example/w.js"],
        {
            "csp_broad_source": "an uncontrolled page is one whose policy is too broad",
            "sri_missing_third_party_script": "and whose scripts are not pinned",
            "technology_inventory": "the processor is seen",
        },
    ),
    (
        "third_party_trackers_present",
        tracked,
        "trackers",
        ["Google Analytics"],
        {"technology_inventory": "the tracker is seen"},
    ),
]


@pytest.mark.parametrize(("fires", "change", "name", "value", "also"), CASES)
async def test_one_change_of_policy_or_page_changes_one_verdict(
    baseline: Scan, fires: str, change: Change, name: str, value: object, also: Mapping[str, str]
) -> None:
    site = hardened("hardened.test")
    assert site.web
    verdict = await expect_only(baseline, replace(site, web=change(site.web)), fires=fires, also=also)
    assert verdict.evidence.get(name) == value
