"""Zonemaster: a zone, its delegation and its name servers, as registries test them."""

import json
from collections.abc import Iterator

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import Dnssec
from tests.compare.peer import Ours, Peer, Statement, debian_tool
from tests.support.far_lab import NETWORK, FarLab

_PLACES = debian_tool("zonemaster-cli", "zonemaster-cli")
# The zone is tested as if it were to be delegated: the lab has no root to begin at. $1 domain, $2 its parent's server.
_SCRIPT = """
hints=$(mktemp)
printf '. 3600000 NS ns1.test.\\nns1.test. 3600000 A %s\\n' "$2" > "$hints"
set -- "$1" "$hints"
for name in $(dig +short "$1" NS); do
  for address in $(dig +short "$name" A); do set -- "$@" --ns "${name%.}/$address"; done
done
domain=$1; shift 2
zonemaster-cli --hints "$hints" --no-ipv6 --level INFO --json --raw --no-progress "$@" "$domain"
rm "$hints"
"""
_TOP = str(NETWORK[5])  # serves the zone above all sites
_AXFR, _RECURSES = "AXFR_AVAILABLE", "IS_A_RECURSOR"


def _reads(output: bytes, ours: Ours) -> Iterator[Statement]:
    found = json.loads(output)
    tags = {one["tag"] for one in found}
    if not tags:
        return
    yield Statement("zone transfer", ours.fails("dns_zone_transfer_open"), _AXFR in tags)
    yield Statement("open resolver", ours.fails("dns_open_resolver"), _RECURSES in tags)
    lame = {"IS_NOT_AUTHORITATIVE", "NO_RESPONSE"} & tags
    yield Statement("lame delegation", ours.fails("dns_lame_delegation"), bool(lame))
    if not lame:  # those count here, and with us they do not
        few = {"NOT_ENOUGH_NS_CHILD", "NOT_ENOUGH_IPV4_NS_CHILD"} & tags
        yield Statement("one name server", ours.fails("dns_single_nameserver"), bool(few))
    several = "MULTIPLE_SOA_SERIALS" in tags
    yield Statement("serials differ", ours.fails("dns_soa_serial_inconsistent"), several)
    yield from _dnssec(tags, ours)


def _dnssec(tags: set[str], ours: Ours) -> Iterator[Statement]:
    dnssec = ours.seen(Dnssec)
    if dnssec is None or isinstance(dnssec.zone, Unseen):
        return
    yield Statement("not signed", ours.fails("dnssec_not_signed"), "NOT_SIGNED" in tags)
    signatures = (*dnssec.zone.signatures, *(one for record in dnssec.records for one in record.signatures))
    over = any(one.expiration < dnssec.at and one.signer == dnssec.zone.name for one in signatures)
    if dnssec.zone.keys:
        yield Statement("signatures run out", over, "RRSIG_EXPIRED" in tags)


def _command(domain: str, lab: FarLab) -> tuple[str, ...]:
    return "sh", "-c", _SCRIPT, "sh", domain, _TOP


PEER = Peer("Zonemaster", _command, _reads, *_PLACES)
