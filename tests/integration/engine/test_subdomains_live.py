"""Each check of names below the domain, fired by one record that leads nowhere or to what others may have."""

from dataclasses import replace

import pytest

from tests.integration.engine.harness import Scan, expect_blocked, expect_only, scanned
from tests.support.lab import Site, hardened
from tests.support.lab.dns import ZoneSpec
from tests.support.lab.sources import Known, LoggedCertificate
from tests.support.lab.web import PAGE, Reply, WebSpec

SITE = hardened("hardened.test")
PAGES = "There isn't a GitHub Pages site here."


def with_record(owner: str, record_type: str, data: str, known: Known | None = None) -> Site:
    zone = replace(SITE.zone, records=(*SITE.zone.records, (owner, record_type, data)))
    return replace(SITE, zone=zone, known=known or SITE.known)


def provider(page: str, status: int = 404) -> Site:
    """GitHub Pages, where every name shows this page."""
    zone = ZoneSpec(records=(("acme", "A", "$web"),))
    web = WebSpec(headers=(), cookies=(), page="", redirect=None, missing=Reply(page.encode(), status=status))
    return Site("github.io", zone, web=web, mail=None)


async def test_alias_of_a_name_that_is_missing(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_record("blog", "CNAME", "gone.elsewhere.test."), fires="dangling_cname")
    assert (verdict.asset, verdict.evidence["target"]) == ("blog.hardened.test", "gone.elsewhere.test")
    assert verdict.evidence["missing_domain"] == "elsewhere.test"
    assert not verdict.evidence["missing_domain_is_registered"]
    assert verdict.evidence["found_by"] == ["guess"]


async def test_alias_of_an_alias_of_a_name_that_is_missing(baseline: Scan) -> None:
    zone = ZoneSpec(records=(("shop", "CNAME", "old"), ("@", "A", "$web")))
    other = Site("elsewhere.test", zone, mail=None)
    changed = with_record("shop", "CNAME", "shop.elsewhere.test.")
    verdict = await expect_only(baseline, changed, other, fires="dangling_cname")
    assert (verdict.evidence["missing"], verdict.evidence["aliases"]) == ("old.elsewhere.test", ["old.elsewhere.test"])
    assert verdict.evidence["missing_domain_is_registered"]


async def test_alias_of_a_broken_zone_is_not_tested(baseline: Scan) -> None:
    broken = Site("elsewhere.test", ZoneSpec(records=(("@", "A", "$web"),), servfail=("shop",)), mail=None)
    changed = with_record("shop", "CNAME", "shop.elsewhere.test.")
    also = {"subdomain_takeover_possible": "where the alias ends is not known"}
    await expect_only(baseline, changed, broken, fires="dangling_cname", becomes="not_tested", also=also)


async def test_delegation_to_a_name_that_is_missing(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_record("dev", "NS", "ns1.gone-hoster.test."), fires="dangling_ns")
    assert (verdict.asset, verdict.evidence["missing"]) == ("dev.hardened.test", "ns1.gone-hoster.test")


async def test_delegation_to_a_provider_that_does_not_have_the_zone(baseline: Scan) -> None:
    provider = Site("digitalocean.com", ZoneSpec(records=()), web=None, mail=None)
    zone = with_record("dev", "NS", "ns1.digitalocean.com.").zone
    changed = replace(SITE, zone=replace(zone, servfail=("dev",)))
    unseen = dict.fromkeys(("dangling_cname", "dangling_mx", "subdomain_takeover_possible"), "no answer")
    unseen["staging_host_public"] = "nor is there a host to look at"
    verdict = await expect_only(baseline, changed, provider, fires="dangling_ns", also=unseen)
    assert verdict.evidence["answers"] == ["ns1.digitalocean.com: REFUSED"]


async def test_mail_to_a_name_that_is_missing(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_record("news", "MX", "10 mx.gone-hoster.test."), fires="dangling_mx")
    assert (verdict.asset, verdict.evidence["target"]) == ("news.hardened.test", "mx.gone-hoster.test")


async def test_alias_of_what_its_provider_shows_as_nobodys(baseline: Scan) -> None:
    changed = with_record("docs", "CNAME", "acme.github.io.")
    verdict = await expect_only(baseline, changed, provider(PAGES), fires="subdomain_takeover_possible")
    assert (verdict.asset, verdict.evidence["provider"]) == ("docs.hardened.test", "Github")
    assert (verdict.evidence["shown"], verdict.confidence) == (PAGES, "inferred")
    assert verdict.evidence["url"] == "http://docs.hardened.test/"


async def test_alias_of_what_does_not_exist_at_a_provider(baseline: Scan) -> None:
    also = {"dangling_cname": "it does not resolve either"}
    changed = with_record("app", "CNAME", "acme-app.azurewebsites.net.")
    verdict = await expect_only(baseline, changed, fires="subdomain_takeover_possible", also=also)
    assert (verdict.evidence["provider"], verdict.evidence["shown"]) == ("Microsoft Azure", "NXDOMAIN")


