"""A short talk with whatever listens on an open port, until it has shown what it is."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from services.scanner.engine.evidence.ports import OpenPort
from services.scanner.engine.network import Network
from services.scanner.engine.probes.ports import questions, recognise, software, ssh_session
from services.scanner.engine.streams import Stream
from shared.egress import Refused

AT_ONCE = 8  # conversations with one address; the other probes need places as well
_CONNECT = 2.0  # seconds; and for the handshake of TLS
_GREETING = 1.0  # how long a server of no known custom may take to speak first
_ANSWER = 2.0
_MORE = 0.5  # the pause after which an answer is taken as whole
_WHOLE = 2.0  # for what comes in pieces, from the first on
_ANSWER_BYTES = 16384
_GUESS = 1.0
_GUESSED = 6  # silent ports of an address at which the guesses are tried
_NOTHING_SHOWN = frozenset({"unknown", "tls"})

_TROUBLE = (TimeoutError, OSError, EOFError, ssl.SSLError, Refused)


class Conversations:
    """Those with one address. `end` is the loop's time by which all are over."""

    def __init__(self, network: Network, host: str, address: str, end: float) -> None:
        self._network = network
        self._host = host
        self._address = address
        self.end = end
        self._places = asyncio.Semaphore(AT_ONCE)
        self._guesses_left = _GUESSED

    async def identify(self, port: int) -> OpenPort:
        """What has not said by the end what it is stays "unknown". Never an exception of the peer's making."""
        best = OpenPort(port, "unknown")
        ways = [self._plainly, self._in_tls]
        if port in questions.TLS_FIRST:
            ways.reverse()
        for way in ways:
            try:
                async with asyncio.timeout_at(self.end):
                    seen = await way(port)
            except _TROUBLE as error:
                if _is_from_tls(error) and best.protocol == "unknown" and not best.banner:
                    best = OpenPort(port, "tls", tls=True)
                continue
            if seen.protocol not in _NOTHING_SHOWN:
                return await self._looked_into(seen)
            if best.protocol == "unknown" and (seen.banner or seen.protocol == "tls"):
                best = seen
            if seen.banner and seen.protocol == "unknown" and not seen.tls:
                break  # it spoke in clear: there is no TLS there
        if best == OpenPort(port, "unknown") and self._guesses_left > 0 and port not in questions.NEVER_ASKED:
            self._guesses_left -= 1
            return await self._guess(port)
        return best

    @asynccontextmanager
    async def _connection(self, port: int, *, tls: bool = False) -> AsyncIterator[Stream]:
        async with (
            self._places,
            self._network.connect(self._address, port, timeout=_CONNECT, tls=self._host if tls else None) as stream,
        ):
            yield stream

    async def _plainly(self, port: int) -> OpenPort:
        async with self._connection(port) as stream:
            data, asked, path = await self._first_words(stream, port, tls=False)
            if recognise.wants_tls(data):
                return OpenPort(port, "tls")
            if asked and data == asked:
                return OpenPort(port, "echo", banner=recognise.banner(data))
            return await self._continued(stream, _described(port, data, path), data)

    async def _in_tls(self, port: int) -> OpenPort:
        async with self._connection(port, tls=True) as stream:
            encrypted = OpenPort(port, "tls", tls=True)
            try:
                data, _, path = await self._first_words(stream, port, tls=True)
            except _TROUBLE:
                return encrypted
            seen = replace(_described(port, data, path), tls=True)
            return await self._continued(stream, seen, data) if data else encrypted

    async def _first_words(self, stream: Stream, port: int, *, tls: bool) -> tuple[bytes, bytes, str]:
        """What it said, what it was asked for that, and the path where that was a request of HTTP."""
        question = questions.FIRST.get(port)
        data, path = b"", ""
        if port in questions.GREETING or port in questions.NEVER_ASKED:
            data = await _read(stream, questions.GREETING.get(port, _GREETING))
            if data or port in questions.NEVER_ASKED or not tls:
                return data, b"", ""
        elif question is None and port not in questions.WEB and not tls:
            data = await _read(stream, _GREETING)
        if data:
            return data, b"", ""
        if question is None:
            path = questions.path_of(port)
            question = questions.http(self._host, port, self._network.user_agent)
        await stream.write(question, _ANSWER)
        return await _read(stream, _ANSWER), question, path

    async def _continued(self, stream: Stream, seen: OpenPort, data: bytes) -> OpenPort:
        """What one more question on the same connection shows."""
        try:
            match seen.protocol:
                case "unknown" | "ftp" | "smtp" if recognise.is_bare_greeting(data):
                    return await _ftp_or_smtp(stream, seen)
                case "ftp":
                    return await _with_auth_tls(stream, seen)
                case "ssh":
                    session = await ssh_session.examine(stream, data)
                    return replace(seen, ssh=session.algorithms, ssh_methods=session.methods)
                case "vnc":
                    return await _with_security_types(stream, seen, data)
                case "telnet":
                    return await _with_text(stream, seen, data)
                case "mongodb" if seen.open_access is not None:
                    await stream.write(questions.MONGODB_BUILD, _ANSWER)
                    return replace(seen, product="MongoDB", version=_mongodb_version(await _read(stream, _ANSWER)))
                case "cassandra" if seen.open_access is None:
                    await stream.write(questions.CASSANDRA_STARTUP, _ANSWER)
                    return replace(seen, open_access=recognise.open_access("cassandra", await _read(stream, _ANSWER)))
                case "iso-tsap":
                    await stream.write(questions.S7_SETUP, _ANSWER)
                    more = await _read(stream, _ANSWER)
                    return replace(seen, protocol="s7") if recognise.protocol_of(more, seen.port) == "s7" else seen
                case _:
                    return seen
        except _TROUBLE:
            return seen

    async def _looked_into(self, seen: OpenPort) -> OpenPort:
        """What a connection of its own shows of a service that is known now."""
        try:
            async with asyncio.timeout_at(self.end):
                if seen.protocol == "smb":
                    return replace(seen, details={**seen.details, "smb1": await self._smb1(seen.port)})
                if seen.protocol == "etcd" and seen.open_access is None:
                    return await self._etcd(seen)
                if seen.open_access is None and (asked := self._second_question(seen)):
                    return await self._asked_again(seen, asked)
        except _TROUBLE:
            pass
        return seen

    def _second_question(self, seen: OpenPort) -> bytes | None:
        """What has not been asked yet, and would show whether a login is wanted."""
        path = questions.SECOND_PATHS.get(seen.protocol)
        if path and path != questions.path_of(seen.port):
            return questions.http(self._host, seen.port, self._network.user_agent, path)
        question = questions.SECOND_QUESTIONS.get(seen.protocol)
        return question if question != questions.FIRST.get(seen.port) else None

    async def _asked_again(self, seen: OpenPort, question: bytes) -> OpenPort:
        async with self._connection(seen.port, tls=seen.tls) as stream:
            await stream.write(question, _ANSWER)
            data = await _read(stream, _ANSWER)
            again = replace(_described(seen.port, data, ""), tls=seen.tls)
            if again.protocol != seen.protocol:
                return seen
            if again.protocol == "memcached" and not again.open_access:
                return replace(seen, protocol="unknown")  # others say ERROR as well; memcached tells its version
            return await self._continued(stream, again, data)

    async def _asked(self, seen: OpenPort, question: bytes) -> bytes:
        async with self._connection(seen.port, tls=seen.tls) as stream:
            await stream.write(question, _ANSWER)
            return await _read(stream, _ANSWER)

    async def _smb1(self, port: int) -> str:
        async with self._connection(port) as stream:
            await stream.write(questions.SMB1, _ANSWER)
            answer = await _read(stream, _ANSWER)
        if answer[4:8] != b"\xffSMB":
            return "refused"
        return "refused" if answer[37:39] == b"\xff\xff" else "accepted"  # no dialect in common

    async def _etcd(self, seen: OpenPort) -> OpenPort:
        data = await self._asked(seen, questions.etcd_authentication(self._host, seen.port, self._network.user_agent))
        if not data.startswith(b"HTTP/1.1 200"):
            return seen
        return replace(seen, open_access=b'"enabled":true' not in data.replace(b" ", b""))

    async def _guess(self, port: int) -> OpenPort:
        """All at once: what it is, if it is any of these, it says at once."""
        guesses = [asyncio.create_task(self._guessed(port, name, data)) for name, data in questions.GUESSES]
        found = await asyncio.gather(*guesses)
        shown = next((seen for seen in found if seen), OpenPort(port, "unknown"))
        return await self._looked_into(shown) if shown.protocol not in _NOTHING_SHOWN else shown

    async def _guessed(self, port: int, name: str, question: bytes) -> OpenPort | None:
        """Only the protocol that was asked for counts: a stray byte may look like another one's."""
        try:
            async with asyncio.timeout_at(self.end), self._connection(port) as stream:
                await stream.write(question, _GUESS)
                data = await _read(stream, _GUESS)
                seen = _described(port, data, "")
                return await self._continued(stream, seen, data) if seen.protocol == name else None
        except _TROUBLE:
            return None


