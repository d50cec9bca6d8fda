"""A mail host: SMTP with STARTTLS, submission, IMAP and POP3 (RFC 5321, 3207, 9051, 1939), and its policy file."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.lab import ports as port_servers
from tests.support.lab import tls as tls_servers
from tests.support.lab import web as web_servers
from tests.support.lab.ca import CertificateAuthority, Issued
from tests.support.lab.closing import Connected, Listener
from tests.support.lab.ports import PortsSpec
from tests.support.lab.tls import TlsSpec
from tests.support.lab.web import WebSpec

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mail.{name}\r\nmax_age: 604800\r\n"
PATH = "/.well-known/mta-sts.txt"


class Session(Protocol):
    """Speaks on one connection; whether it ended in the wish to go on under TLS."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool) -> bool: ...


@dataclass(frozen=True, slots=True)
class SmtpSpec:
    """How it takes mail. The defaults are hardened."""

    greeting: str = "220 mail.{name} ESMTP"
    busy: int = 0  # connections at first that are turned away with 421
    starttls: bool = True
    auth: tuple[str, ...] = ()  # the mechanisms that it offers before TLS
    relays: bool = False
    behaviour: Literal["serve", "hangs", "garbage", "resets", "endless"] = "serve"


@dataclass(frozen=True, slots=True)
class AccessSpec:
    """How mailboxes are read over IMAP and POP3, and mail is handed in. The defaults are hardened."""

    imap: tuple[str, ...] = ("IMAP4rev2", "STARTTLS", "LOGINDISABLED")  # capabilities before TLS
    pop3: tuple[str, ...] = ("STLS", "UIDL")
    submission: tuple[str, ...] = ()  # the mechanisms of AUTH before TLS


