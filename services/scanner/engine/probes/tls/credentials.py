"""All that is to be known of the certificates that an endpoint showed: path, revocation, transparency."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs7

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import (
    Certificate,
    Revocation,
    Standing,
    Staple,
    Status,
    Transparency,
    Trust,
)
from services.scanner.engine.fetching import fetch
from services.scanner.engine.network import Network
from services.scanner.engine.probes.tls import certificate, revocation, transparency, trust
from services.scanner.engine.probes.tls.certificate import MALFORMED
from services.scanner.engine.probes.tls.link import Link

_log = logging.getLogger(__name__)

ISSUER_TIMEOUT = 2.0  # seconds for a certificate that was not sent along
MAX_ISSUER = 64 * 1024
MAX_ISSUERS = 3  # fetched for one chain


@dataclass(frozen=True, slots=True)
class Presented:
    """What came in a handshake, as bytes."""

    chain: tuple[bytes, ...]  # DER, the server's certificate first
    staple: bytes | None = None  # the OCSPResponse of the status message (RFC 6066 section 8)
    timestamps: bytes | None = None  # the SignedCertificateTimestampList of extension 18 (RFC 6962 section 3.3)
    asked: bool = False  # whether the hello asked for both


@dataclass(frozen=True, slots=True)
class Credentials:
    chain: tuple[Certificate, ...] | Unseen
    trust: Trust | Unseen
    revocation: Revocation | Unseen
    transparency: Transparency | Unseen

    @classmethod
    def unseen(cls, why: Unseen) -> "Credentials":
        return cls(why, why, why, why)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What was asked in one scan."""

    judged: dict[tuple[bytes, ...], "asyncio.Task[_Judged | Unseen]"] = field(default_factory=dict)
    standings: dict[tuple[bytes, bytes], asyncio.Task[Standing | Unseen]] = field(default_factory=dict)


_memories: WeakKeyDictionary[Network, _Memory] = WeakKeyDictionary()


class Examiner:
    """What several endpoints of one scan show is asked about once, however many examiners there are."""

    def __init__(self, network: Network, store: trust.TrustStore) -> None:
        self._network = network
        self._store = store
        self._memory = _memories.setdefault(network, _Memory())

    async def examine(self, presented: Presented) -> Credentials:
        """Within about five seconds, whatever the authorities' servers do; call it as soon as the chain is there."""
        try:
            return await self._examine(presented)
        except Exception:
            _log.exception("the certificates of a server could not be examined")
            return Credentials.unseen(Unseen("an error of ours over its certificates; it has been recorded", "ours"))

    async def _examine(self, presented: Presented) -> Credentials:
        seen = await self._once(presented.chain)
        if isinstance(seen, Unseen):
            return Credentials.unseen(seen)
        path, now = seen.path, self._network.now()
        stapled, said = _stapled(presented, path, now)
        standings = await asyncio.gather(
            *(
                _given(replace(said, source="staple")) if said and index == 0 else self._standing(path, index)
                for index in range(max(1, len(path) - seen.anchored))
            )
        )
        looked = await asyncio.to_thread(
            transparency.look, path[0], path[1] if len(path) > 1 else None, presented.timestamps, presented.staple, now
        )
        statuses = tuple(
            Status(link.name, link.certificate.fingerprint(hashes.SHA256()).hex(), standing)
            for link, standing in zip(path, standings, strict=False)
        )
        return Credentials(seen.chain, seen.trust, Revocation(statuses, stapled), looked)

    async def _once(self, chain: tuple[bytes, ...]) -> "_Judged | Unseen":
        key = tuple(hashlib.sha256(der).digest() for der in chain)
        if key not in self._memory.judged:
            self._memory.judged[key] = asyncio.create_task(self._judge(chain))
        return await asyncio.shield(self._memory.judged[key])

    async def _judge(self, chain: tuple[bytes, ...]) -> "_Judged | Unseen":
        read = await asyncio.to_thread(_read, chain, self._store, self._network)
        if isinstance(read, Unseen) or read.trust.status != "incomplete":
            return read
        return await self._completed(read)

    async def _completed(self, read: "_Judged") -> "_Judged":
        """With the issuers that were not sent along and can be fetched from where the certificates say they are."""
        found, fetched, judged = list(read.parsed), "", read
        for _ in range(MAX_ISSUERS):
            addresses = certificate.issuer_addresses(judged.path[-1].certificate)
            issuer = await self._fetched(addresses[0]) if addresses else None
            if issuer is None:
                return judged if judged is not read else read
            found += issuer
            fetched = fetched or addresses[0]
            again = await asyncio.to_thread(trust.examine, found, self._store, self._network.now())
            if again.trust.status != "incomplete":
                return _completed(read, again, fetched)
            if len(again.path) <= len(judged.path):
                return read
            judged = replace(read, path=again.path)
        return read

    async def _fetched(self, address: str) -> list[x509.Certificate] | None:
        answer = await fetch(self._network, address, fault="source", limit=MAX_ISSUER, timeout=ISSUER_TIMEOUT)
        if isinstance(answer, Unseen) or answer.status != 200:
            return None
        try:
            return _certificates(answer.body)
        except MALFORMED:
            return None

    def _standing(self, path: Sequence[Link], index: int) -> Awaitable[Standing | Unseen]:
        link, issuer = path[index], path[index + 1] if index + 1 < len(path) else None
        if issuer is None:
            if link.self_issued:
                return _given(Standing("unpublished"))
            return _given(Unseen(f"the certificate of the issuer of {link.name} is not known", "target"))
        key = (link.certificate.fingerprint(hashes.SHA256()), issuer.public_key)
        if key not in self._memory.standings:
            self._memory.standings[key] = asyncio.create_task(revocation.standing(self._network, link, issuer))
        return asyncio.shield(self._memory.standings[key])