async def _ftp_or_smtp(stream: Stream, seen: OpenPort) -> OpenPort:
    """RFC 5321 section 4.1.1.1: EHLO is SMTP's; RFC 959 section 4.1.3: SYST is FTP's."""
    await stream.write(b"EHLO scanner.invalid\r\n", _ANSWER)
    if (await _read(stream, _ANSWER)).startswith(b"250"):
        return replace(seen, protocol="smtp")
    await stream.write(b"SYST\r\n", _ANSWER)
    answer = await _read(stream, _ANSWER)
    if answer.startswith((b"215", b"530")):
        return await _with_auth_tls(stream, replace(seen, protocol="ftp"))
    if seen.protocol == "ftp":
        return await _with_auth_tls(stream, seen)
    return seen


async def _with_auth_tls(stream: Stream, seen: OpenPort) -> OpenPort:
    """RFC 4217 section 4."""
    await stream.write(b"AUTH TLS\r\n", _ANSWER)
    answer = await _read(stream, _ANSWER)
    return replace(seen, starttls=answer.startswith(b"234")) if answer else seen


async def _with_security_types(stream: Stream, seen: OpenPort, greeting: bytes) -> OpenPort:
    """RFC 6143 section 7.1.1: the version that both speak is agreed on first."""
    theirs = greeting[4:11].decode("ascii", "replace")
    version = "003.008" if theirs >= "003.008" else "003.007" if theirs == "003.007" else "003.003"
    await stream.write(f"RFB {version}\n".encode(), _ANSWER)
    details = recognise.vnc_security(await _read(stream, _ANSWER), version)
    kinds = details.get("security", "").split(", ")
    return replace(seen, details=details, open_access="None" in kinds if details else None)