async def test_a_claimed_name_at_a_provider_is_no_finding(baseline: Scan) -> None:
    changed = with_record("docs", "CNAME", "acme.github.io.")
    found = await scanned(changed, provider(PAGE, status=200))
    assert found.statuses == baseline.statuses


async def test_a_silent_address_of_a_clouds_pool(baseline: Scan) -> None:
    verdict = await expect_only(baseline, with_record("beta", "A", "$silent"), fires="dangling_ip_record")
    assert verdict.confidence == "inferred"
    assert verdict.evidence["reverse_name"].endswith(".compute-1.amazonaws.com")


@pytest.mark.parametrize("host", ["staging", "dev.shop"])
async def test_staging_host_open_to_anyone(baseline: Scan, host: str) -> None:
    known = Known(certificates=(LoggedCertificate((f"{host}.hardened.test",)),))
    other = Site("elsewhere.test", ZoneSpec(records=(("@", "A", "$web"),)), web=_shop("<h1>Shop, next version</h1>"))
    changed = with_record(host, "CNAME", "elsewhere.test.", known)
    verdict = await expect_only(baseline, changed, other, fires="staging_host_public")
    assert (verdict.asset, verdict.evidence["status"]) == (f"{host}.hardened.test", 200)


@pytest.mark.parametrize(
    "web",
    [
        WebSpec(page="", redirect=None, missing=Reply(b"who are you?", status=401)),
        WebSpec(page="<form><input type=password></form>", redirect=None),
        WebSpec(page="<meta name=robots content=noindex><h1>Shop</h1>", redirect=None),
        WebSpec(redirect="https://sso.elsewhere.test/", secure_redirect="https://sso.elsewhere.test/"),
        WebSpec(),  # the page of the domain itself, which asks for a password
    ],
    ids=["login", "form", "noindex", "sign-on", "password"],
)
async def test_a_gate_before_a_staging_host(baseline: Scan, web: WebSpec) -> None:
    other = Site("elsewhere.test", ZoneSpec(records=(("@", "A", "$web"),)), web=web)
    found = await scanned(with_record("staging", "CNAME", "elsewhere.test."), other)
    assert found.statuses["staging_host_public"] == "pass"


async def test_one_site_by_two_names_is_no_staging_host() -> None:
    page = _shop("<h1>The shop</h1>")
    found = await scanned(replace(with_record("test", "A", "$web"), web=page))
    assert found.statuses["staging_host_public"] == "pass"
    assert "another name" in found.verdicts("staging_host_public", "pass")[0].reason


async def test_a_staging_host_that_hangs_is_not_tested(baseline: Scan) -> None:
    web = WebSpec(behaviour="resets")
    other = Site("elsewhere.test", ZoneSpec(records=(("@", "A", "$web"),)), web=web)
    changed = with_record("staging", "CNAME", "elsewhere.test.")
    await expect_only(baseline, changed, other, fires="staging_host_public", becomes="not_tested")


async def test_what_a_wildcard_makes_is_no_staging_host(baseline: Scan) -> None:
    found = await scanned(replace(with_record("*", "A", "$web"), web=_shop("<h1>The shop</h1>")))
    assert found.statuses["staging_host_public"] == "not_applicable"
    assert found.statuses["dangling_cname"] == "pass"


async def test_a_wildcard_that_dangles_is_one_finding() -> None:
    found = await scanned(with_record("*", "CNAME", "gone.elsewhere.test."))
    assert [verdict.asset for verdict in found.verdicts("dangling_cname", "fail")] == ["*.hardened.test"]


async def test_names_of_logged_certificates_are_looked_up(baseline: Scan) -> None:
    known = Known(certificates=(LoggedCertificate(("x7.hardened.test", "*.shop.hardened.test")),))
    changed = with_record("x7", "CNAME", "gone.elsewhere.test.", known)
    verdict = await expect_only(baseline, changed, fires="dangling_cname")
    assert verdict.evidence["found_by"] == ["log"]


async def test_without_the_search_the_other_names_are_judged(baseline: Scan) -> None:
    found = await scanned(replace(SITE, known=Known(silent=frozenset({"ct"}))))
    unseen = {"ct_unexpected_certificate": "not_tested"}
    assert found.statuses == {**baseline.statuses, **unseen}
    unread = found.verdicts("dangling_cname", "not_tested")
    assert [verdict.fault for verdict in unread] == ["source"]


async def test_names_whose_servers_are_silent_are_not_tested() -> None:
    zone = replace(with_record("old", "A", "$web").zone, servfail=("old",))
    checks = ("dangling_cname", "dangling_ns", "dangling_mx", "subdomain_takeover_possible")
    await expect_blocked(replace(SITE, zone=zone), checks=checks)


def _shop(heading: str) -> WebSpec:
    return WebSpec(page=f"<!doctype html><title>Shop</title>{heading}<p>All prices with tax.</p>")
