"""The mail hosts of a domain, as they speak to other mail hosts on port 25."""

from collections.abc import Callable, Iterator
from shlex import quote

from services.scanner.engine.check import Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.checks.dane import secured, usable_of
from services.scanner.engine.checks.mail_policies import valid_policy
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dane import Dane
from services.scanner.engine.evidence.mail_policies import MailPolicies
from services.scanner.engine.evidence.mail_transport import MailServer, MailTransport, OpenRelays
from services.scanner.engine.evidence.tls import Accepted, Revocation, Service, Standing
from services.scanner.engine.parsers.tlsa import DANE_EE

TAKES_NO_MAIL = "the domain takes no mail: it has no MX host"
MODERN = ("TLSv1.2", "TLSv1.3")
_BROKEN = ("_NULL_", "_RC4_", "_RC2_", "_EXPORT", "_DES_", "_DES40_")  # in the names of suites


def _each(transport: MailTransport, judge: Callable[[MailServer], Verdict]) -> Iterator[Verdict]:
    if isinstance(transport.servers, Unseen):
        yield not_tested(transport.domain, transport.servers)
    elif not transport.servers:
        yield not_applicable(transport.domain, TAKES_NO_MAIL)
    else:
        yield from merged(judge(server) for server in transport.servers)


def _service(server: MailServer) -> Service | Verdict:
    """The TLS of the server, or the verdict of a check that needs it."""
    if isinstance(server.greeting, Unseen):
        return not_tested(server.asset, server.greeting)
    if isinstance(server.tls, Unseen):
        return not_tested(server.asset, server.tls)
    if not isinstance(server.tls, Service):
        return not_applicable(server.asset, "it does not speak TLS: see smtp_starttls_missing")
    return server.tls


def _handshake(server: MailServer, options: str = "") -> str:
    place = f"[{server.address}]:25" if ":" in server.address else f"{server.address}:25"
    host = quote(server.host)
    return f"openssl s_client -starttls smtp -connect {place} -servername {host}{options} < /dev/null"


@check("smtp_starttls_missing")
def smtp_starttls_missing(transport: MailTransport) -> Iterator[Verdict]:
    def judge(server: MailServer) -> Verdict:
        greeting = server.greeting
        if isinstance(greeting, Unseen):
            return not_tested(server.asset, greeting)
        if greeting.offers("STARTTLS") and server.tls is not None:
            return passed(server.asset, "it offers STARTTLS", address=server.address, extensions=greeting.extensions)
        return failed(
            server.asset,
            "it offers STARTTLS, and then turns it down"
            if greeting.offers("STARTTLS")
            else "it does not offer STARTTLS: mail to the domain crosses the Internet in clear",
            reproduce=f"printf 'EHLO client.example\\r\\nSTARTTLS\\r\\nQUIT\\r\\n' | nc -w 10 {server.address} 25",
            address=server.address,
            greeting=greeting.text,
            extensions=list(greeting.extensions),
        )

    yield from _each(transport, judge)


@check("smtp_tls_weak")
def smtp_tls_weak(transport: MailTransport) -> Iterator[Verdict]:
    """What even opportunistic TLS must not come to (RFC 9325 section 5.2: weak is better than none, broken is not)."""

    def judge(server: MailServer) -> Verdict:
        service = _service(server)
        if isinstance(service, Verdict):
            return service
        if not service.accepted:
            return not_tested(server.asset, Unseen("no TLS handshake came to an end", "target"))
        versions = [accepted.version for accepted in service.accepted]
        problems = _weaknesses(service)
        if not problems:
            return passed(server.asset, "its TLS is of today", address=server.address, versions=versions)
        return failed(
            server.asset,
            "; ".join(problems),
            reproduce=_handshake(server, " -tls1_2" if "offers no TLS" in problems[0] else ""),
            address=server.address,
            versions=versions,
            suites=_suites(service),
        )

    yield from _each(transport, judge)


def _weaknesses(service: Service) -> list[str]:
    """Each in a clause; what is only no longer recommended is none."""
    versions = {accepted.version for accepted in service.accepted}
    problems = []
    if not versions & set(MODERN):
        problems.append("it offers no TLS later than 1.1, which is withdrawn (RFC 8996)")
    if broken := sorted(versions & {"SSLv2", "SSLv3"}):
        problems.append(f"it speaks {' and '.join(broken)} (RFC 6176, RFC 7568)")
    if suites := [name for name in _suites(service) if any(mark in name for mark in _BROKEN)]:
        problems.append(f"it accepts suites that protect nothing, such as {suites[0]} (RFC 9325 section 4.1)")
    return problems


