"""Mail by SMTP; without a server, into a folder where people and tests can read it."""

import asyncio
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.monitor.channel import DeliveryError
from services.monitor.mail import Mail

TIMEOUT = 30.0  # seconds


def message(mail: Mail, sender: str, now: datetime) -> EmailMessage:
    """The Message-ID follows from the mail's own id: a repetition is recognised."""
    composed = EmailMessage(policy=SMTP_POLICY)
    composed["From"] = sender
    composed["To"] = mail.recipient
    composed["Subject"] = mail.subject
    composed["Date"] = format_datetime(now)
    composed["Message-ID"] = f"<{mail.id}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>"
    composed["Auto-Submitted"] = "auto-generated"
    composed.set_content(mail.body)
    return composed


class EmailChannel:
    """`url`: smtp://user:password@host:587 (STARTTLS where offered) or smtps://host:465; None: files in `folder`."""

    def __init__(self, url: str | None, sender: str, folder: Path, context: ssl.SSLContext) -> None:
        self._url = urlsplit(url) if url else None
        self._sender = sender
        self._folder = folder
        self._context = context

    async def send(self, mail: Mail, now: datetime) -> None:
        """DeliveryError when the server refuses it or cannot be reached."""
        composed = message(mail, self._sender, now)
        if self._url is None:
            await asyncio.to_thread(self._write, mail.id, bytes(composed))
            return
        try:
            await aiosmtplib.send(
                composed,
                hostname=self._url.hostname,
                port=self._url.port,
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                use_tls=self._url.scheme == "smtps",
                tls_context=self._context,
                timeout=TIMEOUT,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise DeliveryError(str(error), permanent=all(one.code >= 500 for one in error.recipients)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise DeliveryError(f"{error.code} {error.message}", permanent=500 <= error.code < 600) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise DeliveryError(str(error) or type(error).__name__) from error

    def _write(self, mail_id: int, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._folder / f".{mail_id}.eml"
        temporary.write_bytes(content)
        temporary.rename(self._folder / f"{mail_id}.eml")
