"""HTTP/1.1 framing (RFC 9112) over a scripted stream: what is an answer, what is none, and what is left on the wire."""

import asyncio
import gzip
import zlib
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.http1 import MAX_HEADERS, Answer, Closed, Connection, HeadersTooLong, Malformed

LIMIT = 1000


class Scripted:
    """Hands out these pieces, then the end of the connection."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = list(pieces)
        self.sent = b""

    async def read(self, limit: int, timeout: float) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, data: bytes, timeout: float) -> None:
        self.sent += data


def connection(*pieces: bytes) -> Connection:
    return Connection(Scripted(pieces))  # type: ignore[arg-type]  # all of a Stream that is used


async def asked(kept: Connection, method: str = "GET", limit: int = LIMIT) -> Answer:
    deadline = asyncio.get_running_loop().time() + 5
    return await kept.exchange(method, "/", {"Host": "example.com"}, limit=limit, deadline=deadline)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("wire", "body", "reusable"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
        (OK + b"Content-Length: 5, 5\r\n\r\nhello", b"hello", True),
        (OK + b"Content-Length: 0\r\n\r\n", b"", True),
        (OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", b"hello", False),
        (OK + b"\r\nuntil the end", b"until the end", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", b"hello!", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n", b"hello", True),
        # Transfer-Encoding goes before Content-Length (section 6.3)
        (OK + b"Transfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", True),
        (OK + b"Transfer-Encoding: gzip\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b"", True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", b"x", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", b"x", True),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x", True),  # no reason phrase
        (b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", b"x", True),  # a bare LF ends a line (section 2.2)
        (OK + b"Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", b"x", False),  # an answer that nobody asked for
    ],
)
async def test_where_an_answer_ends(wire: bytes, body: bytes, reusable: bool) -> None:
    for pieces in ((wire,), tuple(bytes((byte,)) for byte in wire)):
        kept = connection(*pieces)
        answer = await asked(kept)
        assert answer.body == body
        if len(pieces) == 1:
            assert kept.reusable is reusable


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b"", Closed),
        (b"<html>an HTTP/0.9 answer</html>", Malformed),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Malformed),
        (b"HTTP/2 200\r\n\r\n", Malformed),
        (b"HTTP/1.1 20 OK\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nServer: x", Malformed),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", Malformed),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, Malformed),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: -5\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: +5\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: 0x5\r\n\r\nhello", Malformed),
        (OK + b"Content-Length: 6\r\n\r\nhello", EOFError),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nhello", EOFError),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", Malformed),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n", Malformed),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", Malformed),
        (OK + b"X: " + b"x" * (MAX_HEADERS + 1) + b"\r\n\r\n", HeadersTooLong),
        (OK + b"X: y\r\n" * 100_000, HeadersTooLong),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", ValueError),
    ],
)
async def test_what_is_no_answer(wire: bytes, error: type[Exception]) -> None:
    kept = connection(wire)
    with pytest.raises(error):
        await asked(kept)
    assert not kept.reusable


async def test_headers_are_kept_in_order_and_cleaned_of_what_json_cannot_hold() -> None:
    wire = OK + b"A: 1\r\nno colon here\r\na:  two \r\n\tand more\r\nB : \xe9\0\r\n: none\r\nContent-Length: 0\r\n\r\n"
    answer = await asked(connection(wire))
    assert answer.headers[:3] == (("a", "1"), ("a", "two and more"), ("b", "\xe9\N{REPLACEMENT CHARACTER}"))


async def test_head_has_no_body_whatever_it_says() -> None:
    kept = connection(OK + b"Content-Length: 500\r\n\r\n", OK + b"Content-Length: 1\r\n\r\nx")
    assert (await asked(kept, "HEAD")).body == b""
    assert (await asked(kept)).body == b"x"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate"])
async def test_content_codings_are_undone_within_the_limit(coding: str) -> None:
    bomb = b"0" * 10_000_000
    packed = zlib.compress(bomb) if coding == "deflate" else gzip.compress(bomb)
    head = OK + f"Content-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    kept = connection(head, packed)
    assert (await asked(kept)).body == b"0" * LIMIT
    assert kept.reusable, "the rest of the body was short enough to take off the wire"


async def test_a_long_body_is_cut_and_its_connection_given_up() -> None:
    kept = connection(OK + b"Content-Length: 10000000\r\n\r\n", *(b"x" * 60_000 for _ in range(200)))
    assert (await asked(kept)).body == b"x" * LIMIT
    assert not kept.reusable


async def test_chunks_without_end_are_cut() -> None:
    pieces = (b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(100))
    kept = connection(OK + b"Transfer-Encoding: chunked\r\n\r\n", *pieces)
    assert (await asked(kept)).body == b"x" * LIMIT
    assert not kept.reusable


@given(wire=st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda rest: OK + rest)))
def test_garbage_is_told_and_never_surprises(wire: bytes) -> None:
    with suppress(Malformed, HeadersTooLong, EOFError, ValueError):
        asyncio.run(asked(connection(wire)))
