"""TLSA records of the mail hosts, and the chain of trust that leads to them where there are any."""

import asyncio

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dane import Dane, TlsaSet
from services.scanner.engine.evidence.dnssec import Status
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.secure_lookup import secure_lookup
from services.scanner.engine.target import Target


@probe(budget=15)
async def dane(target: Target, network: Network, addresses: Addresses) -> Dane:
    if isinstance(addresses.mx, Unseen):
        return Dane(target.domain, addresses.mx)
    return Dane(target.domain, tuple(await asyncio.gather(*(_set(network, host.name) for host in addresses.mx))))


async def _set(network: Network, host: str) -> TlsaSet:
    name = f"_25._tcp.{host}"
    answer = await network.resolve(name, "TLSA")
    if isinstance(answer, Unseen):
        return TlsaSet(host, answer, answer)
    records = tuple(sorted(record.data for record in answer.records))
    return TlsaSet(host, records, await _security(network, name) if records else "insecure")


async def _security(network: Network, name: str) -> Status | Unseen:
    """RFC 7672 section 2.1.1; the chain is only followed for records that are there."""
    answer = await secure_lookup(network, name, "TLSA")
    return Unseen(answer.reason, answer.fault or "target") if answer.status == "indeterminate" else answer.status
