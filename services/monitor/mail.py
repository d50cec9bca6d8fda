"""A mail to an account."""

from dataclasses import dataclass
from datetime import datetime

from services.monitor.alerts import NewAlert
from services.monitor.text import one_line

SUBJECT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Mail:
    id: int  # also its Message-ID: the same at every attempt
    account_id: int
    recipient: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class LeasedMail(Mail):
    """A mail that is this worker's to send, until `leased_until`."""

    retry_count: int
    leased_until: datetime


def of_alert(mail_id: int, account_id: int, recipient: str, alert: NewAlert, public_url: str) -> Mail:
    body = f"{alert.message}\n\nAll alerts, and how to choose which are mailed: {public_url}/docs#/Monitoring\n"
    return Mail(mail_id, account_id, recipient, f"[{alert.severity}] {one_line(alert.title, SUBJECT_LENGTH)}", body)


def of_endpoint_turned_off(mail_id: int, account_id: int, recipient: str, endpoint_id: int, url: str) -> Mail:
    body = (
        f"Your webhook endpoint {url} took no delivery for three days, or answered 410 Gone, and was turned off.\n\n"
        f'Turn it on again with PATCH /v1/webhooks/{endpoint_id} and {{"is_active": true}}. What waited for it is '
        "then delivered; what was given up can be redelivered.\n"
    )
    return Mail(mail_id, account_id, recipient, "Your webhook endpoint was turned off", body)
