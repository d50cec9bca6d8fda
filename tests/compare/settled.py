"""Disagreements that were looked into: who is right, and why. docs/accuracy.md shows them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Settled:
    """The same disagreement on one or more targets."""

    peer: str
    subjects: tuple[str, ...]
    targets: tuple[str, ...]
    reason: str  # who is right, and why


SETTLED: tuple[Settled, ...] = (
    Settled(
        "SSLyze",
        ("SSL 2 or 3", "export, RC4 or DES", "suites of SSLv3"),
        ("neglected.test",),
        "we are right, and Nmap and testssl.sh see it too. SSL 3.0 with RC4 is answered there by a responder of the "
        "lab that ends with its first flight, and SSLyze counts only handshakes that it brought to their end.",
    ),
    Settled(
        "SSLyze",
        ("3DES", "suites of TLSv1.2", "heartbleed", "ccs_injection"),
        ("flawed.test",),
        "we are right, and Nmap and testssl.sh see the same: TLS 1.2 is answered there by a responder that has the "
        "flaws of old OpenSSL but goes through with no handshake. SSLyze, which wants that, finds TLS 1.3 alone.",
    ),
    Settled(
        "checkdmarc",
        ("MTA-STS not valid",),
        ("mixed.test",),
        "we are right for the domain: its second mail host is not among the policy's mx patterns, so that senders "
        "that keep to the policy do not deliver there (RFC 8461 section 4.1). checkdmarc judges the policy's text "
        "alone, which is in order.",
    ),
    Settled(
        "Nmap, name servers",
        ("zone transfer",),
        ("neglected.test", "modern.test"),
        "we are right: `dig AXFR` gets the whole zone, and Zonemaster finds it open too. Nmap's script is answered as "
        "well, but its table of records stays empty, so that it prints nothing.",
    ),
    Settled(
        "CSP Evaluator",
        ("deprecated directive",),
        ("sha1.test",),
        "we are right: CSP Level 3 deprecates report-uri for report-to (section 6.5.1). CSP Evaluator leaves it be, "
        "since older browsers know nothing else. With us it is a remark and no fault.",
    ),
    Settled(
        "MDN HTTP Observatory",
        ("may be framed",),
        ("static.test",),
        "we are right: `frame-ancestors *` lets every origin frame the page (CSP Level 3 section 6.4.2). Observatory "
        "is content once the directive is there, whatever stands in it.",
    ),
)


def reason(peer: str, subject: str, target: str, among: Iterable[Settled] = SETTLED) -> str | None:
    """None where nobody has looked into it."""
    found = (one for one in among if one.peer == peer and subject in one.subjects and target in one.targets)
    return next((one.reason for one in found), None)
