"""The settings of monitor."""

from email.utils import parseaddr
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from shared.settings import ServiceSettings

NO_SENDER = "ComplianceLayer <alerts@localhost>"


def _smtp_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.port == 0:
        raise ValueError("no smtp:// or smtps:// URL with a host")
    return url


def _mailbox(text: str) -> str:
    name, _, domain = parseaddr(text)[1].rpartition("@")
    if not name or not domain or not text.isprintable():
        raise ValueError("no mail address")
    return text


class MonitorSettings(ServiceSettings):
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = Field(
        None,
        description="smtp://user:password@host:587 or smtps://host; unset, mail goes to `mail` in the data folder",
    )
    mail_from: Annotated[str, AfterValidator(_mailbox)] = Field(
        NO_SENDER, description="the sender of mail, such as ComplianceLayer <alerts@example.com>"
    )
    webhook_allow_http: bool = Field(False, description="`true` to let webhooks use plain HTTP")

    @model_validator(mode="after")
    def _a_server_needs_a_sender(self) -> "MonitorSettings":
        if self.smtp_url is not None and self.mail_from == NO_SENDER:
            raise ValueError(
                "CL_MAIL_FROM is not set, and CL_SMTP_URL needs it: set it to an address that the server may send from"
            )
        return self
