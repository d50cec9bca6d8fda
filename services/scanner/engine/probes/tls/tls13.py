"""A whole handshake of TLS 1.3, for what it says under encryption (RFC 8446 section 2)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Declined
from services.scanner.engine.probes.starttls import NotOffered
from services.scanner.engine.probes.tls import parse, schedule, suites
from services.scanner.engine.probes.tls.agreement import Agreement, agreement
from services.scanner.engine.probes.tls.exchange import ANSWER_TIMEOUT, CLOSED, Place, Records, Unreachable
from services.scanner.engine.probes.tls.hello import Shares
from services.scanner.engine.streams import Stream

_TICKETS = 1.0  # seconds that a server may take to send them and to close
_MAX_MESSAGES = 256 * 1024
_CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"  # RFC 8446 appendix D.4: middlebox compatibility
_CLOSE_NOTIFY = b"\x01\x00"

MakeHello = Callable[[Shares, bytes], bytes]  # from key shares and the cookie of a HelloRetryRequest


@dataclass(slots=True)
class Handshake:
    """What came of it. `problem`: why what follows the hello was not seen."""

    hello: parse.ServerHello
    group: int | None = None
    problem: Unseen | None = None
    shown: parse.Shown | None = None
    protocol: str | None = None  # chosen by ALPN
    signature: int | None = None
    asks_certificate: bool = False
    whole: bool = False
    early_data: list[int] = field(default_factory=list)  # one a ticket


async def handshake(place: Place, make_hello: MakeHello) -> Handshake | Declined | Unseen:
    """Offers X25519, and another group where the server asks for that; says goodbye at the end."""
    try:
        async with place.connection() as stream:
            return await _Dialogue(stream, make_hello).run()
    except Unreachable as error:
        return error.unseen
    except NotOffered as error:
        return Unseen(f"{error}, where it did offer TLS before", "target")


class _Dialogue:
    def __init__(self, stream: Stream, make_hello: MakeHello) -> None:
        self._stream = stream
        self._records = Records(stream)
        self._make_hello = make_hello
        self._pending = b""
        self._hellos: list[bytes] = []  # as messages, in their order
        self._seen: Handshake | None = None

    async def run(self) -> Handshake | Declined | Unseen:
        problem: Unseen | Declined
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                declined = await self._until_finished()
        except TimeoutError:
            problem = Unseen(f"no whole answer to the hello within {ANSWER_TIMEOUT:g} s", "target")
        except (parse.Malformed, ValueError) as error:
            problem = Unseen(str(error) or "a key of the server is none", "target")
        except (asyncio.IncompleteReadError, OSError):
            problem = Unseen("the handshake was cut short", "target") if self._seen else CLOSED
        else:
            if declined is None:
                assert self._seen
                return self._seen
            problem = declined
        if self._seen:
            self._seen.problem = self._seen.problem or _unseen(problem)
            return self._seen
        return problem

    async def _until_finished(self) -> Declined | None:
        own = agreement(suites.X25519)
        assert own
        answer = await self._ask(own, b"")
        if isinstance(answer, Declined):
            return answer
        self._seen = Handshake(answer)
        if answer.version != "TLSv1.3" or not schedule.is_known(answer.suite):
            self._seen.problem = Unseen(f"no handshake with {suites.name(answer.suite)} was made", "ours")
            return None
        if answer.retry:
            wanted = answer.share[0] if answer.share else suites.X25519
            other = own if wanted == suites.X25519 else agreement(wanted)
            if other is None:
                self._seen.group = wanted
                self._seen.problem = Unseen(f"no handshake with {suites.group_name(wanted)} was made", "ours")
                return None
            own = other
            again = await self._ask(own, answer.cookie)
            if isinstance(again, Declined):
                return again
            self._seen.hello = answer = again
            if again.retry or again.version != "TLSv1.3":
                raise parse.Malformed("the server asks for a third hello, or for another version in the second")
        await self._flight(answer, own)
        return None

    async def _ask(self, own: Agreement, cookie: bytes) -> parse.ServerHello | Declined:
        record = self._make_hello(((own.group, own.public),), cookie)
        self._hellos.append(record[5:])
        await self._stream.write(record, ANSWER_TIMEOUT)
        while True:
            kind, body, _ = await self._records.next()
            if kind == parse.ALERT:
                if parse.is_passing(body):
                    continue
                return Declined(parse.alert(body))
            if kind == parse.CHANGE_CIPHER_SPEC and len(self._hellos) > 1:
                continue
            if kind != parse.HANDSHAKE:
                raise parse.Malformed(f"a record of type {kind} comes before the handshake is done")
            found, rest = parse.messages(self._pending + body)
            self._pending = rest
            if found:
                message, content = found[0]
                if message != parse.SERVER_HELLO:
                    raise parse.Malformed(f"a message of type {message} comes in the place of the ServerHello")
                self._hellos.append(_message(message, content))
                self._pending = b"".join(_message(*each) for each in found[1:]) + rest
                return parse.server_hello(content)

    async def _flight(self, hello: parse.ServerHello, own: Agreement) -> None:
        assert self._seen
        if hello.share is None or hello.share[0] != own.group:
            raise parse.Malformed("the server's key is of another group than ours")
        if self._pending:
            raise parse.Malformed("more comes in clear after the ServerHello")
        self._seen.group = own.group
        transcript = schedule.Transcript(hello.suite)
        for index, said in enumerate(self._hellos):
            if index == 1 and len(self._hellos) > 2:
                transcript.begin_again()
            transcript.add(said)
        keys = schedule.Schedule(hello.suite, own.shared(hello.share[1]), transcript.digest)
        context = b"\x00"
        async for message, content in self._protected(keys.server):
            transcript.add(_message(message, content))
            self._read(message, content)
            if message == parse.CERTIFICATE_REQUEST:
                context = content[: 1 + content[0]]
            if message == parse.FINISHED:
                break
        self._seen.whole = True
        await self._finish(keys, transcript, context)

    def _read(self, message: int, content: bytes) -> None:
        assert self._seen
        if message == parse.ENCRYPTED_EXTENSIONS:
            found = parse.extensions(content[2:])
            self._seen.protocol = parse.chosen_protocol(found[16]) if 16 in found else ""
        elif message == parse.CERTIFICATE_REQUEST:
            self._seen.asks_certificate = True
        elif message == parse.CERTIFICATE:
            self._seen.shown = parse.certificates_with_extensions(content)
        elif message == parse.CERTIFICATE_VERIFY:
            self._seen.signature = int.from_bytes(content[:2], "big")

    async def _finish(self, keys: schedule.Schedule, transcript: schedule.Transcript, context: bytes) -> None:
        """Finish, say goodbye, and read the tickets that come until the server closes as well."""
        assert self._seen
        server, client = keys.application(transcript.digest)
        sent = _CHANGE_CIPHER_SPEC
        if self._seen.asks_certificate:
            none = b"\x0b" + (len(context) + 3).to_bytes(3, "big") + context + bytes(3)
            sent += keys.client.seal(parse.HANDSHAKE, none)
            transcript.add(none)
        sent += keys.client.seal(parse.HANDSHAKE, keys.finished(transcript.digest))
        sent += client.seal(parse.ALERT, _CLOSE_NOTIFY)
        self._pending = b""
        try:
            async with asyncio.timeout(_TICKETS):
                await self._stream.write(sent, _TICKETS)
                async for message, content in self._protected(server):
                    if message == parse.NEW_SESSION_TICKET:
                        self._seen.early_data.append(parse.early_data(content))
        except (TimeoutError, parse.Malformed, asyncio.IncompleteReadError, OSError):
            return  # it need not send any, nor close at all

    async def _protected(self, keys: schedule.Protection) -> AsyncIterator[tuple[int, bytes]]:
        """The handshake messages under these keys, up to an alert."""
        seen = 0
        while seen < _MAX_MESSAGES:
            kind, body, header = await self._records.next()
            seen += len(body)
            if kind == parse.CHANGE_CIPHER_SPEC:
                continue
            if kind == parse.APPLICATION_DATA:
                kind, body = keys.open(header, body)
            if kind == parse.ALERT:
                if self._seen and not self._seen.whole:
                    raise parse.Malformed(f"the server broke off: {parse.alert(body)}")
                return
            if kind == parse.HANDSHAKE:
                found, self._pending = parse.messages(self._pending + body)
                for each in found:
                    yield each
        raise parse.Malformed(f"the flight is longer than {_MAX_MESSAGES} bytes")


def _message(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def _unseen(problem: Unseen | Declined) -> Unseen:
    return problem if isinstance(problem, Unseen) else Unseen(f"the server broke off: {problem.how}", "target")
