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

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.lab import stapling as stapler
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


FlawName = Literal["heartbleed", "ccs_injection", "robot"]
_HYBRID = 0x11EC  # X25519MLKEM768 (RFC 10024)
_CURVES_AND_FIELDS = range(0x0001, 0x0105)  # RFC 8446 section 4.2.7
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 section 4.1.3


@dataclass(frozen=True, slots=True)
class Scripted:
    """A handshake that the responder answers where OpenSSL has neither the version nor one of the offered suites."""

    version: Literal["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.2"]
    suite: int = 0
    renegotiation_info: bool = True
    compression: bool = False  # DEFLATE, where it is offered
    fallback_scsv: bool = True  # known: a fallback to this version is turned down (RFC 7507)
    flaws: tuple[FlawName, ...] = ()  # beyond the first flight


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """How a site speaks TLS. The defaults are hardened."""

    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")  # neighbours, served by OpenSSL
    ciphers: str = MODERN  # OpenSSL's list, of the suites up to TLS 1.2
    dh_bits: Literal[0, 1024, 2048] = 0  # the finite-field group of DHE suites; 0: none
    certificate: CertificateSpec = field(default_factory=CertificateSpec)
    scripted: tuple[Scripted, ...] = ()
    post_quantum: bool = True  # X25519MLKEM768 is asked for where it is offered alone; with TLS 1.3
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
    async with AsyncExitStack() as stack:
        accept = await acceptor(stack, spec, ca.issue(names, spec.certificate), connected)
        front = await Listener.start(accept, address, port)
        stack.push_async_callback(front.aclose)
        return stack.pop_all()


