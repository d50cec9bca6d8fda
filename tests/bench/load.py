"""A load generator: kept connections that each send the next request when the answer to the last has come.

Prints one line of JSON: requests answered with 200 in the `seconds` measured and in `all`, and `refused` ones.
"""

import argparse
import asyncio
import json
import re
import time
from dataclasses import dataclass

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
WARM_UP = 0.3  # seconds that do not count


@dataclass
class Counted:
    answered: int = 0
    refused: int = 0


class Client(asyncio.Protocol):
    def __init__(self, request: bytes, counted: Counted) -> None:
        self._request = request
        self._counted = counted
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_END)
        if end < 0:
            return
        length = CONTENT_LENGTH.search(self._received, 0, end)
        if length is None or len(self._received) < end + len(HEAD_END) + int(length[1]):
            return
        if self._received.startswith(b"HTTP/1.1 200 "):
            self._counted.answered += 1
        else:
            self._counted.refused += 1
        self._received = b""
        self._transport.write(self._request)


async def load(port: int, path: str, credential: str, connections: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {credential}\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()
    counted = Counted()
    clients = [
        await loop.create_connection(lambda: Client(request, counted), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.sleep(WARM_UP)
    before, started = counted.answered, time.monotonic()
    await asyncio.sleep(seconds)
    taken, answered = time.monotonic() - started, counted.answered - before
    for transport, _ in clients:
        transport.abort()
    return {"answered": answered, "seconds": taken, "all": counted.answered, "refused": counted.refused}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("credential")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(load(given.port, given.path, given.credential, given.connections, given.seconds))))
