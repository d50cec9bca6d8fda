"""What an operator may set about scanning; read from the environment by whoever runs the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from shared.egress import IPNetwork


@dataclass(frozen=True, slots=True)
class EngineSettings:
    dns_servers: tuple[str, ...] = ()  # "address:port"; empty: the system's
    trust_ca_file: Path | None = None  # PEM, roots beside the usual ones
    egress_allow: tuple[IPNetwork, ...] = ()
    egress_deny: tuple[IPNetwork, ...] = ()
    scan_port_map: Mapping[int, int] = field(default_factory=dict)
    host_connections: int = 16  # established connections to one address at once
    host_connects: int = 128  # attempts at one address not yet answered
    scan_contact_url: str | None = None  # in the User-Agent

    @classmethod
    def of(cls, settings: object) -> "EngineSettings":
        """From anything that has these attributes, such as the scanner's settings."""
        return cls(**{one.name: getattr(settings, one.name) for one in fields(cls)})
