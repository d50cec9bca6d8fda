"""What both proxies stand in front of: an HTTP server so cheap that it is the proxy that is measured.

It answers as auth does when the gateway asks who is calling, and everything else with the body of a small resource.
"""

import argparse
import asyncio
import re

from tests.support.app import principal

INTROSPECT = b"POST /internal/introspect "
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
UNREACHED = 10**12  # requests in any window


def answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


def caller() -> bytes:
    """A principal whose limits are counted and never reached."""
    anybody = principal()
    windows = ("requests_per_minute", "requests_per_hour", "requests_per_day")
    limits = anybody.limits.model_copy(update=dict.fromkeys(windows, UNREACHED))
    return anybody.model_copy(update={"limits": limits}).model_dump_json().encode()


RESOURCE = answer(b'{"plan":"agency","limits":{"scans_per_month":5000,"domains":200,"pdf":true}}')


class Upstream(asyncio.Protocol):
    def __init__(self, introspection: bytes) -> None:
        self._introspection = introspection
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(HEAD_END)) >= 0:
            head = self._received[:end]
            length = CONTENT_LENGTH.search(head)
            whole = end + len(HEAD_END) + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._transport.write(self._introspection if head.startswith(INTROSPECT) else RESOURCE)


async def serve(port: int) -> None:
    introspection = answer(caller())
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(introspection), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    asyncio.run(serve(parser.parse_args().port))
