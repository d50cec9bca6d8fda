"""What others say of the domain. A list's word is the list's: its name, its codes and the time are the evidence."""

from collections.abc import Iterator
from datetime import datetime
from shlex import quote
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.web import curl, on_pages
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone
from services.scanner.engine.evidence.http import Http, Page
from services.scanner.engine.evidence.reputation import BlockList, Entry, Reputation
from services.scanner.engine.evidence.subdomains import Subdomains
from services.scanner.engine.parsers import caa, dnsbl, issuers, malware
from services.scanner.engine.parsers.ct import Logged
from services.scanner.engine.parsers.errors import ParseError

_CERTIFICATES = 20


@check("ip_blocklisted")
def ip_blocklisted(reputation: Reputation) -> Iterator[Verdict]:
    """Codes that only say what kind of address it is (a provider's policy against mail from it) count for nothing."""
    if reputation.unseen:
        yield not_tested(reputation.domain, reputation.unseen)
    elif not reputation.addresses:
        yield not_applicable(reputation.domain, "it has no address of its own")
    yield from _listed(reputation, reputation.addresses, ("ipv4", "ipv6"))


@check("domain_blocklisted")
def domain_blocklisted(reputation: Reputation) -> Iterator[Verdict]:
    subjects = tuple(dict.fromkeys((reputation.registrable, reputation.domain)))
    yield from _listed(reputation, subjects, ("domain",))


def _listed(reputation: Reputation, subjects: tuple[str, ...], kinds: tuple[str, ...]) -> Iterator[Verdict]:
    if not reputation.lists:
        yield not_tested(reputation.domain, Unseen("no block list is configured", "source"))
        return
    for subject in subjects:
        told = [(one, entry) for one in reputation.lists for entry in one.entries if entry.subject == subject]
        answered = [(one, entry) for one, entry in told if not isinstance(entry.codes, Unseen)]
        hits = [(one, entry) for one, entry in answered if entry.codes and dnsbl.misconduct(one.zone, _codes(entry))]
        for one, entry in hits:
            yield _hit(one, entry)
        if answered and not hits:
            yield passed(
                subject,
                f"it stands on none of {len(answered)} lists",
                lists=[one.zone for one, _ in answered],
                asked_at=_when(answered[0][0].asked_at),
                policy_codes={one.zone: list(_codes(entry)) for one, entry in answered if entry.codes},
            )
        for _, entry in told:
            if isinstance(entry.codes, Unseen):
                yield not_tested(subject, entry.codes)
        if not told:
            yield not_tested(subject, _why_not(reputation, kinds))
    for one in reputation.lists:
        if isinstance(one.kinds, Unseen):
            yield not_tested(one.zone, one.kinds)


def _hit(one: BlockList, entry: Entry) -> Verdict:
    meanings = dnsbl.meanings(one.zone, _codes(entry))
    return failed(
        entry.subject,
        f"{one.zone} lists it" + (f": {'; '.join(meanings)}" if meanings else ""),
        reproduce=f"dig +short {quote(entry.question)} A; dig +short {quote(entry.question)} TXT",
        subject=one.zone,
        list=one.zone,
        codes=list(_codes(entry)),
        meanings=list(meanings),
        text=entry.text,
        asked_at=_when(one.asked_at),
    )


def _codes(entry: Entry) -> tuple[str, ...]:
    return () if isinstance(entry.codes, Unseen) else entry.codes


def _why_not(reputation: Reputation, kinds: tuple[str, ...]) -> Unseen:
    broken = [one.kinds for one in reputation.lists if isinstance(one.kinds, Unseen)]
    what = "domains" if kinds == ("domain",) else "addresses of its kind"
    return broken[0] if broken else Unseen(f"none of the block lists configured lists {what}", "source")


