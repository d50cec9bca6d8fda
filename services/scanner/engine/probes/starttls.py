"""From a protocol in clear to TLS: SMTP (RFC 3207), IMAP and POP3 (RFC 2595)."""

from collections.abc import Awaitable, Callable

from services.scanner.engine.probes.lines import MAX_LINES, Garbled, Lines
from services.scanner.engine.streams import Stream

SECONDS = 10.0  # from the connection to the go-ahead; some make strangers wait for their greeting

Opening = Callable[[Stream], Awaitable[None]]
"""Run after connecting and before the hello. NotOffered, Garbled, TimeoutError, EOFError, OSError."""


class NotOffered(Exception):
    """The service does not go over to TLS; the text says how it told."""


async def smtp(stream: Stream) -> None:
    lines = Lines(stream, SECONDS)
    greeting = await lines.reply()
    if not greeting.positive:
        raise Garbled(f"it takes no mail: {greeting}")
    hello = await lines.command(f"EHLO {lines.client_name}")
    if not any(line.strip().upper() == "STARTTLS" for line in hello.lines[1:]):
        raise NotOffered("its answer to EHLO does not list STARTTLS")
    answer = await lines.command("STARTTLS")
    if answer.transient:
        raise Garbled(f"TLS is not available for the time being: {answer}")
    if answer.code != 220:
        raise NotOffered(f"it answers STARTTLS with {answer}")
    _require_nothing_more(lines)


async def imap(stream: Stream) -> None:
    lines = Lines(stream, SECONDS)
    greeting = await lines.line()
    if not greeting.upper().startswith("* OK"):
        raise Garbled(f"it does not greet as IMAP does: {greeting[:60]!r}")
    await lines.send("a1 STARTTLS")
    for _ in range(MAX_LINES):
        answer = await lines.line()
        if answer.startswith("* "):
            continue
        if not answer.upper().startswith("A1 OK"):
            raise NotOffered(f"it answers STARTTLS with {answer[:60]!r}")
        return _require_nothing_more(lines)
    raise Garbled("it never came to an answer")


async def pop3(stream: Stream) -> None:
    lines = Lines(stream, SECONDS)
    greeting = await lines.line()
    if not greeting.startswith("+OK"):
        raise Garbled(f"it does not greet as POP3 does: {greeting[:60]!r}")
    await lines.send("STLS")
    answer = await lines.line()
    if not answer.startswith("+OK"):
        raise NotOffered(f"it answers STLS with {answer[:60]!r}")
    _require_nothing_more(lines)


def _require_nothing_more(lines: Lines) -> None:
    """What is said in clear after the go-ahead is somebody else's, and would be taken for the server's own."""
    if lines.ahead:
        raise Garbled("it goes on in clear after its go-ahead")
