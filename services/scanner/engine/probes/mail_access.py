"""IMAP, POP3 and submission of a domain, as far as they answer before any TLS. Nobody ever logs in."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail_transport import AccessPoint, HiddenHost, MailAccess
from services.scanner.engine.network import DnsAnswer, Network, fault_of
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.lines import MAX_LINES, Garbled, Lines
from services.scanner.engine.target import Target
from shared.egress import Refused

SERVICES = {"_imap._tcp": 143, "_pop3._tcp": 110, "_submission._tcp": 587}  # RFC 6186 section 3
PROTOCOLS = {143: "imap", 110: "pop3", 587: "submission"}
MAX_NAMED = 3  # hosts that SRV records name
MAX_POINTS = 40
_CONNECT = 1.5  # seconds; a lost SYN is repeated after one
_DIALOGUE = 10.0  # some make strangers wait for their greeting
_LISTED = re.compile(r"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)

Greeting = tuple[str, tuple[str, ...] | Unseen]


@probe(budget=20)
async def mail_access(target: Target, network: Network, addresses: Addresses) -> MailAccess:
    """At the mail hosts, the domain itself, and the hosts that its SRV records name."""
    hosts = {} if isinstance(addresses.mx, Unseen) else {host.name: host.addresses for host in addresses.mx}
    hosts |= {target.domain: addresses.domain.addresses}
    places = {
        (name, address, port)
        for name, found in hosts.items()
        for address in (() if isinstance(found, Unseen) else found)
        for port in PROTOCOLS
    }
    named = await _named(network, target.domain)
    points = await asyncio.gather(*(_point(network, *place) for place in sorted(places | named)[:MAX_POINTS]))
    hidden = [HiddenHost(name, found) for name, found in hosts.items() if isinstance(found, Unseen)]
    if isinstance(addresses.mx, Unseen):
        hidden.append(HiddenHost(target.domain, addresses.mx))
    return MailAccess(target.domain, tuple(point for point in points if point), tuple(hidden))


async def _named(network: Network, domain: str) -> set[tuple[str, str, int]]:
    """(host, address, port) of the services that the domain publishes on their usual ports."""
    answers = await asyncio.gather(*(network.resolve(f"{service}.{domain}", "SRV") for service in SERVICES))
    wanted: set[tuple[str, int]] = set()
    for answer in answers:
        for record in answer.records if isinstance(answer, DnsAnswer) else ():
            _, _, port, host = record.data.split()
            if host != "." and int(port) in PROTOCOLS:
                wanted.add((host.rstrip(".").lower(), int(port)))
    hosts = sorted({host for host, _ in wanted})[:MAX_NAMED]
    found = await asyncio.gather(*(network.resolve(host, "A") for host in hosts))
    at = {
        host: [record.data for record in answer.records if network.allows(record.data)][:2]
        for host, answer in zip(hosts, found, strict=True)
        if isinstance(answer, DnsAnswer)
    }
    return {(host, address, port) for host, port in wanted for address in at.get(host, ())}


async def _point(network: Network, host: str, address: str, port: int) -> AccessPoint | None:
    """None where nothing takes a connection, or something else than that service does."""
    protocol = PROTOCOLS[port]
    connected = False
    try:
        async with network.connect(address, port, timeout=_CONNECT) as stream:
            connected = True
            greeting, capabilities = await _GREET[protocol](Lines(stream, _DIALOGUE))
    except (Garbled, Refused):
        return None
    except (OSError, EOFError, TimeoutError) as error:
        if not connected:
            return None
        greeting, capabilities = "", Unseen("it takes connections and greets nobody", fault_of(error))
    return AccessPoint(host, address, port, protocol, greeting[:200], capabilities)


async def _imap(lines: Lines) -> Greeting:
    """RFC 9051 section 7.1: the greeting may list the capabilities already."""
    greeting = await lines.line()
    if not greeting.upper().startswith(("* OK", "* PREAUTH")):
        raise Garbled("it does not greet as IMAP does")
    if listed := _LISTED.search(greeting):
        await lines.farewell("a1 LOGOUT")
        return greeting, _words(listed[1])
    await lines.send("a1 CAPABILITY")
    try:
        found: tuple[str, ...] = ()
        for _ in range(MAX_LINES):
            line = await lines.line()
            if line.upper().startswith("* CAPABILITY "):
                found += _words(line[len("* CAPABILITY ") :])
            if line.lower().startswith("a1 "):
                await lines.farewell("a2 LOGOUT")
                return greeting, found or Unseen("it lists no capabilities", "target")
    except (OSError, EOFError, TimeoutError, Garbled):
        return greeting, Unseen("it did not finish its list of capabilities", "target")
    return greeting, Unseen("its list of capabilities has no end", "target")


async def _pop3(lines: Lines) -> Greeting:
    """RFC 2449 section 5."""
    greeting = await lines.line()
    if not greeting.startswith("+OK"):
        raise Garbled("it does not greet as POP3 does")
    await lines.send("CAPA")
    try:
        if not (await lines.line()).startswith("+OK"):
            await lines.farewell("QUIT")
            return greeting, ()
        found: list[str] = []
        for _ in range(MAX_LINES):
            line = await lines.line()
            if line == ".":
                await lines.farewell("QUIT")
                return greeting, tuple(found)
            found.append(line.strip().upper()[:200])
    except (OSError, EOFError, TimeoutError, Garbled):
        return greeting, Unseen("it did not finish its list of capabilities", "target")
    return greeting, Unseen("its list of capabilities has no end", "target")


async def _submission(lines: Lines) -> Greeting:
    greeting = await lines.reply()
    if not greeting.positive:
        raise Garbled(f"it takes no mail: {greeting}")
    try:
        answer = await lines.command(f"EHLO {lines.client_name}")
    except (OSError, EOFError, TimeoutError, Garbled):
        return str(greeting), Unseen("it did not answer EHLO", "target")
    await lines.farewell("QUIT")
    if not answer.positive:
        return str(greeting), Unseen(f"it turned EHLO down: {answer}", "target")
    return str(greeting), tuple(line.strip().upper()[:200] for line in answer.lines[1:])


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.upper()[:100] for word in text.split()[:MAX_LINES])


_GREET: dict[str, Callable[[Lines], Awaitable[Greeting]]] = {"imap": _imap, "pop3": _pop3, "submission": _submission}
