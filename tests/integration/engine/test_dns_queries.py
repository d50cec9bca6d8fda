"""Raw questions to resolvers that answer late, cut off, falsely, or not at all."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from services.scanner.engine.dns_client import DnsAnswer, RecursiveClient
from services.scanner.engine.evidence.base import Unseen
from tests.support.lab.dns import DnsServer

PORT = 10_953

Responder = Callable[[dns.message.Message, bool], Iterable[bytes]]


def answered(query: dns.message.Message, data: str = "192.0.2.1") -> dns.message.Message:
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", data))
    return response


@asynccontextmanager
async def client(*responders: Responder) -> AsyncIterator[RecursiveClient]:
    """Of resolvers at addresses of their own; with none, of one that nobody is behind."""
    network = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"
    places = [f"{network}.{number}" for number in range(1, len(responders) + 1)]
    servers = [await DnsServer.start(*one, PORT) for one in zip(responders, places, strict=True)]
    names = [f"{place}:{PORT}" for place in places or [f"{network}.9"]]
    found = RecursiveClient(names, asyncio.Semaphore(100))
    try:
        yield found
    finally:
        await found.close()
        for server in servers:
            await server.aclose()


def addresses(answer: dns.message.Message | Unseen) -> list[str]:
    assert isinstance(answer, dns.message.Message), answer
    return [rdata.to_text() for rrset in answer.answer for rdata in rrset]


async def test_the_same_question_is_put_once() -> None:
    asked: list[str] = []

    def respond(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        asked.append(query.question[0].to_text())
        assert query.flags & dns.flags.CD and query.ednsflags & dns.flags.DO
        return [answered(query).to_wire()]

    async with client(respond) as resolver:
        names = ("a.test", "A.test.", "a.TEST")
        found = await asyncio.gather(*(resolver.query(name, "A") for name in names))
        assert [addresses(one) for one in found] == [["192.0.2.1"]] * 3
        assert addresses(await resolver.query("a.test", "A")) == ["192.0.2.1"]
    assert len(asked) == 1


async def test_who_gives_up_leaves_the_answer_to_others() -> None:
    async with client(lambda query, over_tcp: [answered(query).to_wire()]) as resolver:
        first = asyncio.create_task(resolver.query("a.test", "A"))
        second = asyncio.create_task(resolver.query("a.test", "A"))
        await asyncio.sleep(0)
        first.cancel()
        assert addresses(await second) == ["192.0.2.1"]


async def test_what_is_cut_off_is_asked_for_over_tcp() -> None:
    def respond(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = answered(query, "192.0.2.2") if over_tcp else dns.message.make_response(query)
        response.flags |= 0 if over_tcp else dns.flags.TC
        return [response.to_wire()]

    async with client(respond) as resolver:
        assert addresses(await resolver.query("a.test", "A")) == ["192.0.2.2"]


def forgeries(query: dns.message.Message) -> list[bytes]:
    """Another id, another question, a question, an empty message: then the true answer."""
    true = answered(query).to_wire()
    other = answered(dns.message.make_query("b.test", "A"), "192.0.2.66")
    other.id = query.id
    return [
        struct.pack("!H", query.id ^ 1) + answered(query, "192.0.2.66").to_wire()[2:],
        other.to_wire(),
        query.to_wire(),
        b"",
        true,
    ]


async def test_what_answers_another_question_is_not_heard() -> None:
    async with client(lambda query, over_tcp: forgeries(query)) as resolver:
        assert addresses(await resolver.query("a.test", "A")) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "tail",
    [b"\xff\xff garbage", b"\xc0\x0c" * 40, b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\xff\xff"],
    ids=["garbage", "pointers", "too short"],
)
async def test_what_cannot_be_read_is_the_targets_doing(tail: bytes) -> None:
    def respond(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        wire = query.to_wire()
        end = wire.index(b"\0", 12) + 5
        return [wire[:2] + b"\x81\x80\x00\x01\x00\x05\x00\x00\x00\x00" + wire[12:end] + tail]

    async with client(respond) as resolver:
        found = await resolver.query("a.test", "A")
        assert isinstance(found, Unseen) and found.fault == "target"


async def test_a_resolver_that_fails_has_another_asked() -> None:
    def fail(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
        return [response.to_wire()]

    async with client(fail, lambda query, over_tcp: [answered(query).to_wire()]) as resolver:
        assert addresses(await resolver.query("a.test", "A")) == ["192.0.2.1"]
    async with client(fail) as resolver:
        found = await resolver.query("a.test", "A")
        assert isinstance(found, dns.message.Message) and found.rcode() == dns.rcode.SERVFAIL


async def test_one_that_will_not_answer_is_a_source_that_fails() -> None:
    def refuse(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.REFUSED)
        return [response.to_wire()]

    for responders in ((refuse,), ()):
        async with client(*responders) as resolver:
            found = await resolver.query("a.test", "A")
            assert isinstance(found, Unseen) and found.fault == "source"


async def test_a_lost_packet_is_sent_again() -> None:
    seen: list[int] = []

    def respond(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        seen.append(query.id)
        return [answered(query).to_wire()] if len(seen) > 1 else []

    async with client(respond) as resolver:
        assert addresses(await resolver.query("a.test", "A")) == ["192.0.2.1"]


async def test_types_that_c_ares_lacks_follow_aliases_that_end() -> None:
    def respond(query: dns.message.Message, over_tcp: bool) -> list[bytes]:
        response = dns.message.make_response(query)
        name = str(query.question[0].name)
        if name.startswith("loop"):
            response.answer.append(dns.rrset.from_text("loop.test.", 0, "IN", "CNAME", "loop.test."))
        else:
            response.answer.append(dns.rrset.from_text("alias.test.", 0, "IN", "CNAME", "b.test."))
            response.answer.append(dns.rrset.from_text("b.test.", 0, "IN", "TLSA", "3 1 1 " + "ab" * 32))
        return [response.to_wire()]

    async with client(respond) as resolver:
        found = await resolver.resolve("alias.test", "TLSA")
        assert isinstance(found, DnsAnswer)
        assert (found.cname, [one.data for one in found.records]) == (("b.test.",), ["3 1 1 " + "ab" * 32])
        loop = await resolver.resolve("loop.test", "TLSA")
        assert isinstance(loop, DnsAnswer) and not loop.records


async def test_a_name_that_cannot_be_is_not_asked_for() -> None:
    async with client(lambda query, over_tcp: [answered(query).to_wire()]) as resolver:
        for name in ("a..test", "x" * 64 + ".test", "a." * 130 + "test"):
            found = await resolver.query(name, "A")
            assert isinstance(found, Unseen) and found.fault == "target"
