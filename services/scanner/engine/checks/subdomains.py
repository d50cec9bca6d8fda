"""Names that lead nowhere, or to what a stranger may have. What does not resolve dangles; what can be claimed is told
apart, and nothing is ever claimed to prove it."""

from collections.abc import Callable, Iterable, Iterator
from shlex import quote
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.web import curl
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.subdomains import Destination, Environment, Subdomain, Subdomains
from services.scanner.engine.parsers import subdomain_names

_TOLD_APART = 3  # unseen names that get a verdict of their own
_NAMED = 50  # names listed as evidence

Judge = Callable[[Subdomain], Iterable[Verdict]]


def _each(evidence: Subdomains, judge: Judge, nothing: str) -> Iterator[Verdict]:
    """The failures of each name, then one verdict over the others; `nothing` completes "none of them ..."."""
    verdicts = [verdict for found in evidence.found for verdict in judge(found)]
    failures = [verdict for verdict in verdicts if verdict.status == "fail"]
    unseen = [verdict for verdict in verdicts if verdict.status == "not_tested"]
    looked_at = [verdict for verdict in verdicts if verdict.status == "pass"]
    yield from failures
    yield from unseen[:_TOLD_APART]
    if len(unseen) > _TOLD_APART:
        more = len(unseen) - _TOLD_APART
        reason = f"{more} more names could not be looked up: {unseen[_TOLD_APART].reason}"
        yield not_tested(evidence.domain, Unseen(reason, unseen[_TOLD_APART].fault or "target"))
    if not failures:
        yield passed(evidence.domain, f"none of them {nothing}", **_looked(evidence, looked_at))
    yield from _unread(evidence)


def _looked(evidence: Subdomains, looked_at: list[Verdict]) -> dict[str, Any]:
    return {
        "looked_up": evidence.looked,
        "found": len(evidence.found) - 1,
        "names": [f"{one.name} ({', '.join(one.sources)})" for one in evidence.found[1 : _NAMED + 1]],
        "judged": [verdict.asset for verdict in looked_at][:_NAMED],
    }


def _unread(evidence: Subdomains) -> Iterator[Verdict]:
    """The names that only a search of certificates knows, where there was none: the source's doing."""
    if isinstance(evidence.logged, Unseen):
        reason = f"names that only certificate transparency knows were not looked at: {evidence.logged.reason}"
        yield not_tested(evidence.domain, Unseen(reason, evidence.logged.fault))


@check("dangling_cname")
def dangling_cname(subdomains: Subdomains) -> Iterator[Verdict]:
    def judge(found: Subdomain) -> Iterator[Verdict]:
        if found.unseen and found.name != subdomains.domain:
            yield not_tested(found.name, found.unseen)
        elif found.alias is not None:
            alias = found.alias
            if alias.unseen:
                yield not_tested(found.name, alias.unseen)
            elif alias.missing:
                yield failed(
                    found.name,
                    f"it is an alias of {alias.name}, and {_absent(alias)}",
                    reproduce=f"dig {quote(found.name)} CNAME; dig {quote(alias.missing)} A",
                    **_pointing(subdomains, found, alias),
                )
            else:
                yield passed(found.name)

    return _each(subdomains, judge, "is an alias of a name that does not exist")


@check("dangling_ns")
def dangling_ns(subdomains: Subdomains) -> Iterator[Verdict]:
    """RFC 9499 section 7: a delegation to a server that does not exist. Who makes that name has the zone."""

    def judge(found: Subdomain) -> Iterator[Verdict]:
        unclaimed = found.unclaimed
        if unclaimed is None:
            yield from _pointed(subdomains, found, found.nameservers, "NS", "a name server")
            return
        server = unclaimed.answers[0].partition(":")[0]
        yield failed(
            found.name,
            f"it is delegated to {unclaimed.provider}, whose servers do not have it: a customer there may make it",
            reproduce=f"dig {quote(found.name)} NS; dig @{quote(server)} {quote(found.name)} SOA +norecurse",
            confidence="inferred",
            provider=unclaimed.provider,
            answers=list(unclaimed.answers),
            takes_luck_or_a_purchase=unclaimed.edge_case,
            found_by=list(found.sources),
        )

    return _each(subdomains, judge, "is delegated to a server or a provider that does not have it")


@check("dangling_mx")
def dangling_mx(subdomains: Subdomains) -> Iterator[Verdict]:
    def judge(found: Subdomain) -> Iterator[Verdict]:
        return _pointed(subdomains, found, found.mail, "MX", "a mail host")

    return _each(subdomains, judge, "sends its mail to a name that does not exist")


