"""The zone and its name servers."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from shlex import quote

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone, ServerAnswers, Soa

SOFTWARE_VERSION = re.compile(r"[0-9]+\.[0-9]+")
NETWORK_PREFIX = {4: 24, 6: 48}  # what one site usually announces at least


def _each(zone: DnsZone, addresses: Addresses) -> Iterator[tuple[Host, tuple[ServerAnswers, ...]]]:
    """Each name server with what its addresses answered."""
    if not isinstance(addresses.nameservers, Unseen):
        for host in addresses.nameservers:
            yield host, tuple(server for server in zone.servers if server.name == host.name)


def _set_unseen(zone: DnsZone, addresses: Addresses) -> Unseen | None:
    """Why the set of name servers is not known."""
    if isinstance(addresses.nameservers, Unseen):
        return addresses.nameservers
    if isinstance(zone.zone, Unseen):
        return zone.zone
    return None if addresses.nameservers else Unseen("the domain has no NS records", "target")


def _silence(zone: DnsZone) -> Unseen | None:
    """Where none of the name servers answered us. The resolver had answers: it may as well be our way to port 53."""
    reasons = [server.soa for server in zone.servers if isinstance(server.soa, Unseen)]
    if not reasons or len(reasons) < len(zone.servers):
        return None
    return next((reason for reason in reasons if reason.fault == "target"), reasons[0])


def _nobody_to_ask(zone: DnsZone, addresses: Addresses) -> Unseen | None:
    """Why not one address of a name server is known."""
    hidden = (host.addresses for host, _ in _each(zone, addresses))
    return None if zone.servers else next((one for one in hidden if isinstance(one, Unseen)), None)


def _not_to_be_asked(zone: DnsZone, addresses: Addresses) -> Unseen | None:
    """Why one of the name servers was not heard, where that was no doing of its own."""
    found = (*(host.addresses for host, _ in _each(zone, addresses)), *(server.soa for server in zone.servers))
    return next((one for one in found if isinstance(one, Unseen) and one.fault != "target"), None)


def _dig(server: ServerAnswers, question: str) -> str:
    return f"dig @{server.address} {question}"


@check("dns_zone_transfer_open")
def zone_transfer_open(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    return _by_server(zone, addresses, lambda server: _transfer(zone, server))


def _transfer(zone: DnsZone, server: ServerAnswers) -> Verdict:
    if isinstance(server.transfer, Unseen):
        return not_tested(server.name, server.transfer)
    if not server.transfer.records:
        return passed(server.name, "it refuses to transfer the zone", refusal=server.transfer.refusal)
    return failed(
        server.name,
        f"it hands the whole zone {zone.zone} to anyone who asks",
        reproduce=_dig(server, f"{zone.zone} AXFR"),
        address=server.address,
        records_read=server.transfer.count,
        first_records=list(server.transfer.records),
    )


@check("dns_open_resolver")
def open_resolver(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    return _by_server(zone, addresses, _recursion)


def _recursion(server: ServerAnswers) -> Verdict:
    if isinstance(server.recursion, Unseen):
        return not_tested(server.name, server.recursion)
    if not (server.recursion.available and server.recursion.answers):
        return passed(server.name, "it answers for its own zones only", asked=server.recursion.asked)
    return failed(
        server.name,
        f"it looked up {server.recursion.asked}, a name of somebody else's, for a stranger",
        reproduce=_dig(server, f"{server.recursion.asked} A +recurse"),
        address=server.address,
        asked=server.recursion.asked,
        answers=list(server.recursion.answers),
    )


@check("dns_lame_delegation")
def lame_delegation(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    if unseen := _set_unseen(zone, addresses) or _silence(zone):
        yield not_tested(addresses.domain.name, unseen)
        return
    for host, servers in _each(zone, addresses):
        yield _delegation(zone, host, servers)


def _delegation(zone: DnsZone, host: Host, servers: tuple[ServerAnswers, ...]) -> Verdict:
    if isinstance(host.addresses, Unseen):
        return not_tested(host.name, host.addresses)
    if not host.addresses:
        why = "no public address" if host.refused else "no address"
        return failed(
            host.name,
            f"the zone names it, but it has {why}",
            reproduce=f"dig {quote(host.name)} A",
            refused=list(host.refused),
        )
    refusing = [server for server in servers if isinstance(server.soa, Soa) and not server.soa.authoritative]
    if refusing:
        (server, *_), soa = refusing, refusing[0].soa
        return failed(
            host.name,
            f"the zone names it, but it does not speak for {zone.zone} with authority",
            reproduce=_dig(server, f"{zone.zone} SOA +norecurse"),
            address=server.address,
            rcode=soa.rcode if isinstance(soa, Soa) else "",
        )
    answering = [server for server in servers if server.authoritative]
    if answering:
        return passed(host.name, "it answers with authority", addresses=[server.address for server in answering])
    reasons = [server.soa for server in servers if isinstance(server.soa, Unseen)]
    if all(reason.fault != "target" for reason in reasons):
        return not_tested(host.name, reasons[0] if reasons else Unseen("it was not asked", "ours"))
    return failed(
        host.name,
        "the zone names it, but it does not answer",
        reproduce=_dig(servers[0], f"{zone.zone} SOA +norecurse"),
        addresses=[server.address for server in servers],
        observed=[reason.reason for reason in reasons],
    )


@check("dns_single_nameserver")
def single_nameserver(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    domain = addresses.domain.name
    answering = {server.address: server.name for server in zone.servers if server.authoritative}
    if unseen := _set_unseen(zone, addresses) or _silence(zone) or _nobody_to_ask(zone, addresses):
        yield not_tested(domain, unseen)
    elif len(set(answering.values())) > 1:
        yield passed(domain, f"{len(set(answering.values()))} name servers answer", nameservers=answering)
    elif lost := _not_to_be_asked(zone, addresses):
        yield not_tested(domain, lost)
    else:
        named = [host.name for host, _ in _each(zone, addresses)]
        yield failed(
            domain,
            f"{len(named)} named, but fewer than two name servers at two addresses answer",
            reproduce=f"dig {zone.zone} NS",
            named=named,
            answering=answering,
        )


@check("dns_nameservers_not_diverse")
def nameservers_not_diverse(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    domain = addresses.domain.name
    if unseen := _set_unseen(zone, addresses):
        yield not_tested(domain, unseen)
        return
    known = [host for host, _ in _each(zone, addresses) if not isinstance(host.addresses, Unseen) and host.addresses]
    found = sorted({address for host in known if not isinstance(host.addresses, Unseen) for address in host.addresses})
    networks = sorted({_network(address) for address in found})
    hidden = [host.addresses for host, _ in _each(zone, addresses) if isinstance(host.addresses, Unseen)]
    if len(networks) > 1:
        yield passed(domain, "the name servers are in several networks", networks=networks)
    elif hidden:
        yield not_tested(domain, hidden[0])
    elif len(found) < 2:
        yield not_applicable(domain, "there are no two name servers to compare")
    else:
        yield failed(
            domain,
            f"all name servers are in {networks[0]}",
            reproduce=f"dig {zone.zone} NS",
            confidence="inferred",
            networks=networks,
            addresses=found,
        )


def _network(address: str) -> str:
    return str(ip_network(f"{address}/{NETWORK_PREFIX[ip_address(address).version]}", strict=False))


@check("dns_soa_serial_inconsistent")
def soa_serial_inconsistent(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    domain = addresses.domain.name
    serials = {
        f"{server.name} ({server.address})": server.soa.serial
        for server in zone.servers
        if isinstance(server.soa, Soa) and server.authoritative
    }
    sets = {server.nameservers for server in zone.servers if not isinstance(server.nameservers, Unseen)}
    silent = [server.soa for server in zone.servers if isinstance(server.soa, Unseen)]
    if unseen := _set_unseen(zone, addresses):
        yield not_tested(domain, unseen)
    elif len(set(serials.values())) > 1 or len(sets - {()}) > 1:
        yield failed(
            domain,
            "the name servers give different versions of the zone",
            reproduce=f"dig {zone.zone} SOA +nssearch",
            serials=serials,
            nameserver_sets=sorted(list(names) for names in sets),
        )
    elif hidden := next((reason for reason in silent if reason.fault == "target"), None):
        yield not_tested(domain, hidden)
    elif len(serials) > 1:
        yield passed(domain, "the name servers agree", serials=serials)
    elif silent:
        yield not_tested(domain, silent[0])
    else:
        yield not_applicable(domain, "there are no two answering name servers to compare")


@check("dns_server_version_disclosed")
def server_version_disclosed(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    return _by_server(zone, addresses, _version)


def _version(server: ServerAnswers) -> Verdict:
    if isinstance(server.version, Unseen):
        return not_tested(server.name, server.version)
    if not SOFTWARE_VERSION.search(server.version):
        return passed(server.name, "it does not tell its version", version_bind=server.version)
    return failed(
        server.name,
        f"it tells its software version: {server.version[:80]}",
        reproduce=_dig(server, "version.bind TXT CH"),
        address=server.address,
        version_bind=server.version[:255],
    )


def _by_server(zone: DnsZone, addresses: Addresses, judge: Callable[[ServerAnswers], Verdict]) -> Iterator[Verdict]:
    """One verdict a name server; an address that it kept from us counts more than one that was fine."""
    if unseen := _set_unseen(zone, addresses):
        yield not_tested(addresses.domain.name, unseen)
        return
    for host, servers in _each(zone, addresses):
        if servers:
            yield min((judge(server) for server in servers), key=_rank)
        elif isinstance(host.addresses, Unseen):
            yield not_tested(host.name, host.addresses)
        else:
            yield not_tested(host.name, Unseen("it has no address to ask", "target"))


def _rank(verdict: Verdict) -> int:
    if verdict.status == "not_tested":
        return 1 if verdict.fault == "target" else 3
    return 0 if verdict.status == "fail" else 2


@check("dns_private_ip_disclosed")
def private_ip_disclosed(addresses: Addresses) -> Iterator[Verdict]:
    """Every public record that we follow; addresses that the operator allows are not among the refused."""
    hosts = {host.name: host for host in (addresses.domain, addresses.www)}
    for more in (addresses.mx, addresses.nameservers):
        if isinstance(more, Unseen):
            yield not_tested(addresses.domain.name, more)
        else:
            hosts |= {host.name: host for host in more}
    for host in hosts.values():
        internal = [address for address in host.refused if not ip_address(address).is_global]
        if internal:
            yield failed(
                host.name,
                f"its public record points to {internal[0]}, an address of an inner network",
                reproduce=f"dig {quote(host.name)} {'AAAA' if ':' in internal[0] else 'A'}",
                addresses=internal,
            )
        elif isinstance(host.addresses, Unseen):
            yield not_tested(host.name, host.addresses)
        elif host.addresses:
            yield passed(host.name, "its addresses are public", addresses=list(host.addresses))


@check("dns_wildcard_record")
def wildcard_record(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    domain = addresses.domain.name
    if isinstance(zone.random_records, Unseen):
        yield not_tested(domain, zone.random_records)
    elif not zone.random_records:
        yield passed(domain, "a name that nobody made does not exist", asked=zone.random_name)
    else:
        yield failed(
            domain,
            "a name that nobody made has an address",
            reproduce=f"dig {zone.random_name} A",
            asked=zone.random_name,
            records=list(zone.random_records),
        )
