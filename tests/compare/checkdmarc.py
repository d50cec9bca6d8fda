"""checkdmarc: the DNS's words about a domain's mail, its name servers and DNSSEC."""

import json
from collections.abc import Iterator
from typing import Any

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import Dnssec
from services.scanner.engine.evidence.mail import MailRecords
from services.scanner.engine.evidence.mail_policies import MailPolicies
from services.scanner.engine.parsers import dmarc
from services.scanner.engine.parsers.spf_evaluation import evaluate
from tests.compare.peer import Ours, Peer, Statement, python_tool
from tests.support.far_lab import FarLab

_PLACES = python_tool("checkdmarc", "checkdmarc==6.0.4")


def _reads(output: bytes, ours: Ours) -> Iterator[Statement]:
    seen = json.loads(output)
    if (mail := ours.seen(MailRecords)) is not None:
        yield from _spf(seen["spf"], mail, ours)
        yield from _dmarc(seen["dmarc"], mail, ours)
    yield from _policies(seen, ours)
    yield from _zone(seen, ours)


def _spf(spf: dict[str, Any], mail: MailRecords, ours: Ours) -> Iterator[Statement]:
    several, missing = _says(spf, "multiple"), spf.get("record") is None and not _says(spf, "multiple")
    yield Statement("no SPF record", ours.fails("spf_missing"), missing)
    yield Statement("several SPF records", ours.fails("spf_multiple_records"), several)
    costly = _says(spf, "lookups") and not _says(spf, "void")
    yield Statement("too many SPF lookups", ours.fails("spf_too_many_lookups"), costly or _says(spf, "void"))
    parsed = spf.get("parsed")
    if not isinstance(parsed, dict):
        return
    evaluation = evaluate(mail.domain, mail.found)
    yield Statement("SPF lookups", str(evaluation.lookups), str(spf["dns_lookups"]))
    yield Statement("SPF void lookups", str(evaluation.void), str(spf["void_dns_lookups"]))
    if parsed.get("redirect") is None:  # the word of another record then counts
        yield Statement("SPF, strangers", evaluation.stranger, parsed.get("all"))
    yield Statement("SPF valid", not ours.fails("spf_invalid"), spf["valid"])


def _dmarc(found: dict[str, Any], mail: MailRecords, ours: Ours) -> Iterator[Statement]:
    several = _says(found, "multiple")
    yield Statement("no DMARC record", ours.fails("dmarc_missing"), _says(found, "does not exist"))
    applied = dmarc.discover(mail.domain, mail.found)
    if isinstance(applied, Unseen):
        return
    yield Statement("DMARC record", applied.record if applied else "", found.get("record") or "")
    if found.get("record") or several:
        yield Statement("DMARC valid", not ours.fails("dmarc_invalid"), found["valid"])
    if applied is None:
        return
    if tags := found.get("tags"):
        yield Statement("DMARC policy", applied.policy.domain or "", tags["p"]["value"])
        yield Statement("DMARC policy for subdomains", applied.policy.subdomains or "", tags["sp"]["value"])
        reports = [one["address"].lower() for one in tags.get("rua", {}).get("value", ())]
        yield Statement("DMARC reports to", tuple(sorted(one.lower() for one in applied.policy.rua)), tuple(reports))


def _policies(seen: dict[str, Any], ours: Ours) -> Iterator[Statement]:
    policies = ours.seen(MailPolicies)
    if policies is None or policies.mx == ():
        return  # the checks then say that they do not apply
    sts, reporting = seen["mta_sts"], seen["smtp_tls_reporting"]
    absent = _says(sts, "does not exist")
    if not isinstance(policies.sts_texts, Unseen):
        yield Statement("no MTA-STS", not policies.sts_texts, absent)  # our check takes DANE in its place
    if not absent:
        yield Statement("MTA-STS not valid", ours.fails("mta_sts_invalid"), not sts["valid"])
    if sts["valid"]:
        enforced = sts["policy"]["mode"] == "enforce"
        yield Statement("MTA-STS not enforced", ours.fails("mta_sts_not_enforced"), not enforced)
    yield Statement("no TLS reports", ours.fails("tlsrpt_missing"), not reporting["valid"])


def _zone(seen: dict[str, Any], ours: Ours) -> Iterator[Statement]:
    if (dnssec := ours.seen(Dnssec)) is not None and not isinstance(dnssec.zone, Unseen):
        yield Statement("secure by DNSSEC", dnssec.zone.status == "secure", seen["dnssec"])
    addresses = ours.seen(Addresses)
    if addresses is not None and not isinstance(addresses.nameservers, Unseen):
        named = sorted(host.name for host in addresses.nameservers)
        yield Statement("name servers", tuple(named), tuple(sorted(seen["ns"]["hostnames"])))
    policies = ours.seen(MailPolicies)
    if policies is not None and not isinstance(policies.mx, Unseen):
        hosts = [host["hostname"] for host in seen["mx"]["hosts"] if host["hostname"] not in ("", ".")]
        yield Statement("mail hosts", tuple(sorted(policies.mx)), tuple(sorted(hosts)))


def _says(part: dict[str, Any], words: str) -> bool:
    return words in str(part.get("error", "")).lower()


def _command(domain: str, lab: FarLab) -> tuple[str, ...]:
    return "env", f"REQUESTS_CA_BUNDLE={lab.roots}", str(_PLACES[0]()), domain, "-f", "json", "-t", "10"


PEER = Peer("checkdmarc", _command, _reads, *_PLACES)