def _when(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@check("malicious_script_detected")
def malicious_script_detected(http: Http) -> Iterator[Verdict]:
    """A script of a host, or with a mark in its code, that a public list names."""

    def judge(page: Page) -> Iterator[Verdict]:
        assert page.document is not None
        scripts = [resource.url for resource in page.document.loads("script", "frame")]
        hosted = malware.all_hosted(scripts)
        for url, finding in hosted:
            yield failed(
                page.asset,
                f"it loads {url[:200]}, whose host {finding.what}",
                reproduce=curl(page.response.url, grep=finding.known_by),
                subject=finding.known_by,
                page=page.response.url,
                script=url,
                known_by=finding.known_by,
                listed_by=finding.source,
            )
        for finding in page.malicious:
            yield failed(
                page.asset,
                f"a script in it {finding.what}",
                reproduce=f"{curl(page.response.url)} | grep -F {quote(finding.known_by)}",
                subject=finding.known_by,
                page=page.response.url,
                known_by=finding.known_by,
                listed_by=finding.source,
            )
        if not hosted and not page.malicious:
            yield passed(page.asset, "none of its scripts is known to do harm", scripts=len(scripts))

    return on_pages(http, judge, html=True)


@check("breach_listed")
def breach_listed(reputation: Reputation) -> Iterator[Verdict]:
    domain, told = reputation.registrable, reputation.breaches
    if isinstance(told, Unseen):
        yield not_tested(domain, told)
    elif told.listed is None:
        yield not_tested(domain, Unseen(f"{reputation.breach_source} does not speak of breaches", "source"))
    elif told.listed:
        yield failed(
            domain,
            f"{len(told.listed)} breaches of its services are public, the first named: {told.listed[0].name}",
            reproduce=_ask_again(reputation),
            source=reputation.breach_source,
            breaches=[
                {"name": one.name, "date": one.date, "accounts": one.accounts, "data": list(one.data)}
                for one in told.listed
            ],
        )
    else:
        yield passed(domain, "no breach of its services is public", source=reputation.breach_source)


@check("credentials_leaked")
def credentials_leaked(reputation: Reputation) -> Iterator[Verdict]:
    """The number of accounts alone: who they are is neither asked for nor kept."""
    domain, told = reputation.registrable, reputation.breaches
    if isinstance(told, Unseen):
        yield not_tested(domain, told)
    elif told.accounts is None:
        yield not_tested(domain, Unseen(f"{reputation.breach_source} does not speak of accounts", "source"))
    elif told.accounts:
        yield failed(
            domain,
            f"{told.accounts} accounts of the domain stand in data that leaked elsewhere",
            reproduce=_ask_again(reputation),
            source=reputation.breach_source,
            accounts=told.accounts,
        )
    else:
        yield passed(domain, "no account of the domain is known to have leaked", source=reputation.breach_source)


def _ask_again(reputation: Reputation) -> str:
    """The source's address may hold a key of the operator's, hence it is named by its setting."""
    return f'curl -s "$(echo "$CL_BREACH_URL" | sed \'s/{{domain}}/{reputation.registrable}/\')"'


@check("lookalike_domains_found")
def lookalike_domains_found(reputation: Reputation) -> Iterator[Verdict]:
    domain = reputation.registrable
    for one in reputation.lookalikes:
        yield failed(
            domain,
            f"{one.name} is registered" + (", and takes mail" if one.mail else ""),
            reproduce=f"dig {one.name} NS; dig {one.name} A; dig {one.name} MX",
            subject=one.name,
            confidence="inferred",
            name=one.name,
            addresses=list(one.addresses),
            mail_hosts=list(one.mail),
        )
    asked, unanswered = reputation.lookalikes_asked, reputation.lookalikes_unanswered
    if unanswered * 2 > asked:
        yield not_tested(domain, Unseen(f"{unanswered} of {asked} names had no answer in time", "source"))
    elif not reputation.lookalikes:
        yield passed(domain, "none of the names tried is registered", tried=asked, without_answer=unanswered)


@check("ct_unexpected_certificate")
def ct_unexpected_certificate(subdomains: Subdomains, zone: DnsZone) -> Iterator[Verdict]:
    """Certificates in force whose authority the domain's CAA records do not name (RFC 8659 section 4). The records
    count when a certificate is issued, and may have changed since: hence inferred."""
    domain = subdomains.domain
    if isinstance(subdomains.logged, Unseen):
        yield not_tested(domain, subdomains.logged)
        return
    allowed = _allowed(zone)
    if isinstance(allowed, Unseen):
        yield not_tested(domain, allowed)
        return
    if allowed is None:
        yield not_applicable(domain, "no CAA record says which authorities are expected")
        return
    current = [one for one in subdomains.logged if _in_force(one, subdomains.seen_at) and _of(one, domain)]
    known = [one for one in current if issuers.identifiers(one.issuer)]
    unexpected = [one for one in known if not set(issuers.identifiers(one.issuer)) & allowed]
    by_issuer: dict[str, list[Logged]] = {}
    for one in unexpected:
        by_issuer.setdefault(issuers.organisation(one.issuer), []).append(one)
    for issuer, certificates in by_issuer.items():
        yield failed(
            domain,
            f"{issuer} issued {len(certificates)} certificates in force, and its CAA records do not name it",
            reproduce=f"dig {quote(domain)} CAA; curl -s {quote(f'https://crt.sh/?id={certificates[0].id}')}",
            subject=issuer,
            confidence="inferred",
            allowed=sorted(allowed),
            certificates=[_described(one) for one in certificates[:_CERTIFICATES]],
        )
    if unexpected:
        return
    if not current:
        yield not_applicable(domain, "no certificate in force is logged")
    elif not known:
        names = ", ".join(sorted({issuers.organisation(one.issuer) or one.issuer for one in current})[:3])
        reason = f"which CAA name stands for the issuers is not known: {names}"
        yield not_tested(domain, Unseen(reason, "source"))
    else:
        yield passed(domain, "its CAA records name every authority seen", certificates=len(known))


def _allowed(zone: DnsZone) -> frozenset[str] | Unseen | None:
    """The authorities of the issue and issuewild properties; None where there is none of them."""
    relevant = zone.relevant_caa
    if relevant is None or isinstance(relevant, Unseen) or isinstance(relevant.records, Unseen):
        return relevant if isinstance(relevant, Unseen) else None
    found: set[str] = set()
    restricted = False
    for record in relevant.records:
        try:
            parsed = caa.parse(record)
        except ParseError:
            continue
        if parsed.tag in ("issue", "issuewild"):
            restricted = True
            found |= {parsed.issuer} - {None, ""}  # type: ignore[arg-type]  # None is taken out
    return frozenset(found) if restricted else None


def _in_force(logged: Logged, now: datetime) -> bool:
    return logged.not_after is not None and logged.not_after > now


def _of(logged: Logged, domain: str) -> bool:
    """Whether it is for the domain itself: names below may have CAA records of their own."""
    return domain in logged.names or f"*.{domain}" in logged.names


def _described(logged: Logged) -> dict[str, Any]:
    return {
        "id": logged.id,
        "issuer": logged.issuer,
        "names": list(logged.names[:10]),
        "not_before": _when(logged.not_before) if logged.not_before else None,
        "not_after": _when(logged.not_after) if logged.not_after else None,
    }
