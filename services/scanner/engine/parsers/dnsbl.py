"""DNS block lists: names to ask for and answers (RFC 5782)."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

_CODES = ip_network("127.0.0.0/8")  # RFC 5782 section 2.1: what an entry's A record is taken from
_REFUSALS = ip_network("127.255.255.0/24")  # Spamhaus and others: the question itself was not answered
# A test entry by its name, and whether it must be listed (RFC 5782 section 5).
TESTS: Mapping[str, tuple[tuple[str, bool], ...]] = {
    "ipv4": (("127.0.0.2", True), ("127.0.0.1", False)),
    "ipv6": (("::ffff:7f00:2", True), ("::ffff:7f00:1", False)),
    "domain": (("test", True), ("invalid", False)),
}
# What some lists' codes say. Those of `POLICY` speak of the kind of an address, and of no misconduct.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    # As https://www.spamhaus.org/faqs/dnsbl-usage/ describes them; written down by hand on 2026-11-24.
    "zen.spamhaus.org": {
        "127.0.0.2": "SBL: spam sources and operations",
        "127.0.0.3": "CSS: senders of spam of low reputation",
        "127.0.0.4": "XBL: compromised machine",
        "127.0.0.9": "DROP: hijacked or rogue network",
        "127.0.0.10": "PBL: should not deliver mail directly, by its provider",
        "127.0.0.11": "PBL: should not deliver mail directly, by Spamhaus",
    },
    "dbl.spamhaus.org": {
        "127.0.1.2": "spam domain",
        "127.0.1.4": "phishing domain",
        "127.0.1.5": "malware domain",
        "127.0.1.6": "botnet controller",
        "127.0.1.102": "abused legitimate domain: spam",
        "127.0.1.103": "abused redirector: spam",
        "127.0.1.104": "abused legitimate domain: phishing",
        "127.0.1.105": "abused legitimate domain: malware",
        "127.0.1.106": "abused legitimate domain: botnet controller",
    },
}
POLICY: Mapping[str, frozenset[str]] = {"zen.spamhaus.org": frozenset({"127.0.0.10", "127.0.0.11"})}


def question(subject: str, zone: str) -> str:
    """The name to ask for: octets or nibbles reversed (RFC 5782 sections 2.1 and 2.4), or the domain (section 3)."""
    try:
        address = ip_address(subject)
    except ValueError:
        return f"{subject}.{zone}"
    return f"{address.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def refusal(codes: tuple[str, ...]) -> str:
    """Why these A records are no entry of the list; "" where they are one, or there are none."""
    for code in codes:
        try:
            address = ip_address(code)
        except ValueError:
            return f"it answers {code!r}, which is no address"
        if address not in _CODES:
            return f"it answers {code}, which is no code of a block list: the list may have ended"
        if address in _REFUSALS:
            return f"it refuses to answer this resolver ({code})"
        if code == "127.0.0.1":
            return f"it answers {code}, by which lists refuse a resolver"
    return ""


def meanings(zone: str, codes: tuple[str, ...]) -> tuple[str, ...]:
    known = MEANINGS.get(zone, {})
    return tuple(known[code] for code in codes if code in known)


def misconduct(zone: str, codes: tuple[str, ...]) -> bool:
    """Whether any of the codes speaks of more than the kind of the address."""
    return bool(set(codes) - POLICY.get(zone, frozenset()))