@dataclass(frozen=True, slots=True)
class _Judged:
    parsed: tuple[x509.Certificate, ...]
    chain: tuple[Certificate, ...]
    trust: Trust
    path: tuple[Link, ...]

    @property
    def anchored(self) -> bool:
        """Whether the path ends with a root, which no list covers."""
        return len(self.path) > 1 and (self.trust.status == "trusted" or self.path[-1].self_issued)


def _read(chain: tuple[bytes, ...], store: trust.TrustStore, network: Network) -> _Judged | Unseen:
    try:
        leaf = certificate.decode(chain[0])
        described = certificate.describe(leaf)
        Link.of(leaf)
    except MALFORMED as error:
        return Unseen(f"the certificate cannot be decoded: {error}", "target")
    parsed, shown = [leaf], [described]
    for der in chain[1:]:
        try:
            one = certificate.decode(der)
            shown.append(certificate.describe(one))
            parsed.append(one)
        except MALFORMED:
            continue  # what is no certificate is no help, and no harm to the path
    judged = trust.examine(parsed, store, network.now())
    return _Judged(tuple(parsed), tuple(shown), judged.trust, judged.path)


def _completed(read: _Judged, again: trust.Judged, address: str) -> _Judged:
    """What the fetched certificates make of it: complete they are trusted, or lead to no root after all."""
    if again.trust.status == "untrusted":
        return replace(read, trust=again.trust, path=again.path)
    completed = replace(read.trust, root=again.trust.root, public=again.trust.public, completed_by=address)
    return replace(read, trust=completed, path=again.path)


def _certificates(text: bytes) -> list[x509.Certificate]:
    """One in DER or PEM, or several in the envelope of PKCS #7 (RFC 5280 section 4.2.2.1). One of MALFORMED."""
    if text.startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificates(text)[:MAX_ISSUERS]
    try:
        return [certificate.decode(text)]
    except MALFORMED:
        return pkcs7.load_der_pkcs7_certificates(text)[:MAX_ISSUERS]


def _stapled(
    presented: Presented, path: Sequence[Link], now: datetime
) -> tuple[Staple | Unseen | None, Standing | None]:
    """The staple as evidence, and what it says where it may be relied on."""
    if presented.staple and len(path) > 1:
        return revocation.staple(presented.staple, path[0], path[1], now)
    if presented.staple:
        return revocation.unverifiable(), None
    return (None if presented.asked else Unseen("no staple was asked for", "ours")), None


async def _given(value: Standing | Unseen) -> Standing | Unseen:
    return value
