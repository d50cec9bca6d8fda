"""MTA-STS and TLS reporting of a domain: one wave of DNS questions, and one file."""

import asyncio
from dataclasses import replace

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail_policies import MailPolicies, PolicyFile
from services.scanner.engine.fetching import Document, fetch
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import mta_sts
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

_FETCH_TIMEOUT = 5.0  # seconds
_REDIRECTS = range(300, 400)


@probe(budget=15)
async def mail_policies(target: Target, network: Network) -> MailPolicies:
    domain = target.domain
    mx, (sts_texts, policy), report_texts = await asyncio.gather(
        _mail_hosts(network, domain), _policy(network, domain), _texts(network, f"_smtp._tls.{domain}")
    )
    return MailPolicies(domain, mx, sts_texts, policy, report_texts)


async def _texts(network: Network, name: str) -> tuple[str, ...] | Unseen:
    answer = await network.resolve(name, "TXT")
    return answer if isinstance(answer, Unseen) else tuple(sorted(record.data for record in answer.records))


async def _mail_hosts(network: Network, domain: str) -> tuple[str, ...] | Unseen:
    answer = await network.resolve(domain, "MX")
    if isinstance(answer, Unseen):
        return answer
    by_preference = sorted((int(preference), name) for preference, name in (r.data.split() for r in answer.records))
    return tuple(
        dict.fromkeys(name.rstrip(".").lower() for _, name in by_preference if name != ".")
    )  # RFC 7505: null MX


async def _policy(network: Network, domain: str) -> tuple[tuple[str, ...] | Unseen, PolicyFile | Unseen | None]:
    host = f"mta-sts.{domain}"
    texts, *addresses = await asyncio.gather(  # its addresses at once, so that they are at hand when it is fetched
        _texts(network, f"_mta-sts.{domain}"), network.resolve(host, "A"), network.resolve(host, "AAAA")
    )
    if isinstance(texts, Unseen) or not mta_sts.records(texts):
        return texts, None
    unseen = next((answer for answer in addresses if isinstance(answer, Unseen)), None)
    if unseen and not any(answer.records for answer in addresses if not isinstance(answer, Unseen)):
        return texts, replace(unseen, silent=True)  # whether the host exists was not said
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    found: Document | Unseen = Unseen("it was not asked for", "ours")
    for _ in range(2):  # one failure may be the network's
        found = await fetch(network, url, fault="target", limit=mta_sts.MAX_POLICY + 1, timeout=_FETCH_TIMEOUT)
        if isinstance(found, Document):
            headers = dict(reversed(found.headers))  # the first of several
            media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            location = headers.get("location", "") if found.status in _REDIRECTS else ""
            return texts, PolicyFile(url, found.status, media_type, location[:500], found.body)
    assert isinstance(found, Unseen)
    return texts, found
