"""What the answers of one TLS service come to, as evidence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import (
    Accepted,
    Answer,
    Declined,
    Features,
    Groups,
    Service,
    Suites,
    Version,
    VersionAnswer,
)
from services.scanner.engine.probes.tls import hello, parse, suites
from services.scanner.engine.probes.tls.asking import Found, Kinds, SearchedGroups, Seen, answer_of, exactly
from services.scanner.engine.probes.tls.credentials import Credentials, Presented
from services.scanner.engine.probes.tls.exchange import CLOSED, Flight
from services.scanner.engine.probes.tls.tls13 import Handshake

OLD: tuple[Version, ...] = ("TLSv1.1", "TLSv1.0", "SSLv3")  # the latest first
VERSIONS: tuple[Version, ...] = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")

Weak = Mapping[str, Found]  # a search for each kind of weak suites, by the name of its field in Service


@dataclass(frozen=True, slots=True)
class Opened:
    """The two answers that show most."""

    clear: Seen  # to the hello of TLS 1.2
    encrypted: Handshake | Declined | Unseen  # of TLS 1.3

    @property
    def flight(self) -> Flight | None:
        return self.clear if isinstance(self.clear, Flight) else None

    @property
    def handshake(self) -> Handshake | None:
        return self.encrypted if isinstance(self.encrypted, Handshake) else None

    @property
    def presented(self) -> Presented | None:
        """In clear where it was; what came along under encryption alone is added where it is the same certificate."""
        clear, shown = self.flight, self.handshake.shown if self.handshake else None
        if clear is None or not clear.certificates or clear.hello is None:
            if shown is None or not shown.certificates:
                return None
            return Presented(shown.certificates, shown.staple, shown.timestamps, asked=True)
        same = shown is not None and shown.certificates[:1] == clear.certificates[:1]
        staple, timestamps = clear.staple, clear.hello.timestamps
        if shown is not None and same:
            staple, timestamps = staple or shown.staple, timestamps or shown.timestamps
        return Presented(clear.certificates, staple, timestamps, asked=True)


@dataclass(frozen=True, slots=True)
class Early:
    """What was asked without knowing anything of the service."""

    opened: Opened
    ssl2: Kinds
    old: Mapping[Version, Answer]
    weak: Weak
    fields: Found
    mixed: Seen  # to all suites the other way round, with compression
    hybrid: Answer
    parts: Sequence[Found]  # of TLS 1.2
    parts13: Sequence[Found]
    groups: Sequence[SearchedGroups]
    grease: bool | None

    @property
    def best(self) -> Answer:
        """To the hello of TLS 1.2, of whatever version."""
        return answer_of(self.opened.clear, suites.ANY)

    @property
    def encrypted(self) -> Answer:
        return _answer_of_handshake(self.opened.encrypted)

    @property
    def answers(self) -> dict[Version, Answer]:
        """By version, the oldest first."""
        found = {**self.old, "SSLv2": _answer_of_kinds(self.ssl2), "TLSv1.2": self.best, "TLSv1.3": self.encrypted}
        return {version: self._otherwise(version, exactly(version, found[version])) for version in VERSIONS}

    @property
    def speaks(self) -> bool:
        return any(isinstance(answer, Accepted) for answer in (self.best, *self.answers.values()))

    def _otherwise(self, version: Version, answer: Answer) -> Answer:
        """Some accept a version with suites alone that no client offers by default: anonymous ones, or shared keys."""
        if isinstance(answer, Accepted):
            return answer
        searched = (*self.weak.values(), *self.parts, *self.parts13)
        taken = (each.answer for each in searched if isinstance(each.answer, Accepted))
        return next((each for each in taken if each.version == version), answer)


@dataclass(frozen=True, slots=True)
class Late:
    """What was asked for knowing that."""

    weak: Mapping[Version, Weak]
    parts: Mapping[Version, Sequence[Found]]
    fallback: Answer | None
    forward_secret: Answer
    authenticated_encryption: Answer
    groups: Sequence[SearchedGroups]


def speechless(port: int, early: Early) -> Unseen:
    """Nothing was accepted: a name that it does not serve, hardly a server without any version."""
    answers = (early.best, *early.answers.values())
    alerts = [answer.how for answer in answers if isinstance(answer, Declined) and "alert" in answer.how]
    if alerts:
        return Unseen(f"port {port} speaks TLS but turns every hello down: {alerts[0]}", "target")
    if isinstance(early.best, Unseen):
        return early.best
    return Unseen(f"port {port} is open but does not answer a TLS hello", "target")


def service(early: Early, late: Late, credentials: Credentials, *, thorough: bool) -> Service:
    """`thorough`: every part of the suites was searched."""
    weak = (early.weak, *late.weak.values())
    found = _suites(early, late, thorough=thorough)
    return Service(
        versions=tuple(VersionAnswer(version, answer) for version, answer in early.answers.items()),
        null_or_anonymous=_worst([*(each["null_or_anonymous"].answer for each in weak), *map(_plain, early.parts13)]),
        export_rc4_des=_worst([each["export_rc4_des"].answer for each in weak]),
        triple_des=_worst([each["triple_des"].answer for each in weak]),
        finite_field_dh=early.fields.answer,
        forward_secret=late.forward_secret,
        authenticated_encryption=late.authenticated_encryption,
        chain=credentials.chain,
        trust=credentials.trust,
        revocation=credentials.revocation,
        transparency=credentials.transparency,
        suites=found,
        groups=_groups([*early.groups, *late.groups]),
        compression=_compression(early.mixed),
        fallback=late.fallback,
        post_quantum=early.hybrid,
        features=_features(early, found),
    )


_TIRED = Unseen("it closes connections without a word, by now also those it accepted before", "target")


def doubted(service: Service) -> Service:
    """With what was turned down by closing the connection as not seen."""
    suites_left = tuple(replace(each, complete=False) for each in service.suites)
    return replace(
        service,
        versions=tuple(replace(each, answer=_doubted(each.answer)) for each in service.versions),
        null_or_anonymous=_doubted(service.null_or_anonymous),
        export_rc4_des=_doubted(service.export_rc4_des),
        triple_des=_doubted(service.triple_des),
        finite_field_dh=_doubted(service.finite_field_dh),
        forward_secret=_doubted(service.forward_secret),
        authenticated_encryption=_doubted(service.authenticated_encryption),
        suites=suites_left,
        groups=service.groups and replace(service.groups, complete=False),
        compression=_doubted(service.compression),
        fallback=service.fallback and _doubted(service.fallback),
        post_quantum=_doubted(service.post_quantum),
    )


def _doubted(answer: Answer) -> Answer:
    return _TIRED if answer == CLOSED else answer


def _answer_of_kinds(kinds: Kinds) -> Answer:
    return Accepted("SSLv2", kinds[0], secure_renegotiation=False) if isinstance(kinds, tuple) else kinds


def _answer_of_handshake(seen: Handshake | Declined | Unseen) -> Answer:
    if not isinstance(seen, Handshake):
        return seen
    if seen.hello.suite not in suites.NAMES:
        return Unseen(f"the server chose {suites.name(seen.hello.suite)}, which was not offered", "target")
    return Accepted(
        version=seen.hello.version,
        suite=suites.name(seen.hello.suite),
        secure_renegotiation=seen.hello.secure_renegotiation,
        group="" if seen.group is None else suites.group_name(seen.group),
        signature="" if seen.signature is None else suites.signature_name(seen.signature),
    )


def _worst(answers: Sequence[Answer]) -> Answer:
    for kind in (Accepted, Unseen):
        for answer in answers:
            if isinstance(answer, kind):
                return answer
    return answers[0]


def _plain(found: Found) -> Answer:
    """The suites of TLS 1.3 that encrypt nothing (RFC 9150), among the others."""
    for number in found.by_version.get("TLSv1.3", ()):
        if number in suites.TLS13_PLAIN:
            return Accepted("TLSv1.3", suites.name(number), secure_renegotiation=True)
    return Declined("none of TLS 1.3")


def _groups(searched: Iterable[SearchedGroups]) -> Groups | None:
    searched = list(searched)
    if not searched:
        return None
    names = dict.fromkeys(suites.group_name(number) for numbers, _ in searched for number in numbers)
    return Groups(tuple(names), all(complete for _, complete in searched))


def _compression(mixed: Seen) -> Answer:
    if not isinstance(mixed, Flight):
        return mixed
    assert mixed.hello
    answer = answer_of(mixed, suites.ANY)
    if isinstance(answer, Accepted) and not mixed.hello.compression:
        return Declined("no compression was chosen")
    return answer


def _suites(early: Early, late: Late, *, thorough: bool) -> tuple[Suites, ...]:
    searched: dict[Version, Sequence[Found]] = {
        **{version: (*weak.values(), *late.parts[version]) for version, weak in late.weak.items()},
        "TLSv1.2": (*early.parts, *early.weak.values()),
        "TLSv1.3": early.parts13,
    }
    names: dict[Version, dict[str, None]] = {version: {} for version in VERSIONS}
    every = [found for each in searched.values() for found in each]
    for answer in (*early.answers.values(), early.best, early.fields.answer, *(found.answer for found in every)):
        if isinstance(answer, Accepted):
            names[answer.version].setdefault(answer.suite)
    for found in every:
        for version, numbers in found.by_version.items():
            names[version] |= dict.fromkeys(map(suites.name, numbers))
    complete = {version: thorough and all(found.complete for found in each) for version, each in searched.items()}
    if isinstance(early.ssl2, tuple):
        names["SSLv2"], complete["SSLv2"] = dict.fromkeys(early.ssl2), True
    return tuple(
        Suites(version, tuple(found), complete.get(version, False)) for version, found in names.items() if found
    )


def _features(early: Early, found: Sequence[Suites]) -> Features:
    opened, mixed = early.opened, early.mixed
    clear, encrypted = opened.flight.hello if opened.flight else None, opened.handshake
    other = mixed.hello if isinstance(mixed, Flight) else None
    several = any(len(each.names) > 1 for each in found if each.version not in ("SSLv2", "TLSv1.3"))
    preference: Literal["server", "client"] | None = None
    if clear and other and several:
        preference = "server" if clear.suite == other.suite else "client"
    finished = encrypted if encrypted and encrypted.whole else None
    asking = [each.asks_certificate for each in (opened.flight, finished) if each]
    return Features(
        preference=preference,
        extended_master_secret=23 in clear.extensions if clear else None,
        session_ids=bool(clear.session_id) if clear else None,
        tickets=bool(finished.early_data) if finished else 35 in clear.extensions if clear else None,
        early_data=max(finished.early_data, default=0) if finished else None,
        protocol=_protocol(clear, encrypted),
        downgrade_marked=clear.downgraded if clear and isinstance(early.answers["TLSv1.3"], Accepted) else None,
        heartbeat=hello.HEARTBEAT in other.extensions if other else None,
        client_certificate=any(asking) if asking else None,
        grease=early.grease if isinstance(early.answers["TLSv1.2"], Accepted) or encrypted else None,
    )


def _protocol(clear: parse.ServerHello | None, encrypted: Handshake | None) -> str | None:
    if encrypted and encrypted.protocol is not None:
        return encrypted.protocol
    if clear is None:
        return None
    try:
        return parse.chosen_protocol(clear.extensions[16]) if 16 in clear.extensions else ""
    except parse.Malformed:
        return None
