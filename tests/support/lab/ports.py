"""Open ports: responders that say what the real services say, byte for byte, written from their protocols."""

import asyncio
import json
import socket
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.lab import ssh as ssh_server
from tests.support.lab.ca import CertificateAuthority, CertificateSpec
from tests.support.lab.closing import Closable, Listener
from tests.support.lab.ssh import SshSpec


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What a service says first, and its answer to whatever comes, by how that begins; b"" answers anything."""

    greeting: bytes = b""
    answers: Mapping[bytes, bytes] = field(default_factory=dict)
    tls: bool = False
    ssh: SshSpec | None = None  # speak SSH instead


@dataclass(frozen=True, slots=True)
class PortsSpec:
    """The ports of an address beside those of its web server: by default none."""

    open: Mapping[int, Dialogue] = field(default_factory=dict)
    filtered: tuple[int, ...] = ()  # connection attempts go unanswered
    datagrams: Mapping[int, Dialogue] = field(default_factory=dict)  # by UDP


async def serve(spec: PortsSpec, address: str, ports: Mapping[int, int]) -> Closable:
    """Start a responder for each open port; `ports` maps the real numbers to those without privilege."""
    async with AsyncExitStack() as stack:
        for port, dialogue in spec.open.items():
            connected = partial(_converse, dialogue)
            if dialogue.tls:
                connected = partial(_converse_in_tls, dialogue, _context(stack))
            stack.push_async_callback((await Listener.start(connected, address, ports[port])).aclose)
        for port, dialogue in spec.datagrams.items():
            stack.callback(await _answer_datagrams(dialogue, address, ports[port]))
        for port in spec.filtered:
            _fill_backlog(stack, address, ports[port])
        return stack.pop_all()


async def _answer_datagrams(dialogue: Dialogue, address: str, port: int) -> Callable[[], None]:
    """Gives what closes it."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(dialogue), local_addr=(address, port))
    return transport.close


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # as documented
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        for start, answer in self._dialogue.answers.items():
            if data.startswith(start):
                self._transport.sendto(answer, address)
                return


async def _converse(dialogue: Dialogue, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if dialogue.ssh is not None:
        await ssh_server.converse(dialogue.ssh, reader, writer)
        return
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


def ssh(**spec: Any) -> Dialogue:
    """A server that shakes hands and lists how users log in; the keywords are those of `SshSpec`."""
    return Dialogue(ssh=SshSpec(**spec))


SMTP = Dialogue(greeting=b"220 mail ESMTP\r\n")
TELNET = Dialogue(greeting=b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27")  # RFC 854: IAC DO ...
FTP = Dialogue(greeting=b"220 FTP server ready\r\n", answers={b"AUTH": b"502 not implemented\r\n"})
FTP_WITH_TLS = Dialogue(greeting=b"220 FTP server ready\r\n", answers={b"AUTH TLS": b"234 go ahead\r\n"})  # RFC 4217
# [MS-RDPBCGR] 2.2.1.2: a failure with HYBRID_REQUIRED_BY_SERVER, and a choice of TLS alone.
RDP = Dialogue(answers={b"\x03\x00": bytes.fromhex("030000130ed000001234000300080005000000")})
RDP_WITHOUT_NLA = Dialogue(answers={b"\x03\x00": bytes.fromhex("030000130ed000001234000200080001000000")})
_SMB2_ANSWER = b"\x00\x00\x00\x44\xfeSMB\x40\x00" + bytes(58)
SMB = Dialogue(answers={b"\x00\x00\x00\x68": _SMB2_ANSWER})  # whoever asks in version 1 is hung up on
SMB1 = Dialogue(
    answers={
        b"\x00\x00\x00\x68": _SMB2_ANSWER,
        b"\x00\x00\x00\x2f": b"\x00\x00\x00\x55\xffSMB\x72" + bytes(27) + b"\x11\x00\x00" + bytes(50),
    }
)
VNC = Dialogue(greeting=b"RFB 003.008\n", answers={b"RFB": b"\x01\x02"})  # RFC 6143 section 7.1
VNC_WITHOUT_PASSWORD = Dialogue(greeting=b"RFB 003.008\n", answers={b"RFB": b"\x02\x01\x02"})
MYSQL = Dialogue(greeting=b"\x4a\x00\x00\x00\x0a8.4.3\x00" + bytes(66))
POSTGRESQL = Dialogue(answers={b"\x00\x00\x00\x08\x04\xd2\x16\x2f": b"S"})
_REDIS_GET = {b"GET ": b"-ERR wrong number of arguments for 'get' command\r\n"}  # to a request of HTTP
REDIS = Dialogue(answers=_REDIS_GET | {b"INFO": b"$41\r\n# Server\r\nredis_version:8.0.0\r\nos:Linux\r\n\r\n"})
REDIS_WITH_PASSWORD = Dialogue(answers=_REDIS_GET | {b"INFO": b"-NOAUTH Authentication required.\r\n"})
DOCKER = api({"Version": "28.0.1", "ApiVersion": "1.48"}, "Server: Docker/28.0.1 (linux)")
KUBERNETES = api({"kind": "Status", "status": "Failure", "code": 401}, status=401, tls=True)
LDAP = Dialogue(answers={b"\x30": bytes.fromhex("300c02010165070a010004000400")})
RPCBIND = Dialogue(answers={b"\x80": b"\x80\x00\x00\x18CLRP\x00\x00\x00\x01" + bytes(16)})
JDWP = Dialogue(answers={b"JDWP-Handshake": b"JDWP-Handshake"})
ZOOKEEPER = Dialogue(answers={b"srvr": b"Zookeeper version: 3.9.3--1, built on 2024-10-17\nMode: standalone\n"})
CASSANDRA = Dialogue(
    answers={
        b"\x04\x00\x00\x00\x05": b"\x84\x00\x00\x00\x06\x00\x00\x00\x02\x00\x00",  # SUPPORTED
        b"\x04\x00\x00\x00\x01": b"\x84\x00\x00\x00\x02\x00\x00\x00\x00",  # READY
    }
)
# UDP, as their protocols have it: a page of CharGEN, one of ntpd's lists, memcached, a UPnP device, a directory.
CHARGEN = Dialogue(answers={b"": bytes(range(33, 105)) + b"\r\n"})
NTP_MONLIST = Dialogue(answers={b"\x17\x00\x03\x2a": b"\xd7\x00\x03\x2a\x00\x06\x00\x48" + bytes(432)})
MEMCACHED_UDP = Dialogue(answers={b"\x00\x01\x00\x00": b"\x00\x01\x00\x00\x00\x01\x00\x00VERSION 1.6.40\r\n"})
SSDP = Dialogue(answers={b"M-SEARCH": b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\r\n"})
CLDAP = Dialogue(answers={b"\x30": bytes.fromhex("30390201016434040030303012040b6f626a656374436c617373") + bytes(33)})
# RFC 1157: sysDescr.0 is "Router"; who has another community says nothing.
SNMP_PUBLIC = Dialogue(
    answers={
        b"\x30\x29\x02\x01\x00\x04\x06public": bytes.fromhex(
            "302f02010004067075626c6963a2220204434c534e020100020100301430120608"
        )
        + b"\x2b\x06\x01\x02\x01\x01\x01\x00\x04\x06Router"
    }
)
SILENT = Dialogue()
