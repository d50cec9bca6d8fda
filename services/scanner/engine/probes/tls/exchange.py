"""One hello over one connection, and the flight that comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.tls import Declined
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.probes.lines import Garbled
from services.scanner.engine.probes.starttls import NotOffered, Opening
from services.scanner.engine.probes.tls import parse, suites
from services.scanner.engine.streams import Stream
from shared.egress import Refused

ANSWER_TIMEOUT = 4.0  # seconds from the hello to the end of the flight
CONNECT_TIMEOUT = 3.0
MAX_AT_ONCE = 10  # connections to one address for one scan's TLS; the rest of the host's places are for the others
MAX_AT_ONCE_IN_CLEAR = 8  # of them with a dialogue before the hello: some servers turn away who comes with more
MAX_CONNECTIONS = 200  # of one survey
SECONDS = 12.0  # after which none is begun
_MAX_FLIGHT = 256 * 1024
_CHUNK = 16384

CLOSED = Declined("closed")
SILENCE = Unseen(f"no whole answer to the hello within {ANSWER_TIMEOUT:g} s", "target")


@dataclass(slots=True)
class Flight:
    """What of the server's first flight arrived, in clear. A flight that is handed out has its hello."""

    hello: parse.ServerHello | None = None
    certificates: tuple[bytes, ...] = ()
    staple: bytes | None = None
    exchange: parse.KeyExchange = field(default_factory=parse.KeyExchange)
    asks_certificate: bool = False


