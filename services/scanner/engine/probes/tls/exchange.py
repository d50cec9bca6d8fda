"""One hello over one connection, and the flight that comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.tls import Declined, DhGroup
from services.scanner.engine.network import Network, Stream, fault_of
from services.scanner.engine.probes.tls import parse, suites
from shared.egress import Refused

ANSWER_TIMEOUT = 4.0  # seconds from the hello to the end of the flight
_MAX_FLIGHT = 256 * 1024


@dataclass(slots=True)
class Flight:
    """What of the server's first flight arrived, in clear. A flight that is handed out has its hello."""

    hello: parse.ServerHello | None = None
    certificates: tuple[bytes, ...] = ()
    dh: DhGroup | None = None


class Unreachable(Exception):
    """No connection at all; `refused` when the address itself said so."""

    def __init__(self, reason: str, fault: Fault = "target", *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused
        self.unseen = Unseen(reason, fault)


@asynccontextmanager
async def connection(network: Network, address: str, port: int) -> AsyncIterator[Stream]:
    """`network.connect`, with what can keep it from connecting told apart as Unreachable."""
    async with AsyncExitStack() as stack:
        try:
            stream = await stack.enter_async_context(network.connect(address, port))
        except ConnectionRefusedError:
            raise Unreachable(f"the connection to port {port} was refused", refused=True) from None
        except TimeoutError:
            raise Unreachable(f"port {port} did not answer") from None
        except (OSError, Refused) as error:
            raise Unreachable(f"no connection to port {port}: {error}", fault_of(error)) from None
        yield stream


async def exchange(
    network: Network, address: str, port: int, hello: bytes, *, whole: bool = False
) -> Flight | Declined | Unseen:
    """Send `hello` and read up to the ServerHello or, with `whole`, the ServerHelloDone. Raises Unreachable."""
    async with connection(network, address, port) as stream:
        return await _converse(stream, hello, whole)


async def _converse(stream: Stream, hello: bytes, whole: bool) -> Flight | Declined | Unseen:
    flight = Flight()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await stream.write(hello, ANSWER_TIMEOUT)
            declined = await _read_flight(stream, flight, whole)
    except TimeoutError:
        problem = Unseen(f"no whole answer to the hello within {ANSWER_TIMEOUT:g} s", "target")
    except parse.Malformed as error:
        problem = Unseen(str(error), "target")
    except (asyncio.IncompleteReadError, OSError):
        return flight if flight.hello else Declined("closed")
    else:
        return declined or flight
    return flight if flight.hello else problem


async def _read_flight(stream: Stream, flight: Flight, whole: bool) -> Declined | None:
    pending, seen = b"", 0
    while seen < _MAX_FLIGHT:
        kind, length = parse.record_header(await stream.read_exactly(5, ANSWER_TIMEOUT))
        body = await stream.read_exactly(length, ANSWER_TIMEOUT)
        seen += length
        if kind == parse.ALERT:
            if parse.is_warning(body):  # RFC 6066 section 3: a name it does not know need not end the handshake
                continue
            return None if flight.hello else Declined(parse.alert(body))
        found, pending = parse.messages(pending + body)
        for message, content in found:
            match message:
                case parse.SERVER_HELLO:
                    flight.hello = parse.server_hello(content)
                case parse.CERTIFICATE:
                    flight.certificates = parse.certificates(content)
                case parse.SERVER_KEY_EXCHANGE if flight.hello and "_DHE_" in suites.name(flight.hello.suite):
                    flight.dh = parse.finite_field_group(content)
                case parse.SERVER_HELLO_DONE:
                    return None
        if flight.hello and (not whole or flight.hello.version == "TLSv1.3"):
            return None
    raise parse.Malformed(f"the first flight is longer than {_MAX_FLIGHT} bytes")
