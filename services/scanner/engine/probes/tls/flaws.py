"""Flaws of TLS implementations, by what a server answers to messages that break the protocol. Only where asked for.

None of it takes anything: the heartbeat claims 64 bytes, of which only the number that come back is looked at, and the
other messages end in a handshake that fails.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from itertools import islice

from cryptography.hazmat.primitives.asymmetric import rsa

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Declined, Endpoint, NoService, Service, Tls
from services.scanner.engine.evidence.tls_flaws import Flaw, TlsFlaws, Tried, TriedEndpoint
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.starttls import NotOffered
from services.scanner.engine.probes.tls import certificate, hello, parse, suites
from services.scanner.engine.probes.tls.exchange import (
    ANSWER_TIMEOUT,
    Flight,
    Place,
    Records,
    Unreachable,
    read_flight,
)
from services.scanner.engine.probes.tls.ports import MAIL_PORTS
from services.scanner.engine.streams import Stream
from services.scanner.engine.target import Target

MAX_SERVICES = 20
_FLAWS: tuple[Flaw, ...] = ("heartbleed", "ccs_injection", "robot")
_WAIT = 1.5  # seconds for an answer to a message that a sound server turns down at once, or passes over
_CLAIMED = 64  # bytes of payload that the heartbeat claims to have, and has not
_CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"
_DECRYPTION = ("alert bad_record_mac", "alert decryption_failed")
_NOT_SPOKEN = Tried(None, "no version before TLS 1.3 is accepted")


@probe(budget=45.0)
async def tls_flaws(target: Target, network: Network, tls: Tls) -> TlsFlaws:
    services = {
        (endpoint.address, endpoint.port): endpoint
        for endpoint in reversed(tls.endpoints)
        if not isinstance(endpoint.service, NoService)
    }
    looked = islice(reversed(services.values()), MAX_SERVICES)
    return TlsFlaws(target.domain, tuple(await asyncio.gather(*(_try(network, endpoint) for endpoint in looked))))


async def _try(network: Network, endpoint: Endpoint) -> TriedEndpoint:
    if not isinstance(endpoint.service, Service):
        unseen = endpoint.service if isinstance(endpoint.service, Unseen) else Unseen(endpoint.service.reason, "target")
        return TriedEndpoint(endpoint.host, endpoint.address, endpoint.port, dict.fromkeys(_FLAWS, unseen))
    place = Place(network, endpoint.address, endpoint.port, MAIL_PORTS.get(endpoint.port))
    trial = _Trial(place, endpoint.host)
    older = [each.version for each in endpoint.service.accepted if each.version not in ("SSLv2", "TLSv1.3")]
    tried: dict[Flaw, Tried | Unseen] = dict.fromkeys(_FLAWS, _NOT_SPOKEN)
    if older:
        found = await asyncio.gather(trial.heartbleed(), trial.ccs_injection(), trial.robot())
        tried = dict(zip(_FLAWS, found, strict=True))
    return TriedEndpoint(endpoint.host, endpoint.address, endpoint.port, tried)


class _Trial:
    def __init__(self, place: Place, host: str) -> None:
        self._place = place
        self._host = host

    async def heartbleed(self) -> Tried | Unseen:
        """RFC 6520 section 4: one that claims more than it holds is discarded silently (CVE-2014-0160)."""
        seen = await self._dialogue(self._heartbeat, suites.ANY, heartbeat=True)
        if seen == _SILENCE:
            seen = await self._dialogue(self._heartbeat, suites.ANY, heartbeat=True)
        return Tried(False, "it discards a heartbeat that claims more than it holds") if seen == _SILENCE else seen

    async def ccs_injection(self) -> Tried | Unseen:
        """A ChangeCipherSpec before there are keys is turned down at once (CVE-2014-0224)."""
        return await self._dialogue(self._early_change, suites.ANY)

    async def robot(self) -> Tried | Unseen:
        """RFC 5246 section 7.4.7.1: how the padding is wrong must make no difference (CVE-2017-13099 and others)."""
        first = await self._answers()
        if not isinstance(first, dict):
            return first
        if len(set(first.values())) == 1:
            return Tried(False, f"every wrong padding is answered with the same: {next(iter(first.values()))}")
        again = await self._answers()
        if first != again:
            return Unseen("its answers to wrong paddings differ, but not in the same way twice", "target")
        told = ", ".join(f"{name}: {answer}" for name, answer in first.items())
        return Tried(True, f"it tells paddings apart ({told})")

    async def _heartbeat(self, stream: Stream, records: Records, flight: Flight) -> Tried | Unseen:
        assert flight.hello
        if hello.HEARTBEAT not in flight.hello.extensions:
            return Tried(None, "it speaks no heartbeats")
        request = b"\x01" + _CLAIMED.to_bytes(2, "big")
        await stream.write(_record(parse.HEARTBEAT, flight, request) + _CLOSE_NOTIFY, _WAIT)
        async with asyncio.timeout(_WAIT):
            while True:
                kind, body, _ = await records.next()
                if kind == parse.HEARTBEAT and body[:1] == b"\x02" and len(body) >= 3 + _CLAIMED:
                    return Tried(True, f"it answers 3 bytes with {len(body)}, most of them from its memory")
                if kind in (parse.ALERT, parse.HEARTBEAT):
                    return Tried(False, parse.alert(body) if kind == parse.ALERT else "it answers with nothing more")

    async def _early_change(self, stream: Stream, records: Records, flight: Flight) -> Tried | Unseen:
        change = _record(parse.CHANGE_CIPHER_SPEC, flight, b"\x01")
        await stream.write(change, _WAIT)
        try:
            async with asyncio.timeout(_WAIT):
                kind, body, _ = await records.next()
        except TimeoutError:
            await stream.write(change, _WAIT)
            async with asyncio.timeout(_WAIT):
                kind, body, _ = await records.next()
            if kind == parse.ALERT and (answer := parse.alert(body)) in _DECRYPTION:
                return Tried(True, f"it changes to keys made of nothing: a second ChangeCipherSpec gets {answer}")
        return Tried(False, parse.alert(body) if kind == parse.ALERT else f"a record of type {kind}")

    async def _answers(self) -> dict[str, str] | Tried | Unseen:
        """To each kind of padding."""
        found: dict[str, str] = {}
        for name in _PADDINGS:

            async def ask(stream: Stream, records: Records, flight: Flight, name: str = name) -> Tried | Unseen:
                return await self._premaster(stream, records, flight, name)

            seen = await self._dialogue(ask, _STATIC_RSA)
            if isinstance(seen, Unseen) or seen.present is None:
                return seen
            found[name] = seen.answer
        return found

    async def _premaster(self, stream: Stream, records: Records, flight: Flight, name: str) -> Tried | Unseen:
        """A ClientKeyExchange with this padding, and a Finished that nobody can decrypt."""
        assert flight.hello
        try:
            key = certificate.decode(flight.certificates[0]).public_key()
        except (*certificate.MALFORMED, IndexError):
            return Unseen("its certificate cannot be read", "target")
        if not isinstance(key, rsa.RSAPublicKey) or not 1024 <= key.key_size <= _MAX_RSA:
            return Tried(None, "its key is none of RSA")
        length, numbers = key.key_size // 8, key.public_numbers()
        block = int.from_bytes(_PADDINGS[name](length, hello.CODES[flight.hello.version]), "big")
        sealed = pow(block, numbers.e, numbers.n).to_bytes(length, "big")
        body = len(sealed).to_bytes(2, "big") + sealed
        exchange = b"\x10" + len(body).to_bytes(3, "big") + body
        sent = _record(parse.HANDSHAKE, flight, exchange) + _record(parse.CHANGE_CIPHER_SPEC, flight, b"\x01")
        sent += _record(parse.HANDSHAKE, flight, _FINISHED)
        await stream.write(sent, _WAIT)
        try:
            async with asyncio.timeout(_WAIT):
                kind, answer, _ = await records.next()
        except TimeoutError:
            return Tried(False, "silence")
        except (asyncio.IncompleteReadError, OSError) as error:
            return Tried(False, "reset" if isinstance(error, ConnectionResetError) else "closed")
        return Tried(False, parse.alert(answer) if kind == parse.ALERT else f"a record of type {kind}")

    async def _dialogue(
        self,
        go_on: Callable[[Stream, Records, Flight], Awaitable[Tried | Unseen]],
        offered: tuple[int, ...],
        *,
        heartbeat: bool = False,
    ) -> Tried | Unseen:
        """Up to the end of the server's first flight, and on from there."""
        greeting = hello.client_hello("TLSv1.2", offered, self._host, secrets.token_bytes(32), heartbeat=heartbeat)
        flight, ended = Flight(), False
        try:
            async with self._place.connection() as stream:
                records = Records(stream)
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await stream.write(greeting, ANSWER_TIMEOUT)
                    declined = await read_flight(records, flight, whole=True)
                if isinstance(declined, Declined) or flight.hello is None:
                    return Tried(None, f"it takes none of the suites that it needs: {declined.how if declined else ''}")
                ended = True
                return await go_on(stream, records, flight)
        except Unreachable as error:
            return error.unseen
        except NotOffered as error:
            return Unseen(f"{error}, where it did offer TLS before", "target")
        except TimeoutError:
            return _SILENCE if ended else Unseen("no whole answer to the hello", "target")
        except parse.Malformed as error:
            return Unseen(str(error), "target")
        except (asyncio.IncompleteReadError, OSError):
            return Tried(False, "it closes the connection") if ended else Tried(None, "it closes the connection")


