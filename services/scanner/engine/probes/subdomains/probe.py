"""Names below the domain, and where they lead: aliases, delegations and mail hosts that a stranger could take over.

Nothing of a subdomain is looked at but its records, the page of a provider that it may be given up at, the first page
of a host whose name says that it is a test environment, and whether an address of a cloud's pool answers at all.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from cryptography import x509

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.subdomains import Destination, Silence, Source, Subdomain, Subdomains
from services.scanner.engine.exchange import Exchanges
from services.scanner.engine.fetching import Document, fetch
from services.scanner.engine.network import DnsAnswer, Network, fault_of
from services.scanner.engine.parsers import ct, subdomain_names
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.subdomains import hosts
from services.scanner.engine.probes.subdomains.records import Records, plain
from services.scanner.engine.target import Target
from shared.egress import Refused

_log = logging.getLogger(__name__)

SECONDS = 8.0  # after which what is still being looked at is left alone
MAX_NAMES = 200
LOG_LIMIT = 2 * 1024 * 1024
_POINTED = 10  # name servers or mail hosts of one name
_DELEGATIONS = 10  # of names whose servers do not answer
_LOGGED = 500  # certificates kept


@probe(budget=11)
async def subdomains(target: Target, network: Network, addresses: Addresses) -> Subdomains:
    records = Records(network)
    try:
        async with Exchanges(network, seconds=SECONDS, connections=3) as exchanges:
            search = _Search(target, network, addresses, records, exchanges)
            return await search.made()
    finally:
        await records.close()


class _Search:
    def __init__(
        self, target: Target, network: Network, addresses: Addresses, records: Records, exchanges: Exchanges
    ) -> None:
        self._target = target
        self._domain = target.domain
        self._network = network
        self._addresses = addresses
        self._records = records
        self._exchanges = exchanges
        self._sources: dict[str, set[Source]] = {}
        self._found: dict[str, Subdomain] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._page: asyncio.Future[str | None] | None = None
        self._more = 0
        self._delegations = 0
        # A name that nobody made: what has an answer for it has one for every name.
        self._random = f"{hashlib.sha256(target.domain.encode()).hexdigest()[:16]}.{target.domain}"
        self._wildcard_known = asyncio.Event()
        self._wildcard: Subdomain | Unseen | None = Unseen("whether any name has an answer was not seen", "target")
        self._certificate: Unseen | None = Unseen("the certificate was not seen in time", "target")
        self._logged: tuple[ct.Logged, ...] | Unseen = Unseen("the search of certificates gave no answer", "source")

    async def made(self) -> Subdomains:
        self._start(self._apex())
        self._start(self._any_name())
        self._start(self._from_spf())
        self._start(self._from_certificate())
        self._start(self._from_log())
        self._look(self._hosts_of_records(), "zone")
        self._look((f"{word}.{self._domain}" for word in subdomain_names.GUESSES), "guess")
        end = asyncio.get_running_loop().time() + SECONDS
        try:
            while self._tasks and (left := end - asyncio.get_running_loop().time()) > 0:
                await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (late := tuple(self._tasks)):
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        apex = self._found.pop(self._domain, Subdomain(self._domain, ("zone",)))
        return Subdomains(
            domain=self._domain,
            registrable=self._target.registrable,
            found=(apex, *(self._found[name] for name in sorted(self._found))),
            looked=len(self._sources),
            wildcard=self._wildcard if isinstance(self._wildcard, Unseen) else self._wildcard is not None,
            certificate=self._certificate,
            logged=self._logged,
            more=self._more,
            seen_at=self._network.now(),
        )

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            task.get_loop().call_exception_handler({"message": "a subdomain's look-up failed", "exception": error})

    def _look(self, names: Iterable[str], source: Source) -> None:
        """Look up those of the names that are below the domain, each once."""
        for name in dict.fromkeys(subdomain_names.within(names, self._domain)):
            if name in self._sources:
                self._sources[name].add(source)
                if name in self._found:
                    self._keep(self._found[name])
            elif len(self._sources) >= MAX_NAMES:
                self._more += 1
            else:
                self._sources[name] = {source}
                self._start(self._look_at(name))

    def _keep(self, found: Subdomain) -> None:
        sources = tuple(sorted(self._sources.get(found.name, {"zone"})))
        self._found[found.name] = replace(found, sources=sources)

    async def _look_at(self, name: str) -> None:
        try:
            found = await self._subdomain(name, name)
            if found:
                self._keep(await self._with_hosts(found, name))
        except Exception:
            _log.exception("looking at %s failed", name)
            self._keep(Subdomain(name, (), unseen=Unseen("an error of ours; it has been recorded", "ours")))

    async def _apex(self) -> None:
        """The domain's own name servers and mail hosts, which are resolved already."""
        known = self._addresses
        servers = () if isinstance(known.nameservers, Unseen) else known.nameservers
        mail = () if isinstance(known.mx, Unseen) else known.mx
        nameservers, exchangers = await asyncio.gather(
            asyncio.gather(*(self._of_host(host) for host in servers)),
            asyncio.gather(*(self._of_host(host) for host in mail)),
        )
        unseen = next((one for one in (known.nameservers, known.mx) if isinstance(one, Unseen)), None)
        reached = known.domain.addresses if not isinstance(known.domain.addresses, Unseen) else ()
        self._keep(
            Subdomain(
                self._domain,
                ("zone",),
                addresses=reached,
                nameservers=tuple(nameservers),
                mail=tuple(exchangers),
                unseen=unseen,
            )
        )

    async def _of_host(self, host: Host) -> Destination:
        if isinstance(host.addresses, Unseen):
            return Destination(host.name, unseen=host.addresses)
        if host.addresses or host.refused:
            return Destination(host.name, addresses=(*host.addresses, *host.refused))
        return await self._records.destination(host.name)

    async def _any_name(self) -> None:
        """The wildcard: where any name has an answer, that a guess has one says nothing."""
        try:
            found = await self._subdomain(self._random, f"*.{self._domain}")
            self._wildcard = found.unseen if found and found.unseen else found
        finally:
            self._wildcard_known.set()
        if isinstance(self._wildcard, Subdomain):
            self._keep(await self._with_hosts(self._wildcard, self._random))

    async def _only_by_wildcard(self, name: str, alias: str) -> bool:
        """Whether nobody need have made this name: it was guessed, and any name has the same records."""
        if name == self._random or self._sources.get(name) != {"guess"}:
            return False
        await self._wildcard_known.wait()
        wildcard = self._wildcard
        if not isinstance(wildcard, Subdomain):
            return False
        if alias or wildcard.alias:
            return alias == (wildcard.alias.name if wildcard.alias else "")
        own = await self._records.destination(name)
        return set(own.addresses) <= set(wildcard.addresses)

    def _hosts_of_records(self) -> Iterable[str]:
        known = self._addresses
        for hosts_of in (known.mx, known.nameservers):
            if not isinstance(hosts_of, Unseen):
                yield from (host.name for host in hosts_of)

    async def _from_spf(self) -> None:
        answer = await self._records.ask(self._domain, "TXT")
        if isinstance(answer, DnsAnswer):
            self._look(subdomain_names.in_spf(record.data for record in answer.records), "zone")

    async def _from_certificate(self) -> None:
        known = self._addresses.domain.addresses
        address = known[0] if known and not isinstance(known, Unseen) else ""
        if not address:
            self._certificate = known if isinstance(known, Unseen) else Unseen("the domain has no address", "target")
            return
        try:
            async with self._network.connect(address, 443, timeout=2.5, tls=self._domain) as stream:
                chain = stream.chain
        except (OSError, EOFError, Refused) as error:
            self._certificate = Unseen(f"no certificate was shown: {error or type(error).__name__}", fault_of(error))
            return
        self._certificate = None
        self._look(_names(chain[0] if chain else b""), "certificate")

    async def _from_log(self) -> None:
        """A failure of the search is the source's, and the names that it alone knows are not looked at."""
        template = self._network.settings.ct_url
        if not template:
            self._logged = Unseen("no search of certificate transparency is configured", "source")
            return
        url = template.replace("{domain}", self._domain)
        patience = self._network.sources.patience
        ask = partial(fetch, self._network, url, fault="source", redirects=2, limit=LOG_LIMIT, timeout=patience + 1)
        answer: Document | Unseen = await self._network.sources.ask(
            f"the search of certificates at {urlsplit(template).hostname}", ask
        )
        self._logged = _read_log(url, answer)
        if not isinstance(self._logged, Unseen):
            newest = sorted(self._logged, key=lambda one: one.not_before or self._network.now(), reverse=True)
            self._look((name for logged in newest for name in logged.names), "log")

    async def _subdomain(self, asked: str, name: str) -> Subdomain | None:
        """What the DNS has at `asked`; None where it has no such name, or nothing there that matters here."""
        alias = await self._records.ask(asked, "CNAME")
        if isinstance(alias, Unseen):
            servers = await self._delegated(asked) if alias.fault == "target" else ()
            unclaimed = await self._records.unclaimed(asked, servers)
            return Subdomain(name, (), unseen=alias, nameservers=servers, unclaimed=unclaimed)
        if alias.records:
            target = plain(alias.records[0].data)
            if await self._only_by_wildcard(asked, target):
                return None
            leads = await self._records.destination(target)
            return Subdomain(name, (), addresses=leads.addresses, alias=leads)
        if alias.rcode == "NXDOMAIN":
            return None
        if await self._only_by_wildcard(asked, ""):
            return None
        own, servers, mail = await asyncio.gather(
            self._records.destination(asked), self._pointed(asked, "NS"), self._pointed(asked, "MX")
        )
        if own.unseen and not servers:
            return Subdomain(name, (), unseen=own.unseen, mail=mail)
        if not own.addresses and not servers and not mail:
            return None
        return Subdomain(name, (), addresses=own.addresses, nameservers=servers, mail=mail)

    async def _pointed(self, name: str, record_type: str) -> tuple[Destination, ...]:
        answer = await self._records.ask(name, record_type)
        if isinstance(answer, Unseen):
            return ()
        names = dict.fromkeys(plain(record.data.split()[-1]) for record in answer.records)
        return await self._destinations(tuple(names))

    async def _delegated(self, name: str) -> tuple[Destination, ...]:
        """The name servers of a zone that does not answer, as the zone above has them."""
        self._delegations += 1
        above = self._addresses.nameservers
        if self._delegations > _DELEGATIONS or isinstance(above, Unseen):
            return ()
        parents = [one for host in above if not isinstance(host.addresses, Unseen) for one in host.addresses[:1]]
        servers = await self._records.delegation(name, tuple(parents[:2]))
        own = {host.name for host in above}
        return await self._destinations(tuple(server for server in servers if server not in own))

    async def _destinations(self, names: tuple[str, ...]) -> tuple[Destination, ...]:
        wanted = [name for name in names[:_POINTED] if name]  # "" is the null MX (RFC 7505)
        return tuple(await asyncio.gather(*(self._records.destination(name) for name in wanted)))

    async def _with_hosts(self, found: Subdomain, host: str) -> Subdomain:
        claim = await hosts.claim(self._network, self._exchanges, host, found.alias) if found.alias else None
        word = subdomain_names.environment(found.name, self._domain)
        environment = None
        if word and found.addresses and not (claim and claim.proof):
            environment = await hosts.environment(
                self._network, self._exchanges, host, found.addresses, word, self._production
            )
        silences: tuple[Silence, ...] = ()
        if not found.alias:
            others = [one for one in found.addresses[:2] if one not in self._in_use() and self._network.allows(one)]
            silences = await hosts.silences(self._network, self._records, others)
        return replace(found, claim=claim, environment=environment, silences=silences)

    async def _production(self) -> str | None:
        """The domain's own page, asked for once, and only where a test environment's page is open."""
        if self._page is None:
            known = self._addresses
            self._page = asyncio.ensure_future(
                hosts.production_page(self._network, self._exchanges, known.domain, known.www)
            )
        return await self._page

    def _in_use(self) -> frozenset[str]:
        known = self._addresses
        mail = () if isinstance(known.mx, Unseen) else known.mx
        all_hosts = (known.domain, known.www, *mail)
        return frozenset(one for host in all_hosts if not isinstance(host.addresses, Unseen) for one in host.addresses)


def _names(certificate: bytes) -> tuple[str, ...]:
    """Its subjectAltName entries (RFC 5280 section 4.2.1.6)."""
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        return tuple(names.value.get_values_for_type(x509.DNSName))
    except (ValueError, x509.ExtensionNotFound):
        return ()


def _read_log(url: str, answer: Document | Unseen) -> tuple[ct.Logged, ...] | Unseen:
    if isinstance(answer, Unseen):
        return answer
    if answer.status != 200:
        return Unseen(f"{url} answered with status {answer.status}", "source")
    try:
        return ct.parse(answer.body)[:_LOGGED]
    except ParseError as error:
        return Unseen(f"the answer of {url} cannot be read: {error}", "source")
