"""The settings of the scanner."""

from typing import Literal

from pydantic import Field

from shared.settings import ServiceSettings


class ScannerSettings(ServiceSettings):
    scanner_role: Literal["api", "worker", "all"] = Field("all", description="`api`, `worker` or `all`")
    scan_timeout: float = Field(50.0, gt=0, lt=60, description="the seconds that one scan may take, under 60")
    scan_concurrency: int = Field(8, ge=1, le=1000, description="how many scans one worker runs at once")
    host_connections: int = Field(16, ge=1, le=1000, description="established connections to one address at once")
    host_connects: int = Field(128, ge=1, le=10000, description="unanswered connection attempts to one address at once")
    scan_contact_url: str | None = Field(None, description="a page that says who scans and how to opt out")
