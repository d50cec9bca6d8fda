"""What the checks make of hand-made evidence of software."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from services.scanner.engine import check, checks
from services.scanner.engine.check import Verdict
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.software import Hidden, Software, Technology
from services.scanner.engine.facts import technologies

TODAY = date(2026, 11, 25)
FLAWS = (
    "known_exploited_vulnerability",
    "known_vulnerability_critical",
    "known_vulnerability_high",
    "known_vulnerability_medium",
    "known_vulnerability_low",
    "cms_or_plugin_vulnerable",
    "edge_device_outdated",
    "javascript_library_vulnerable",
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    checks.load()
    yield


def technology(product: str, version: str = "", **fields: object) -> Technology:
    known = technologies.product(product)
    made = Technology(
        "example.test:443",
        product,
        known.name,
        known.kind,
        version,
        "server header",
        f"server: {known.name}/{version}",
        "curl -skI https://example.test/",
        whole=known.whole,
        gateway=known.gateway,
        protects=known.protects,
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # the fields are the caller's


def verdicts(check_id: str, *found: Technology, hidden: tuple[Hidden, ...] = ()) -> list[Verdict]:
    software = Software("example.test", TODAY, found, ("example.test:443",), hidden)
    return list(check.registered()[check_id].function(software))


def told(check_id: str, *found: Technology) -> list[str]:
    return [verdict.status for verdict in verdicts(check_id, *found)]


def named(verdict: Verdict) -> set[str]:
    return {flaw["id"] for flaw in verdict.evidence["flaws"]}


@pytest.mark.parametrize(
    ("product", "version"),
    [
        ("apache:http_server", "2.4.49"),
        ("exim:exim", "4.91"),
        ("wordpress:wordpress", "5.8.2"),
        ("jquery:jquery", "1.12.0"),
        ("php:php", "7.1.20"),
    ],
)
def test_each_flaw_is_told_in_one_check(product: str, version: str) -> None:
    seen = [
        flaw for check_id in FLAWS for one in verdicts(check_id, technology(product, version))
        if one.status == "fail" for flaw in named(one)
    ]  # fmt: skip
    assert seen
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("check_id", FLAWS)
def test_without_a_version_nothing_is_said(check_id: str) -> None:
    found = [technology(product) for product in ("apache:http_server", "wordpress:wordpress", "jquery:jquery")]
    assert told(check_id, *found) == ["not_applicable"]


def test_what_is_current_passes() -> None:
    assert told("known_vulnerability_high", technology("openbsd:openssh", "10.2p1")) == ["pass"]
    assert told("javascript_library_vulnerable", technology("jquery:jquery", "3.7.1")) == ["pass"]


def test_one_verdict_an_asset_and_product() -> None:
    found = [technology("apache:http_server", "2.4.49"), technology("php:php", "7.1.20")]
    failures = verdicts("known_vulnerability_critical", *found)
    assert {verdict.subject for verdict in failures} == {"Apache httpd", "PHP"}


def test_a_package_that_is_kept_mended_is_not_judged_by_its_version() -> None:
    package = technology("openbsd:openssh", "8.9p1", system="ubuntu", releases=("22.04",))
    (verdict,) = verdicts("known_vulnerability_high", package)
    assert (verdict.status, verdict.fault) == ("not_tested", "source")
    assert "Ubuntu's package" in verdict.reason


def test_a_package_of_a_dead_release_is() -> None:
    package = technology("openbsd:openssh", "7.2p2", system="ubuntu", releases=("16.04",))
    (verdict,) = verdicts("known_vulnerability_high", package)
    assert verdict.status == "fail"
    assert verdict.confidence == "inferred"
    assert "of a release that gets no more fixes" in verdict.reason
    assert told("operating_system_end_of_life", package) == ["fail"]


@pytest.mark.parametrize(
    ("releases", "status"),
    [(("20.04", "22.04"), "pass"), (("20.04",), "fail"), (("24.04",), "pass"), ((), "not_applicable")],
)
def test_a_system_has_ended_where_all_that_it_may_be_has(releases: tuple[str, ...], status: str) -> None:
    package = technology("f5:nginx", "1.18.0", system="ubuntu", releases=releases)
    assert told("operating_system_end_of_life", package) == [status]


def test_one_sign_of_a_living_system_is_enough() -> None:
    old = technology("f5:nginx", "1.18.0", system="ubuntu", releases=("20.04",))
    new = technology("openbsd:openssh", "9.6p1", asset="example.test:22", system="ubuntu", releases=("24.04",))
    assert told("operating_system_end_of_life", old, new) == ["pass"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "fail"),
        ({"system": "centos", "releases": ("7",)}, "fail"),
        ({"system": "rhel", "releases": ("8",)}, "pass"),
        ({"system": "gentoo"}, "not_tested"),
        ({"system": "windows"}, "fail"),
    ],
)
def test_a_line_past_its_support(fields: dict[str, object], status: str) -> None:
    assert told("software_end_of_life", technology("php:php", "7.2.24", **fields)) == [status]


def test_a_line_in_support() -> None:
    assert told("software_end_of_life", technology("php:php", "8.4.2")) == ["pass"]
    assert told("software_end_of_life", technology("jquery:jquery", "1.12.4")) == ["not_applicable"]  # has its own


def test_an_abandoned_library_with_flaws_is_told_once() -> None:
    assert told("javascript_library_outdated", technology("jquery:jquery", "1.12.4")) == ["pass"]
    assert told("javascript_library_vulnerable", technology("jquery:jquery", "1.12.4")) == ["fail"]


def test_the_facts_are_dated() -> None:
    (verdict,) = verdicts("known_exploited_vulnerability", technology("apache:http_server", "2.4.49"))
    assert set(verdict.evidence["facts"]) == {"vulnerabilities", "exploited"}
    assert verdict.evidence["flaws"][0]["exploited_since"] == "2021-11-03"
    assert all(date.fromisoformat(day) <= TODAY for day in verdict.evidence["facts"].values())


def test_windows_flaws_need_windows() -> None:
    assert told("known_exploited_vulnerability", technology("php:php", "8.2.12")) == ["pass"]
    assert told("known_exploited_vulnerability", technology("php:php", "8.2.12", platform="windows")) == ["fail"]


def test_the_inventory_lists_all_and_names_some() -> None:
    found = [technology("jquery:jquery", f"3.7.{number}") for number in range(120)]
    (verdict,) = verdicts("technology_inventory", *found)
    assert len(verdict.evidence["technologies"]) == 100
    assert verdict.reason.endswith("and 108 more")
    assert told("technology_inventory") == ["not_applicable"]


def test_gateways_and_protections() -> None:
    assert told("vpn_gateway_detected", technology("fortinet:fortios")) == ["fail"]
    assert told("vpn_gateway_detected") == ["pass"]
    assert told("waf_not_detected", technology("cloudflare:cloudflare")) == ["pass"]
    assert told("waf_not_detected") == ["not_applicable"]


@pytest.mark.parametrize("check_id", [*FLAWS, "software_end_of_life", "technology_inventory", "vpn_gateway_detected"])
def test_what_is_hidden_is_not_tested(check_id: str) -> None:
    hidden = Hidden("www.example.test:443", Unseen("no answer", "target"))
    verdict = verdicts(check_id, hidden=(hidden,))[-1]
    assert (verdict.status, verdict.fault, verdict.asset) == ("not_tested", "target", "www.example.test:443")
