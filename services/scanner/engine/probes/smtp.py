"""The mail hosts of a domain on port 25: greeting, EHLO, STARTTLS (RFC 5321, RFC 3207), and the TLS behind it."""

import asyncio
from dataclasses import dataclass, replace

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail_transport import Greeting, MailServer, MailTransport
from services.scanner.engine.evidence.tls import NoService, Service
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.lines import Garbled, Lines, Reply
from services.scanner.engine.probes.starttls import NotOffered
from services.scanner.engine.probes.tls import trust
from services.scanner.engine.probes.tls.credentials import Examiner
from services.scanner.engine.probes.tls.survey import survey
from services.scanner.engine.streams import Stream
from services.scanner.engine.target import Target
from shared.contracts.report import Profile

PORT = 25
_CONNECT = 4.0  # seconds; a lost SYN is repeated after 1 and 3
_DIALOGUE = 12.0  # some make strangers wait six for their greeting, and more
_PAUSE = 1.0  # before a server that was too busy is asked again
_MAX_EXTENSIONS = 60
# Many networks let nobody connect to port 25 of others: where no mail host answers, it may as well be ours.
_BLOCKED = Unseen("no mail host answers on port 25 from here: the network that this scan runs in may block it", "ours")


@dataclass(frozen=True, slots=True)
class _Visited:
    server: MailServer
    connected: bool  # the host said something, be it that nobody listens there


@probe(budget=40)
async def mail_transport(target: Target, network: Network, profile: Profile, addresses: Addresses) -> MailTransport:
    """Every address of the mail hosts."""
    if isinstance(addresses.mx, Unseen) or not addresses.mx:
        return MailTransport(target.domain, addresses.mx if isinstance(addresses.mx, Unseen) else ())
    roots = await asyncio.to_thread(trust.load, network.trust_ca_file)
    visit = _Visit(network, roots, Examiner(network, roots), thorough=profile is Profile.FULL)
    places = [(host.name, address) for host in addresses.mx for address in _addresses(host)]
    visited = await asyncio.gather(*(visit.server(host, address) for host, address in places))
    servers = [each.server for each in visited]
    if not any(each.connected for each in visited):
        servers = [replace(server, greeting=_BLOCKED) for server in servers]
    hidden = [_hidden(network, host) for host in addresses.mx if not _addresses(host)]
    return MailTransport(target.domain, (*servers, *hidden))


def _addresses(host: Host) -> tuple[str, ...]:
    return () if isinstance(host.addresses, Unseen) else host.addresses


def _hidden(network: Network, host: Host) -> MailServer:
    unseen = host.addresses if isinstance(host.addresses, Unseen) else None
    reason = "resolves only to addresses that are not public" if host.refused else "does not resolve"
    return MailServer(host.name, "", network.now(), unseen or Unseen(f"{host.name} {reason}", "target"), None)


@dataclass(frozen=True, slots=True)
class _Visit:
    network: Network
    roots: trust.TrustStore
    examiner: Examiner
    thorough: bool

    async def server(self, host: str, address: str) -> _Visited:
        now = self.network.now()
        opening = _Opening()
        service = await self._survey(host, address, opening)
        if opening.transient and not isinstance(opening.said, Greeting):
            await asyncio.sleep(_PAUSE)
            opening = _Opening()
            service = await self._survey(host, address, opening)
        if opening.said is not None:
            offered = isinstance(opening.said, Greeting) and not isinstance(service, NoService)
            return _Visited(MailServer(host, address, now, opening.said, service if offered else None), connected=True)
        refused = isinstance(service, NoService)
        unseen = service if isinstance(service, Unseen) else Unseen("port 25 takes no connection", "target")
        return _Visited(MailServer(host, address, now, unseen, None), connected=refused)

    async def _survey(self, host: str, address: str, opening: "_Opening") -> Service | NoService | Unseen:
        return await survey(
            self.network,
            self.roots,
            host,
            address,
            PORT,
            opening,
            thorough=self.thorough,
            connect_timeout=_CONNECT,
            examiner=self.examiner,
        )


class _TurnedAway(ConnectionError):
    """The server wants nothing to do with us, now or ever."""


class _Opening:
    """From the connection to the go-ahead for TLS, on each connection of a survey; keeps what the first one heard."""

    def __init__(self) -> None:
        self.said: Greeting | Unseen | None = None  # None: nothing was ever connected
        self.transient = False  # the server was busy, or the connection broke: worth another attempt

    async def __call__(self, stream: Stream) -> None:
        """NotOffered; EOFError where the dialogue comes to nothing, for the reason kept."""
        try:
            await self._converse(Lines(stream, _DIALOGUE))
        except TimeoutError:
            self._keep(Unseen(f"the SMTP server did not answer within {_DIALOGUE:g} s", "target"))
            raise
        except _TurnedAway:
            raise
        except Garbled as error:
            self._keep(Unseen(f"port 25 does not speak SMTP: {error}", "target"))
            raise EOFError(str(error)) from None
        except (EOFError, OSError) as error:
            self.transient = True
            self._keep(Unseen(f"the SMTP dialogue broke off: {error or type(error).__name__}"[:200], "target"))
            raise

    async def _converse(self, lines: Lines) -> None:
        greeting = await lines.reply()
        if not greeting.positive:
            self._turn_away(greeting)
        hello = await lines.command(f"EHLO {lines.client_name}")
        if hello.transient:
            self._turn_away(hello)
        said = Greeting(str(greeting), _extensions(hello))
        self._keep(said)
        if not said.offers("STARTTLS"):
            await lines.farewell("QUIT")
            raise NotOffered("STARTTLS is not offered")
        answer = await lines.command("STARTTLS")
        if answer.transient:
            raise EOFError(f"STARTTLS is put off: {answer}")
        if not answer.positive:
            raise NotOffered(f"STARTTLS is turned down: {answer}")
        if lines.ahead:  # it would be taken for the beginning of TLS
            raise Garbled("the server goes on in clear after its go-ahead for TLS")

    def _turn_away(self, reply: Reply) -> None:
        self.transient = reply.transient
        self._keep(Unseen(f"the SMTP server turned us away: {reply}", "target"))
        raise _TurnedAway(f"turned away: {reply}")

    def _keep(self, said: Greeting | Unseen) -> None:
        if not isinstance(self.said, Greeting) and (self.said is None or isinstance(said, Greeting)):
            self.said = said


def _extensions(hello: Reply) -> tuple[str, ...]:
    """One a line after the first (RFC 5321 section 4.1.1.1); a server that knows no EHLO has none."""
    if not hello.positive:
        return ()
    return tuple(line.strip().upper()[:200] for line in hello.lines[1 : _MAX_EXTENSIONS + 1])