async def acceptor(stack: AsyncExitStack, spec: TlsSpec, issued: Issued, connected: Connected) -> Connected:
    """What takes a connection from its hello on, until `stack` closes; `connected` gets the decrypted streams."""
    if spec.behaviour != "serve":
        return partial(_misbehave, spec.behaviour)
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-tls-"))
    context = _context(spec, issued, Path(directory))
    inner = Path(directory) / "tls"
    server = await asyncio.start_unix_server(connected, inner, ssl=context)
    stack.callback(server.close)
    suites = frozenset(int(cipher["id"]) & 0xFFFF for cipher in context.get_ciphers())
    stapling = None
    if issued.staple is not None:
        server_that_staples = stapler.server(issued, spec.versions, spec.ciphers, Path(directory))
        stapling = await stack.enter_async_context(server_that_staples)
    return partial(_accept, spec, suites, issued, inner, stapling)


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
    stapling: Path | None,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Read the first hello, and answer it by script or hand the connection on to OpenSSL."""
    hello = await reader.readexactly(5)
    if hello[0] & 0x80:
        await _answer_ssl2(spec, issued, writer)
        return
    hello += await reader.readexactly(int.from_bytes(hello[3:5], "big"))
    asked = _read_hello(hello)
    version, offered = asked.version, asked.suites
    hybrid_alone = _HYBRID in asked.groups and not asked.groups & {*_CURVES_AND_FIELDS}
    if spec.post_quantum and "TLSv1.3" in spec.versions and hybrid_alone:
        writer.write(_retry_request(asked))
        await writer.drain()
        return
    for scripted in spec.scripted:
        if scripted.version == "SSLv2":
            continue  # it has hellos of its own
        beyond = version not in [_CODES[each] for each in spec.versions] or not suites & set(offered)
        if beyond and version >= _CODES[scripted.version] and scripted.suite in offered:
            await _answer(spec, scripted, asked, issued, reader, writer)
            return
    server = stapling if stapling is not None and stapler.asks(hello) else inner
    inner_reader, inner_writer = await asyncio.open_unix_connection(server)
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


@dataclass(frozen=True, slots=True)
class _Hello:
    version: int  # the highest
    suites: list[int]
    session: bytes
    compression: bytes
    groups: set[int]
    extensions: frozenset[int]


def _read_hello(record: bytes) -> _Hello:
    """A ClientHello (RFC 8446 section 4.1.2)."""
    version = int.from_bytes(record[9:11], "big")
    session, rest = _split(1, record[43:])
    suites, rest = _split(2, rest)
    compression, rest = _split(1, rest)
    extensions, _ = _split(2, rest)
    found: dict[int, bytes] = {}
    while extensions:
        kind = int.from_bytes(extensions[:2], "big")
        found[kind], extensions = _split(2, extensions[2:])
    if 43 in found:  # supported_versions
        version = max(code for code in _words(found[43][1:]) if code in _CODES.values())
    return _Hello(version, _words(suites), session, compression, set(_words(found.get(10, b"")[2:])), frozenset(found))


def _words(data: bytes) -> list[int]:
    return [number for (number,) in struct.iter_unpack("!H", data)]


def _split(width: int, data: bytes) -> tuple[bytes, bytes]:
    """A block with its length before it, and what follows."""
    end = width + int.from_bytes(data[:width], "big")
    return data[width:end], data[end:]


async def _answer(
    spec: TlsSpec,
    scripted: Scripted,
    asked: _Hello,
    issued: Issued,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    later = max(_CODES[version] for version in spec.versions) > _CODES[scripted.version]
    if scripted.fallback_scsv and 0x5600 in asked.suites and later:
        writer.write(_alert(scripted, 86))  # inappropriate_fallback
    else:
        writer.write(_first_flight(scripted, asked, issued))
        await writer.drain()
        await _go_on(scripted, issued, reader, writer)
    await writer.drain()


async def _go_on(
    scripted: Scripted, issued: Issued, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """What comes of messages after the first flight, up to the first that is turned down."""
    changes, failure = 0, 20  # bad_record_mac
    while True:
        header = await reader.readexactly(5)
        body = await reader.readexactly(int.from_bytes(header[3:5], "big"))
        match header[0]:
            case 24 if "heartbleed" in scripted.flaws:  # RFC 6520 section 4, the length not checked (CVE-2014-0160)
                claimed = int.from_bytes(body[1:3], "big")
                answer = b"\x02" + body[1:3] + (body[3:] + b"memory" * claimed)[:claimed] + bytes(16)
                writer.write(b"\x18" + header[1:3] + _block(2, answer))
            case 22 if body[0] == 16:  # ClientKeyExchange
                sound = _is_padded(body[6:], issued)
                failure = 51 if "robot" in scripted.flaws and not sound else 20  # decrypt_error (CVE-2017-13099)
                changes = 1
            case 20 if changes or "ccs_injection" in scripted.flaws:
                changes += 1
                if changes > 2 or (changes == 2 and "ccs_injection" in scripted.flaws):
                    writer.write(_alert(scripted, 20))
                    return
            case 20:
                writer.write(_alert(scripted, 10))  # unexpected_message
                return
            case 22:
                writer.write(_alert(scripted, failure))
                return
            case 21:
                return
        await writer.drain()


def _is_padded(sealed: bytes, issued: Issued) -> bool:
    """By RFC 8017 section 7.2.2, and of the length of a premaster secret."""
    key = load_pem_private_key(issued.file.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    length = key.key_size // 8
    opened = pow(int.from_bytes(sealed, "big"), numbers.d, numbers.public_numbers.n).to_bytes(length, "big")
    return opened.startswith(b"\x00\x02") and b"\x00" not in opened[2:-49] and opened[-49] == 0


def _alert(scripted: Scripted, number: int) -> bytes:
    return b"\x15" + struct.pack("!HHBB", _CODES[scripted.version], 2, 2, number)


def _retry_request(asked: _Hello) -> bytes:
    """A HelloRetryRequest for X25519MLKEM768 (RFC 8446 section 4.1.4)."""
    extensions = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x33\x00\x02\x11\xec"
    hello = b"\x03\x03" + _RETRY + _block(1, asked.session) + b"\x13\x01\x00" + _block(2, extensions)
    return b"\x16\x03\x03" + _block(2, b"\x02" + _block(3, hello))


def _first_flight(scripted: Scripted, asked: _Hello, issued: Issued) -> bytes:
    """ServerHello, Certificate and ServerHelloDone (RFC 5246 section 7.4, RFC 6101 section 5.6)."""
    extensions = b"\xff\x01\x00\x01\x00" if scripted.renegotiation_info else b""
    if "heartbleed" in scripted.flaws and 15 in asked.extensions:
        extensions += b"\x00\x0f\x00\x01\x01"
    hello = struct.pack("!H", _CODES[scripted.version]) + bytes(range(32)) + b"\x00"
    hello += struct.pack("!HB", scripted.suite, scripted.compression and 1 in asked.compression)
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