def _suites(service: Service) -> list[str]:
    groups = (service.null_or_anonymous, service.export_rc4_des)
    answered = [answer.suite for answer in (*service.accepted, *groups) if isinstance(answer, Accepted)]
    return sorted({*answered, *(name for found in service.suites for name in found.names)})


@check("smtp_certificate_invalid")
def smtp_certificate_invalid(transport: MailTransport, policies: MailPolicies, dane: Dane) -> Iterator[Verdict]:
    """By RFC 8461 section 4.2, but where DANE-EE vouches for it: names and dates then mean nothing (RFC 7672 3.1.1)."""
    enforced = _enforced(policies)

    def judge(server: MailServer) -> Verdict:
        service = _service(server)
        if isinstance(service, Verdict):
            return service
        certificate, trust = service.certificate, service.trust
        if isinstance(certificate, Unseen):
            return not_tested(server.asset, certificate)
        if _vouched_for(server.host, dane):
            return not_applicable(server.asset, "senders that know DANE go by its TLSA records alone")
        problems = []
        if server.observed_at > certificate.not_after:
            problems.append(f"it expired on {certificate.not_after:%Y-%m-%d}")
        if server.observed_at < certificate.not_before:
            problems.append(f"it is not valid before {certificate.not_before:%Y-%m-%d}")
        if not certificate.covers(server.host):
            problems.append(f"it is not for {server.host}")
        if not isinstance(trust, Unseen) and trust.status != "trusted":
            problems.append(f"no root that is widely trusted stands behind it: {trust.reason}")
        if _revoked(service.revocation):
            problems.append("its issuer has revoked it")
        if problems:
            consequence = "senders that keep to the MTA-STS policy do not deliver" if enforced else ""
            return failed(
                server.asset,
                "; ".join((*problems, consequence) if consequence else problems),
                reproduce=_handshake(server, f" -verify_hostname {quote(server.host)}"),
                address=server.address,
                names=list(certificate.dns_names),
                not_after=certificate.not_after.isoformat(),
                issuer=certificate.issuer,
                mta_sts_enforced=enforced,
            )
        if isinstance(trust, Unseen):
            return not_tested(server.asset, trust)
        return passed(
            server.asset, "it is trusted, current and for this name", address=server.address, store=trust.store
        )

    yield from _each(transport, judge)


def _revoked(revocation: Revocation | Unseen) -> bool:
    if isinstance(revocation, Unseen) or not revocation.statuses:
        return False
    standing = revocation.statuses[0].standing
    return isinstance(standing, Standing) and standing.status == "revoked"


def _enforced(policies: MailPolicies) -> bool:
    policy = valid_policy(policies)
    return policy is not None and policy.mode == "enforce"


def _vouched_for(host: str, dane: Dane) -> bool:
    """Whether TLSA records that senders can use speak of the server's own certificate."""
    sets = () if isinstance(dane.sets, Unseen) else dane.sets
    return any(
        found.host == host and secured(found) is True and any(record.usage == DANE_EE for record in usable_of(found))
        for found in sets
    )


@check("smtp_open_relay")
def smtp_open_relay(relays: OpenRelays) -> Iterator[Verdict]:
    """By the answer to RCPT TO (RFC 5321 section 7.9); what a server does after DATA is not tried."""
    if isinstance(relays.servers, Unseen):
        yield not_tested(relays.domain, relays.servers)
        return
    if not relays.servers:
        yield not_applicable(relays.domain, TAKES_NO_MAIL)
    for server in relays.servers:
        if isinstance(server.attempts, Unseen):
            yield not_tested(server.asset, server.attempts)
            continue
        taken = next((attempt for attempt in server.attempts if attempt.accepted), None)
        if taken:
            yield failed(
                server.asset,
                "it takes mail from a stranger to a stranger",
                reproduce=f"printf 'EHLO client.example\\r\\nMAIL FROM:<{taken.sender}>\\r\\n"
                f"RCPT TO:<{taken.recipient}>\\r\\nQUIT\\r\\n' | nc -w 10 {server.address} 25",
                confidence="inferred",  # a server may still turn it down once the message has come
                address=server.address,
                sender=taken.sender,
                recipient=taken.recipient,
                reply=taken.recipient_reply,
            )
        elif any(attempt.accepted is None for attempt in server.attempts) or not server.attempts:
            yield not_tested(server.asset, Unseen("it puts off its answer to strangers", "target"))
        else:
            replies = [attempt.recipient_reply or attempt.sender_reply for attempt in server.attempts]
            yield passed(server.asset, "it turns down mail from strangers to strangers", replies=replies)
