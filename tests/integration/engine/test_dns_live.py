"""Each check of the zone and its name servers, against live ones that differ in one setting."""

from dataclasses import replace

from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Lab, Site, hardened
from tests.support.lab.dns import NameServerSpec

SITE = hardened("hardened.test")
SECOND = NameServerSpec(network=1)
ONE_LEFT = "one of the two name servers does not answer for the zone"


def with_servers(*servers: NameServerSpec) -> Site:
    return replace(SITE, zone=replace(SITE.zone, nameservers=servers))


async def test_zone_transfer_open(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(transfer=True), SECOND)
    verdict = await expect_only(baseline, changed, fires="dns_zone_transfer_open")
    assert verdict.asset == "ns1.hardened.test"
    assert "v=spf1 mx -all" in " ".join(verdict.evidence["first_records"])
    assert verdict.reproduce == f"dig @{verdict.evidence['address']} hardened.test AXFR"


async def test_open_resolver(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(recursive=True), SECOND)
    verdict = await expect_only(baseline, changed, fires="dns_open_resolver")
    assert verdict.asset == "ns1.hardened.test"
    assert (verdict.evidence["asked"], verdict.evidence["answers"]) == ("example.com", ["192.0.2.1"])


async def test_single_nameserver(baseline: Scan) -> None:
    also = {
        "dns_nameservers_not_diverse": "one name server is in one network, and nothing to compare",
        "dns_soa_serial_inconsistent": "there is nothing to compare",
    }
    verdict = await expect_only(baseline, with_servers(NameServerSpec()), fires="dns_single_nameserver", also=also)
    assert verdict.evidence["named"] == ["ns1.hardened.test"]


async def test_nameservers_not_diverse(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(), NameServerSpec())
    verdict = await expect_only(baseline, changed, fires="dns_nameservers_not_diverse")
    assert len(verdict.evidence["addresses"]) == 2
    assert len(verdict.evidence["networks"]) == 1


async def test_lame_delegation_refusing(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(), replace(SECOND, behaviour="lame"))
    also = {"dns_single_nameserver": ONE_LEFT, "dns_soa_serial_inconsistent": ONE_LEFT}
    verdict = await expect_only(baseline, changed, fires="dns_lame_delegation", also=also)
    assert (verdict.asset, verdict.evidence["rcode"]) == ("ns2.hardened.test", "REFUSED")


async def test_lame_delegation_absent(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(), replace(SECOND, behaviour="absent"))
    also = {
        "dns_single_nameserver": ONE_LEFT,
        "dns_soa_serial_inconsistent": ONE_LEFT,
        "dns_zone_transfer_open": "a server that is not there cannot be asked",
        "dns_open_resolver": "a server that is not there cannot be asked",
        "dns_server_version_disclosed": "a server that is not there cannot be asked",
    }
    verdict = await expect_only(baseline, changed, fires="dns_lame_delegation", also=also)
    assert verdict.asset == "ns2.hardened.test"
    assert "does not answer" in verdict.reason


async def test_soa_serial_inconsistent(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(serial=7), replace(SECOND, serial=6))
    verdict = await expect_only(baseline, changed, fires="dns_soa_serial_inconsistent")
    assert sorted(verdict.evidence["serials"].values()) == [6, 7]


async def test_server_version_disclosed(baseline: Scan) -> None:
    changed = with_servers(NameServerSpec(version="BIND 9.8.1"), SECOND)
    verdict = await expect_only(baseline, changed, fires="dns_server_version_disclosed")
    assert (verdict.asset, verdict.evidence["version_bind"]) == ("ns1.hardened.test", "BIND 9.8.1")


async def test_private_ip_disclosed(baseline: Scan) -> None:
    zone = SITE.zone.set("www", "A", "$web", "10.1.2.3")
    verdict = await expect_only(baseline, replace(SITE, zone=zone), fires="dns_private_ip_disclosed")
    assert (verdict.asset, verdict.evidence["addresses"]) == ("www.hardened.test", ["10.1.2.3"])


