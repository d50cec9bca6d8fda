"""Open ports: responders that say what the real services say, byte for byte, written from their protocols."""

import asyncio
import json
import socket
import ssl
import struct
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.support.lab.ca import CertificateAuthority, CertificateSpec
from tests.support.lab.closing import Closable, Listener


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What a service says first, and its answer to whatever comes, by how that begins; b"" answers anything."""

    greeting: bytes = b""
    answers: Mapping[bytes, bytes] = field(default_factory=dict)
    tls: bool = False


@dataclass(frozen=True, slots=True)
class PortsSpec:
    """The ports of an address beside those of its web server: by default none."""

    open: Mapping[int, Dialogue] = field(default_factory=dict)
    filtered: tuple[int, ...] = ()  # connection attempts go unanswered


async def serve(spec: PortsSpec, address: str, ports: Mapping[int, int]) -> Closable:
    """Start a responder for each open port; `ports` maps the real numbers to those without privilege."""
    async with AsyncExitStack() as stack:
        for port, dialogue in spec.open.items():
            connected = partial(_converse, dialogue)
            if dialogue.tls:
                connected = partial(_converse_in_tls, dialogue, _context(stack))
            stack.push_async_callback((await Listener.start(connected, address, ports[port])).aclose)
        for port in spec.filtered:
            _fill_backlog(stack, address, ports[port])
        return stack.pop_all()


async def _converse(dialogue: Dialogue, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(dialogue.greeting)
    await writer.drain()
    while data := await reader.read(4096):
        answer = next((answer for start, answer in dialogue.answers.items() if data.startswith(start)), None)
        if answer is None:
            return
        writer.write(answer)
        await writer.drain()
        if answer.startswith(b"HTTP/"):
            return


async def _converse_in_tls(
    dialogue: Dialogue, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await writer.start_tls(context)
    await _converse(dialogue, reader, writer)


def _context(stack: AsyncExitStack) -> ssl.SSLContext:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-ports-")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CertificateAuthority(directory).issue(("service.test",), CertificateSpec()).file)
    return context


def _fill_backlog(stack: AsyncExitStack, address: str, port: int) -> None:
    """A listener that accepts nothing and has no room left: the kernel drops every further SYN, as a firewall does."""
    listener = stack.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(0)
    for _ in range(2):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex((address, port))


def page(title: str, server: str = "nginx") -> Dialogue:
    """A web server with one page."""
    body = f"<!doctype html><title>{title}</title>".encode()
    return Dialogue(answers={b"GET ": _http(200, body, f"Server: {server}", "Content-Type: text/html")})


def api(body: Mapping[str, object], *headers: str, status: int = 200, tls: bool = False) -> Dialogue:
    """A JSON interface with one answer to everything."""
    answer = _http(status, json.dumps(body).encode(), "Content-Type: application/json", *headers)
    return Dialogue(answers={b"GET ": answer}, tls=tls)


def _http(status: int, body: bytes, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} Status", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body


def ssh(
    *,
    key_exchange: Sequence[str] = ("curve25519-sha256", "diffie-hellman-group16-sha512"),
    host_keys: Sequence[str] = ("ssh-ed25519", "rsa-sha2-512"),
    ciphers: Sequence[str] = ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"),
    macs: Sequence[str] = ("hmac-sha2-256-etm@openssh.com",),
) -> Dialogue:
    """A server's greeting and its SSH_MSG_KEXINIT (RFC 4253 sections 4.2, 6 and 7.1)."""
    lists = (key_exchange, host_keys, ciphers, ciphers, macs, macs, ("none",), ("none",), (), ())
    payload = b"\x14" + bytes(16)
    for names in lists:
        text = ",".join(names).encode()
        payload += struct.pack("!I", len(text)) + text
    payload += bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = struct.pack("!IB", len(payload) + padding + 1, padding) + payload + bytes(padding)
    return Dialogue(greeting=b"SSH-2.0-OpenSSH_9.9\r\n", answers={b"SSH-2.0": packet})


SMTP = Dialogue(greeting=b"220 mail ESMTP\r\n")
TELNET = Dialogue(greeting=b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27")  # RFC 854: IAC DO ...
FTP = Dialogue(greeting=b"220 FTP server ready\r\n", answers={b"AUTH": b"502 not implemented\r\n"})
FTP_WITH_TLS = Dialogue(greeting=b"220 FTP server ready\r\n", answers={b"AUTH TLS": b"234 go ahead\r\n"})  # RFC 4217
RDP = Dialogue(answers={b"\x03\x00": bytes.fromhex("030000130ed000001234000200080002000000")})
SMB = Dialogue(answers={b"\x00": b"\x00\x00\x00\x44\xfeSMB\x40\x00" + bytes(58)})
VNC = Dialogue(greeting=b"RFB 003.008\n")  # RFC 6143 section 7.1.1
MYSQL = Dialogue(greeting=b"\x4a\x00\x00\x00\x0a8.4.3\x00" + bytes(66))
POSTGRESQL = Dialogue(answers={b"\x00\x00\x00\x08\x04\xd2\x16\x2f": b"S"})
REDIS = Dialogue(answers={b"INFO": b"$41\r\n# Server\r\nredis_version:8.0.0\r\nos:Linux\r\n\r\n"})
REDIS_WITH_PASSWORD = Dialogue(answers={b"INFO": b"-NOAUTH Authentication required.\r\n"})
DOCKER = api({"Version": "28.0.1", "ApiVersion": "1.48"}, "Server: Docker/28.0.1 (linux)")
KUBERNETES = api({"kind": "Status", "status": "Failure", "code": 401}, status=401, tls=True)
LDAP = Dialogue(answers={b"\x30": bytes.fromhex("300c02010165070a010004000400")})
RPCBIND = Dialogue(answers={b"\x80": b"\x80\x00\x00\x18CLRP\x00\x00\x00\x01" + bytes(16)})
SILENT = Dialogue()
