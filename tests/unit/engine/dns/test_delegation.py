"""Verdicts on what the zone above says of a zone's name servers."""

from dataclasses import replace

import pytest

from services.scanner.engine.checks import dns_delegation as checks
from services.scanner.engine.checks import dns_soa
from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import Delegation, DnsZone, ServerAnswers, Soa

SILENT = Unseen("no answer", "target")
SOURCE = Unseen("the parent does not answer", "source")
NAMES = ("ns1.a.test", "ns2.a.test")
HOSTS = (Host("ns1.a.test", ("192.0.2.53",)), Host("ns2.a.test", ("198.51.100.53", "2001:db8::53")))
ADDRESSES = Addresses(Host("a.test", ("192.0.2.1",)), Host("www.a.test", ()), (), HOSTS)
SERVER = ServerAnswers("ns1.a.test", "192.0.2.53", Soa("NOERROR", True, 1), NAMES, SILENT, SILENT, "")
ABOVE = Delegation("test", "a.nic.test", "203.0.113.1", NAMES, (("ns1.a.test", ("192.0.2.53",)),))
ZONE = DnsZone("a.test", (SERVER,), delegation=ABOVE)


@pytest.mark.parametrize(
    ("zone", "status", "fault"),
    [
        (ZONE, "pass", None),
        (replace(ZONE, delegation=replace(ABOVE, nameservers=NAMES[:1])), "fail", None),
        (replace(ZONE, delegation=replace(ABOVE, nameservers=(*NAMES, "ns3.a.test"))), "fail", None),
        (replace(ZONE, delegation=replace(ABOVE, glue=(("ns1.a.test", ("192.0.2.99",)),))), "fail", None),
        (replace(ZONE, delegation=replace(ABOVE, glue=())), "pass", None),
        (replace(ZONE, delegation=SOURCE), "not_tested", "source"),
        (replace(ZONE, servers=()), "not_tested", "target"),
        (replace(ZONE, servers=(replace(SERVER, nameservers=SILENT),)), "not_tested", "target"),
        (replace(ZONE, zone=SILENT), "not_tested", "target"),
        # One server behind the others agrees: which of them is right is not for this check
        (replace(ZONE, servers=(SERVER, replace(SERVER, nameservers=("ns9.a.test",)))), "pass", None),
    ],
)
def test_both_sides_of_a_cut(zone: DnsZone, status: str, fault: str | None) -> None:
    (verdict,) = checks.delegation_inconsistent(zone, ADDRESSES)
    assert (verdict.status, verdict.fault) == (status, fault)


def test_glue_of_a_host_with_more_addresses_than_are_kept_is_no_contradiction() -> None:
    many = Host("ns1.a.test", ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))
    (verdict,) = checks.delegation_inconsistent(
        replace(ZONE, delegation=replace(ABOVE, glue=(("ns1.a.test", ("192.0.2.5",)),))),
        replace(ADDRESSES, nameservers=(many, HOSTS[1])),
    )
    assert verdict.status == "pass"


def test_aliases() -> None:
    zone = replace(ZONE, aliases=(("ns2.a.test", "host.b.test"),))
    found = [(one.asset, one.status) for one in checks.nameserver_is_alias(zone, ADDRESSES)]
    assert found == [("ns1.a.test", "pass"), ("ns2.a.test", "fail")]
    (unknown,) = checks.nameserver_is_alias(zone, replace(ADDRESSES, nameservers=SILENT))
    assert unknown.status == "not_tested"


@pytest.mark.parametrize(
    ("timers", "status"),
    [
        ((7200, 3600, 1209600, 3600), "pass"),
        ((10000, 2400, 604800, 1800), "pass"),
        ((3600, 3600, 604800, 300), "fail"),
        ((7200, 3600, 10800, 300), "fail"),
        ((7200, 3600, 1209600, 86401), "fail"),
        (None, "not_tested"),
    ],
)
def test_timers(timers: tuple[int, int, int, int] | None, status: str) -> None:
    server = replace(SERVER, soa=Soa("NOERROR", True, 1, "ns1.a.test", timers))
    (verdict,) = dns_soa.soa_timers_unsound(replace(ZONE, servers=(server,)), ADDRESSES)
    assert verdict.status == status