@dataclass(frozen=True, slots=True)
class MailSpec:
    smtp: SmtpSpec | None = field(default_factory=SmtpSpec)
    tls: TlsSpec = field(default_factory=TlsSpec)
    access: AccessSpec | None = field(default_factory=AccessSpec)
    policy: str | None = POLICY  # the file of MTA-STS, which the host serves too
    policy_tls: TlsSpec = field(default_factory=TlsSpec)
    policy_web: WebSpec = field(default_factory=lambda: WebSpec(page="", redirect=None))
    filtered: tuple[int, ...] = ()  # ports where attempts to connect go unanswered


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate of a mail host, known before its zone is."""

    issued: Issued
    tlsa: str  # the data of a record "3 1 1"


def identity(name: str, spec: MailSpec, ca: CertificateAuthority) -> Identity:
    issued = ca.issue((f"mail.{name}",), spec.tls.certificate)
    key = x509.load_der_x509_certificate(issued.chain[0]).public_key()
    return Identity(
        issued, hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    )


async def serve(
    name: str, spec: MailSpec, identity: Identity, address: str, ports: Mapping[int, int], ca: CertificateAuthority
) -> AsyncExitStack:
    """Start the mail host of the domain `name`. Closing the stack stops it."""
    async with AsyncExitStack() as stack:
        handlers: dict[int, Connected] = {}
        if spec.smtp is not None:
            handlers[25] = await _smtp(stack, name, spec.smtp, spec, identity)
        if spec.access is not None:
            submission = SmtpSpec(auth=spec.access.submission)
            handlers[587] = await _smtp(stack, name, submission, spec, identity)
            handlers[143] = await _starttls(stack, spec, identity, partial(_imap, spec.access.imap))
            handlers[110] = await _starttls(stack, spec, identity, partial(_pop3, spec.access.pop3))
        if spec.policy is not None:
            web = spec.policy_web.serve(PATH, spec.policy.format(name=name))
            served = partial(web_servers.handle, web, scheme="https")
            issued = ca.issue((f"mta-sts.{name}",), spec.policy_tls.certificate)
            handlers[443] = await tls_servers.acceptor(stack, spec.policy_tls, issued, served)
        for port, handler in handlers.items():
            if port not in spec.filtered:
                stack.push_async_callback((await Listener.start(handler, address, ports[port])).aclose)
        silent = PortsSpec(filtered=spec.filtered)
        stack.push_async_callback((await port_servers.serve(silent, address, ports)).aclose)
        return stack.pop_all()


async def _smtp(stack: AsyncExitStack, name: str, smtp: SmtpSpec, spec: MailSpec, identity: Identity) -> Connected:
    if smtp.behaviour != "serve":
        return partial(_misbehave, smtp.behaviour)
    turned_away = iter(range(smtp.busy))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool) -> bool:
        if not secure:
            if next(turned_away, None) is not None:
                await _send(writer, "421 mail too busy")
                return False
            await _send(writer, smtp.greeting.format(name=name))
        return await _smtp_session(name, smtp, reader, writer, secure=secure)

    return await _starttls(stack, spec, identity, connected)


async def _starttls(stack: AsyncExitStack, spec: MailSpec, identity: Identity, session: Session) -> Connected:
    """A session in clear, and another under TLS where the first ends in its wish."""

    async def secured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await session(reader, writer, secure=True)
        writer.close()

    accept = await tls_servers.acceptor(stack, spec.tls, identity.issued, secured)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await session(reader, writer, secure=False):
            await accept(reader, writer)

    return connected


async def _smtp_session(
    name: str, smtp: SmtpSpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
) -> bool:
    while line := await _line(reader):
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            offers = [f"mail.{name}", "PIPELINING", "8BITMIME"]
            offers += ["STARTTLS"] if smtp.starttls and not secure else []
            offers += [f"AUTH {' '.join(smtp.auth)}"] if smtp.auth else []
            await _send(writer, *(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}")
        elif verb == "STARTTLS" and smtp.starttls and not secure:
            await _send(writer, "220 go ahead")
            return True
        elif verb == "RCPT":
            local = f"@{name}>" in line
            await _send(writer, "250 accepted" if smtp.relays or local else "554 5.7.1 relay access denied")
        elif verb in ("MAIL", "RSET", "NOOP"):
            await _send(writer, "250 ok")
        elif verb == "QUIT":
            await _send(writer, "221 bye")
            return False
        else:
            await _send(writer, "502 not implemented")
    return False


async def _imap(
    capabilities: tuple[str, ...], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
) -> bool:
    if not secure:
        await _send(writer, "* OK ready")
    while line := await _line(reader):
        tag, _, command = line.partition(" ")
        match command.upper():
            case "CAPABILITY":
                await _send(writer, f"* CAPABILITY {' '.join(capabilities)}", f"{tag} OK done")
            case "STARTTLS" if "STARTTLS" in capabilities and not secure:
                await _send(writer, f"{tag} OK begin")
                return True
            case "LOGOUT":
                await _send(writer, "* BYE", f"{tag} OK done")
                return False
            case _:
                await _send(writer, f"{tag} BAD unknown")
    return False


async def _pop3(
    capabilities: tuple[str, ...], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
) -> bool:
    if not secure:
        await _send(writer, "+OK ready")
    while line := await _line(reader):
        match line.upper():
            case "CAPA" if capabilities:
                await _send(writer, "+OK", *capabilities, ".")
            case "STLS" if "STLS" in capabilities and not secure:
                await _send(writer, "+OK begin")
                return True
            case "QUIT":
                await _send(writer, "+OK bye")
                return False
            case _:
                await _send(writer, "-ERR unknown")
    return False


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readline()).decode("latin-1").rstrip("\r\n")


async def _send(writer: asyncio.StreamWriter, *lines: str) -> None:
    writer.write("".join(f"{line}\r\n" for line in lines).encode())
    await writer.drain()


async def _misbehave(behaviour: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match behaviour:
        case "hangs":
            await asyncio.Event().wait()
        case "resets":
            writer.transport.abort()
        case "garbage":
            writer.write(bytes(range(256)) * 8)
            await writer.drain()
            await reader.read(1)
        case "endless":
            while not writer.is_closing():
                writer.write(b"220-" + b"x" * 60 + b"\r\n")
                await writer.drain()
