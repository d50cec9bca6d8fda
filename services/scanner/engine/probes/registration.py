"""The registry's record of the domain: by RDAP (RFC 7480 to 7484, 9082, 9083, 9224), else by WHOIS (RFC 3912)."""

import asyncio
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.registration import Record, Registration, Source
from services.scanner.engine.fetching import Document, fetch
from services.scanner.engine.network import DnsAnswer, Network, fault_of
from services.scanner.engine.parsers import rdap, whois
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target, registered
from shared.egress import Refused

# Of the patience there is: what is left of it is WHOIS's.
BOOTSTRAP, RDAP = 0.5, 0.75
DAY = 86400.0
IANA_WHOIS = "whois.iana.org"
_LIMIT = 64 * 1024  # bytes of a WHOIS answer
_RDAP = {"Accept": "application/rdap+json, application/json;q=0.9"}  # RFC 7480 section 4.2


@probe(budget=5)
async def registration(target: Target, network: Network) -> Registration:
    domain = registered(target.domain)
    own = target.registrable == domain
    record: Record | Unseen = Unseen("it is a customer of a hoster, and no registry knows its name", "source")
    if own:
        record = await _record(network, domain)
    return Registration(domain, own, network.now(), record)


async def _record(network: Network, domain: str) -> Record | Unseen:
    if not network.settings.rdap_bootstrap_url:
        return Unseen("no source of registration data is configured", "source")
    deadline = _Deadline(network.sources.patience)
    by_rdap = await _by_rdap(network, network.settings.rdap_bootstrap_url, domain, deadline)
    if isinstance(by_rdap, Record):
        return by_rdap
    by_whois = await _by_whois(network, domain, deadline)
    if isinstance(by_whois, Record):
        return by_whois
    return Unseen(f"{by_rdap.reason}; {by_whois.reason}", by_rdap.fault)


class _Deadline:
    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._begun = asyncio.get_running_loop().time()

    def left(self, share: float = 1.0) -> float:
        """Seconds, of so great a share of the patience."""
        return max(self._patience * share - (asyncio.get_running_loop().time() - self._begun), 0.1)


async def _by_rdap(network: Network, bootstrap_url: str, domain: str, deadline: _Deadline) -> Record | Unseen:
    table = await network.sources.ask(
        f"the list of RDAP servers at {urlsplit(bootstrap_url).hostname}",
        partial(_bootstrap, network, bootstrap_url),
        timeout=deadline.left(BOOTSTRAP),
        keep=DAY,
    )
    if isinstance(table, Unseen):
        return table
    bases = rdap.servers(table, domain)
    if not bases:
        return Unseen(f"there is no RDAP server for .{domain.rpartition('.')[2]}", "source")
    url = f"{bases[0]}domain/{domain}"  # RFC 9082 section 3.1.3
    left = deadline.left(RDAP)
    ask = partial(fetch, network, url, fault="source", headers=_RDAP, redirects=3, limit=512 * 1024, timeout=left + 1.0)
    answer: Document | Unseen = await network.sources.ask(bases[0], ask, timeout=left)
    return answer if isinstance(answer, Unseen) else _read_rdap(url, answer, domain)


def _read_rdap(url: str, answer: Document, domain: str) -> Record | Unseen:
    """404 where the server has no such domain (RFC 7480 section 5.3)."""
    if answer.status == 404:
        return Unseen(f"{url} has no record of the domain", "source")
    if answer.status != 200:
        return Unseen(f"{url} answered with status {answer.status}", "source")
    try:
        return Record(rdap.domain(answer.body, domain), Source("rdap", url, ""))
    except ParseError as error:
        return Unseen(f"the answer of {url} cannot be read: {error}", "source")


async def _bootstrap(network: Network, url: str) -> Mapping[str, tuple[str, ...]] | Unseen:
    answer = await fetch(network, url, fault="source", redirects=2, timeout=network.sources.patience)
    if isinstance(answer, Unseen):
        return answer
    try:
        return rdap.bootstrap(answer.body)
    except ParseError as error:
        return Unseen(f"the list of RDAP servers at {url} cannot be read: {error}", "source")


async def _by_whois(network: Network, domain: str, deadline: _Deadline) -> Record | Unseen:
    """The registry's server as IANA names it, then that server."""
    ending = domain.rpartition(".")[2]
    said = await network.sources.ask(
        f"{IANA_WHOIS} about .{ending}",
        partial(_ask_whois, network, IANA_WHOIS, ending),
        timeout=deadline.left(),
        keep=DAY,
    )
    if isinstance(said, Unseen):
        return said
    server = whois.referral(said)
    if not server:
        return Unseen(f"there is no WHOIS server for .{ending}", "source")
    question = whois.question(server, domain)
    text = await network.sources.ask(
        f"{server} by WHOIS", partial(_ask_whois, network, server, question), timeout=deadline.left()
    )
    if isinstance(text, Unseen):
        return text
    try:
        return Record(whois.parse(text, domain), Source("whois", server, question))
    except ParseError as error:
        return Unseen(f"the answer of {server} cannot be used: {error}", "source")


async def _ask_whois(network: Network, server: str, question: str) -> str | Unseen:
    """One question, and all that comes until the server ends the connection (RFC 3912 section 2)."""
    address = await _address(network, server)
    if isinstance(address, Unseen):
        return address
    text = bytearray()
    try:
        patience = network.sources.patience
        async with network.connect(address, 43, timeout=patience) as stream:
            await stream.write(f"{question}\r\n".encode(), timeout=patience)
            while len(text) < _LIMIT and (part := await stream.read(8192, timeout=patience)):
                text += part
    except (OSError, EOFError, Refused) as error:
        if not text:
            reason = f"{server} could not be asked by WHOIS: {str(error) or type(error).__name__}"
            return Unseen(reason, "ours" if fault_of(error) == "ours" else "source")
    return _decoded(bytes(text)) if text else Unseen(f"{server} answered nothing by WHOIS", "source")


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


async def _address(network: Network, server: str) -> str | Unseen:
    answers = await asyncio.gather(network.resolve(server, "A"), network.resolve(server, "AAAA"))
    found = [record.data for answer in answers if isinstance(answer, DnsAnswer) for record in answer.records]
    allowed = [address for address in found if network.allows(address)]
    return allowed[0] if allowed else Unseen(f"{server} does not resolve", "source")
