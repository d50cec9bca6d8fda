"""Where the target's hosts are: the evidence that every other probe starts from."""

from dataclasses import dataclass

from services.scanner.engine.evidence.base import Unseen


@dataclass(frozen=True, slots=True)
class Host:
    """A name and the addresses it resolves to that may be looked at (public, or allowed by the operator)."""

    name: str
    addresses: tuple[str, ...] | Unseen  # IPv4 then IPv6, at most 4; () where it has none
    refused: tuple[str, ...] = ()  # resolved, but not public: never contacted


@dataclass(frozen=True, slots=True)
class Addresses:
    domain: Host
    www: Host
    mx: tuple[Host, ...] | Unseen  # by preference, at most 5; () where there is none (or a null MX)
    nameservers: tuple[Host, ...] | Unseen

    @property
    def web(self) -> tuple[Host, ...]:
        """The hosts of the web checks: the domain and its `www.`, but for one that is known to have no address."""
        return tuple(host for host in (self.domain, self.www) if host.addresses != ())
