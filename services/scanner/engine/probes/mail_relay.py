"""Does a mail host relay for strangers? Asked up to RCPT TO and no further: no message is ever sent. Intrusive."""

import asyncio

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail_transport import OpenRelays, RelayAttempt, RelayServer
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.lines import Garbled, Lines
from services.scanner.engine.target import Target
from shared.egress import Refused

FOREIGN_SENDER, FOREIGN_RECIPIENT = "postmaster@example.org", "postmaster@example.com"  # reserved by RFC 2606
_CONNECT, _DIALOGUE = 4.0, 15.0  # seconds


@probe(budget=20)
async def open_relays(target: Target, network: Network, addresses: Addresses) -> OpenRelays:
    """The first address of each mail host."""
    if isinstance(addresses.mx, Unseen):
        return OpenRelays(target.domain, addresses.mx)
    servers = await asyncio.gather(*(_server(network, target.domain, host) for host in addresses.mx))
    return OpenRelays(target.domain, tuple(servers))


async def _server(network: Network, domain: str, host: Host) -> RelayServer:
    if isinstance(host.addresses, Unseen):
        return RelayServer(host.name, "", host.addresses)
    if not host.addresses:
        return RelayServer(host.name, "", Unseen(f"{host.name} has no address that can be looked at", "target"))
    address = host.addresses[0]
    try:
        async with network.connect(address, 25, timeout=_CONNECT) as stream:
            attempts = await _attempts(Lines(stream, _DIALOGUE), domain)
    except TimeoutError:
        return RelayServer(host.name, address, Unseen("the SMTP server did not answer in time", "target"))
    except (OSError, EOFError, Garbled, Refused) as error:
        return RelayServer(host.name, address, Unseen(f"no SMTP dialogue: {error}"[:200], fault_of(error)))
    return RelayServer(host.name, address, attempts)


async def _attempts(lines: Lines, domain: str) -> tuple[RelayAttempt, ...] | Unseen:
    greeting = await lines.reply()
    if not greeting.positive:
        return Unseen(f"the SMTP server turned us away: {greeting}", "target")
    hello = await lines.command(f"EHLO {lines.client_name}")
    if not hello.positive:
        hello = await lines.command(f"HELO {lines.client_name}")
    if not hello.positive:
        return Unseen(f"the SMTP server turned EHLO and HELO down: {hello}", "target")
    attempts: list[RelayAttempt] = []
    for sender in (FOREIGN_SENDER, f"postmaster@{domain}", ""):
        begun = await lines.command(f"MAIL FROM:<{sender}>")
        asked = await lines.command(f"RCPT TO:<{FOREIGN_RECIPIENT}>") if begun.positive else None
        said = asked or begun
        accepted = None if said.transient else bool(asked and asked.positive)
        attempts.append(RelayAttempt(sender, FOREIGN_RECIPIENT, str(begun), str(asked or ""), accepted))
        if accepted:
            break
        if begun.positive and not (await lines.command("RSET")).positive:
            break
    await lines.farewell("RSET")
    await lines.farewell("QUIT")
    return tuple(attempts)
