"""Questions to one TLS service: what it answers to a hello, and what of a list it accepts."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Accepted, Answer, Declined, Version
from services.scanner.engine.probes.starttls import NotOffered
from services.scanner.engine.probes.tls import hello, parse, suites, tls13
from services.scanner.engine.probes.tls.exchange import (
    ANSWER_TIMEOUT,
    CLOSED,
    Flight,
    Place,
    Unreachable,
)
from services.scanner.engine.streams import Stream

SEARCH_SECONDS = 9.0  # after which no further round begins
_SSL2_RECORD = 16 * 1024

Seen = Flight | Declined | Unseen
Kinds = tuple[str, ...] | Declined | Unseen  # of SSL 2.0
SearchedGroups = tuple[list[int], bool]  # those taken, and whether there are no others among those asked for


@dataclass(slots=True)
class Found:
    """A search among suites. `answer`: to the first hello, which offers them all."""

    answer: Answer
    flight: Flight | None = None  # the first
    complete: bool = False  # there are no others among them
    by_version: dict[Version, list[int]] = field(default_factory=dict)  # in the order in which the server chose them


class Asking:
    """All hellos go to one place, in one name."""

    def __init__(self, place: Place, host: str, alpn: tuple[str, ...]) -> None:
        self.place = place
        self.host = host
        self.alpn = alpn
        self.closings = 0  # hellos that were answered by closing the connection, and nothing else
        self._end = asyncio.get_running_loop().time() + SEARCH_SECONDS
        self._manner = asyncio.Lock()
        self._closes: bool | None = None  # whether that is how it turns hellos down, once that was tried

    def hello(self, version: Version, offered: Sequence[int], **options: Any) -> bytes:
        return hello.client_hello(version, offered, self.host, secrets.token_bytes(32), **options)

    async def first(self, stream: Stream) -> Seen:
        """The answer of TLS 1.2 to all suites that clients ever offered, over a connection that stands."""
        return await self.place.converse(stream, self.hello("TLSv1.2", suites.ANY, alpn=self.alpn), whole=True)

    async def offer(self, version: Version, offered: Sequence[int], *, whole: bool = False, **options: Any) -> Seen:
        """Where the connection is closed without a word, once more, until that is known to be the server's manner."""
        seen = await self.place.exchange(self.hello(version, offered, **options), whole=whole)
        if seen == CLOSED:
            async with self._manner:
                if not self._closes:
                    seen = await self.place.exchange(self.hello(version, offered, **options), whole=whole)
                    self._closes = seen == CLOSED
        self.closings += seen == CLOSED
        return seen

    async def ask(self, version: Version, offered: Sequence[int], **options: Any) -> Answer:
        return answer_of(await self.offer(version, offered, **options), offered)

    async def handshake(self) -> tls13.Handshake | Declined | Unseen:
        """A whole one of TLS 1.3."""
        random = secrets.token_bytes(32)
        offered = suites.TLS13[: -len(suites.TLS13_PLAIN)]

        def make(shares: hello.Shares, cookie: bytes) -> bytes:
            return hello.client_hello(
                "TLSv1.3", offered, self.host, random, shares=shares, cookie=cookie, alpn=self.alpn
            )

        seen = await tls13.handshake(self.place, make)
        return await tls13.handshake(self.place, make) if seen == CLOSED else seen

    async def search(self, version: Version, offered: Sequence[int], *, rounds: int | None = None) -> Found:
        """Offer them, then those that are left, until none is taken; `rounds`: of it at most."""
        left, found = list(offered), None
        while left and (rounds is None or rounds > 0) and (found is None or self._in_time):
            rounds = None if rounds is None else rounds - 1
            seen = await self.offer(version, left, whole=found is None)
            answer = answer_of(seen, left)
            found = found or Found(answer, seen if isinstance(seen, Flight) else None)
            if not isinstance(answer, Accepted):
                found.complete = isinstance(answer, Declined)
                return found
            assert isinstance(seen, Flight) and seen.hello
            found.by_version.setdefault(answer.version, []).append(seen.hello.suite)
            left.remove(seen.hello.suite)
        assert found, "at least one is offered"
        found.complete = not left
        return found

    async def search_groups(self, version: Version, groups: Sequence[int], offered: Sequence[int]) -> SearchedGroups:
        """Among `groups`, with any of these suites.

        In TLS 1.3 without a key of ours, so that the server names the group it wants; before, it sends one of its own.
        """
        left, taken = list(groups), list[int]()
        while left and self._in_time:
            options: dict[str, Any] = {"groups": tuple(left)}
            if version == "TLSv1.3":
                options["shares"] = ()
            seen = await self.offer(version, offered, whole=True, **options)
            group = group_of(seen) if isinstance(seen, Flight) else None
            if group not in left:
                return taken, isinstance(seen, Declined)
            taken.append(group)
            left.remove(group)
        return taken, not left

    async def ssl2(self) -> Kinds:
        """The cipher kinds of a server that speaks SSL 2.0."""
        try:
            async with self.place.connection() as stream, asyncio.timeout(ANSWER_TIMEOUT):
                await stream.write(hello.ssl2_client_hello(secrets.token_bytes(16)), ANSWER_TIMEOUT)
                data = b""
                while len(data) < 2 or len(data) < min(2 + _ssl2_length(data), _SSL2_RECORD):
                    more = await stream.read(_SSL2_RECORD, ANSWER_TIMEOUT)
                    data += more
                    if not more or not data[0] & 0x80:
                        break
        except Unreachable as error:
            return error.unseen
        except NotOffered as error:
            return Unseen(f"{error}, where it did offer TLS before", "target")
        except TimeoutError:
            return Declined("no answer")
        except OSError:
            return CLOSED
        return parse.ssl2_kinds(data) or Declined("no SSL 2.0 answer" if data else CLOSED.how)

    @property
    def _in_time(self) -> bool:
        return asyncio.get_running_loop().time() < self._end


def answer_of(seen: Seen, offered: Sequence[int]) -> Answer:
    if not isinstance(seen, Flight):
        return seen
    assert seen.hello
    if seen.hello.suite not in offered:
        return Unseen(f"the server chose {suites.name(seen.hello.suite)}, which was not offered", "target")
    group, signature = group_of(seen), seen.exchange.signature
    return Accepted(
        version=seen.hello.version,
        suite=suites.name(seen.hello.suite),
        secure_renegotiation=seen.hello.secure_renegotiation,
        dh=seen.exchange.dh,
        group="" if group is None else suites.group_name(group),
        signature="" if signature is None else suites.signature_name(signature),
    )


def group_of(seen: Flight) -> int | None:
    assert seen.hello
    if seen.hello.version == "TLSv1.3":
        try:
            return seen.hello.share[0] if seen.hello.share else None
        except parse.Malformed:
            return None
    return seen.exchange.curve


def exactly(version: Version, answer: Answer) -> Answer:
    if isinstance(answer, Accepted) and answer.version != version:
        return Declined(f"answered with {answer.version}")
    return answer


def _ssl2_length(data: bytes) -> int:
    return (data[0] & 0x7F) << 8 | data[1]
