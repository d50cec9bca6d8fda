"""What the zone above says of the zone's name servers, and what these are."""

from collections.abc import Iterator
from shlex import quote

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import Delegation, DnsZone

_ADDRESSES_KNOWN = 4  # of a host; where there may be more, an unknown one is no contradiction


@check("dns_delegation_inconsistent")
def delegation_inconsistent(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    """RFC 1034 section 4.2.2: both sides of a cut should name the same servers; RFC 1912 section 2.3 for the glue."""
    domain = addresses.domain.name
    if isinstance(zone.zone, Unseen):
        yield not_tested(domain, zone.zone)
        return
    own = {
        server.nameservers
        for server in zone.servers
        if server.authoritative and not isinstance(server.nameservers, Unseen) and server.nameservers
    }
    above = zone.delegation
    if isinstance(above, Unseen):
        yield not_tested(zone.zone, above)
    elif not own:
        yield not_tested(zone.zone, Unseen("none of its name servers gave its name servers", "target"))
    elif all(frozenset(names) != frozenset(above.nameservers) for names in own):
        yield failed(
            zone.zone,
            f"{above.parent} names other name servers than the zone itself",
            reproduce=f"dig @{above.address} {quote(zone.zone)} NS +norecurse",
            parent=above.parent,
            parent_says=list(above.nameservers),
            zone_says=[list(names) for names in sorted(own)],
        )
    elif stale := _stale_glue(above, addresses):
        yield failed(
            zone.zone,
            f"{above.parent} gives an address for {stale[0][0]} that it does not have",
            reproduce=f"dig @{above.address} {quote(zone.zone)} NS +norecurse +additional",
            parent=above.parent,
            glue={name: list(given) for name, given, _ in stale},
            addresses={name: list(known) for name, _, known in stale},
        )
    else:
        yield passed(zone.zone, f"{above.parent} names the same name servers", nameservers=list(above.nameservers))


def _stale_glue(above: Delegation, addresses: Addresses) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    hosts = () if isinstance(addresses.nameservers, Unseen) else addresses.nameservers
    known = {host.name: (*host.addresses, *host.refused) for host in hosts if not isinstance(host.addresses, Unseen)}
    return [
        (name, given, known[name])
        for name, given in above.glue
        if 0 < len(known.get(name, ())) < _ADDRESSES_KNOWN and set(given) - set(known[name])
    ]


@check("dns_nameserver_is_alias")
def nameserver_is_alias(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    """RFC 2181 section 10.3: the name in an NS record is a host's own."""
    if isinstance(addresses.nameservers, Unseen):
        yield not_tested(addresses.domain.name, addresses.nameservers)
        return
    if not addresses.nameservers:
        yield not_applicable(addresses.domain.name, "no name servers are named")
    aliases = dict(zone.aliases)
    for host in addresses.nameservers:
        if host.name in aliases:
            yield failed(
                host.name,
                f"the zone names it as a name server, but it is an alias for {aliases[host.name]}",
                reproduce=f"dig {quote(host.name)} A",
                alias_for=aliases[host.name],
            )
        elif isinstance(host.addresses, Unseen):
            yield not_tested(host.name, host.addresses)
        else:
            yield passed(host.name, "it is a host's own name")
