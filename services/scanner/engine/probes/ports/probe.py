"""Which ports are open at the web addresses, and a short conversation with whatever listens there."""

import asyncio
import ssl
from dataclasses import replace
from typing import Protocol

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import PORTS, OpenPort, Ports, ScannedAddress, SshAlgorithms
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.places import NoPlace
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.ports import questions, recognise
from services.scanner.engine.probes.tls.exchange import Unreachable, connection
from services.scanner.engine.probes.tls.session import TlsSession
from services.scanner.engine.target import Target
from shared.egress import Refused

_ATTEMPT = 1.5  # seconds; the kernel sends its second SYN after one
_GREETING = 1.0  # how long a server may take to speak first
_ANSWER = 2.0
_MORE = 0.5  # the pause after which an answer is taken as whole
_CONVERSATIONS = 15.0  # for all the open ports of an address; what has not said by then what it is stays unknown
_ANSWER_BYTES = 8192
_PACKET_BYTES = 35000  # the largest SSH packet (RFC 4253 section 6.1)


class _Channel(Protocol):
    async def read(self, limit: int, timeout: float) -> bytes: ...

    async def write(self, data: bytes, timeout: float) -> None: ...


@probe(budget=25.0)
async def ports(target: Target, network: Network, addresses: Addresses) -> Ports:
    """Each address of the domain and its `www.` once."""
    hidden: list[ScannedAddress] = []
    hosts: dict[str, str] = {}
    for host in addresses.web:
        if isinstance(host.addresses, Unseen):
            hidden.append(ScannedAddress(host.name, "", (), (), (), host.addresses))
            continue
        for address in host.addresses:
            hosts.setdefault(address, host.name)
    scanned = await asyncio.gather(*(_scan(network, host, address) for address, host in hosts.items()))
    return Ports(target.domain, (*scanned, *hidden))


async def _scan(network: Network, host: str, address: str) -> ScannedAddress:
    states = dict(zip(PORTS, await asyncio.gather(*(_state(network, address, port) for port in PORTS)), strict=True))
    unseen = next((state for state in states.values() if isinstance(state, Unseen)), None)
    if unseen:
        return ScannedAddress(host, address, (), (), (), unseen)
    closed, filtered = (tuple(port for port in PORTS if states[port] == state) for state in ("closed", "filtered"))
    if len(filtered) == len(PORTS):
        silent = Unseen(f"not one of {len(PORTS)} ports of {address} answered", "target")
        return ScannedAddress(host, address, (), (), filtered, silent)
    open_ports = [port for port in PORTS if states[port] == "open"]
    end = asyncio.get_running_loop().time() + _CONVERSATIONS
    services = await asyncio.gather(*(_identify(network, host, address, port, end) for port in open_ports))
    return ScannedAddress(host, address, tuple(services), closed, filtered)


async def _state(network: Network, address: str, port: int) -> str | Unseen:
    try:
        await network.touch(address, port, timeout=_ATTEMPT)
    except ConnectionRefusedError:
        return "closed"
    except (NoPlace, Refused) as error:
        return Unseen(str(error), fault_of(error))
    except OSError as error:  # TimeoutError among them; a router's "unreachable" is a filter's answer as well
        return Unseen(f"no way to {address} from here: {error}", "ours") if fault_of(error) == "ours" else "filtered"
    return "open"


async def _identify(network: Network, host: str, address: str, port: int, end: float) -> OpenPort:
    """Let it speak, or ask; then ask again inside TLS (or, where TLS is the custom, the other way round)."""
    attempts = [_ask_plainly, _ask_in_tls]
    if port in questions.TLS_FIRST:
        attempts.reverse()
    best = OpenPort(port, "unknown")
    for attempt in attempts:
        try:
            async with asyncio.timeout_at(end):
                seen = await attempt(network, host, address, port)
        except (Unreachable, TimeoutError, OSError, EOFError, ssl.SSLError):
            continue
        if seen.protocol not in ("unknown", "tls"):
            return seen
        if best.protocol == "unknown" and (seen.banner or seen.protocol == "tls"):
            best = seen
    return best


async def _ask_plainly(network: Network, host: str, address: str, port: int) -> OpenPort:
    async with connection(network, address, port) as stream:
        question = questions.FIRST.get(port)
        data = b""
        if question is None and port not in questions.WEB:
            data = await _read(stream, _GREETING)
        if not data and port not in questions.GREETING:
            await stream.write(question or questions.http(host, port, network.user_agent), _ANSWER)
            data = await _read(stream, _ANSWER)
        seen = _described(port, data)
        if seen.protocol == "ftp":
            await stream.write(b"AUTH TLS\r\n", _ANSWER)
            return replace(seen, starttls=(await _read(stream, _ANSWER)).startswith(b"234"))
        if seen.protocol == "ssh":
            return replace(seen, ssh=await _ssh_algorithms(stream, data))
        return seen


async def _ask_in_tls(network: Network, host: str, address: str, port: int) -> OpenPort:
    async with connection(network, address, port) as stream:
        session = TlsSession(stream, host)
        await session.handshake(_ANSWER)
        encrypted = OpenPort(port, "tls", tls=True)
        try:
            await session.write(questions.http(host, port, network.user_agent), _ANSWER)
            data = await _read(session, _ANSWER)
        except (ssl.SSLError, OSError, EOFError):
            return encrypted
        return replace(_described(port, data), tls=True) if data else encrypted


def _described(port: int, data: bytes) -> OpenPort:
    protocol = recognise.protocol_of(data, port)
    return OpenPort(
        port,
        protocol,
        banner=recognise.banner(data),
        title=recognise.title(data),
        open_access=recognise.open_access(protocol, data),
    )


async def _read(channel: _Channel, patience: float) -> bytes:
    """What comes within `patience`; of a web page some more."""
    data = b""
    try:
        data = await channel.read(_ANSWER_BYTES, patience)
        while recognise.is_unfinished(data) and len(data) < _ANSWER_BYTES:
            more = await channel.read(_ANSWER_BYTES - len(data), _MORE)
            if not more:
                break
            data += more
    except TimeoutError:
        pass
    except (OSError, EOFError):
        if not data:
            raise
    return data


async def _ssh_algorithms(channel: _Channel, greeting: bytes) -> SshAlgorithms | Unseen:
    """Greet back, and read the list that follows."""
    await channel.write(b"SSH-2.0-ComplianceLayer\r\n", _ANSWER)
    _, _, packet = greeting.partition(b"\n")
    while len(packet) < 4 or len(packet) < min(4 + int.from_bytes(packet[:4], "big"), _PACKET_BYTES):
        more = await _read(channel, _ANSWER)
        if not more:
            break
        packet += more
    return recognise.ssh_algorithms(packet)
