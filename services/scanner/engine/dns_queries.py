"""Raw questions to the recursive resolvers: DNS messages over UDP, over TCP where the answer was cut off (RFC 7766)."""

import asyncio
import secrets
import struct
from collections.abc import Sequence
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode

from services.scanner.engine.evidence.base import Unseen

WAITS = (0.7, 1.3, 2.0)  # seconds after which the question is put again, to the next resolver; 4 in all
PAYLOAD = 1232  # bytes of UDP that no path breaks up (RFC 9715)
_MAX_ANSWER = 65535
_HEADER = struct.Struct("!HH")

Server = tuple[str, int]


class Resolvers:
    """One scan's sockets to the resolvers, opened as they are needed; one a resolver, however many questions."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = tuple(servers)
        self._links: dict[Server, _Link] = {}
        self.answered = False  # whether any resolver ever did

    def close(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()

    async def ask(self, query: dns.message.Message) -> dns.message.Message | Unseen | None:
        """None: nobody answered. Unseen: what came cannot be read, or no resolver will answer (REFUSED, NOTIMP).

        SERVFAIL of one resolver counts when the others fail as well.
        """
        failed: dns.message.Message | Unseen | None = None
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        asked: list[tuple[_Link, int]] = []
        try:
            for attempt, wait in enumerate(WAITS):
                server = self._servers[attempt % len(self._servers)]
                try:
                    link = await self._link(server)
                    asked.append((link, link.send(query, waiting)))
                except OSError:
                    continue
                try:
                    async with asyncio.timeout(wait):
                        wire = await asyncio.shield(waiting)
                except TimeoutError:
                    continue
                except OSError:  # nobody listens there
                    waiting = asyncio.get_running_loop().create_future()
                    continue
                waiting = asyncio.get_running_loop().create_future()
                answer = await self._read(wire, query, server)
                if answer is None:
                    continue
                failed = answer
                if not isinstance(answer, Unseen):
                    self.answered = True
                    if answer.rcode() not in (dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP):
                        return answer
                if attempt + 1 >= len(self._servers):
                    break
        finally:
            for link, number in asked:
                link.forget(number)
            if waiting.done() and not waiting.cancelled():
                waiting.exception()  # seen
        if isinstance(failed, dns.message.Message) and failed.rcode() in (dns.rcode.REFUSED, dns.rcode.NOTIMP):
            return Unseen(f"the DNS resolver refuses to answer: {dns.rcode.to_text(failed.rcode())}", "source")
        return failed

    async def _read(
        self, wire: bytes, query: dns.message.Message, server: Server
    ) -> dns.message.Message | Unseen | None:
        """The answer, whole. None: it was cut off, and TCP gave nothing."""
        try:
            answer = dns.message.from_wire(wire, ignore_trailing=True)
            if answer.flags & dns.flags.TC:
                answer = dns.message.from_wire(await _over_tcp(server, query), ignore_trailing=True)
            return answer if _fits(answer, query) else Unseen(f"{_asked(query)} was answered with another", "target")
        except (dns.exception.DNSException, ValueError) as error:
            return Unseen(f"the answer for {_asked(query)} cannot be read: {type(error).__name__}", "target")
        except (OSError, EOFError, TimeoutError):
            return None

    async def _link(self, server: Server) -> "_Link":
        if server not in self._links:
            loop = asyncio.get_running_loop()
            _, link = await loop.create_datagram_endpoint(_Link, remote_addr=server)
            if server in self._links:  # another question was quicker
                link.close()
            else:
                self._links[server] = link
        return self._links[server]


class _Link(asyncio.DatagramProtocol):
    """A UDP socket connected to one resolver; tells the answers apart by their ids."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[bytes, asyncio.Future[bytes]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def send(self, query: dns.message.Message, waiting: asyncio.Future[bytes]) -> int:
        """With an id of its own, which is given back."""
        number = secrets.randbelow(65536)
        while number in self._waiting:
            number = secrets.randbelow(65536)
        wire = struct.pack("!H", number) + query.to_wire()[2:]
        self._waiting[number] = (wire, waiting)
        self._transport.sendto(wire)
        return number

    def forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    def datagram_received(self, data: bytes, address: object) -> None:
        """What answers no question of ours is as if it had not come (RFC 5452 section 9.1)."""
        if len(data) < 12:
            return
        number, flags = _HEADER.unpack_from(data)
        asked = self._waiting.get(number)
        if asked and flags & dns.flags.QR and not asked[1].done() and _same_question(data, asked[0]):
            asked[1].set_result(data)

    def error_received(self, error: Exception) -> None:
        """Nobody listens at the other end: all that wait hear it."""
        for _, waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)

    def close(self) -> None:
        self._transport.close()


def _same_question(answer: bytes, query: bytes) -> bool:
    """One question, byte for byte but for its letters' case; an error may come without one (RFC 8906 section 3.1.3)."""
    end = query.index(b"\0", 12) + 5
    if answer[4:6] == b"\0\0":
        return answer[3] & 0x0F != 0
    return answer[4:6] == b"\0\1" and answer[12:end].lower() == query[12:end].lower()


def _fits(answer: dns.message.Message, query: dns.message.Message) -> bool:
    return answer.opcode() == dns.opcode.QUERY and (not answer.question or answer.question == query.question)


def _asked(query: dns.message.Message) -> str:
    question = query.question[0]
    return question.to_text().replace(" IN ", " ")


async def _over_tcp(server: Server, query: dns.message.Message) -> bytes:
    """OSError, EOFError, TimeoutError."""
    async with asyncio.timeout(2.0):
        reader, writer = await asyncio.open_connection(*server)
        try:
            wire = query.to_wire()
            writer.write(struct.pack("!H", len(wire)) + wire)
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await reader.readexactly(length)
                if length >= 12 and answer[:2] == wire[:2]:
                    return answer
        finally:
            writer.transport.abort()
