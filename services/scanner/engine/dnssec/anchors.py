"""Trust anchors: the root's as IANA publishes them, or those of an operator's file (RFC 4035 section 4.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.zonefile

MAX_FILE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Anchor:
    """The DS and DNSKEY records that a zone is trusted by."""

    zone: dns.name.Name
    records: tuple[dns.rdata.Rdata, ...]


@cache
def load(file: Path | None) -> Mapping[dns.name.Name, Anchor]:
    """By zone. ValueError where the file is no set of DS or DNSKEY records in presentation form; OSError."""
    text = (files(__package__) / "root_anchors.txt").read_text("utf-8") if file is None else _read(file)
    return parse(text)


def parse(text: str) -> Mapping[dns.name.Name, Anchor]:
    """One record a line or in parentheses, each with its owner; TTL and class may be left out. ValueError."""
    try:
        rrsets = dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=0, relativize=False)
    except (dns.exception.DNSException, ValueError, NotImplementedError) as error:
        raise ValueError(f"these are no trust anchors: {error}") from None
    found: dict[dns.name.Name, tuple[dns.rdata.Rdata, ...]] = {}
    for rrset in rrsets:
        if rrset.rdtype not in (dns.rdatatype.DS, dns.rdatatype.DNSKEY):
            raise ValueError(f"a trust anchor is a DS or DNSKEY record, not {dns.rdatatype.to_text(rrset.rdtype)}")
        found[rrset.name] = (*found.get(rrset.name, ()), *rrset)
    if not found:
        raise ValueError("there is no trust anchor in it")
    return {name: Anchor(name, records) for name, records in found.items()}


def closest(anchors: Mapping[dns.name.Name, Anchor], name: dns.name.Name) -> Anchor | None:
    """Of the nearest zone at or above the name."""
    while name not in anchors:
        if name == dns.name.root:
            return None
        name = name.parent()
    return anchors[name]


def _read(file: Path) -> str:
    with file.open(encoding="utf-8") as stream:
        text = stream.read(MAX_FILE + 1)
    if len(text) > MAX_FILE:
        raise ValueError(f"{file} is too long for trust anchors")
    return text
