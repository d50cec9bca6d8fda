"""What a domain asks of those who send mail to it: its policy of MTA-STS, and TLS reporting."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What `https://mta-sts.<domain>/.well-known/mta-sts.txt` answered; the certificate was in order."""

    url: str
    status: int
    media_type: str  # without parameters, in lower case; "" where none was sent
    location: str  # of a redirect
    body: bytes  # a little more than a policy may have at most


@dataclass(frozen=True, slots=True)
class MailPolicies:
    domain: str
    mx: tuple[str, ...] | Unseen  # all host names, by preference; () where the domain takes no mail
    sts_texts: tuple[str, ...] | Unseen  # TXT of `_mta-sts`, whatever they are
    policy: PolicyFile | Unseen | None  # None: no record says that there is one
    report_texts: tuple[str, ...] | Unseen  # TXT of `_smtp._tls`
