"""The settings of the gateway."""

from pydantic import Field

from shared.settings import Networks, ServiceSettings


class GatewaySettings(ServiceSettings):
    auth_url: str = Field("", description="where auth listens: http://host:port or unix:/path")
    billing_url: str = Field("", description="where billing listens: http://host:port or unix:/path")
    scanner_url: str = Field("", description="where scanner listens: http://host:port or unix:/path")
    monitor_url: str = Field("", description="where monitor listens: http://host:port or unix:/path")
    reports_url: str = Field("", description="where reports listens: http://host:port or unix:/path")
    trusted_proxies: Networks = Field((), description="networks in CIDR form whose X-Forwarded-For is believed")
    gateway_replicas: int = Field(1, ge=1, description="how many gateways share the limits while Redis is away")
    free_scan: bool = Field(True, description="`true`, or `false` to answer 404 to the free scan")
    badges: bool = Field(True, description="`true`, or `false` to answer 404 to badges")

    def url_of(self, service: str) -> str:
        url: str = getattr(self, f"{service}_url")
        return url