_SILENCE = Unseen(f"no answer within {_WAIT:g} s", "target")
_MAX_RSA = 8192
_FINISHED = bytes(range(64))
_STATIC_RSA = tuple(n for n, text in suites.NAMES.items() if text.startswith("TLS_RSA_WITH_") and n in suites.ANY)


def _filled(count: int) -> bytes:
    """Without a zero."""
    return bytes(secrets.randbelow(255) + 1 for _ in range(count))


def _sound(length: int, version: int) -> bytes:
    return b"\x00\x02" + _filled(length - 51) + b"\x00" + version.to_bytes(2, "big") + secrets.token_bytes(46)


# The paddings that https://robotattack.org tells apart: a sound one, and four that are wrong in ways of their own.
_PADDINGS: dict[str, Callable[[int, int], bytes]] = {
    "sound": _sound,
    "wrong beginning": lambda length, version: b"\x41\x17" + _sound(length, version)[2:],
    "no end": lambda length, version: b"\x00\x02" + _filled(length - 2),
    "early end": lambda length, version: b"\x00\x02" + _filled(length - 5) + b"\x00" + _filled(2),
    "wrong version": lambda length, version: _sound(length, 0x0202),
}


def _record(kind: int, flight: Flight, body: bytes) -> bytes:
    assert flight.hello
    return bytes([kind]) + hello.CODES[flight.hello.version].to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
