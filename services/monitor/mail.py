"""A mail to an account, and when it is tried again."""

from dataclasses import dataclass
from datetime import timedelta

from services.monitor.alerts import NewAlert

RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))


@dataclass(frozen=True, slots=True)
class Mail:
    id: int  # also its Message-ID: the same at every attempt
    recipient: str
    subject: str
    body: str
    retry_count: int = 0


def one_line(text: str) -> str:
    """Text from a scan, fit for a header."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:200]


def of_alert(mail_id: int, recipient: str, alert: NewAlert, public_url: str) -> Mail:
    body = f"{alert.message}\n\nAll alerts and what raises them: {public_url}/docs#tag/Monitoring\n"
    return Mail(mail_id, recipient, f"[{alert.severity}] {one_line(alert.title)}", body)


def of_endpoint_turned_off(mail_id: int, recipient: str, url: str) -> Mail:
    body = (
        f"Your webhook endpoint {url} took no delivery for three days, or answered 410 Gone, and was turned off.\n\n"
        'Turn it on again with PATCH /v1/webhooks/{id} and {"is_active": true}; what it missed can be redelivered.\n'
    )
    return Mail(mail_id, recipient, "Your webhook endpoint was turned off", body)


def retry_after(retry_count: int) -> timedelta | None:
    """How long to wait after attempt number `retry_count` (0 the first) failed; None: give up."""
    return RETRY_AFTER[retry_count] if retry_count < len(RETRY_AFTER) else None
