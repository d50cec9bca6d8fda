"""TLS as the web endpoints speak it: at most 12 connections each, every one for a single hello."""

import asyncio
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import (
    Accepted,
    Answer,
    Certificate,
    Declined,
    Endpoint,
    NoService,
    Service,
    Tls,
    Trust,
    Version,
    VersionAnswer,
)
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.tls import certificate, hello, parse, suites, trust
from services.scanner.engine.probes.tls.exchange import (
    ANSWER_TIMEOUT,
    Flight,
    Unreachable,
    connection,
    exchange,
)
from services.scanner.engine.probes.tls.session import TlsSession
from services.scanner.engine.target import Target

PORT = 443


@probe(budget=20.0)
async def tls(target: Target, network: Network, addresses: Addresses) -> Tls:
    """Every address of the domain and its `www.`, on port 443."""
    roots = await asyncio.to_thread(trust.load, network.trust_ca_file)
    hidden: list[Endpoint] = []
    dialogues: list[_Dialogue] = []
    for host in addresses.web:
        if isinstance(host.addresses, Unseen):
            hidden.append(Endpoint(host.name, "", PORT, network.now(), host.addresses))
        else:
            dialogues += (_Dialogue(network, roots, host.name, address) for address in host.addresses)
    seen = await asyncio.gather(*(dialogue.endpoint() for dialogue in dialogues))
    return Tls(target.domain, (*seen, *hidden))


