"""All that is asked of one TLS service: versions, suites, groups, features and certificates."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Accepted, Answer, Declined, NoService, Service, Version
from services.scanner.engine.network import Network
from services.scanner.engine.probes.starttls import NotOffered, Opening
from services.scanner.engine.probes.tls import findings, hello, suites, trust
from services.scanner.engine.probes.tls.agreement import agreement
from services.scanner.engine.probes.tls.asking import Asking, Found, SearchedGroups, Seen
from services.scanner.engine.probes.tls.credentials import Credentials, Examiner, Presented
from services.scanner.engine.probes.tls.exchange import (
    ANSWER_TIMEOUT,
    CLOSED,
    CONNECT_TIMEOUT,
    Flight,
    Place,
    Unreachable,
)
from services.scanner.engine.probes.tls.findings import OLD, VERSIONS, Early, Late, Opened, Weak

WEB = ("h2", "http/1.1")  # what ALPN offers where the web is served
_WEAK: Mapping[str, tuple[int, ...]] = {
    "null_or_anonymous": suites.NULL_OR_ANONYMOUS,
    "export_rc4_des": suites.EXPORT_RC4_DES,
    "triple_des": suites.SMALL_BLOCK,
}

# Alerts to a hello of hybrid groups that leave no doubt about what it is that was turned down.
_CLEAR = ("alert handshake_failure", "alert insufficient_security", "alert protocol_version")


async def survey(
    network: Network,
    roots: trust.TrustStore,
    host: str,
    address: str,
    port: int,
    opening: Opening | None = None,
    *,
    thorough: bool = False,
    certain: bool = True,
    alpn: tuple[str, ...] = (),
    connect_timeout: float = CONNECT_TIMEOUT,
    examiner: Examiner | None = None,
) -> Service | NoService | Unseen:
    """About 10 connections; `thorough`, which finds every suite and group, as many more as there are, and some 20.

    NoService: the connection was refused, or `opening` found that TLS is not offered. `certain`: something is known to
    speak TLS there, so that much may be asked at once. `examiner`: of the certificates, where surveys share one.
    """
    place = Place(network, address, port, opening, connect_timeout)
    asking = _Survey(Asking(place, host, alpn), examiner or Examiner(network, roots), thorough)
    return await asking.service(certain=certain or opening is not None)


class _Survey:
    def __init__(self, asking: Asking, examiner: Examiner, thorough: bool) -> None:
        self._asking = asking
        self._examiner = examiner
        self._thorough = thorough
        self._rounds = None if thorough else 1

    async def service(self, *, certain: bool) -> Service | NoService | Unseen:
        reached = asyncio.Event()
        first = asyncio.create_task(self._first(reached, certain=certain))
        try:
            await reached.wait()
            if not self._asking.place.reached or not certain:
                seen = await first
                if isinstance(seen, NoService | Unseen):
                    return seen
            return await self._service(first)
        finally:
            first.cancel()

    async def _first(self, reached: asyncio.Event, *, certain: bool) -> Seen | NoService:
        """To a shorter list where the long one gets no answer."""
        try:
            async with self._asking.place.connection() as stream:
                reached.set()
                seen = await self._asking.first(stream)
        except Unreachable as error:
            return NoService(str(error)) if error.refused else error.unseen
        except NotOffered as error:
            return NoService(str(error))
        finally:
            reached.set()
        if isinstance(seen, Flight) or (isinstance(seen, Declined) and seen != CLOSED) or not certain:
            return seen
        again = await self._asking.offer("TLSv1.2", suites.COMMON, whole=True)
        return again if isinstance(again, Flight | Declined) else seen

    async def _service(self, first: asyncio.Task[Seen | NoService]) -> Service | Unseen:
        opening = asyncio.create_task(self._opened(first))
        examining = asyncio.create_task(self._credentials(opening))
        try:
            early = await self._early(opening)
            if not early.speaks:
                return findings.speechless(self._asking.place.port, early)
            late = await self._late(early)
            service = findings.service(early, late, await examining, thorough=self._thorough)
            return service if await self._still_answers(service) else findings.doubted(service)
        finally:
            opening.cancel()
            examining.cancel()

    async def _early(self, opening: asyncio.Task[Opened]) -> Early:
        """All that can be asked without knowing anything, side by side."""
        asking = self._asking
        async with asyncio.TaskGroup() as group:
            ssl2 = group.create_task(asking.ssl2())
            old = {version: group.create_task(asking.ask(version, suites.ANY)) for version in OLD}
            weak = group.create_task(self._weak("TLSv1.2"))
            fields = group.create_task(asking.search("TLSv1.2", suites.FINITE_FIELD_DH, rounds=1))
            mixed = group.create_task(self._mixed())
            hybrid = group.create_task(self._post_quantum())
            parts = group.create_task(self._parts("TLSv1.2", suites.PARTS))
            parts13 = group.create_task(self._parts("TLSv1.3", (suites.TLS13,)))
            groups = group.create_task(self._groups())
            grease = group.create_task(self._grease())
            opened = await opening
        return Early(
            opened=opened,
            ssl2=ssl2.result(),
            old={version: task.result() for version, task in old.items()},
            weak=weak.result(),
            fields=fields.result(),
            mixed=mixed.result(),
            hybrid=hybrid.result(),
            parts=parts.result(),
            parts13=parts13.result(),
            groups=groups.result(),
            grease=grease.result(),
        )

    async def _late(self, early: Early) -> Late:
        """What depends on it: of the old versions that are accepted, and of what has not been answered on the way."""
        older = [version for version in OLD if isinstance(early.answers[version], Accepted)]
        known = (early.encrypted, early.best, *(found.answer for found in early.parts))
        async with asyncio.TaskGroup() as group:
            weak = {version: group.create_task(self._weak(version)) for version in older}
            parts = {version: group.create_task(self._parts(version, suites.OLD_PARTS)) for version in older}
            fallback = group.create_task(self._fallback(early.answers))
            forward_secret = group.create_task(self._first_that("forward_secret", known, suites.FORWARD_SECRET))
            aead = group.create_task(
                self._first_that("authenticated_encryption", known[1:], suites.AUTHENTICATED_ENCRYPTION)
            )
            curves = group.create_task(self._curves(early.answers))
        return Late(
            weak={version: task.result() for version, task in weak.items()},
            parts={version: task.result() for version, task in parts.items()},
            fallback=fallback.result(),
            forward_secret=forward_secret.result(),
            authenticated_encryption=aead.result(),
            groups=curves.result(),
        )

    async def _still_answers(self, service: Service) -> bool:
        """Where it closed connections without a word: whether it still takes what it took, and did not merely tire."""
        if not self._asking.closings or not service.accepted:
            return True
        version = service.accepted[-1].version
        return isinstance(
            await self._asking.ask(version, suites.TLS13 if version == "TLSv1.3" else suites.ANY), Accepted
        )

    async def _opened(self, first: asyncio.Task[Seen | NoService]) -> Opened:
        clear, encrypted = await asyncio.gather(first, self._asking.handshake())
        return Opened(Unseen(clear.reason, "target") if isinstance(clear, NoService) else clear, encrypted)

    async def _credentials(self, opening: asyncio.Task[Opened]) -> Credentials:
        opened = await opening
        presented = opened.presented or await self._presented_to_openssl(opened)
        if isinstance(presented, Unseen):
            return Credentials.unseen(presented)
        return await self._examiner.examine(presented)

    async def _presented_to_openssl(self, opened: Opened) -> Presented | Unseen:
        """For handshakes of TLS 1.3 that cannot be made here."""
        if opened.flight:
            return Unseen("the server sent no certificate", "target")
        if not opened.handshake or opened.handshake.hello.version != "TLSv1.3":
            return Unseen("no handshake came as far as the certificate", "target")
        try:
            async with self._asking.place.connection() as stream:
                chain = (await stream.start_tls(self._asking.host, ANSWER_TIMEOUT)).chain
        except (Unreachable, NotOffered, ssl.SSLError, TimeoutError, OSError, EOFError) as error:
            return Unseen(f"the handshake ended before the certificate: {error}", "target")
        return Presented(chain) if chain else Unseen("the server sent no certificate", "target")

    async def _mixed(self) -> Seen:
        """To the suites the other way round, compression, and heartbeats."""
        offered = suites.ANY[::-1]
        return await self._asking.offer("TLSv1.2", offered, compression=hello.DEFLATE_OR_NULL, heartbeat=True)

    async def _weak(self, version: Version) -> Weak:
        """All at once, and by their kinds only where any is taken: most servers take none."""
        every = await self._asking.search(version, suites.WEAK, rounds=1)
        if isinstance(every.answer, Declined):
            return dict.fromkeys(_WEAK, every)
        searches = (self._asking.search(version, offered, rounds=self._rounds) for offered in _WEAK.values())
        return dict(zip(_WEAK, await asyncio.gather(*searches), strict=True))

    async def _parts(self, version: Version, parts: Iterable[tuple[int, ...]]) -> list[Found]:
        if not self._thorough:
            return []
        return await asyncio.gather(*(self._asking.search(version, part) for part in parts))

    async def _post_quantum(self) -> Answer:
        """Asked without a key; with one where that is not understood."""
        answer: Answer = Declined("")
        for shares in (False, True):
            own = agreement(suites.X25519MLKEM768) if shares else None
            keys = ((own.group, own.public),) if own else ()
            answer = await self._asking.ask("TLSv1.3", suites.TLS13, groups=suites.HYBRIDS, shares=keys)
            if isinstance(answer, Accepted):
                hybrid = answer.group in map(suites.group_name, suites.HYBRIDS)
                return answer if hybrid else Declined(f"answered with {answer.version} {answer.group}".rstrip())
            if isinstance(answer, Declined) and answer.how in _CLEAR:
                return answer
        return answer

    async def _groups(self) -> list[SearchedGroups]:
        asked: list[tuple[Version, Sequence[int], Sequence[int]]] = [
            ("TLSv1.3", suites.TLS13_CURVES, suites.TLS13),
            ("TLSv1.3", suites.FINITE_FIELDS, suites.TLS13),
            ("TLSv1.3", suites.POST_QUANTUM, suites.TLS13),
            ("TLSv1.2", suites.OLD_CURVES, suites.WITH_CURVES),
        ]
        return await asyncio.gather(*(self._asking.search_groups(*each) for each in asked if self._thorough))

    async def _curves(self, answers: Mapping[Version, Answer]) -> list[SearchedGroups]:
        """Those that TLS 1.3 has as well, where it is not spoken."""
        if not self._thorough or isinstance(answers["TLSv1.3"], Accepted):
            return []
        return [await self._asking.search_groups("TLSv1.2", suites.CURRENT_CURVES, suites.WITH_CURVES)]

    async def _grease(self) -> bool | None:
        if not self._thorough:
            return None
        answer = await self._asking.ask("TLSv1.3", (*suites.TLS13, *suites.COMMON), grease=True)
        return None if isinstance(answer, Unseen) else isinstance(answer, Accepted)

    async def _fallback(self, answers: Mapping[Version, Answer]) -> Answer | None:
        """RFC 7507: the latest of the old versions, where there is a later one."""
        accepted = [version for version in VERSIONS[::-1] if isinstance(answers[version], Accepted)]
        old = [version for version in accepted[1:] if version in OLD]
        return await self._asking.ask(old[0], (*suites.ANY, suites.FALLBACK_SCSV)) if old else None

    async def _first_that(self, quality: str, known: Iterable[Answer], offered: Sequence[int]) -> Answer:
        """The first answer of `known` with the quality; else the answer to a hello that offers nothing else."""
        for answer in known:
            if isinstance(answer, Accepted) and getattr(answer, quality):
                return answer
        return await self._asking.ask("TLSv1.2", offered)
