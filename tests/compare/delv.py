"""delv, of BIND: whether answers are secure, insecure or bogus, by a validator that is not ours."""

from collections.abc import Iterator

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import Dnssec
from tests.compare.peer import Ours, Peer, Statement, debian_tool
from tests.support.far_lab import FarLab

_PLACES = debian_tool("delv", "bind9-dnsutils")
_TYPES = ("A", "MX", "TXT", "CAA", "SOA", "AAAA")
_SCRIPT = """
anchors=$(mktemp)
read -r name class type key algorithm digest value < "$1"
echo "trust-anchors { $name static-ds $key $algorithm $digest \\"$value\\"; };" > "$anchors"
for type in $3; do
  echo "== $type"
  delv -a "$anchors" "+root=$name" "@$4" "$2" "$type" 2>&1
done
rm "$anchors"
"""


def _reads(output: bytes, ours: Ours) -> Iterator[Statement]:
    theirs = {}
    for part in output.decode().split("== ")[1:]:
        kind, _, answer = part.partition("\n")
        theirs[kind] = _status(answer)
    dnssec = ours.seen(Dnssec)
    if dnssec is None or isinstance(dnssec.zone, Unseen):
        return
    zone, apex = dnssec.zone, {record.type: record for record in dnssec.records if record.name == ours.domain}
    for kind, status in theirs.items():
        found = zone.status if zone.status != "secure" else apex[kind].status if kind in apex else None
        yield Statement(f"DNSSEC of {kind}", found, status)


def _status(answer: str) -> str | None:
    if "fully validated" in answer:
        return "secure"
    if "unsigned answer" in answer:
        return "insecure"
    failed = ("broken trust chain", "no valid", "insecurity proof failed", "RRSIG failed", "bad cache hit")
    return "bogus" if any(reason in answer for reason in failed) else None


def _command(domain: str, lab: FarLab) -> tuple[str, ...]:
    anchor, resolver = lab.settings["CL_DNSSEC_TRUST_ANCHOR_FILE"], lab.settings["CL_DNS_SERVERS"].partition(":")[0]
    return "sh", "-c", _SCRIPT, "sh", anchor, domain, " ".join(_TYPES), resolver


PEER = Peer("delv", _command, _reads, *_PLACES)
