"""A server that staples an OCSP response, as Python's own cannot: OpenSSL's command, for hellos that ask for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.lab.ca import Issued

STATUS_REQUEST = 5  # RFC 6066 section 8


@asynccontextmanager
async def server(issued: Issued, versions: tuple[str, ...], ciphers: str, directory: Path) -> AsyncIterator[Path]:
    """The socket that it listens on; it serves handshakes one after another, and pages that nobody asks for."""
    assert issued.staple is not None
    response, path = directory / "staple.der", directory / "stapling"
    response.write_bytes(issued.staple)
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-www", "-unix", path, "-unlink"),
        *("-cert", issued.file, "-key", issued.file, "-cert_chain", issued.file),
        *("-cipher", f"{ciphers}:@SECLEVEL=0", "-min_protocol", versions[0], "-max_protocol", versions[-1]),
        *("-status_file", response, "-serverpref"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            await process.stdout.readuntil(b"ACCEPT")
        reading = asyncio.create_task(process.stdout.read())  # so that it never waits for a reader
        yield path
        reading.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def asks(hello: bytes) -> bool:
    """Whether a ClientHello asks for a staple."""
    rest = hello[43:]
    for width in (1, 2, 1):  # session id, suites, compression methods
        rest = rest[width + int.from_bytes(rest[:width], "big") :]
    rest = rest[2:]
    while len(rest) >= 4:
        if int.from_bytes(rest[:2], "big") == STATUS_REQUEST:
            return True
        rest = rest[4 + int.from_bytes(rest[2:4], "big") :]
    return False
