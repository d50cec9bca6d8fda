"""Which ports answer, and what the services behind them say of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.port_numbers import FULL_PORTS, PORTS, UDP_PORTS

__all__ = [
    "FULL_PORTS",
    "PORTS",
    "UDP_PORTS",
    "Datagrams",
    "OpenPort",
    "Ports",
    "ScannedAddress",
    "Snmp",
    "SshAlgorithms",
    "UdpAnswer",
    "UdpHost",
]


@dataclass(frozen=True, slots=True)
class SshAlgorithms:
    """What an SSH server offers in its KEXINIT (RFC 4253 section 7.1), both directions joined."""

    key_exchange: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port that accepted a connection. `protocol` is what the service itself showed, never a guess by the number."""

    port: int
    protocol: str  # "ssh", "redis", ...; "unknown" where it said nothing that is recognised
    banner: str = ""  # the first bytes it sent, at most 512, what cannot be printed escaped
    title: str = ""  # of the page that a web server shows
    tls: bool = False  # spoken inside TLS
    open_access: bool | None = None  # whether it answered a query without a login; None: it was not asked
    starttls: bool | None = None  # FTP: AUTH TLS is offered; None: not FTP, or it did not say
    ssh: SshAlgorithms | Unseen | None = None
    ssh_methods: tuple[str, ...] | Unseen | None = (
        None  # how SSH lets users in (RFC 4252 section 5.1), as it lists them
    )
    product: str = ""  # as the banner names it: "OpenSSH", "vsFTPd", "MariaDB"; "" where it does not
    version: str = ""  # beside it: "9.9p1"
    details: Mapping[str, str] = field(default_factory=dict)  # {"nla": "not required"}, {"smb1": "accepted"}


@dataclass(frozen=True, slots=True)
class ScannedAddress:
    """`closed`: refused; `filtered`: no answer within 1.5 s, in which the kernel asks twice."""

    host: str  # the first name of the target that leads here
    address: str  # "" where the host's addresses could not be found
    open: tuple[OpenPort, ...]
    closed: tuple[int, ...]
    filtered: tuple[int, ...]
    unseen: Unseen | None = None  # why nothing can be said of it: no way there, or not one port answered
    cdn: str = ""  # the content delivery network whose address this is: "Cloudflare"
    cdn_ports: tuple[int, ...] = ()  # which that network opens for all its customers
    untried: tuple[int, ...] = ()  # for which a full scan had no time left


@dataclass(frozen=True, slots=True)
class Ports:
    domain: str
    addresses: tuple[ScannedAddress, ...]


@dataclass(frozen=True, slots=True)
class UdpAnswer:
    """What a UDP service made of a small question from a stranger. "closed": ICMP says so; "silent": asked twice."""

    port: int
    service: str  # "ntp", "memcached", "ssdp", "chargen", "cldap"
    state: Literal["answers", "refuses", "closed", "silent"]  # "refuses": it answers, but not what was asked
    asked: int = 0  # bytes sent
    answered: int = 0  # bytes of the first answer
    banner: str = ""  # its beginning


@dataclass(frozen=True, slots=True)
class UdpHost:
    host: str
    address: str
    answers: tuple[UdpAnswer, ...]
    unseen: Unseen | None = None


@dataclass(frozen=True, slots=True)
class Datagrams:
    """UDP services that let themselves be used against others."""

    domain: str
    hosts: tuple[UdpHost, ...]


@dataclass(frozen=True, slots=True)
class Snmp:
    """Whether SNMP v1 or v2c takes the community "public"; each answer's `banner` is its sysDescr."""

    domain: str
    hosts: tuple[UdpHost, ...]
