"""What TLS endpoints answered to a series of ClientHellos, and the certificates they showed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from services.scanner.engine.evidence.base import Unseen

Version = Literal["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


@dataclass(frozen=True, slots=True)
class DhGroup:
    """Finite-field Diffie-Hellman parameters of a ServerKeyExchange (RFC 5246 section 7.4.3)."""

    bits: int
    known_prime: str | None  # the name of a published prime below 2048 bit that many servers share


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server chose `version` and `suite` (IANA name) out of what a hello offered."""

    version: Version
    suite: str
    secure_renegotiation: bool  # RFC 5746; always true of TLS 1.3, which has no renegotiation
    dh: DhGroup | None = None

    @property
    def forward_secret(self) -> bool:
        return self.version == "TLSv1.3" or "DHE_" in self.suite

    @property
    def authenticated_encryption(self) -> bool:
        return self.version == "TLSv1.3" or any(mode in self.suite for mode in ("_GCM_", "_CCM", "_CHACHA20_"))


@dataclass(frozen=True, slots=True)
class Declined:
    """The server turned a hello down: `how` is "alert <name>" or "closed"."""

    how: str


Answer = Accepted | Declined | Unseen


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """The answer to a hello that offered this version and no later one."""

    version: Version
    answer: Answer


@dataclass(frozen=True, slots=True)
class Certificate:
    """The fields of an X.509 certificate that checks judge (RFC 5280 section 4.1)."""

    subject: str
    issuer: str
    sha256: str  # of the whole certificate, hexadecimal
    not_before: datetime
    not_after: datetime
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    key_type: str  # "RSA", "EC", "Ed25519", "Ed448", "DSA" or "other"
    key_bits: int
    signature_algorithm: str  # "RSA_WITH_SHA256"; a dotted OID where it has no name
    self_issued: bool  # subject and issuer are the same name

    @property
    def lifetime(self) -> timedelta:
        return self.not_after - self.not_before

    def covers(self, host: str) -> bool:
        """Whether a subjectAltName matches, by RFC 9525 section 6: a wildcard stands for one whole left-most label."""
        try:
            return str(ip_address(host)) in self.ip_addresses
        except ValueError:
            return any(_matches(pattern.lower().rstrip("."), host) for pattern in self.dns_names)


def _matches(pattern: str, host: str) -> bool:
    if not pattern.startswith("*."):
        return pattern == host
    label, dot, rest = host.partition(".")
    return bool(label and dot) and rest == pattern[2:] and "*" not in rest


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether a path from the certificate to a root of `store` was found, names and leaf dates left aside.

    "incomplete": the path breaks off at a certificate whose issuer was not sent but is published at the address in
    its authority information access; sent along, it may lead to a root.
    """

    status: Literal["trusted", "incomplete", "untrusted"]
    store: str  # "certifi 2026.10.19 (Mozilla)"
    reason: str  # one sentence; empty when trusted


@dataclass(frozen=True, slots=True)
class Service:
    """A TLS server, as far as it answered."""

    versions: tuple[VersionAnswer, ...]
    null_or_anonymous: Answer  # each: the answer to a hello that offered suites of that group alone
    export_rc4_des: Answer
    triple_des: Answer
    finite_field_dh: Answer
    forward_secret: Answer
    authenticated_encryption: Answer
    chain: tuple[Certificate, ...] | Unseen  # the server's certificate first, then what it sent along
    trust: Trust | Unseen

    def answer(self, version: Version) -> Answer:
        return next(entry.answer for entry in self.versions if entry.version == version)

    @property
    def accepted(self) -> tuple[Accepted, ...]:
        """One a version that was accepted as such, oldest first."""
        return tuple(
            entry.answer
            for entry in self.versions
            if isinstance(entry.answer, Accepted) and entry.answer.version == entry.version
        )

    @property
    def certificate(self) -> Certificate | Unseen:
        return self.chain if isinstance(self.chain, Unseen) else self.chain[0]


@dataclass(frozen=True, slots=True)
class NoService:
    """Nothing listens: the connection was refused."""

    reason: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one host name on one port."""

    host: str
    address: str  # "" where the host's addresses could not be found
    port: int
    observed_at: datetime
    service: Service | NoService | Unseen

    @property
    def asset(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    domain: str
    endpoints: tuple[Endpoint, ...]