async def test_wildcard_record(baseline: Scan) -> None:
    # The address is not public: nothing new may be contacted for a name that nobody made.
    zone = SITE.zone.set("*", "A", "192.0.2.7")
    verdict = await expect_only(baseline, replace(SITE, zone=zone), fires="dns_wildcard_record")
    assert verdict.evidence["records"] == ["192.0.2.7"]


async def test_caa_missing(baseline: Scan) -> None:
    changed = replace(SITE, zone=SITE.zone.set("@", "CAA"))
    also = {"dns_caa_invalid": "there is no record to be invalid"}
    verdict = await expect_only(baseline, changed, fires="dns_caa_missing", also=also)
    assert verdict.evidence["asked"] == ["hardened.test", "test"]


async def test_caa_invalid(baseline: Scan) -> None:
    changed = replace(SITE, zone=SITE.zone.set("@", "CAA", '0 issue "ca.test"', '128 policy "x"'))
    verdict = await expect_only(baseline, changed, fires="dns_caa_invalid")
    assert verdict.evidence["records"] == ['0 issue "ca.test"', '128 policy "x"']
    assert "policy" in verdict.reason


async def test_delegation_inconsistent(baseline: Scan) -> None:
    changed = replace(SITE, zone=replace(SITE.zone, delegated=("ns1", "ns3.elsewhere.test.")))
    verdict = await expect_only(baseline, changed, fires="dns_delegation_inconsistent")
    assert verdict.evidence["parent_says"] == ["ns1.hardened.test", "ns3.elsewhere.test"]
    assert verdict.evidence["zone_says"] == [["ns1.hardened.test", "ns2.hardened.test"]]


async def test_glue_that_is_stale(baseline: Scan) -> None:
    changed = replace(SITE, zone=replace(SITE.zone, glue="192.0.2.99"))
    verdict = await expect_only(baseline, changed, fires="dns_delegation_inconsistent")
    assert verdict.evidence["glue"]["ns1.hardened.test"] == ["192.0.2.99"]


async def test_nameserver_is_alias(baseline: Scan) -> None:
    zone = SITE.zone.set("other", "CNAME", "ns1").set("@", "NS", "other")
    verdict = await expect_only(baseline, replace(SITE, zone=zone), fires="dns_nameserver_is_alias")
    assert (verdict.asset, verdict.evidence["alias_for"]) == ("other.hardened.test", "ns1.hardened.test")


async def test_soa_timers_unsound(baseline: Scan) -> None:
    changed = replace(SITE, zone=replace(SITE.zone, timers="3600 7200 3600 604800"))
    verdict = await expect_only(baseline, changed, fires="dns_soa_timers_unsound")
    assert len(verdict.evidence["problems"]) == 3


async def test_caa_of_a_parent_counts() -> None:
    parent = hardened("parent.test")
    child = hardened("shop.parent.test")
    child = replace(child, zone=child.zone.set("@", "CAA"))
    found = (await scanned(child, parent)).verdicts("dns_caa_missing", "pass")
    assert [verdict.evidence["at"] for verdict in found] == ["parent.test"]


async def test_what_a_resolver_cannot_say_is_not_an_absence(baseline: Scan) -> None:
    changed = replace(SITE, zone=replace(SITE.zone, servfail=("_dmarc",)))
    also = dict.fromkeys(
        (
            "dmarc_invalid",
            "dmarc_policy_none",
            "dmarc_subdomain_policy_weak",
            "dmarc_partial_enforcement",
            "dmarc_no_reporting",
        ),
        "the zone's servers fail on this name",
    )
    verdict = await expect_only(baseline, changed, fires="dmarc_missing", becomes="not_tested", also=also)
    assert verdict.fault == "target"


async def test_a_lab_lets_a_site_get_worse_while_it_is_served() -> None:
    async with Lab() as lab:
        await lab.serve(SITE)
        before = lab.place(SITE.name)
        await lab.change(replace(SITE, web=None))
        assert lab.place(SITE.name) == before
