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

from services.monitor.mail import Mail
from services.monitor.text import one_line

TIMEOUT = 30.0  # seconds, over all
ERROR_LENGTH = 500


class DeliveryError(Exception):
    """A mail that did not go. `permanent`: no repetition mends it."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(one_line(message, ERROR_LENGTH))
        self.permanent = permanent


def message(mail: Mail, sender: str, now: datetime) -> EmailMessage:
    """The Message-ID follows from the mail's own id: a repetition is recognised. ValueError: no such recipient can be.

    EmailMessage decodes the encoded words (RFC 2047) of what it is given, line breaks and all: so none is let in.
    """
    composed = EmailMessage(policy=SMTP_POLICY)
    composed["From"] = sender
    composed["To"] = mail.recipient
    if [address.addr_spec for address in composed["To"].addresses] != [mail.recipient]:
        raise ValueError("the recipient is not a plain address")
    composed["Subject"] = mail.subject.replace("=?", "= ?")
    composed["Date"] = format_datetime(now)
    composed["Message-ID"] = f"<{mail.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    composed["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: nobody's absence is answered to it
    composed.set_content(mail.body)
    return composed


class EmailChannel:
    """`url`: smtp://user:password@host:587 or smtps://host:465; None: files in `folder`.

    STARTTLS is used where it is offered, and insisted on before a password is sent.
    """

    def __init__(
        self, url: str | None, sender: str, folder: Path, context: ssl.SSLContext, timeout: float = TIMEOUT
    ) -> None:
        self._url = urlsplit(url) if url else None
        self._sender = sender
        self._folder = folder
        self._context = context
        self._timeout = timeout

    async def send(self, mail: Mail, now: datetime) -> None:
        """DeliveryError when the server refuses it or cannot be reached in time."""
        try:
            composed = message(mail, self._sender, now)
        except ValueError as error:
            raise DeliveryError(f"this cannot be a mail: {error}", permanent=True) from error
        try:
            async with asyncio.timeout(self._timeout):
                if self._url is None:
                    await asyncio.to_thread(self._write, mail.id, bytes(composed))
                else:
                    await self._submit(composed)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise DeliveryError(
                "; ".join(f"{one.code} {one.message}" for one in error.recipients),
                permanent=all(one.code >= 500 for one in error.recipients),
            ) from error
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise DeliveryError(f"{error.code} {error.message}", permanent=error.code >= 500) from error
        except TimeoutError as error:
            raise DeliveryError(f"not done within {self._timeout:.0f} seconds") from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # ValueError: also a certificate's name
            raise DeliveryError(str(error) or type(error).__name__) from error

    async def _submit(self, composed: EmailMessage) -> None:
        assert self._url is not None
        await aiosmtplib.send(
            composed,
            hostname=self._url.hostname,
            port=self._url.port,
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=self._url.scheme == "smtps",
            start_tls=True if self._url.scheme == "smtp" and self._url.username else None,
            tls_context=self._context,
            timeout=self._timeout,
        )

    def _write(self, mail_id: int, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._folder / f".{mail_id}.eml"
        temporary.write_bytes(content)
        temporary.rename(self._folder / f"{mail_id}.eml")
