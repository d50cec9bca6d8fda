"""Which TCP ports answer, and what the services behind them say of themselves."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen

# The ports that are tried: those of services often met or dangerous on the open Internet.
PORTS: tuple[int, ...] = (
    *(21, 22, 23, 25, 53, 79, 80, 81, 88, 110, 111, 113, 119, 135, 139, 143, 179, 389, 443, 444, 445, 464, 465),
    *(502, 512, 513, 514, 515, 548, 554, 587, 593, 623, 631, 636, 873, 902, 990, 992, 993, 995, 1080, 1194, 1433),
    *(1521, 1723, 1883, 2049, 2082, 2083, 2086, 2087, 2222, 2375, 2376, 2379, 3000, 3128, 3268, 3306, 3389, 3690),
    *(4369, 4443, 4444, 5000, 5060, 5432, 5601, 5672, 5900, 5901, 5984, 5985, 5986, 6000, 6379, 6443, 7001, 8000),
    *(8006, 8008, 8080, 8081, 8086, 8088, 8443, 8500, 8834, 8888, 9000, 9042, 9090, 9100, 9200, 9300, 9418, 9443),
    *(10000, 10250, 10443, 11211, 15672, 27017, 50000),
)


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


@dataclass(frozen=True, slots=True)
class ScannedAddress:
    """`closed`: refused; `filtered`: no answer within 1.5 s, in which the kernel asks twice."""

    host: str  # the first name of the target that leads here
    address: str  # "" where the host's addresses could not be found
    open: tuple[OpenPort, ...]
    closed: tuple[int, ...]
    filtered: tuple[int, ...]
    unseen: Unseen | None = None  # why nothing can be said of it: no way there, or not one port answered


@dataclass(frozen=True, slots=True)
class Ports:
    domain: str
    addresses: tuple[ScannedAddress, ...]
