"""Where the target's hosts are."""

import asyncio

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.network import DnsAnswer, Network
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

_ADDRESSES = 4  # of one host
_MAIL_HOSTS = 5
_NAME_SERVERS = 13
_PATIENCE = 3.0  # seconds for the addresses of mail hosts and name servers: everything else waits for them


@probe(budget=12)
async def addresses(target: Target, network: Network) -> Addresses:
    domain, www, mx, nameservers = await asyncio.gather(
        _host(target.domain, network),
        _host(f"www.{target.domain}", network),
        _mail_hosts(target.domain, network),
        _name_servers(target, network),
    )
    return Addresses(domain, www, mx, nameservers)


async def _host(name: str, network: Network) -> Host:
    answers = await asyncio.gather(network.resolve(name, "A"), network.resolve(name, "AAAA"))
    seen = [answer for answer in answers if isinstance(answer, DnsAnswer)]
    found = [record.data for answer in seen for record in answer.records]
    public = [address for address in found if network.allows(address)]
    unseen = next((answer for answer in answers if isinstance(answer, Unseen)), None)
    return Host(
        name,
        unseen if unseen and not found else _both_families(public),
        refused=tuple(address for address in found if address not in public)[:_ADDRESSES],
    )


def _both_families(addresses: list[str]) -> tuple[str, ...]:
    """At most four, IPv4 first, and one of each family where there is one."""
    ipv4 = [address for address in addresses if ":" not in address]
    ipv6 = [address for address in addresses if ":" in address]
    kept = ipv4[: max(_ADDRESSES - len(ipv6), _ADDRESSES // 2)]
    return (*kept, *ipv6[: _ADDRESSES - len(kept)])


async def _mail_hosts(domain: str, network: Network) -> tuple[Host, ...] | Unseen:
    answer = await network.resolve(domain, "MX")
    if isinstance(answer, Unseen):
        return answer
    by_preference = sorted((int(preference), name) for preference, name in (r.data.split() for r in answer.records))
    names = dict.fromkeys(name.rstrip(".").lower() for _, name in by_preference if name != ".")  # RFC 7505: null MX
    return tuple(await asyncio.gather(*(_in_time(name, network) for name in list(names)[:_MAIL_HOSTS])))


async def _name_servers(target: Target, network: Network) -> tuple[Host, ...] | Unseen:
    answer, above = await asyncio.gather(
        network.resolve(target.domain, "NS"), network.resolve(target.registrable, "NS")
    )
    if isinstance(answer, DnsAnswer) and (not answer.records or answer.cname):
        answer = above  # no zone of its own
    if isinstance(answer, Unseen):
        return answer
    names = sorted({record.data.rstrip(".").lower() for record in answer.records})
    return tuple(await asyncio.gather(*(_in_time(name, network) for name in names[:_NAME_SERVERS])))


async def _in_time(name: str, network: Network) -> Host:
    """A name whose own servers are silent must not hold up the rest of the scan."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _host(name, network)
    except TimeoutError:
        return Host(name, Unseen(f"{name} was not resolved within {_PATIENCE:g} s", "target"))
