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
    dnssec_trust_anchor_file: Path | None = None  # DS or DNSKEY records of the root, in the place of IANA's
    # Sources beyond the target; None or empty: not asked, and what rests on it is not tested.
    ct_url: str | None = None  # certificate transparency search, with {domain} in it
    rdap_bootstrap_url: str | None = None  # IANA's dns.json (RFC 9224), or a copy
    dnsbl_zones: tuple[str, ...] = ()  # DNS block lists (RFC 5782)
    breach_url: str | None = None  # breach data, with {domain} in it
    feeds_url: str | None = None  # where newer tables of facts are fetched from
    facts_dir: Path | None = None  # where they are kept

    @classmethod
    def of(cls, settings: object) -> "EngineSettings":
        """From anything that has these attributes, such as the scanner's settings."""
        return cls(**{one.name: getattr(settings, one.name) for one in fields(cls)})
