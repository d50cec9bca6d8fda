"""The survey of a TLS service against servers that misbehave, and against OpenSSL's own."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Accepted, Declined, NoService, Service
from services.scanner.engine.network import Network, World
from services.scanner.engine.probes import starttls
from services.scanner.engine.probes.starttls import Opening
from services.scanner.engine.probes.tls import asking, exchange, tls13, trust
from services.scanner.engine.probes.tls.survey import survey
from services.scanner.engine.settings import EngineSettings
from tests.support.lab.ca import CertificateAuthority, CertificateSpec
from tests.support.lab.closing import Listener

SUITE = 0xC02F  # TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
NAME = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
DONE = b"\x0e\x00\x00\x00"

Answer = Callable[[list[int], asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that hang are waited for here for less than the Internet's would be."""
    for module in (asking, exchange, tls13):
        monkeypatch.setattr(module, "ANSWER_TIMEOUT", 0.5)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca"))


def block(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def flight(suite: int = SUITE, *, version: int = 0x0303, certificates: bytes = b"") -> bytes:
    """ServerHello, Certificate and ServerHelloDone as messages (RFC 5246 section 7.4)."""
    hello = (
        struct.pack("!H", version)
        + bytes(32)
        + b"\x00"
        + struct.pack("!HB", suite, 0)
        + b"\x00\x05\xff\x01\x00\x01\x00"
    )
    return b"\x02" + block(3, hello) + b"\x0b" + block(3, block(3, certificates)) + DONE


def record(messages: bytes, version: int = 0x0303) -> bytes:
    return b"\x16" + version.to_bytes(2, "big") + block(2, messages)


async def hello_of(reader: asyncio.StreamReader) -> tuple[int, list[int]]:
    """The highest version, 0 for TLS 1.3, and the suites."""
    header = await reader.readexactly(5)
    body = await reader.readexactly(int.from_bytes(header[3:5], "big"))
    at = 39 + body[38]
    length = int.from_bytes(body[at : at + 2], "big")
    suites = [number for (number,) in struct.iter_unpack("!H", body[at + 2 : at + 2 + length])]
    return (0 if 0x1301 in suites else int.from_bytes(body[4:6], "big")), suites


@asynccontextmanager
async def served(answer: Answer, before: Opening | None = None) -> AsyncIterator[int]:
    """A server of TLS 1.2 with one suite, that answers by `answer` what it shares with it; its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, suites = await hello_of(reader)
        if version == 0x0303 and SUITE in suites:
            await answer(suites, writer)
        else:
            writer.write(FAILURE)
        await writer.drain()

    listener = await Listener.start(connected, "127.0.0.1", 0)
    assert listener._server
    try:
        yield listener._server.sockets[0].getsockname()[1]
    finally:
        await listener.aclose()


async def surveyed(
    port: int, opening: Opening | None = None, *, thorough: bool = False
) -> Service | NoService | Unseen:
    settings = EngineSettings(egress_allow=(ip_network("127.0.0.0/8"),))
    network = Network(World.from_settings(settings, "test"))
    try:
        roots = await asyncio.to_thread(trust.load, None)
        return await survey(network, roots, "example.test", "127.0.0.1", port, opening, thorough=thorough)
    finally:
        await network.close()


async def whole(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(record(flight()))


async def in_pieces(suites: list[int], writer: asyncio.StreamWriter) -> None:
    for byte in flight():
        writer.write(record(bytes([byte])))


async def after_a_warning(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x03\x00\x02\x01\x70" + record(flight()))


async def only_short_lists(suites: list[int], writer: asyncio.StreamWriter) -> None:
    if len(suites) > 40:
        await asyncio.Event().wait()
    writer.write(record(flight()))


async def never_done(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(record(flight().removesuffix(DONE)))
    await writer.drain()
    await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [whole, in_pieces, after_a_warning, only_short_lists, never_done])
async def test_a_handshake_is_seen_however_it_comes(answer: Answer) -> None:
    async with served(answer) as port:
        service = await surveyed(port)

    assert isinstance(service, Service)
    best = service.answer("TLSv1.2")
    assert isinstance(best, Accepted)
    assert best.suite == NAME


async def a_warning_instead(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x15\x03\x03\x00\x02\x01\x28")  # handshake_failure, at the wrong level
    await writer.drain()
    await asyncio.Event().wait()


async def never_offered(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(record(flight(0x1307)))


async def ssl2(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x80\x03\x00\x00\x01")


async def a_page(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


async def nothing(suites: list[int], writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def stopping(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(record(flight())[:20])
    await writer.drain()
    await asyncio.Event().wait()


async def a_bad_length(suites: list[int], writer: asyncio.StreamWriter) -> None:
    writer.write(record(b"\x02" + block(3, b"\x03\x03" + bytes(32) + b"\xff")))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (a_warning_instead, "speaks TLS but turns every hello down: alert handshake_failure"),
        (never_offered, "speaks TLS but turns every hello down: alert handshake_failure"),
        (ssl2, "speaks TLS but turns every hello down: alert handshake_failure"),
        (a_page, "speaks TLS but turns every hello down: alert handshake_failure"),
        (nothing, "speaks TLS but turns every hello down: alert handshake_failure"),
        (stopping, "speaks TLS but turns every hello down: alert handshake_failure"),
        (a_bad_length, "speaks TLS but turns every hello down: alert handshake_failure"),
    ],
)
async def test_what_is_no_handshake_is_not_judged(answer: Answer, reason: str) -> None:
    async with served(answer) as port:
        service = await surveyed(port)

    assert isinstance(service, Unseen)
    assert reason in service.reason
    assert service.fault == "target"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the answer is no TLS record"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the answer is no TLS record"),
        (b"\x80\x03\x00\x00\x01", "is open but does not answer a TLS hello"),
        (b"", "is open but does not answer a TLS hello"),
        (None, "no whole answer to the hello"),
    ],
)
async def test_what_speaks_no_tls_at_all(said: bytes | None, reason: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if said is None:
            await asyncio.Event().wait()
        writer.write(said or b"")
        await writer.drain()

    listener = await Listener.start(connected, "127.0.0.1", 0)
    assert listener._server
    try:
        service = await surveyed(listener._server.sockets[0].getsockname()[1])
    finally:
        await listener.aclose()

    assert isinstance(service, Unseen)
    assert reason in service.reason


async def test_a_server_that_tires_turns_nothing_down() -> None:
    """It resets whoever comes too often: what that looks like must not count as an answer."""
    served_once = iter(range(1))

    async def tiring(suites: list[int], writer: asyncio.StreamWriter) -> None:
        if next(served_once, None) is None:
            writer.transport.abort()
        else:
            writer.write(record(flight()))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, suites = await hello_of(reader)
        if version == 0x0303 and len(suites) > 60:
            await tiring(suites, writer)
        await writer.drain()

    listener = await Listener.start(connected, "127.0.0.1", 0)
    assert listener._server
    try:
        service = await surveyed(listener._server.sockets[0].getsockname()[1])
    finally:
        await listener.aclose()

    assert isinstance(service, Service)
    assert isinstance(service.answer("TLSv1.2"), Accepted)
    assert isinstance(service.answer("TLSv1.3"), Unseen)
    assert isinstance(service.export_rc4_des, Unseen)


async def test_a_server_too_slow_for_all_questions_is_judged_by_those_it_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "SECONDS", 0.2)
    turns = iter(range(10_000))

    async def slow_from_the_second_on(suites: list[int], writer: asyncio.StreamWriter) -> None:
        if next(turns):
            await asyncio.Event().wait()
        writer.write(record(flight()))

    async with served(slow_from_the_second_on) as port:
        service = await surveyed(port, thorough=True)

    assert isinstance(service, Service)
    assert isinstance(service.answer("TLSv1.2"), Accepted)
    assert not any(each.complete for each in service.suites)


async def test_a_server_that_closes_instead_of_an_alert_is_believed() -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, suites = await hello_of(reader)
        if version == 0x0303 and SUITE in suites:
            writer.write(record(flight()))
            await writer.drain()

    listener = await Listener.start(connected, "127.0.0.1", 0)
    assert listener._server
    try:
        service = await surveyed(listener._server.sockets[0].getsockname()[1])
    finally:
        await listener.aclose()

    assert isinstance(service, Service)
    assert service.answer("TLSv1.3") == Declined("closed")
    assert service.export_rc4_des == Declined("closed")


async def talking(lines: dict[bytes, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says the answers to lines by how they begin; b"" is said first, and TLS begins after the last."""
    writer.write(lines[b""])
    for start, answer in list(lines.items())[1:]:
        line = await reader.readline()
        if not line.upper().startswith(start):
            return
        writer.write(answer)
    version, suites = await hello_of(reader)
    writer.write(record(flight()) if version == 0x0303 and SUITE in suites else FAILURE)
    await writer.drain()


SMTP = {b"": b"220-mail\r\n220 ready\r\n", b"EHLO [127.0.0.1]": b"250-mail\r\n250-SIZE\r\n250 starttls\r\n"}


@pytest.mark.parametrize(
    ("opening", "lines"),
    [
        (starttls.smtp, {**SMTP, b"STARTTLS": b"220 go\r\n"}),
        (starttls.imap, {b"": b"* OK [CAPABILITY IMAP4rev2] hi\r\n", b"A1 STARTTLS": b"* OK wait\r\na1 OK go\r\n"}),
        (starttls.pop3, {b"": b"+OK hi\r\n", b"STLS": b"+OK go\r\n"}),
    ],
)
async def test_tls_after_a_dialogue_in_clear(opening: Opening, lines: dict[bytes, bytes]) -> None:
    listener = await Listener.start(partial(talking, lines), "127.0.0.1", 0)
    assert listener._server
    try:
        service = await surveyed(listener._server.sockets[0].getsockname()[1], opening)
    finally:
        await listener.aclose()

    assert isinstance(service, Service)
    assert isinstance(service.answer("TLSv1.2"), Accepted)
    assert service.answer("TLSv1.3") == Declined("alert handshake_failure")


@pytest.mark.parametrize(
    ("opening", "lines", "kind", "reason"),
    [
        (
            starttls.smtp,
            {b"": b"220 hi\r\n", b"EHLO": b"250-mail\r\n250 SIZE\r\n"},
            NoService,
            "does not list STARTTLS",
        ),
        (starttls.smtp, {**SMTP, b"STARTTLS": b"502 no\r\n"}, NoService, "502 no"),
        (starttls.smtp, {**SMTP, b"STARTTLS": b"454 later\r\n"}, Unseen, "454 later"),
        (starttls.smtp, {b"": b"421 busy\r\n"}, Unseen, "421 busy"),
        (starttls.smtp, {**SMTP, b"STARTTLS": b"220 go\r\n250 injected\r\n"}, Unseen, "goes on in clear"),
        (starttls.imap, {b"": b"* OK hi\r\n", b"A1 STARTTLS": b"a1 BAD no\r\n"}, NoService, "a1 BAD no"),
        (starttls.imap, {b"": b"* BYE\r\n"}, Unseen, "does not greet as IMAP"),
        (starttls.pop3, {b"": b"+OK hi\r\n", b"STLS": b"-ERR no\r\n"}, NoService, "-ERR no"),
        (starttls.pop3, {b"": b"x" * 9000}, Unseen, "a line is longer"),
    ],
)
async def test_a_dialogue_that_does_not_come_to_tls(
    opening: Opening, lines: dict[bytes, bytes], kind: type[Unseen | NoService], reason: str
) -> None:
    listener = await Listener.start(partial(talking, lines), "127.0.0.1", 0)
    assert listener._server
    try:
        service = await surveyed(listener._server.sockets[0].getsockname()[1], opening)
    finally:
        await listener.aclose()

    assert isinstance(service, kind)
    assert reason in service.reason


@asynccontextmanager
async def openssl(ca: CertificateAuthority, folder: Path, *options: str, key: str = "EC") -> AsyncIterator[int]:
    """OpenSSL's own server; its port."""
    issued = ca.issue(("example.test",), CertificateSpec(key=key))  # type: ignore[arg-type]  # the parameter of a test
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-www", "-accept", "127.0.0.1:0", "-cert", str(issued.file)),
        *("-key", str(issued.file), "-cert_chain", str(issued.file), *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(20):
            line = await process.stdout.readuntil(b"ACCEPT ") + await process.stdout.readline()
        reading = asyncio.create_task(process.stdout.read())
        yield int(line.rsplit(b":", 1)[1])
        reading.cancel()
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("options", "suite", "group"),
    [
        ((), "TLS_AES_256_GCM_SHA384", "x25519"),
        (("-groups", "P-256"), "TLS_AES_256_GCM_SHA384", "secp256r1"),
        (("-groups", "P-384"), "TLS_AES_256_GCM_SHA384", "secp384r1"),
        (("-groups", "P-521"), "TLS_AES_256_GCM_SHA384", "secp521r1"),
        (("-groups", "X448"), "TLS_AES_256_GCM_SHA384", "x448"),
        (("-groups", "ffdhe3072"), "TLS_AES_256_GCM_SHA384", "ffdhe3072"),
        (("-ciphersuites", "TLS_AES_128_GCM_SHA256"), "TLS_AES_128_GCM_SHA256", "x25519"),
        (("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"), "TLS_CHACHA20_POLY1305_SHA256", "x25519"),
        (("-ciphersuites", "TLS_AES_128_CCM_SHA256"), "TLS_AES_128_CCM_SHA256", "x25519"),
        (("-ciphersuites", "TLS_AES_128_CCM_8_SHA256"), "TLS_AES_128_CCM_8_SHA256", "x25519"),
        (("-Verify", "1"), "TLS_AES_256_GCM_SHA384", "x25519"),
    ],
)
async def test_the_handshake_of_tls_1_3(
    ca: CertificateAuthority, tmp_path: Path, options: tuple[str, ...], suite: str, group: str
) -> None:
    async with openssl(ca, tmp_path, "-tls1_3", *options) as port:
        service = await surveyed(port, thorough=True)

    assert isinstance(service, Service)
    best = service.answer("TLSv1.3")
    assert isinstance(best, Accepted)
    assert (best.suite, best.group) == (suite, group)
    assert isinstance(service.chain, tuple)
    assert service.chain[0].dns_names == ("example.test",)
    assert service.groups
    assert group in service.groups.names
    assert service.features.client_certificate is (None if group == "ffdhe3072" else "-Verify" in options)
    assert all(each.complete for each in service.suites)
