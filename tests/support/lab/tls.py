"""TLS servers: OpenSSL for what it still serves, and a responder written from the RFCs for what it no longer does."""

import asyncio
import base64
import ssl
import struct
import tempfile
import warnings
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from tests.support.lab.ca import CertificateAuthority, CertificateSpec, Issued
from tests.support.lab.closing import Closable, Connected, Listener

MODERN = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_CODES = {"SSLv2": 0x0002, "SSLv3": 0x0300, "TLSv1.0": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


@dataclass(frozen=True, slots=True)
class Scripted:
    """A handshake that the responder answers where OpenSSL has neither the version nor one of the offered suites."""

    version: Literal["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.2"]
    suite: int = 0
    renegotiation_info: bool = True


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """How a site speaks TLS. The defaults are hardened."""

    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")  # neighbours, served by OpenSSL
    ciphers: str = MODERN  # OpenSSL's list, of the suites up to TLS 1.2
    dh_bits: Literal[0, 1024, 2048] = 0  # the finite-field group of DHE suites; 0: none
    certificate: CertificateSpec = field(default_factory=CertificateSpec)
    scripted: tuple[Scripted, ...] = ()
    behaviour: Literal["serve", "hang", "reset", "garbage"] = "serve"


async def serve(
    spec: TlsSpec,
    names: tuple[str, ...],
    address: str,
    port: int,
    ca: CertificateAuthority,
    connected: Connected,
) -> Closable:
    """Start the server of a site; `connected` gets the decrypted streams."""
    if spec.behaviour != "serve":
        return await Listener.start(partial(_misbehave, spec.behaviour), address, port)
    issued = ca.issue(names, spec.certificate)
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-tls-"))
        context = _context(spec, issued, Path(directory))
        inner = Path(directory) / "tls"
        server = await asyncio.start_unix_server(connected, inner, ssl=context)
        stack.callback(server.close)
        suites = frozenset(int(cipher["id"]) & 0xFFFF for cipher in context.get_ciphers())
        front = await Listener.start(partial(_accept, spec, suites, issued, inner), address, port)
        stack.push_async_callback(front.aclose)
        return stack.pop_all()


def _context(spec: TlsSpec, issued: Issued, directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{spec.ciphers}:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = _VERSIONS[spec.versions[0]]
        context.maximum_version = _VERSIONS[spec.versions[-1]]
    context.load_cert_chain(issued.file)
    if spec.dh_bits:
        file = directory / "dh.pem"
        file.write_text(_dh_parameters(prime(spec.dh_bits), 2))
        context.load_dh_params(str(file))
    return context


async def _accept(
    spec: TlsSpec,
    suites: frozenset[int],
    issued: Issued,
    inner: Path,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Read the first hello, and answer it by script or hand the connection on to OpenSSL."""
    hello = await reader.readexactly(5)
    if hello[0] & 0x80:
        await _answer_ssl2(spec, issued, writer)
        return
    hello += await reader.readexactly(int.from_bytes(hello[3:5], "big"))
    version, offered = _read_hello(hello)
    for scripted in spec.scripted:
        beyond = version not in [_CODES[each] for each in spec.versions] or not suites & set(offered)
        if beyond and version >= _CODES[scripted.version] and scripted.suite in offered:
            writer.write(_first_flight(scripted, issued))
            await writer.drain()
            return
    inner_reader, inner_writer = await asyncio.open_unix_connection(inner)
    inner_writer.write(hello)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, inner_writer))
            group.create_task(_pump(inner_reader, writer))
    finally:
        inner_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


def _read_hello(record: bytes) -> tuple[int, list[int]]:
    """The highest version and the suites of a ClientHello (RFC 8446 section 4.1.2)."""
    version = int.from_bytes(record[9:11], "big")
    rest = record[43:]
    _, rest = _split(1, rest)  # session id
    suites, rest = _split(2, rest)
    _, rest = _split(1, rest)  # compression methods
    extensions, _ = _split(2, rest)
    while extensions:
        kind = extensions[:2]
        data, extensions = _split(2, extensions[2:])
        if kind == b"\x00\x2b":  # supported_versions
            version = max(code for (code,) in struct.iter_unpack("!H", data[1:]))
    return version, [number for (number,) in struct.iter_unpack("!H", suites)]


def _split(width: int, data: bytes) -> tuple[bytes, bytes]:
    """A block with its length before it, and what follows."""
    end = width + int.from_bytes(data[:width], "big")
    return data[width:end], data[end:]


def _first_flight(scripted: Scripted, issued: Issued) -> bytes:
    """ServerHello, Certificate and ServerHelloDone (RFC 5246 section 7.4, RFC 6101 section 5.6)."""
    extensions = b"\xff\x01\x00\x01\x00" if scripted.renegotiation_info else b""
    hello = struct.pack("!H", _CODES[scripted.version]) + bytes(range(32)) + b"\x00"
    hello += struct.pack("!HB", scripted.suite, 0)
    if extensions:
        hello += struct.pack("!H", len(extensions)) + extensions
    chain = b"".join(_block(3, der) for der in issued.chain)
    messages = b"".join(
        bytes([kind]) + _block(3, body) for kind, body in ((2, hello), (11, _block(3, chain)), (14, b""))
    )
    return b"\x16" + struct.pack("!H", _CODES[scripted.version]) + _block(2, messages)


async def _answer_ssl2(spec: TlsSpec, issued: Issued, writer: asyncio.StreamWriter) -> None:
    """The SERVER-HELLO of SSL 2.0, or a closed connection."""
    if not any(scripted.version == "SSLv2" for scripted in spec.scripted):
        return
    certificate, kinds, connection = issued.chain[0], b"\x07\x00\xc0", bytes(16)
    body = struct.pack("!BBBHHHH", 4, 0, 1, 2, len(certificate), len(kinds), len(connection))
    body += certificate + kinds + connection
    writer.write(struct.pack("!H", 0x8000 | len(body)) + body)
    await writer.drain()


async def _misbehave(behaviour: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match behaviour:
        case "hang":
            await asyncio.Event().wait()
        case "reset":
            writer.transport.abort()
        case "garbage":
            await reader.read(1)
            writer.write(b"\x16\x03\x03\xff\xff" + bytes(range(256)) * 8)
            await writer.drain()


def _block(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _dh_parameters(p: int, g: int) -> str:
    """DHParameter of PKCS #3 in PEM."""
    numbers = b"".join(_der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big")) for value in (p, g))
    text = base64.encodebytes(_der(0x30, numbers)).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n"


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    return bytes([tag]) + (bytes([length]) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")) + content


def prime(bits: int) -> int:
    """The MODP primes of RFC 2409 section 6.2 (1024 bit) and RFC 3526 section 3 (2048 bit), from their formula."""
    offset = {1024: 129093, 2048: 124476}[bits]
    return (1 << bits) - (1 << (bits - 64)) - 1 + (_pi(bits - 130) + offset << 64)


def _pi(bits: int) -> int:
    """floor(2**bits * pi), by Machin's formula."""
    unity = 1 << (bits + 64)
    return 4 * (4 * _arctan_of_inverse(5, unity) - _arctan_of_inverse(239, unity)) >> 64


def _arctan_of_inverse(x: int, unity: int) -> int:
    total = term = unity // x
    divisor, sign = 3, -1
    while term:
        term //= x * x
        total += sign * (term // divisor)
        divisor, sign = divisor + 2, -sign
    return total
