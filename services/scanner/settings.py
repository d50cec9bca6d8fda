"""The settings of the scanner."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings import File, Names, ServiceSettings

_URL = r"^https?://\S+$"
_TEMPLATE = r"^https?://\S*\{domain\}\S*$"


class ScannerSettings(ServiceSettings):
    scanner_role: Literal["api", "worker", "all"] = Field("all", description="`api`, `worker` or `all`")
    scan_timeout: float = Field(50.0, gt=0, lt=60, description="the seconds that one scan may take, under 60")
    scan_concurrency: int = Field(8, ge=1, le=1000, description="how many scans one worker runs at once")
    host_connections: int = Field(16, ge=1, le=1000, description="established connections to one address at once")
    host_connects: int = Field(128, ge=1, le=10000, description="unanswered connection attempts to one address at once")
    scan_contact_url: str | None = Field(None, description="a page that says who scans and how to opt out")
    dnssec_trust_anchor_file: File | None = Field(
        None, description="a file of the root's DS or DNSKEY records to trust in the place of IANA's"
    )
    ct_url: str | None = Field(
        "https://crt.sh/?q={domain}&output=json",
        pattern=_TEMPLATE,
        description="a certificate transparency search that answers as crt.sh does, with {domain} in it",
    )
    rdap_bootstrap_url: str | None = Field(
        "https://data.iana.org/rdap/dns.json", pattern=_URL, description="IANA's list of RDAP servers, or a copy of it"
    )
    dnsbl_zones: Names = Field(
        ("zen.spamhaus.org", "bl.spamcop.net", "dbl.spamhaus.org"),
        description="DNS block lists, comma-separated; mind the terms of each",
    )
    breach_url: str | None = Field(
        None, pattern=_TEMPLATE, description="a source of breach data, with {domain} in it; unset, none is asked"
    )
    feeds_url: str | None = Field(
        None, pattern=_URL, description="where `compliancelayer feeds update` fetches newer tables of facts"
    )

    @property
    def facts_dir(self) -> Path:
        """Where fetched tables of facts are kept."""
        return self.data_dir / "facts"
