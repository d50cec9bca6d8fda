"""What others say: DNS block lists (RFC 5782), a source of breach data, and registered names that look alike."""

import asyncio
from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit

from services.scanner.engine.evidence.addresses import Addresses, Host
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.reputation import BlockList, Entry, Kind, Lookalike, Reputation
from services.scanner.engine.fetching import Document, fetch
from services.scanner.engine.network import DnsAnswer, Network
from services.scanner.engine.parsers import breaches, dnsbl, lookalikes
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

LIST = 0.6  # of the patience there is for a source: its test entries take one wait, its entries another
_MOST, _STRAGGLERS = 0.8, 0.3  # once so great a part has answered, the rest has so many seconds
HOUR = 3600.0
_LISTS = 20
_ADDRESSES = 8
_AT_ONCE = 20  # questions about lookalikes
_TEXT = 300


@probe(budget=15)  # each source's patience ends long before
async def reputation(target: Target, network: Network, addresses: Addresses) -> Reputation:
    own, hidden = _own_addresses(target, addresses)
    domains = tuple(dict.fromkeys((target.registrable, target.domain)))
    zones = tuple(dict.fromkeys(zone.strip(".").lower() for zone in network.settings.dnsbl_zones))[:_LISTS]
    names = lookalikes.of(target.registrable)
    lists, breach, alike = await asyncio.gather(
        asyncio.gather(*(_list(network, zone, own, domains) for zone in zones)),
        _breaches(network, target.registrable),
        _lookalikes(network, names),
    )
    found, late = alike
    return Reputation(
        domain=target.domain,
        registrable=target.registrable,
        addresses=own,
        lists=tuple(lists),
        breaches=breach,
        breach_source=urlsplit(network.settings.breach_url or "").hostname or "",
        lookalikes=found,
        lookalikes_asked=len(names),
        lookalikes_unanswered=late,
        unseen=hidden,
    )


def _own_addresses(target: Target, addresses: Addresses) -> tuple[tuple[str, ...], Unseen | None]:
    """Of the web hosts, and of mail hosts within the domain: those of a mail provider are not the domain's doing."""
    mail = () if isinstance(addresses.mx, Unseen) else addresses.mx
    own_mail = (
        host for host in mail if host.name.endswith(f".{target.registrable}") or host.name == target.registrable
    )
    hosts: Iterable[Host] = (addresses.domain, addresses.www, *own_mail)
    hidden = [addresses.mx] if isinstance(addresses.mx, Unseen) else []
    found: list[str] = []
    for host in hosts:
        if isinstance(host.addresses, Unseen):
            hidden.append(host.addresses)
        else:
            found += host.addresses
    return tuple(dict.fromkeys(found))[:_ADDRESSES], next(iter(hidden), None)


async def _list(network: Network, zone: str, addresses: tuple[str, ...], domains: tuple[str, ...]) -> BlockList:
    """The test entries first, so that a list that ended or refuses us is no list; they hold for an hour."""
    kinds = await network.sources.ask(zone, partial(_kinds, network, zone), keep=HOUR)
    if isinstance(kinds, Unseen):
        return BlockList(zone, kinds, network.now())
    subjects = (
        *(address for address in addresses if ("ipv6" if ":" in address else "ipv4") in kinds),
        *(domains if "domain" in kinds else ()),
    )
    entries = await asyncio.gather(*(_entry(network, zone, subject) for subject in subjects))
    return BlockList(zone, kinds, network.now(), tuple(entries))


async def _kinds(network: Network, zone: str) -> tuple[Kind, ...] | Unseen:
    """What the list lists (RFC 5782 section 5)."""
    kinds: tuple[Kind, ...] = ("ipv4", "ipv6", "domain")
    answers = await asyncio.gather(*(_test(network, zone, kind) for kind in kinds))
    broken = next((answer for answer in answers if isinstance(answer, Unseen)), None)
    if broken:
        return broken
    found = tuple(kind for kind, answer in zip(kinds, answers, strict=True) if answer is True)
    return found or Unseen(f"{zone} lacks the test entries of a block list (RFC 5782 section 5)", "source")


