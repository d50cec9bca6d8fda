"""Where people read their mail and hand it in: may their passwords go over the wire in clear?"""

from collections.abc import Iterator

from services.scanner.engine.check import Confidence, Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail_transport import (
    PLAINTEXT_MECHANISMS,
    AccessPoint,
    Greeting,
    MailAccess,
    MailServer,
    MailTransport,
)

_QUESTIONS = {"imap": "a1 CAPABILITY", "pop3": "CAPA", "submission": "EHLO client.example"}


@check("mail_access_cleartext")
def mail_access_cleartext(access: MailAccess, transport: MailTransport) -> Iterator[Verdict]:
    """By what the services say of themselves before any TLS (RFC 8314 section 3); nobody logs in to find out."""
    if isinstance(access.points, Unseen):
        yield not_tested(access.domain, access.points)
        return
    servers = () if isinstance(transport.servers, Unseen) else transport.servers
    verdicts = [_judged(point) for point in access.points]
    verdicts += [verdict for server in servers if (verdict := _judged_server(server))]
    verdicts += [not_tested(hidden.host, hidden.unseen) for hidden in access.hidden]
    answering = {point.host for point in access.points}
    for server in servers:
        if server.address and server.host not in answering and isinstance(server.greeting, Unseen):
            verdicts.append(not_tested(server.host, server.greeting))  # nothing of that host was seen
    if verdicts:
        yield from merged(verdicts)
    else:
        yield not_applicable(access.domain, "no IMAP, POP3 or submission service answers without TLS")


def _judged(point: AccessPoint) -> Verdict:
    if isinstance(point.capabilities, Unseen):
        return not_tested(point.asset, point.capabilities)
    found = _WAYS[point.protocol](point, point.capabilities)
    if found is None:
        return passed(point.asset, "it takes no password before TLS", capabilities=list(point.capabilities))
    how, confidence = found
    return failed(
        point.asset,
        f"{how}: the passwords of mailboxes can cross the Internet in clear",
        reproduce=f"printf '{_QUESTIONS[point.protocol]}\\r\\n' | nc -w 10 {point.address} {point.port}",
        confidence=confidence,
        address=point.address,
        greeting=point.greeting,
        capabilities=list(point.capabilities),
    )


def _judged_server(server: MailServer) -> Verdict | None:
    """A mail host that offers people to log in on port 25."""
    if isinstance(server.greeting, Unseen) or not server.greeting.mechanisms:
        return None
    how = _submission(server.greeting)
    if how is None:
        return passed(server.asset, "it takes no password before TLS", mechanisms=list(server.greeting.mechanisms))
    return failed(
        server.asset,
        f"{how}: the passwords of mailboxes can cross the Internet in clear",
        reproduce=f"printf 'EHLO client.example\\r\\nQUIT\\r\\n' | nc -w 10 {server.address} 25",
        address=server.address,
        mechanisms=list(server.greeting.mechanisms),
    )


def _imap(point: AccessPoint, capabilities: tuple[str, ...]) -> tuple[str, Confidence] | None:
    """RFC 9051 section 6.2.3: LOGIN may be used unless LOGINDISABLED is listed."""
    if point.greeting.upper().startswith("* PREAUTH"):
        return "it lets anybody in without a password", "confirmed"
    if "LOGINDISABLED" not in capabilities:
        return "it does not say LOGINDISABLED, so that clients may log in before TLS", "confirmed"
    offered = [mechanism for mechanism in PLAINTEXT_MECHANISMS if f"AUTH={mechanism}" in capabilities]
    return (f"it offers AUTH={offered[0]} before TLS", "confirmed") if offered else None


def _pop3(point: AccessPoint, capabilities: tuple[str, ...]) -> tuple[str, Confidence] | None:
    """RFC 2449 sections 6.2 and 6.3: USER and SASL are listed where they may be used now."""
    words = [capability.split() for capability in capabilities]
    if not capabilities:
        return "it knows no STLS, and a login is all it is for", "inferred"
    if ["USER"] in words:
        return "it takes USER and PASS before TLS", "confirmed"
    offered = {mechanism for entry in words if entry[:1] == ["SASL"] for mechanism in entry[1:]}
    if weak := sorted(offered & PLAINTEXT_MECHANISMS):
        return f"it offers SASL {weak[0]} before TLS", "confirmed"
    return None


def _submission_point(point: AccessPoint, capabilities: tuple[str, ...]) -> tuple[str, Confidence] | None:
    how = _submission(Greeting(point.greeting, capabilities))
    return (how, "confirmed") if how else None


def _submission(greeting: Greeting) -> str | None:
    """RFC 4954 section 4: a server should offer no mechanism that shows the password before TLS."""
    offered = [mechanism for mechanism in greeting.mechanisms if mechanism in PLAINTEXT_MECHANISMS]
    return f"it offers AUTH {' '.join(offered)} before TLS" if offered else None


_WAYS = {"imap": _imap, "pop3": _pop3, "submission": _submission_point}