class Unreachable(Exception):
    """No way to where a hello could be sent; `refused` when the address itself said so."""

    def __init__(self, reason: str, fault: Fault = "target", *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused
        self.unseen = Unseen(reason, fault)


class Records:
    """The records of a stream, one after another. IncompleteReadError, Malformed, TimeoutError, OSError."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = b""

    async def next(self) -> tuple[int, bytes, bytes]:
        """Type, body, and the header as it came."""
        header = await self._take(5)
        kind, length = parse.record_header(header)
        return kind, await self._take(length), header

    async def first_bytes(self, count: int) -> bytes:
        """Without taking them; fewer where the connection ends before."""
        while len(self._buffer) < count and (data := await self._stream.read(_CHUNK, ANSWER_TIMEOUT)):
            self._buffer += data
        return self._buffer[:count]

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = await self._stream.read(_CHUNK, ANSWER_TIMEOUT)
            if not data:
                raise asyncio.IncompleteReadError(self._buffer, count)
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


_turns: WeakKeyDictionary[Network, dict[tuple[str, bool], asyncio.Semaphore]] = WeakKeyDictionary()


def _turns_at(network: Network, address: str, *, in_clear: bool) -> asyncio.Semaphore:
    """Shared by all surveys of one scan, since they come to the same addresses."""
    at = _turns.setdefault(network, {})
    if (address, in_clear) not in at:
        at[address, in_clear] = asyncio.Semaphore(MAX_AT_ONCE_IN_CLEAR if in_clear else MAX_AT_ONCE)
    return at[address, in_clear]


@dataclass(slots=True)
class Place:
    """Where a service is, and how one comes to where it speaks TLS."""

    network: Network
    address: str
    port: int
    opening: Opening | None = None
    connect_timeout: float = CONNECT_TIMEOUT
    connections: int = 0  # so far
    reached: bool = False  # whether one of them stood
    answered: bool = False  # whether a hello ever met with anything but silence
    silent: bool = False  # whether one met with silence
    _at_once: asyncio.Semaphore = field(init=False)
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = asyncio.get_running_loop().time() + SECONDS
        self._at_once = _turns_at(self.network, self.address, in_clear=self.opening is not None)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Stream]:
        """Ready for a hello. What can keep it from that is told apart as Unreachable and NotOffered."""
        self.connections += 1
        if self.connections > MAX_CONNECTIONS:
            raise Unreachable(f"{MAX_CONNECTIONS} connections did not tell", "ours")
        async with self._at_once, AsyncExitStack() as stack:
            if asyncio.get_running_loop().time() > self._end:
                raise Unreachable(f"port {self.port} answers so slowly that the time for it ran out")
            try:
                connecting = self.network.connect(self.address, self.port, timeout=self.connect_timeout)
                stream = await stack.enter_async_context(connecting)
            except ConnectionRefusedError:
                raise Unreachable(f"the connection to port {self.port} was refused", refused=True) from None
            except TimeoutError:
                raise Unreachable(f"port {self.port} did not answer") from None
            except (OSError, Refused) as error:
                raise Unreachable(f"no connection to port {self.port}: {error}", fault_of(error)) from None
            if self.opening is not None:
                await self._open(stream)
            self.reached = True
            yield stream

    async def exchange(self, hello: bytes, *, whole: bool = False) -> Flight | Declined | Unseen:
        """Send `hello` and read up to the ServerHello or, with `whole`, the ServerHelloDone.

        Not where nothing but silence has come of it yet: that takes long enough once.
        """
        try:
            async with self.connection() as stream:
                return await self.converse(stream, hello, whole=whole)
        except Unreachable as error:
            return error.unseen
        except NotOffered as error:
            return Unseen(f"{error}, where it did offer TLS before", "target")

    async def converse(self, stream: Stream, hello: bytes, *, whole: bool) -> Flight | Declined | Unseen:
        """The same over a connection that stands."""
        if self.silent and not self.answered:
            return SILENCE
        seen = await _converse(stream, hello, whole=whole)
        if seen is SILENCE:
            self.silent = True
        else:
            self.answered = True
        return seen

    async def _open(self, stream: Stream) -> None:
        assert self.opening
        try:
            await self.opening(stream)
        except TimeoutError:
            raise Unreachable(f"port {self.port} did not come to TLS in time") from None
        except Garbled as error:
            raise Unreachable(f"port {self.port} did not come to TLS: {error}"[:200]) from None
        except (EOFError, OSError) as error:
            reason = f"port {self.port} did not come to TLS: {error or type(error).__name__}"
            raise Unreachable(reason[:200]) from None


async def _converse(stream: Stream, hello: bytes, *, whole: bool) -> Flight | Declined | Unseen:
    flight = Flight()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await stream.write(hello, ANSWER_TIMEOUT)
            declined = await read_flight(Records(stream), flight, whole)
    except TimeoutError:
        problem = SILENCE
    except parse.Malformed as error:
        problem = Unseen(str(error), "target")
    except (asyncio.IncompleteReadError, OSError):
        return flight if flight.hello else CLOSED
    else:
        return declined or flight
    return flight if flight.hello else problem


async def read_flight(records: Records, flight: Flight, whole: bool) -> Declined | None:
    """Into `flight`. IncompleteReadError, Malformed, TimeoutError, OSError."""
    pending, seen = b"", 0
    if parse.is_ssl2_error(await records.first_bytes(3)):
        return Declined("an error of SSL 2.0")
    while seen < _MAX_FLIGHT:
        kind, body, _ = await records.next()
        seen += len(body)
        if kind == parse.ALERT:
            if parse.is_passing(body):
                continue
            return None if flight.hello else Declined(parse.alert(body))
        if kind != parse.HANDSHAKE:
            raise parse.Malformed(f"a record of type {kind} comes before the handshake is done")
        found, pending = parse.messages(pending + body)
        for message, content in found:
            if _take(flight, message, content):
                return None
        if flight.hello and (not whole or flight.hello.version == "TLSv1.3"):
            return None
    raise parse.Malformed(f"the first flight is longer than {_MAX_FLIGHT} bytes")


def _take(flight: Flight, message: int, content: bytes) -> bool:
    """Whether the flight ends with it."""
    if message == parse.SERVER_HELLO:
        flight.hello = parse.server_hello(content)
    elif message == parse.CERTIFICATE:
        flight.certificates = parse.certificates(content)
    elif message == parse.CERTIFICATE_STATUS:
        flight.staple = parse.certificate_status(content)
    elif message == parse.CERTIFICATE_REQUEST:
        flight.asks_certificate = True
    elif message == parse.SERVER_KEY_EXCHANGE and flight.hello:
        name = suites.name(flight.hello.suite)
        if any(ephemeral in name for ephemeral in ("DHE_", "_anon_")):
            flight.exchange = parse.key_exchange(content, name, flight.hello.version)
    return message == parse.SERVER_HELLO_DONE
