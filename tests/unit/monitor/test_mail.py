"""Mails: what is in them, and that no text of others becomes a header."""

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor import mail
from services.monitor.alerts import NewAlert
from services.monitor.channels.email import message
from services.monitor.settings import MonitorSettings
from services.monitor.text import one_line
from shared.settings import SettingError, load
from tests.support.monitor import NOON

ALERT = NewAlert("critical_issue", "critical", "example.test: a port is open", "The scan found it.", "cause")
SENDER = "ComplianceLayer <alerts@example.com>"


def parsed(alert: NewAlert, recipient: str = "me@example.org") -> EmailMessage:
    composed = mail.of_alert(77, 1, recipient, alert, "https://api.example.com")
    return message_from_bytes(bytes(message(composed, SENDER, NOON)), policy=default)


def test_an_alert_by_mail() -> None:
    read = parsed(ALERT)
    assert (read["From"], read["To"]) == (SENDER, "me@example.org")
    assert read["Subject"] == "[critical] example.test: a port is open"
    assert read["Message-ID"] == "<77@example.com>", "the same at every attempt"
    assert read["Auto-Submitted"] == "auto-generated"
    body = read.get_content()
    assert "The scan found it." in body and "https://api.example.com/docs#/Monitoring" in body


@pytest.mark.parametrize(
    "title",
    [
        "x\r\nBcc: everybody@example.com\r\n\r\nhello",
        "x\nBcc: everybody@example.com",
        "x\x00\x1b[31m\u2028Bcc: a@b\u202e\u0085Bcc: a@b",
        "=?utf-8?q?=0D=0ABcc:_a=40b?=",
        "\udcff half a pair",
        "ж" * 5000,
    ],
)
def test_a_hostile_title_stays_in_the_subject(title: str) -> None:
    read = parsed(replace(ALERT, title=title))
    assert read["Bcc"] is None
    assert [name for name in read if name.lower() == "bcc"] == []
    assert read["To"] == "me@example.org" and read.get_content().startswith("The scan found it.")


@pytest.mark.parametrize(
    "recipient",
    [
        "=?utf-8?q?=0D=0ABcc=3A_a?=@example.com",
        "=?utf-8?q?somebody?=@example.com",
        "a@example.com, b@example.com",
        "Me <me@example.org>",
        "me@example.org\r\nBcc: a@b.test",
        "",
    ],
)
def test_a_recipient_is_one_plain_address(recipient: str) -> None:
    with pytest.raises(ValueError):
        parsed(ALERT, recipient)


@pytest.mark.parametrize("recipient", ["a.b+c@example.com", '"a b"@example.com', "jürgen@example.com"])
def test_any_plain_address_is_kept_as_it_is(recipient: str) -> None:
    assert [address.addr_spec for address in parsed(ALERT, recipient)["To"].addresses] == [recipient]


@given(st.text(), st.integers(1, 300))
def test_one_line_is_printable_and_bounded(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit and (line == "" or line.isprintable())


def test_a_mail_about_an_endpoint_says_how_to_turn_it_on() -> None:
    written = mail.of_endpoint_turned_off(1, 1, "me@example.org", 42, "https://hooks.example.com/")
    assert "PATCH /v1/webhooks/42" in written.body and '{"is_active": true}' in written.body


@pytest.mark.parametrize(
    "url", ["http://mail.example.com", "mail.example.com", "smtp://", "smtp://host:0", "smtp://h:x"]
)
def test_a_wrong_smtp_url_stops_the_start_by_name(url: str) -> None:
    with pytest.raises(SettingError, match="CL_SMTP_URL"):
        load(MonitorSettings, {"CL_SMTP_URL": url, "CL_MAIL_FROM": SENDER})


@pytest.mark.parametrize("sender", ["ComplianceLayer", "alerts@", "@example.com", "a@b.test\r\nBcc: c@d.test"])
def test_a_wrong_sender_stops_the_start_by_name(sender: str) -> None:
    with pytest.raises(SettingError, match="CL_MAIL_FROM"):
        load(MonitorSettings, {"CL_MAIL_FROM": sender})


def test_a_mail_server_needs_a_sender() -> None:
    with pytest.raises(SettingError, match="CL_MAIL_FROM is not set"):
        load(MonitorSettings, {"CL_SMTP_URL": "smtps://user:password@mail.example.com"})
    settings = load(MonitorSettings, {"CL_SMTP_URL": "smtps://mail.example.com", "CL_MAIL_FROM": SENDER})
    assert settings.mail_from == SENDER and load(MonitorSettings, {}).smtp_url is None
