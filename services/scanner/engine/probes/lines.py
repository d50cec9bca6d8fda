"""Dialogues in lines of text, as SMTP, IMAP and POP3 speak them, over one connection: bounded in time and length."""

import asyncio
import re
from dataclasses import dataclass

from services.scanner.engine.streams import Stream

MAX_LINE = 2048  # bytes; RFC 5321 section 4.5.3.1.5 wants 512, and some greetings take more
MAX_LINES = 100  # of one reply
_MAX_READ = 4096
_REPLY = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class Garbled(ValueError):
    """What came is not of the protocol; the text says how."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Of an SMTP server (RFC 5321 section 4.2): its code, and the text of each line."""

    code: int
    lines: tuple[str, ...]

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        """Another time it may be another (section 4.2.1)."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.lines[0]}".rstrip()[:200]


class Lines:
    """Commands and answers, all until `seconds` from the beginning. TimeoutError, EOFError, Garbled, OSError."""

    def __init__(self, stream: Stream, seconds: float) -> None:
        self._stream = stream
        self._buffer = b""
        self._end = asyncio.get_running_loop().time() + seconds

    @property
    def client_name(self) -> str:
        """What a client without a name of its own calls itself: its address (RFC 5321 section 4.1.3)."""
        address = self._stream.local_address
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    @property
    def ahead(self) -> bool:
        """Whether more has come than was asked for."""
        return bool(self._buffer)

    async def line(self) -> str:
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise Garbled(f"a line is longer than {MAX_LINE} bytes")
            data = await self._stream.read(_MAX_READ, self._left())
            if not data:
                raise EOFError("the connection was closed")
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(b"\n")
        if len(found) > MAX_LINE:
            raise Garbled(f"a line is longer than {MAX_LINE} bytes")
        return found.removesuffix(b"\r").decode("utf-8", "replace")

    async def send(self, text: str) -> None:
        await self._stream.write(f"{text}\r\n".encode(), self._left())

    async def reply(self) -> Reply:
        """The next whole reply of an SMTP server."""
        lines: list[str] = []
        while len(lines) < MAX_LINES:
            text = await self.line()
            found = _REPLY.fullmatch(text)
            if not found:
                raise Garbled(f"{text[:60]!r} is not a reply of SMTP")
            lines.append(found[3] or "")
            if found[2] != "-":
                return Reply(int(found[1]), tuple(lines))
        raise Garbled(f"a reply has more than {MAX_LINES} lines")

    async def command(self, text: str) -> Reply:
        """Say it to an SMTP server, and hear what it says."""
        await self.send(text)
        return await self.reply()

    async def farewell(self, text: str) -> None:
        """Say it, and do not wait for what comes of it."""
        try:
            await self.send(text)
        except (OSError, TimeoutError):
            return

    def _left(self) -> float:
        left = self._end - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimeoutError
        return left