async def _test(network: Network, zone: str, kind: Kind) -> bool | Unseen:
    """Whether the list has entries of this kind; Unseen where it lists what no list may."""
    for subject, listed in dnsbl.TESTS[kind]:
        codes = await _codes(network, zone, dnsbl.question(subject, zone))
        if isinstance(codes, Unseen):
            return codes
        if listed and not codes:
            return False
        if not listed and codes:
            return Unseen(f"{zone} lists everything, even {subject}, which no list may (RFC 5782 section 5)", "source")
    return True


async def _codes(network: Network, zone: str, question: str) -> tuple[str, ...] | Unseen:
    try:
        async with asyncio.timeout(network.sources.patience * LIST):
            answer = await network.resolve(question, "A")
    except TimeoutError:
        return Unseen(f"{zone} gave no answer in time", "source")
    if isinstance(answer, Unseen):
        return Unseen(f"{zone} gave no answer: {answer.reason}", "source")
    codes = tuple(sorted(record.data for record in answer.records))
    refusal = dnsbl.refusal(codes)
    return Unseen(f"{zone} cannot be used: {refusal}", "source") if refusal else codes


async def _entry(network: Network, zone: str, subject: str) -> Entry:
    question = dnsbl.question(subject, zone)
    codes = await _codes(network, zone, question)
    if isinstance(codes, Unseen) or not codes:
        return Entry(subject, question, codes)
    answer: DnsAnswer | Unseen | None = None
    try:
        async with asyncio.timeout(network.sources.patience * LIST):
            answer = await network.resolve(question, "TXT")
    except TimeoutError:
        pass
    texts = [record.data for record in answer.records] if isinstance(answer, DnsAnswer) else []
    return Entry(subject, question, codes, " ".join(texts)[:_TEXT])


async def _breaches(network: Network, domain: str) -> breaches.Breaches | Unseen:
    template = network.settings.breach_url
    if not template:
        return Unseen("no source of breach data is configured", "source")
    url = template.replace("{domain}", domain)
    ask = partial(fetch, network, url, fault="source", redirects=2, timeout=network.sources.patience + 1)
    host = urlsplit(template).hostname or ""  # the address may hold a key of the operator's
    answer: Document | Unseen = await network.sources.ask(host, ask)
    if isinstance(answer, Unseen):
        return answer
    if answer.status == 404:  # of a service that knows nothing of the domain
        return breaches.Breaches((), 0)
    if answer.status != 200:
        return Unseen(f"{host} answered with status {answer.status}", "source")
    try:
        return breaches.parse(answer.body)
    except ParseError as error:
        return Unseen(f"the answer of {host} cannot be read: {error}", "source")


async def _lookalikes(network: Network, names: tuple[str, ...]) -> tuple[tuple[Lookalike, ...], int]:
    """Those that are delegated, and how many gave no answer."""
    places = asyncio.Semaphore(_AT_ONCE)
    tasks = {asyncio.create_task(_lookalike(network, name, places)) for name in names}
    try:
        await _most(tasks, network.sources.patience)
    finally:
        for task in tasks:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    found = [answer for answer in answers if isinstance(answer, Lookalike)]
    unanswered = sum(answer is not None for answer in answers) - len(found)
    return tuple(sorted(found, key=lambda one: one.name)), unanswered


async def _most(tasks: set[asyncio.Task[Lookalike | Unseen | None]], patience: float) -> None:
    """Wait for all of them, but for few that are slow not long: the servers are strangers'."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    waiting = set(tasks)
    while waiting and (left := end - loop.time()) > 0:
        _, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if len(waiting) <= len(tasks) * (1 - _MOST):
            end = min(end, loop.time() + _STRAGGLERS)


async def _lookalike(network: Network, name: str, places: asyncio.Semaphore) -> Lookalike | Unseen | None:
    async with places:
        delegated = await network.resolve(name, "NS")
    if isinstance(delegated, Unseen) or not delegated.records:
        return delegated if isinstance(delegated, Unseen) else None
    async with places:
        web, mail = await asyncio.gather(network.resolve(name, "A"), network.resolve(name, "MX"))
    addresses = () if isinstance(web, Unseen) else tuple(record.data for record in web.records)
    hosts = () if isinstance(mail, Unseen) else tuple(record.data.split()[-1].rstrip(".") for record in mail.records)
    return Lookalike(name, addresses[:4], tuple(host for host in hosts if host)[:4])