@dataclass(frozen=True, slots=True)
class _Dialogue:
    """All that is asked of one endpoint."""

    network: Network
    roots: trust.TrustStore
    host: str
    address: str

    async def endpoint(self) -> Endpoint:
        now = self.network.now()
        try:
            service: Service | NoService | Unseen = await self._service(now)
        except Unreachable as error:
            service = NoService(str(error)) if error.refused else error.unseen
        return Endpoint(self.host, self.address, PORT, now, service)

    async def _service(self, now: datetime) -> Service | Unseen:
        first = await self._offer("TLSv1.2", suites.ANY, whole=True)
        if isinstance(first, Unseen):
            return first
        tls13, tls11, tls10, ssl3, ssl2, null, export, triple_des, finite_field = await asyncio.gather(
            self._ask("TLSv1.3", suites.TLS13),
            self._ask("TLSv1.1", suites.ANY),
            self._ask("TLSv1.0", suites.ANY),
            self._ask("SSLv3", suites.ANY),
            self._ask_ssl2(),
            self._ask("TLSv1.2", suites.NULL_OR_ANONYMOUS),
            self._ask("TLSv1.2", suites.EXPORT_RC4_DES),
            self._ask("TLSv1.2", suites.TRIPLE_DES),
            self._ask("TLSv1.2", suites.FINITE_FIELD_DH, whole=True),
        )
        best = _answer(first, suites.ANY)
        if not any(_speaks_tls(answer) for answer in (best, tls13, tls11, tls10, ssl3, ssl2)):
            return Unseen(f"port {PORT} is open but does not answer a TLS hello", "target")
        forward_secret, authenticated, chain = await asyncio.gather(
            self._first_that("forward_secret", (tls13, best), suites.FORWARD_SECRET),
            self._first_that("authenticated_encryption", (best,), suites.AUTHENTICATED_ENCRYPTION),
            self._chain(first, tls13),
        )
        certificates, judgement = self._certificates(chain, now)
        return Service(
            versions=(
                VersionAnswer("SSLv2", ssl2),
                VersionAnswer("SSLv3", _exactly("SSLv3", ssl3)),
                VersionAnswer("TLSv1.0", _exactly("TLSv1.0", tls10)),
                VersionAnswer("TLSv1.1", _exactly("TLSv1.1", tls11)),
                VersionAnswer("TLSv1.2", _exactly("TLSv1.2", best)),
                VersionAnswer("TLSv1.3", _exactly("TLSv1.3", tls13)),
            ),
            null_or_anonymous=null,
            export_rc4_des=export,
            triple_des=triple_des,
            finite_field_dh=finite_field,
            forward_secret=forward_secret,
            authenticated_encryption=authenticated,
            chain=certificates,
            trust=judgement,
        )

    async def _offer(
        self, version: Version, offered: Sequence[int], *, whole: bool = False
    ) -> Flight | Declined | Unseen:
        message = hello.client_hello(version, offered, self.host, secrets.token_bytes(32))
        return await exchange(self.network, self.address, PORT, message, whole=whole)

    async def _ask(self, version: Version, offered: Sequence[int], *, whole: bool = False) -> Answer:
        try:
            return _answer(await self._offer(version, offered, whole=whole), offered)
        except Unreachable as error:  # it did answer a moment ago
            return error.unseen

    async def _ask_ssl2(self) -> Answer:
        try:
            async with connection(self.network, self.address, PORT) as stream, asyncio.timeout(ANSWER_TIMEOUT):
                await stream.write(hello.ssl2_client_hello(secrets.token_bytes(16)), ANSWER_TIMEOUT)
                answer = await stream.read_exactly(parse.SSL2_SERVER_HELLO, ANSWER_TIMEOUT)
        except Unreachable as error:
            return error.unseen
        except TimeoutError:
            return Declined("no answer")
        except (asyncio.IncompleteReadError, OSError):
            return Declined("closed")
        if not parse.is_ssl2_server_hello(answer):
            return Declined("no SSL 2.0 answer")
        return Accepted("SSLv2", suite="any of SSL 2.0", secure_renegotiation=False)

    async def _first_that(self, quality: str, known: Sequence[Answer], offered: Sequence[int]) -> Answer:
        """The first answer of `known` with the quality; else the answer to a hello that offers nothing else."""
        for answer in known:
            if isinstance(answer, Accepted) and getattr(answer, quality):
                return answer
        return await self._ask("TLSv1.2", offered)

    async def _chain(self, first: Flight | Declined, tls13: Answer) -> tuple[bytes, ...] | Unseen:
        """From the clear handshake where there is one; TLS 1.3 alone encrypts it, so that takes a whole handshake."""
        if isinstance(first, Flight):
            return first.certificates or Unseen("the server sent no certificate", "target")
        if not isinstance(tls13, Accepted):
            return Unseen("no handshake came as far as the certificate", "target")
        try:
            async with connection(self.network, self.address, PORT) as stream:
                session = TlsSession(stream, self.host)
                await session.handshake(ANSWER_TIMEOUT)
                return session.chain()
        except (Unreachable, ssl.SSLError, TimeoutError, OSError, EOFError) as error:
            return Unseen(f"the handshake ended before the certificate: {error}", "target")

    def _certificates(
        self, chain: tuple[bytes, ...] | Unseen, now: datetime
    ) -> tuple[tuple[Certificate, ...] | Unseen, Trust | Unseen]:
        if isinstance(chain, Unseen):
            return chain, chain
        try:
            parsed = [certificate.decode(der) for der in chain]
            return tuple(certificate.describe(each) for each in parsed), trust.judge(parsed, self.roots, now)
        except certificate.MALFORMED as error:
            malformed = Unseen(f"a certificate cannot be decoded: {error}", "target")
            return malformed, malformed


def _answer(seen: Flight | Declined | Unseen, offered: Sequence[int]) -> Answer:
    if not isinstance(seen, Flight):
        return seen
    assert seen.hello
    if seen.hello.suite not in offered:
        return Unseen(f"the server chose {suites.name(seen.hello.suite)}, which was not offered", "target")
    return Accepted(
        version=seen.hello.version,
        suite=suites.name(seen.hello.suite),
        secure_renegotiation=seen.hello.secure_renegotiation,
        dh=seen.dh,
    )


def _exactly(version: Version, answer: Answer) -> Answer:
    if isinstance(answer, Accepted) and answer.version != version:
        return Declined(f"answered with {answer.version}")
    return answer


def _speaks_tls(answer: Answer) -> bool:
    return isinstance(answer, Accepted) or (isinstance(answer, Declined) and answer.how.startswith("alert"))
