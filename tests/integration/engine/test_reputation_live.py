"""Each check of what others say of the domain, fired by one word of theirs."""

from dataclasses import replace

import pytest

from tests.integration.engine.harness import Scan, expect_blocked, expect_only, scanned
from tests.support.lab import Site, hardened
from tests.support.lab.dns import ZoneSpec
from tests.support.lab.sources import Known, LoggedCertificate

SITE = hardened("hardened.test")
LISTS = ("ip_blocklisted", "domain_blocklisted")
BREACH = {"Name": "Shop2019", "BreachDate": "2019-03-01", "PwnCount": 1234, "DataClasses": ["Email addresses"]}


def known(**told: object) -> Site:
    return replace(SITE, known=Known(**told))  # type: ignore[arg-type]  # each test's own


async def test_address_on_a_block_list(baseline: Scan) -> None:
    verdict = await expect_only(baseline, known(address_codes=("127.0.0.2",)), fires="ip_blocklisted")
    assert (verdict.evidence["list"], verdict.evidence["codes"]) == ("addresses.bl.test", ["127.0.0.2"])
    assert verdict.evidence["text"].startswith("listed, see ")
    assert verdict.reproduce.startswith("dig +short ")


async def test_domain_on_a_block_list(baseline: Scan) -> None:
    verdict = await expect_only(baseline, known(domain_codes=("127.0.1.4",)), fires="domain_blocklisted")
    assert (verdict.asset, verdict.evidence["list"]) == ("hardened.test", "domains.bl.test")


async def test_a_list_that_refuses_the_resolver_says_nothing() -> None:
    found = await expect_blocked(known(silent=frozenset({"lists"})), checks=LISTS)
    assert {verdict.fault for check in LISTS for verdict in found.judged[check].verdicts} == {"source"}


async def test_a_code_of_refusal_is_no_listing() -> None:
    found = await scanned(known(address_codes=("127.255.255.254",)))
    assert not found.verdicts("ip_blocklisted", "fail")


async def test_script_of_a_known_host(baseline: Scan) -> None:
    assert SITE.web
    page = SITE.web.page.replace("https://cdn.example/lib.js", "https://coinhive.com/lib/coinhive.min.js")
    web = replace(SITE.web, page=page).set(
        "Content-Security-Policy",
        next(value for name, value in SITE.web.headers if name == "Content-Security-Policy").replace(
            "https://cdn.example", "https://coinhive.com"
        ),
    )
    verdict = await expect_only(baseline, replace(SITE, web=web), fires="malicious_script_detected")
    assert verdict.evidence["known_by"] == "coinhive.com"


async def test_mark_in_a_script_of_the_page() -> None:
    assert SITE.web
    page = SITE.web.page.replace("</body>", "<script>var m = new CoinHive.Anonymous('key')</script></body>")
    found = await scanned(replace(SITE, web=replace(SITE.web, page=page)))
    assert found.statuses["malicious_script_detected"] == "fail"


async def test_a_page_that_writes_of_such_scripts_is_none(baseline: Scan) -> None:
    assert SITE.web
    page = SITE.web.page.replace("</body>", "<p>They call new CoinHive.Anonymous('key')</p></body>")
    found = await scanned(replace(SITE, web=replace(SITE.web, page=page)))
    assert found.statuses == baseline.statuses


async def test_breach_listed(baseline: Scan) -> None:
    verdict = await expect_only(baseline, known(breaches=(BREACH,)), fires="breach_listed")
    assert verdict.evidence["breaches"] == [
        {"name": "Shop2019", "date": "2019-03-01", "accounts": 1234, "data": ["Email addresses"]}
    ]


async def test_credentials_leaked(baseline: Scan) -> None:
    verdict = await expect_only(baseline, known(accounts=7), fires="credentials_leaked")
    assert verdict.evidence == {"source": "sources.test", "accounts": 7}


async def test_a_silent_source_of_breaches() -> None:
    await expect_blocked(known(silent=frozenset({"breaches"})), checks=("breach_listed", "credentials_leaked"))


@pytest.mark.parametrize("name", ["hardend.test", "hardemed.test", "hardened-login.test"])
async def test_lookalike_registered(baseline: Scan, name: str) -> None:
    other = Site(name, ZoneSpec(records=(("@", "A", "$web"), ("@", "MX", "10 mail"))), mail=None)
    verdict = await expect_only(baseline, SITE, other, fires="lookalike_domains_found")
    assert verdict.evidence["name"] == name
    assert verdict.evidence["mail_hosts"] == [f"mail.{name}"]


async def test_certificate_of_an_unexpected_authority(baseline: Scan) -> None:
    changed = known(certificates=(LoggedCertificate(("hardened.test",)),))
    verdict = await expect_only(baseline, changed, fires="ct_unexpected_certificate")
    assert verdict.evidence["allowed"] == ["ca.test"]
    assert verdict.evidence["certificates"][0]["issuer"] == "C=US, O=Let's Encrypt, CN=R11"


async def test_without_the_search_certificates_are_not_judged() -> None:
    await expect_blocked(known(silent=frozenset({"ct"})), checks=("ct_unexpected_certificate",))
