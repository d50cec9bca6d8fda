"""Whether a chain leads to a trusted root, and if not, where it breaks off (RFC 5280 section 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from services.scanner.engine.evidence.tls import Trust
from services.scanner.engine.probes.tls import paths
from services.scanner.engine.probes.tls.certificate import MALFORMED, issuer_addresses, oddities_ignored
from services.scanner.engine.probes.tls.link import Link, NameKey

MAX_SENT = 64  # certificates of one chain that are looked at


@dataclass(frozen=True, slots=True)
class TrustStore:
    """`public`: the SHA-256 digests of the roots that browsers trust as well; the others are the operator's own."""

    name: str
    roots: tuple[x509.Certificate, ...]
    public: frozenset[bytes] = frozenset()
    by_subject: Mapping[NameKey, Sequence[Link]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_subject", paths.index(_links(self.roots)))


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict, and the path that it rests on: as far up as the signatures could be followed."""

    trust: Trust
    path: tuple[Link, ...]


def load(extra: Path | None) -> TrustStore:
    """Mozilla's roots as certifi ships them, and those of the operator (`extra`, a PEM file). Read once a process."""
    return _load(extra, extra.stat().st_mtime_ns if extra else 0)


@cache
def _load(extra: Path | None, _written: int) -> TrustStore:
    with oddities_ignored():
        public = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
        own = x509.load_pem_x509_certificates(extra.read_bytes()) if extra else []
    name = f"certifi {certifi.__version__} (Mozilla)" + (f" and {len(own)} of the operator" if own else "")
    return TrustStore(name, (*public, *own), frozenset(map(digest, public)))


def judge(chain: Sequence[x509.Certificate], store: TrustStore, now: datetime) -> Trust:
    """The trust of `chain[0]`; its dates and its match with the host name are left to checks of their own.

    One of `certificate.MALFORMED` where the server's certificate cannot be read.
    """
    return examine(chain, store, now).trust


def examine(chain: Sequence[x509.Certificate], store: TrustStore, now: datetime) -> Judged:
    """The same, with the path."""
    leaf = Link.of(chain[0])
    if any(root.certificate == leaf.certificate for root in store.by_subject.get(leaf.subject, ())):
        return Judged(_trusted((leaf,), store), (leaf,))
    moment = min(max(now, leaf.certificate.not_valid_before_utc), leaf.certificate.not_valid_after_utc)
    search = paths.Search(_links(chain[1:MAX_SENT]), store.by_subject, moment)
    if path := search.valid(leaf):
        return Judged(_trusted(path, store), path)
    if path := search.any(leaf):
        return Judged(_untrusted(store, f"the path leads to a root of the store, but: {search.refusal(path)}"), path)
    path = search.followed(leaf)
    end = path[-1]
    if end is leaf and leaf.self_issued:
        return Judged(_untrusted(store, "the certificate is self-signed"), path)
    if flaw := leaf.leaf_flaw():
        return Judged(_untrusted(store, f"the certificate {flaw}"), path)
    if end.self_issued:
        return Judged(_untrusted(store, f"the root {end.name} is not in the store"), path)
    with oddities_ignored():
        issuer = end.certificate.issuer.rfc4514_string()[:200]
    if issuer_addresses(end.certificate):
        return Judged(Trust("incomplete", store.name, f"the certificate of {issuer} was not sent along"), path)
    return Judged(_untrusted(store, f"the issuer {issuer} is no root of the store"), path)


def digest(certificate: x509.Certificate) -> bytes:
    """SHA-256."""
    return certificate.fingerprint(hashes.SHA256())


def _trusted(path: paths.Path, store: TrustStore) -> Trust:
    digests = [digest(link.certificate) for link in path]
    return Trust(
        "trusted",
        store.name,
        "",
        root=path[-1].name,
        public=digests[-1] in store.public,
        path=tuple(each.hex() for each in digests),
    )


def _untrusted(store: TrustStore, reason: str) -> Trust:
    return Trust("untrusted", store.name, reason)


def _links(certificates: Sequence[x509.Certificate]) -> list[Link]:
    """Once each; what cannot be read is no help on any path."""
    found: dict[int, Link] = {}
    for certificate in certificates:
        try:
            link = Link.of(certificate)
        except MALFORMED:
            continue
        found[id(link)] = link
    return list(found.values())