async def _with_text(stream: Stream, seen: OpenPort, data: bytes) -> OpenPort:
    """Every option refused (RFC 854), so that the server goes on to its text."""
    refusals = {0xFB: b"\xfe", 0xFD: b"\xfc"}  # WILL: DONT, DO: WONT
    answer = b"".join(
        b"\xff" + refusals[data[place + 1]] + data[place + 2 : place + 3]
        for place in range(min(len(data), 512) - 2)
        if data[place] == 0xFF and data[place + 1] in refusals
    )
    if not answer:
        return seen
    await stream.write(answer, _ANSWER)
    whole = data + await _read(stream, _GREETING)
    product, version = software.of("telnet", whole)
    return replace(seen, banner=recognise.banner(whole), product=product, version=version)


def _mongodb_version(data: bytes) -> str:
    """From buildInfo's answer: the BSON string "version"."""
    _, found, rest = data.partition(b"\x02version\x00")
    length = int.from_bytes(rest[:4], "little")
    return rest[4 : 3 + length].decode("ascii", "replace") if found and 1 < length < 40 else ""


def _described(port: int, data: bytes, path: str) -> OpenPort:
    """`path` is "" where no request of HTTP was sent."""
    protocol = recognise.protocol_of(data, port)
    if protocol == "http" and recognise.is_winrm(path, data):
        protocol = "winrm"
    product, version = software.of(protocol, data)
    details: Mapping[str, str] = recognise.rdp_details(data) if protocol == "rdp" else {}
    return OpenPort(
        port,
        protocol,
        banner=recognise.banner(data),
        title=recognise.title(data) if data.startswith(b"HTTP/") else "",
        open_access=recognise.open_access(protocol, data),
        product=product,
        version=version,
        details=details,
    )


def _is_from_tls(error: BaseException) -> bool:
    """Whether the peer said no in the words of TLS, as it does where it wants a client's certificate."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


async def _read(stream: Stream, patience: float) -> bytes:
    """What comes within `patience`; of what is not whole yet some more, but not for ever."""
    data = b""
    try:
        data = await stream.read(_ANSWER_BYTES, patience)
        end = asyncio.get_running_loop().time() + _WHOLE
        while data and recognise.is_unfinished(data) and len(data) < _ANSWER_BYTES:
            if asyncio.get_running_loop().time() > end:
                break
            more = await stream.read(_ANSWER_BYTES - len(data), _MORE)
            if not more:
                break
            data += more
    except TimeoutError:
        pass
    except (OSError, EOFError):
        if not data:
            raise
    return data
