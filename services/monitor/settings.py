"""The settings of monitor."""

from pydantic import Field, SecretStr

from shared.settings import ServiceSettings


class MonitorSettings(ServiceSettings):
    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:587 or smtps://host; unset, mail goes to `mail` in the data folder",
    )
    mail_from: str = Field("ComplianceLayer <alerts@localhost>", description="the sender of mail")
    webhook_allow_http: bool = Field(False, description="`true` to let webhooks use plain HTTP")
