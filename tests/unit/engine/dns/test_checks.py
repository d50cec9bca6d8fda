"""Verdicts on a zone whose servers could not all be asked."""

from dataclasses import replace

import pytest

from services.scanner.engine.check import CheckFunction, Verdict
from services.scanner.engine.checks import dns as checks
from services.scanner.engine.checks import dns_caa
from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import CaaSet, DnsZone, Recursion, ServerAnswers, Soa, Transfer

SILENT = Unseen("no answer", "target")
NO_ROUTE = Unseen("no way there", "ours")
RESOLVER_DOWN = Unseen("the DNS resolver does not answer", "source")
DOMAIN = Host("a.test", ("192.0.2.1",))


def server(name: str, address: str) -> ServerAnswers:
    """One that does all it should."""
    return ServerAnswers(
        name,
        address,
        soa=Soa("NOERROR", True, 1),
        nameservers=("ns1.a.test", "ns2.a.test"),
        recursion=Recursion("example.com", False, ()),
        transfer=Transfer((), 0, "REFUSED"),
        version="",
    )


def unheard(name: str, address: str, why: Unseen) -> ServerAnswers:
    return ServerAnswers(name, address, why, why, why, why, why)


def zone(*servers: ServerAnswers) -> tuple[DnsZone, Addresses]:
    names = dict.fromkeys(each.name for each in servers)
    hosts = tuple(Host(name, tuple(each.address for each in servers if each.name == name)) for name in names)
    return DnsZone("a.test", servers), Addresses(DOMAIN, Host("www.a.test", ()), (), hosts)


def said(verdicts: list[Verdict]) -> list[tuple[str, str, str | None]]:
    return [(verdict.asset, verdict.status, verdict.fault) for verdict in verdicts]


FIRST, SECOND = server("ns1.a.test", "192.0.2.53"), server("ns2.a.test", "198.51.100.53")
PER_SERVER = (checks.zone_transfer_open, checks.open_resolver, checks.server_version_disclosed)


@pytest.mark.parametrize("check", PER_SERVER)
@pytest.mark.parametrize(
    ("why", "outcome"), [(SILENT, ("not_tested", "target")), (NO_ROUTE, ("pass", None))], ids=["silent", "no route"]
)
def test_an_address_that_keeps_quiet_hides_nothing(
    check: CheckFunction, why: Unseen, outcome: tuple[str, str | None]
) -> None:
    """IPv6 that we have no way to is not the target's doing; an address that does not answer is."""
    found = zone(FIRST, unheard("ns1.a.test", "2001:db8::53", why))
    assert said(list(check(*found))) == [("ns1.a.test", *outcome)]


@pytest.mark.parametrize("check", (*PER_SERVER, checks.lame_delegation, checks.single_nameserver))
def test_without_the_resolver_nothing_is_said(check: CheckFunction) -> None:
    found = Addresses(DOMAIN, Host("www.a.test", ()), (), RESOLVER_DOWN)
    assert said(list(check(DnsZone(RESOLVER_DOWN), found))) == [("a.test", "not_tested", "source")]


@pytest.mark.parametrize("check", [checks.lame_delegation, checks.single_nameserver])
def test_silence_of_all_may_be_our_own_way_to_port_53(check: CheckFunction) -> None:
    found = zone(unheard("ns1.a.test", "192.0.2.53", SILENT), unheard("ns2.a.test", "198.51.100.53", SILENT))
    assert said(list(check(*found))) == [("a.test", "not_tested", "target")]


def test_name_servers_whose_addresses_stay_unknown_are_not_too_few() -> None:
    hosts = tuple(Host(name, SILENT) for name in ("ns1.a.test", "ns2.a.test"))
    found = DnsZone("a.test", ()), Addresses(DOMAIN, Host("www.a.test", ()), (), hosts)
    assert said(list(checks.single_nameserver(*found))) == [("a.test", "not_tested", "target")]


def test_one_that_is_silent_beside_one_that_answers_is_lame() -> None:
    found = zone(FIRST, unheard("ns2.a.test", "198.51.100.53", SILENT))
    assert said(list(checks.lame_delegation(*found))) == [("ns1.a.test", "pass", None), ("ns2.a.test", "fail", None)]


def test_a_name_server_without_an_address_is_lame() -> None:
    found, addresses = zone(FIRST, SECOND)
    assert not isinstance(addresses.nameservers, Unseen)
    gone = replace(addresses, nameservers=(*addresses.nameservers, Host("ns3.gone.test", ())))
    assert said(list(checks.lame_delegation(found, gone)))[-1] == ("ns3.gone.test", "fail", None)


def test_two_names_of_one_address_are_one_name_server() -> None:
    found = zone(FIRST, server("ns2.a.test", FIRST.address))
    assert said(list(checks.single_nameserver(*found))) == [("a.test", "fail", None)]


def test_a_second_name_server_that_we_cannot_reach_may_well_be_there() -> None:
    found = zone(FIRST, unheard("ns2.a.test", "2001:db8::53", NO_ROUTE))
    assert said(list(checks.single_nameserver(*found))) == [("a.test", "not_tested", "ours")]


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (SECOND, ("pass", None)),
        (replace(SECOND, soa=Soa("NOERROR", True, 2)), ("fail", None)),
        (unheard("ns2.a.test", "198.51.100.53", SILENT), ("not_tested", "target")),
        (unheard("ns2.a.test", "2001:db8::53", NO_ROUTE), ("not_tested", "ours")),
    ],
    ids=["agrees", "differs", "silent", "no route"],
)
def test_serials_are_compared_with_those_that_were_seen(second: ServerAnswers, outcome: tuple[str, str | None]) -> None:
    assert said(list(checks.soa_serial_inconsistent(*zone(FIRST, second)))) == [("a.test", *outcome)]


def test_hosts_that_were_not_looked_up_hide_inner_addresses() -> None:
    addresses = Addresses(DOMAIN, Host("www.a.test", ()), SILENT, RESOLVER_DOWN)
    assert said(list(checks.private_ip_disclosed(addresses))) == [
        ("a.test", "not_tested", "target"),
        ("a.test", "not_tested", "source"),
        ("a.test", "pass", None),
    ]


def test_caa_is_looked_for_up_the_tree_and_no_further_than_an_answer_that_failed() -> None:
    addresses = zone(FIRST, SECOND)[1]
    sets = (CaaSet("a.test", ()), CaaSet("test", ('0 issue "ca.test"',)))
    assert said(list(dns_caa.caa_missing(DnsZone("a.test", caa=sets), addresses))) == [("a.test", "pass", None)]
    failing = (CaaSet("a.test", SILENT), CaaSet("test", ()))
    verdicts = list(dns_caa.caa_missing(DnsZone("a.test", caa=failing), addresses))
    assert said(verdicts) == [("a.test", "not_tested", "target")]