def _pointed(
    evidence: Subdomains, found: Subdomain, destinations: tuple[Destination, ...], record_type: str, what: str
) -> Iterator[Verdict]:
    """What is missing within the registrable domain itself can be made by nobody else, and is no way in."""
    if found.unseen and not destinations:
        yield not_tested(found.name, found.unseen)
    for one in destinations:
        if one.unseen:
            yield not_tested(found.name, one.unseen)
        elif one.missing and not evidence.own(one.missing):
            yield failed(
                found.name,
                f"{one.name} is {what} of it, and {_absent(one)}",
                reproduce=f"dig {quote(found.name)} {record_type}; dig {quote(one.missing)} A",
                subject=one.name,
                **_pointing(evidence, found, one),
            )
        else:
            yield passed(found.name)


def _absent(leads: Destination) -> str:
    if leads.unregistered:
        return f"{leads.registrable} is not registered: anyone may register it"
    return f"{leads.missing} does not exist"


def _pointing(evidence: Subdomains, found: Subdomain, leads: Destination) -> dict[str, Any]:
    return {
        "target": leads.name,
        "aliases": list(leads.aliases),
        "missing": leads.missing,
        "missing_domain": leads.registrable,
        "missing_domain_is_registered": not leads.unregistered,
        "own_domain": evidence.own(leads.missing),
        "found_by": list(found.sources),
    }


@check("subdomain_takeover_possible")
def subdomain_takeover_possible(subdomains: Subdomains) -> Iterator[Verdict]:
    def judge(found: Subdomain) -> Iterator[Verdict]:
        claim = found.claim
        if claim is None:
            if found.unseen and found.name != subdomains.domain:
                yield not_tested(found.name, found.unseen)
            elif found.alias and found.alias.unseen:
                yield not_tested(found.name, found.alias.unseen)
            return
        if isinstance(claim.proof, Unseen):
            yield not_tested(found.name, claim.proof)
        elif claim.proof:
            assert found.alias is not None
            by_dns = not claim.url
            yield failed(
                found.name,
                f"it is an alias of {found.alias.name} at {claim.provider}, which "
                + ("does not exist there and may be made anew" if by_dns else "shows it as nobody's"),
                reproduce=f"dig {quote(found.name)} CNAME; "
                + (
                    f"dig {quote(found.alias.missing)} A"
                    if by_dns
                    else f"{curl(claim.url)} | grep {quote(claim.proof)}"
                ),
                confidence="inferred" if by_dns or claim.edge_case else "confirmed",
                provider=claim.provider,
                target=found.alias.name,
                aliases=list(found.alias.aliases),
                url=claim.url,
                shown=claim.proof,
                provider_may_ask_for_proof=claim.edge_case,
                found_by=list(found.sources),
            )
        else:
            yield passed(found.name)

    return _each(subdomains, judge, "is an alias of what its provider shows as nobody's")


@check("dangling_ip_record")
def dangling_ip_record(subdomains: Subdomains) -> Iterator[Verdict]:
    """A guess: an address of a cloud's pool where nothing answers may have been given back, or be behind a firewall."""

    def judge(found: Subdomain) -> Iterator[Verdict]:
        for silence in found.silences:
            yield failed(
                found.name,
                f"its address {silence.address} is of a cloud's pool ({silence.pointer}), and nothing answers there",
                reproduce=f"dig {quote(found.name)} A; dig -x {silence.address}; nc -zvw3 {silence.address} 443",
                subject=silence.address,
                confidence="inferred",
                address=silence.address,
                reverse_name=silence.pointer,
                found_by=list(found.sources),
            )

    return _each(subdomains, judge, "has a silent address of a cloud's pool")


@check("staging_host_public")
def staging_host_public(subdomains: Subdomains) -> Iterator[Verdict]:
    """A name says what the host is for, hence inferred; that its page is open to all is seen."""
    seen = False
    for found in subdomains.found:
        environment: Environment | Unseen | None = found.environment
        if found.unseen and subdomain_names.environment(found.name, subdomains.domain):
            environment = found.unseen
        if environment is None:
            continue
        seen = True
        if isinstance(environment, Unseen):
            yield not_tested(found.name, environment)
        elif reason := _not_open(environment):
            yield passed(found.name, reason, url=environment.url, status=environment.status)
        else:
            yield failed(
                found.name,
                f'its name says "{environment.word}", and its page is open to anyone',
                reproduce=curl(environment.url),
                confidence="inferred",
                word=environment.word,
                url=environment.url,
                status=environment.status,
                title=environment.title,
                bytes=environment.length,
                found_by=list(found.sources),
            )
    unseen = next((found.unseen for found in subdomains.found if found.unseen), None)
    if not seen and unseen and not subdomains.found[0].addresses:
        yield not_tested(subdomains.domain, unseen)  # of its web hosts nothing was seen
    elif not seen:
        reason = "no name was found that says of a host that it is a test environment with a web server"
        yield not_applicable(subdomains.domain, reason)


def _not_open(environment: Environment) -> str:
    return environment.gate or ("it is the domain's own page by another name" if environment.same_as_domain else "")
