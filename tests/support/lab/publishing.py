"""What the lab's authority publishes at http://ca.test: its certificate, OCSP responses and its revocation list."""

import asyncio
from collections.abc import Mapping
from functools import partial

from dns.name import from_text as dns_name

from tests.support.lab.ca import CertificateAuthority
from tests.support.lab.closing import Closable, Listener
from tests.support.lab.dns import Resolver, Zone, ZoneSpec

HOST = "ca.test"


async def serve(ca: CertificateAuthority, address: str, ports: Mapping[int, int], resolver: Resolver) -> Closable:
    """On port 80 of `address`, with the name that the certificates give it."""
    resolver.zones[dns_name(HOST)] = Zone(HOST, ZoneSpec((("@", "A", "$web"),)), {"web": address}, (address,))
    return await Listener.start(partial(_answer, ca), address, ports[80])


async def _answer(ca: CertificateAuthority, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    found = ca.published(head.split(b" ")[1].decode())
    media_type, content = found or ("text/plain", b"no such thing")
    status = "200 OK" if found else "404 Not Found"
    lines = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(content)}\r\n"
    writer.write(f"{lines}Connection: close\r\n\r\n".encode() + content)
    await writer.drain()
