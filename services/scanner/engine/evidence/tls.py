"""What TLS endpoints answered to a series of ClientHellos, and the certificates they showed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from services.scanner.engine.evidence.base import Unseen

Version = Literal["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


@dataclass(frozen=True, slots=True)
class DhGroup:
    """Finite-field Diffie-Hellman parameters of a ServerKeyExchange (RFC 5246 section 7.4.3)."""

    bits: int
    known_prime: str | None  # where a published prime is from, that many servers share


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server chose `version` and `suite` (IANA name) out of what a hello offered."""

    version: Version
    suite: str
    secure_renegotiation: bool  # RFC 5746; always true of TLS 1.3, which has no renegotiation
    dh: DhGroup | None = None
    group: str = ""  # of the key exchange, where it has a name: "x25519", "X25519MLKEM768"; "" where it was not seen
    signature: str = ""  # what the server signed the key exchange with: "rsa_pss_rsae_sha256"; "" where not seen

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
class Suites:
    """What a version was accepted with, by IANA name, in the order in which it was found."""

    version: Version
    names: tuple[str, ...]
    complete: bool  # there is no other of all the suites that are known


@dataclass(frozen=True, slots=True)
class Features:
    """What the answers to hellos show beside version and suite. None: not seen, or there is no such thing."""

    preference: Literal["server", "client"] | None = None  # whose order of suites counts, up to TLS 1.2
    extended_master_secret: bool | None = None  # RFC 7627, up to TLS 1.2
    session_ids: bool | None = None  # issued, up to TLS 1.2
    tickets: bool | None = None  # issued (RFC 5077, RFC 8446 section 4.6.1)
    early_data: int | None = None  # bytes that a ticket of TLS 1.3 lets a client send ahead; 0: none
    protocol: str | None = None  # chosen by ALPN (RFC 7301): "h2"; "": none of those offered
    downgrade_marked: bool | None = None  # RFC 8446 section 4.1.3: a hello without TLS 1.3 is answered with the mark
    heartbeat: bool | None = None  # RFC 6520
    client_certificate: bool | None = None  # asked for
    grease: bool | None = None  # unknown values are passed over as they must be (RFC 8701)


@dataclass(frozen=True, slots=True)
class Groups:
    """Those accepted for the key exchange, by IANA name."""

    names: tuple[str, ...]
    complete: bool  # there is no other of all that are known


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
    serial: str = ""  # hexadecimal
    key_flaws: tuple[str, ...] = ()  # why a key of sufficient length is weak all the same, a clause each
    must_staple: bool = False  # RFC 7633: the TLS feature extension asks for status_request
    responders: tuple[str, ...] = ()  # where OCSP is answered for it
    revocation_lists: tuple[str, ...] = ()  # where CRLs that cover it are published
    issuer_addresses: tuple[str, ...] = ()  # where its issuer's certificate is published
    der: bytes = b""  # empty where it is longer than 64 KiB

    @property
    def lifetime(self) -> timedelta:
        return self.not_after - self.not_before

    def covers(self, host: str) -> bool:
        """Whether a subjectAltName matches, by RFC 9525 section 6: a wildcard stands for one whole left-most label."""
        try:
            return str(ip_address(host)) in self.ip_addresses
        except ValueError:
            name = host.lower().removesuffix(".")
            return bool(name) and any(_matches(pattern.lower().removesuffix("."), name) for pattern in self.dns_names)


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
    root: str = ""  # where the path ends, when trusted
    public: bool = False  # that root is one of the public store, not the operator's own
    completed_by: str = ""  # of an incomplete one: the address of the certificate that completes the path, once fetched
    path: tuple[str, ...] = ()  # the SHA-256 of each certificate from the server's to the root, when trusted


@dataclass(frozen=True, slots=True)
class Standing:
    """What the issuer says of one certificate (RFC 6960, RFC 5280 section 6.3)."""

    status: Literal["good", "revoked", "unpublished"]  # "unpublished": the certificate names no place to ask
    source: Literal["staple", "ocsp", "crl", ""] = ""
    address: str = ""  # that was asked
    this_update: datetime | None = None
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str = ""  # of a revocation, as in RFC 5280 section 5.3.1: "key_compromise"


@dataclass(frozen=True, slots=True)
class Status:
    """One certificate of the path."""

    subject: str
    sha256: str
    standing: Standing | Unseen


@dataclass(frozen=True, slots=True)
class Staple:
    """The OCSP response that came with the handshake; `flaw`: why a client may not rely on it, a clause."""

    status: Literal["good", "revoked", "unknown", ""]
    flaw: str = ""
    this_update: datetime | None = None
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revocation:
    """The server's certificate first, then the authorities' up to the root, which no list covers."""

    statuses: tuple[Status, ...]
    staple: Staple | Unseen | None  # None: none was sent, although it was asked for


@dataclass(frozen=True, slots=True)
class Timestamp:
    """One signed certificate timestamp (RFC 6962 section 3.2), however it came."""

    log_id: str  # hexadecimal
    via: Literal["certificate", "tls", "ocsp"]
    issued_at: datetime
    status: Literal["valid", "invalid", "unknown log"]
    log: str = ""  # as the list names it
    operator: str = ""
    log_state: str = ""  # "qualified", "usable", "readonly" or "retired"
    retired_at: datetime | None = None  # of the log


_NOT_EXAMINED = Unseen("the certificates were not examined", "ours")


@dataclass(frozen=True, slots=True)
class Transparency:
    """The timestamps that came with a certificate, verified against a list of logs."""

    logs: str  # the list's date
    timestamps: tuple[Timestamp, ...]


_NOT_LOOKED_AT = Unseen("it was not looked at", "ours")


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
    revocation: Revocation | Unseen = _NOT_LOOKED_AT
    transparency: Transparency | Unseen = _NOT_LOOKED_AT
    suites: tuple[Suites, ...] = ()  # one a version that was accepted with any
    groups: Groups | None = None  # None: not asked
    compression: Answer = _NOT_LOOKED_AT  # Accepted: with compression, up to TLS 1.2
    # To an older version with TLS_FALLBACK_SCSV (RFC 7507); None: there is no older one to fall back to.
    fallback: Answer | None = None
    post_quantum: Answer = _NOT_LOOKED_AT  # to a hello with no other groups than hybrid ones
    features: Features = field(default_factory=Features)

    def answer(self, version: Version) -> Answer:
        return next(entry.answer for entry in self.versions if entry.version == version)

    def suites_of(self, version: Version) -> tuple[str, ...]:
        """All that it is known to accept in this version."""
        found = {name: None for each in self.suites if each.version == version for name in each.names}
        answer = self.answer(version)
        return tuple(found | ({answer.suite: None} if isinstance(answer, Accepted) else {}))

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
