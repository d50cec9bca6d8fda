"""The timers of the zone's SOA record."""

from collections.abc import Iterator
from shlex import quote
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_tested, passed
from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone, Soa

_DAY = 86400  # seconds


@check("dns_soa_timers_unsound")
def soa_timers_unsound(zone: DnsZone, addresses: Addresses) -> Iterator[Verdict]:
    """What contradicts itself or is known to do harm; within that, timers are a matter of taste."""
    if isinstance(zone.zone, Unseen):
        yield not_tested(addresses.domain.name, zone.zone)
        return
    answers = [server.soa for server in zone.servers if isinstance(server.soa, Soa) and server.authoritative]
    timers = next((answer.timers for answer in answers if answer.timers is not None), None)
    if timers is None:
        silent = (server.soa for server in zone.servers if isinstance(server.soa, Unseen))
        yield not_tested(zone.zone, next(silent, Unseen("no name server gave the SOA record", "target")))
        return
    named: dict[str, Any] = dict(zip(("refresh", "retry", "expire", "minimum"), timers, strict=True))
    problems = list(_problems(*timers))
    if problems:
        yield failed(
            zone.zone,
            problems[0],
            reproduce=f"dig {quote(zone.zone)} SOA",
            problems=problems,
            **named,
        )
    else:
        yield passed(zone.zone, "its timers fit together", **named)


def _problems(refresh: int, retry: int, expire: int, minimum: int) -> Iterator[str]:
    """RFC 1912 section 2.2 and RFC 2308 section 5."""
    if retry >= refresh:
        yield f"a failed transfer is tried again after {retry} s, no sooner than the next regular one ({refresh} s)"
    if expire <= refresh + retry:
        yield f"secondaries give the zone up after {expire} s, before they have tried twice to get it"
    if minimum > _DAY:
        yield f"that a name does not exist is remembered for {minimum} s, more than a day"
