"""Mail through a real SMTP server, or into a folder."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
import trustme

from services.monitor import repository, retries
from services.monitor.channels.email import DeliveryError, EmailChannel
from services.monitor.deliveries import MailDeliveries
from services.monitor.mail import Mail
from tests.support.mail import Mailbox, smtp_server
from tests.support.monitor import NOON, Desk

SENDER = "ComplianceLayer <alerts@example.com>"
MAIL = Mail(77, 1, "me@example.org", "[critical] example.test: a port is open", "Körper\nund Zeile\n.\nEnde\n")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> Iterator[ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    yield context


@pytest.fixture
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def channel(url: str | None, context: ssl.SSLContext | None = None, folder: Path = Path("unused")) -> EmailChannel:
    return EmailChannel(url, SENDER, folder, context or ssl.create_default_context())


async def test_a_mail_arrives() -> None:
    async with smtp_server() as mailbox:
        await channel(f"smtp://127.0.0.1:{mailbox.port}").send(MAIL, NOON)
    (mail,) = mailbox.taken
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, MAIL.recipient, MAIL.subject)
    assert mail["Message-ID"] == "<77@example.com>" and mail["Date"].datetime == NOON
    assert mail.get_content().splitlines() == MAIL.body.splitlines()
    assert mailbox.encrypted == [False]


async def test_starttls_is_used_where_it_is_offered(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async with smtp_server(starttls=server_context, auth=True) as mailbox:
        await channel(f"smtp://127.0.0.1:{mailbox.port}", client_context).send(MAIL, NOON)
        await channel(f"smtp://me:s3cret%3A%2F%40@127.0.0.1:{mailbox.port}", client_context).send(MAIL, NOON)
    assert mailbox.encrypted == [True, True] and mailbox.users == ["me"]


async def test_smtps(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    async with smtp_server(tls=server_context, auth=True) as mailbox:
        await channel(f"smtps://me:s3cret%3A%2F%40@127.0.0.1:{mailbox.port}", client_context).send(MAIL, NOON)
    assert mailbox.encrypted == [True] and mailbox.users == ["me"]


async def refused(channel: EmailChannel) -> DeliveryError:
    with pytest.raises(DeliveryError) as error:
        await channel.send(MAIL, NOON)
    return error.value


async def test_no_password_goes_over_a_line_that_others_read() -> None:
    async with smtp_server() as mailbox:
        error = await refused(channel(f"smtp://me:s3cret%3A%2F%40@127.0.0.1:{mailbox.port}"))
    assert "STARTTLS" in str(error) and not error.permanent and mailbox.users == [] and mailbox.taken == []


async def test_a_server_of_an_unknown_authority_gets_nothing(server_context: ssl.SSLContext) -> None:
    async with smtp_server(starttls=server_context) as mailbox:
        error = await refused(channel(f"smtp://127.0.0.1:{mailbox.port}"))
    assert not error.permanent and mailbox.taken == []


async def test_a_wrong_password_is_the_operators_to_mend(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async with smtp_server(tls=server_context, auth=True) as mailbox:
        error = await refused(channel(f"smtps://me:wrong@127.0.0.1:{mailbox.port}", client_context))
    assert not error.permanent and mailbox.taken == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("answer", "permanent"), [("451 try later", False), ("550 no such user here", True)])
async def test_4xx_is_tried_again_and_5xx_is_final(command: str, answer: str, permanent: bool) -> None:
    async with smtp_server() as mailbox:
        mailbox.refusals[command] = answer
        error = await refused(channel(f"smtp://127.0.0.1:{mailbox.port}"))
    assert answer[4:] in str(error) and error.permanent is permanent


async def test_a_server_that_is_away_or_silent() -> None:
    ended = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    slow = EmailChannel(f"smtp://127.0.0.1:{port}", SENDER, Path("unused"), ssl.create_default_context(), timeout=0.2)
    assert not (await refused(slow)).permanent
    ended.set()
    server.close()
    assert not (await refused(channel(f"smtp://127.0.0.1:{port}"))).permanent


async def test_without_a_server_mail_is_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    await channel(None, folder=folder).send(MAIL, NOON)
    await channel(None, folder=folder).send(MAIL, NOON)
    (file,) = folder.iterdir()
    assert file.name == "77.eml" and folder.stat().st_mode & 0o077 == 0
    assert message_from_bytes(file.read_bytes())["To"] == MAIL.recipient


async def test_a_folder_that_cannot_be_written_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file in its place")
    assert not (await refused(channel(None, folder=tmp_path / "mail"))).permanent


@pytest.fixture
async def queued(desk: Desk) -> Desk:
    async with desk.rows() as conn:
        await repository.mails.insert(conn, MAIL, NOON)
    return desk


async def send_due(desk: Desk, mailbox: Mailbox) -> int:
    deliveries = MailDeliveries(desk.database, channel(f"smtp://127.0.0.1:{mailbox.port}"), desk.clock)
    due = await deliveries.lease()
    for mail in due:
        await deliveries.attempt(mail)
    return len(due)


async def test_a_mail_is_tried_on_schedule_until_it_is_taken(queued: Desk) -> None:
    async with smtp_server() as mailbox:
        mailbox.refusals["RCPT"] = "450 greylisted"
        assert await send_due(queued, mailbox) == 1
        queued.later(seconds=59)
        assert await send_due(queued, mailbox) == 0
        mailbox.refusals.clear()
        queued.later(seconds=1)
        assert await send_due(queued, mailbox) == 1
        queued.later(days=9)
        assert await send_due(queued, mailbox) == 0
    (row,) = await queued.mails()
    assert row["status"] == "sent" and row["retry_count"] == 1 and len(mailbox.taken) == 1


async def test_a_mail_that_never_goes_is_given_up(queued: Desk) -> None:
    async with smtp_server() as mailbox:
        mailbox.refusals["DATA"] = "451 \x1b[31m later"
        for wait in (timedelta(), *retries.MAIL, timedelta(days=9)):
            queued.later(seconds=wait.total_seconds())
            await send_due(queued, mailbox)
    (row,) = await queued.mails()
    assert (row["status"], row["retry_count"]) == ("failed", len(retries.MAIL)) and "later" in row["error_message"]


async def test_a_permanent_refusal_is_final_at_once(queued: Desk) -> None:
    async with smtp_server() as mailbox:
        mailbox.refusals["RCPT"] = "550 no such user"
        await send_due(queued, mailbox)
        queued.later(days=9)
        assert await send_due(queued, mailbox) == 0
    assert [row["status"] for row in await queued.mails()] == ["failed"]


async def test_two_workers_lease_one_mail_once(queued: Desk) -> None:
    deliveries = MailDeliveries(queued.database, channel(None), queued.clock)
    leased = await asyncio.gather(*(deliveries.lease() for _ in range(6)))
    assert sorted(len(some) for some in leased) == [0, 0, 0, 0, 0, 1]
