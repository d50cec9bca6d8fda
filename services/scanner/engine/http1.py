"""HTTP/1.1 as a client speaks it (RFC 9112), over one connection: as strict about framing as the norm, as lenient as
browsers about all else.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from services.scanner.engine.decoding import decoder
from services.scanner.engine.streams import Stream

MAX_HEADERS = 64 * 1024  # bytes of a status line and headers
MAX_DRAINED = 64 * 1024  # bytes of a cut body that are still read so that the connection can be used again
_MAX_INTERIM = 8  # 1xx answers before the answer itself
_READ = 64 * 1024
_AS_IS = "!#$%&'()*+,/:;=?@[]~\\^`{|}\""  # of an address, what goes over the wire as it stands
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) +(\d{3})(?: |\r?\n)")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


def request_target(url: str) -> str:
    """Path and query, as they go over the wire."""
    parts = urlsplit(url)
    return quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IS)


def host_header(host: str, port: int | None) -> str:
    """`port`: None where it is the scheme's own (RFC 9110 section 7.2)."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


class Malformed(ValueError):
    """What came is not HTTP/1.x; the text completes "its answer is not valid HTTP: ..."."""


class HeadersTooLong(ValueError):
    """More than `MAX_HEADERS` bytes came before the end of the headers."""


class Closed(EOFError):
    """The connection ended before the first byte of an answer: on a kept connection, mostly its idle time was over."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]  # names in lower case, in order, duplicates kept; ISO 8859-1
    body: bytes  # codings undone, cut at the limit asked for


class Connection:
    """One connection; one request at a time."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._ended = False
        self.reusable = True

    async def exchange(
        self, method: str, target: str, headers: Mapping[str, str], *, limit: int, deadline: float, data: bytes = b""
    ) -> Answer:
        """`target`: path and query, as they go over the wire; `deadline`: in the event loop's time; `data`: the body.

        Malformed, HeadersTooLong, Closed, ValueError (broken compression), EOFError (ended early), TimeoutError,
        OSError.
        """
        self.reusable = False
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if data:
            lines.append(f"Content-Length: {len(data)}")
        head = "\r\n".join((*lines, "", "")).encode("latin-1", "replace")
        async with asyncio.timeout_at(deadline):
            await self._stream.write(head + data, _left(deadline))
            status, minor, fields = await self._head(deadline)
            body, whole = await self._body(method, status, fields, limit, deadline)
        named = {
            name: value.lower() for name, value in fields
        }  # of several Connection lines the last, and that is a wish
        kept = named.get("connection", "")
        self.reusable = whole and not self._ended and "close" not in kept and (minor > 0 or "keep-alive" in kept)
        self.reusable = self.reusable and not self._buffer  # bytes that nobody asked for: out of step
        return Answer(status, fields, body)

    async def _more(self, deadline: float) -> bool:
        """Whether the buffer got longer; False at the end of the connection."""
        if not self._ended:
            data = await self._stream.read(_READ, _left(deadline))
            self._ended = not data
            self._buffer += data
        return not self._ended

    async def _head(self, deadline: float) -> tuple[int, int, tuple[tuple[str, str], ...]]:
        for _ in range(_MAX_INTERIM):
            status, minor, fields = await self._one_head(deadline)
            if status >= 200:
                return status, minor, fields
            if status == 101:
                raise Malformed("it switches protocols unasked")
        raise Malformed("interim answers without end")

    async def _one_head(self, deadline: float) -> tuple[int, int, tuple[tuple[str, str], ...]]:
        buffer, searched = self._buffer, 0
        while not (end := _HEAD_END.search(buffer, searched)):
            searched = max(len(buffer) - 3, 0)
            if len(buffer) > MAX_HEADERS:
                raise HeadersTooLong(f"its headers are longer than {MAX_HEADERS} bytes")
            if len(buffer) >= 5 and not buffer.startswith(b"HTTP/"):
                raise Malformed("it does not begin with a status line")
            if not await self._more(deadline):
                if not buffer:
                    raise Closed("the connection was closed without an answer")
                raise Malformed("it ends within its headers")
        if end.start() > MAX_HEADERS:
            raise HeadersTooLong(f"its headers are longer than {MAX_HEADERS} bytes")
        head = bytes(buffer[: end.end()])
        del buffer[: end.end()]
        line = _STATUS_LINE.match(head)
        if not line:
            raise Malformed("it does not begin with a status line of HTTP/1.x")
        return int(line[2]), int(line[1]), _fields(head.partition(b"\n")[2])

    async def _body(
        self, method: str, status: int, fields: tuple[tuple[str, str], ...], limit: int, deadline: float
    ) -> tuple[bytes, bool]:
        """The decoded body within `limit`, and whether all of it was taken off the connection (section 6.3)."""
        coding = ", ".join(value for name, value in fields if name == "content-encoding")
        sink = _Sink(coding, limit)
        if method == "HEAD" or status in (204, 304):
            return b"", True
        transfer = ", ".join(value for name, value in fields if name == "transfer-encoding").lower()
        if transfer.replace(" ", "").endswith("chunked"):
            return await self._chunked(sink, deadline)
        length = None if transfer else _content_length(fields)
        if length is None:
            while not sink.full and (self._buffer or await self._more(deadline)):
                self._take(len(self._buffer), sink)
            return bytes(sink.decoded), False
        whole = await self._sized(length, sink, deadline)
        return bytes(sink.decoded), whole

    async def _sized(self, length: int, sink: "_Sink", deadline: float) -> bool:
        """Whether all `length` bytes came; they need not once the sink is full. EOFError where they end early."""
        while length:
            if sink.full and length > MAX_DRAINED:
                return False
            if not self._buffer and not await self._more(deadline):
                raise EOFError("its answer ended early")
            length -= self._take(min(length, len(self._buffer)), sink)
        return True

    async def _chunked(self, sink: "_Sink", deadline: float) -> tuple[bytes, bool]:
        drained = 0
        while True:
            size = await self._chunk_size(deadline)
            if sink.full:
                drained += size
                if drained > MAX_DRAINED:
                    return bytes(sink.decoded), False
            if size == 0:
                return bytes(sink.decoded), await self._trailers(deadline)
            if not await self._sized(size, sink, deadline):
                return bytes(sink.decoded), False
            line = await self._line(2, deadline)
            if line.strip(b"\r\n"):
                raise Malformed("a chunk is longer than it says")

    async def _chunk_size(self, deadline: float) -> int:
        size = _CHUNK_SIZE.fullmatch(await self._line(4096, deadline))
        if not size:
            raise Malformed("a chunk without its size")
        return int(size[1], 16)

    async def _trailers(self, deadline: float) -> bool:
        for _ in range(64):
            if not (await self._line(4096, deadline)).strip(b"\r\n"):
                return True
        return False

    async def _line(self, limit: int, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > limit:
                raise Malformed("a line of its chunks does not end")
            if not await self._more(deadline):
                raise EOFError("its answer ended early")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _take(self, count: int, sink: "_Sink") -> int:
        sink.feed(bytes(self._buffer[:count]))
        del self._buffer[:count]
        return count


class _Sink:
    """Undoes the content coding and keeps `limit` bytes of what comes out."""

    def __init__(self, coding: str, limit: int) -> None:
        self.decoded = bytearray()
        self._decoder = decoder(coding)
        self._limit = limit

    @property
    def full(self) -> bool:
        return len(self.decoded) >= self._limit

    def feed(self, data: bytes) -> None:
        if not self.full:
            self.decoded += self._decoder.decode(data, self._limit - len(self.decoded))


def _fields(block: bytes) -> tuple[tuple[str, str], ...]:
    """Names in lower case. Folded lines are joined (section 5.2); lines without a colon are passed over, as usual."""
    found: list[tuple[str, str]] = []
    for line in block.decode("latin-1").replace("\0", "\N{REPLACEMENT CHARACTER}").split("\n"):
        line = line.rstrip("\r")
        if line[:1] in (" ", "\t") and line.strip(" \t") and found:
            name, value = found[-1]
            found[-1] = name, " ".join((value, line.strip(" \t"))).strip(" \t")
            continue
        name, colon, value = line.partition(":")
        if colon and name.strip(" \t"):
            found.append((name.strip(" \t").lower(), value.strip(" \t")))
    return tuple(found)


def _content_length(fields: tuple[tuple[str, str], ...]) -> int | None:
    """None where the body lasts as long as the connection. Malformed where lengths contradict each other."""
    stated = [part.strip(" \t") for name, value in fields if name == "content-length" for part in value.split(",")]
    if not stated:
        return None
    if len(set(stated)) > 1 or not re.fullmatch(r"[0-9]{1,18}", stated[0]):
        raise Malformed("its Content-Length is none")
    return int(stated[0])


def _left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0)
