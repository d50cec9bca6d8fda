"""The domain's registration: its dates, its locks, and whether it is held."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from shlex import quote
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.registration import Record, Registration

SOON = timedelta(days=30)
YOUNG = timedelta(days=30)
_LOST = frozenset({"redemptionperiod", "pendingdelete", "pendingrestore"})  # RFC 3915 section 3.1, RFC 5731
_HELD = frozenset({"clienthold", "serverhold", "pendingdelete"})
_REGISTRY_LOCKS = frozenset({"servertransferprohibited", "serverupdateprohibited", "serverdeleteprohibited"})

Judge = Callable[[Record], Iterable[Verdict]]


def _on_record(registration: Registration, judge: Judge) -> Iterator[Verdict]:
    if not registration.own:
        yield not_applicable(registration.domain, "the name is a hoster's: the registration is not its holder's")
    elif isinstance(registration.record, Unseen):
        yield not_tested(registration.domain, registration.record)
    else:
        yield from judge(registration.record)


def _reproduce(registration: Registration, record: Record) -> str:
    source = record.source
    if source.protocol == "rdap":
        return f"curl -sL {quote(source.asked)}"
    return f"whois -h {quote(source.asked)} {quote(source.question)}"


def _observed(record: Record) -> dict[str, Any]:
    told = record.registered
    return {
        "source": record.source.asked,
        "protocol": record.source.protocol,
        "registrar": told.registrar,
        "status": list(told.statuses),
        "expires_at": _text(told.expires_at),
        "registered_at": _text(told.registered_at),
    }


def _text(when: datetime | None) -> str | None:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def _silent(registration: Registration, what: str) -> Verdict:
    return not_tested(registration.domain, Unseen(f"the registry does not publish {what}", "source"))


@check("domain_expired")
def domain_expired(registration: Registration) -> Iterator[Verdict]:
    """ICANN's Expired Registration Recovery Policy; RFC 9083 section 10.2.3, RFC 3915 section 3.1."""

    def judge(record: Record) -> Iterator[Verdict]:
        told, domain = record.registered, registration.domain
        lost = sorted(told.codes & _LOST)
        past = told.expires_at is not None and told.expires_at <= registration.seen_at
        if lost or past:
            reason = (
                f"the registration has ended: the registry shows {lost[0]}"
                if lost
                else f"the registration ended on {told.expires_at:%Y-%m-%d}"
            )
            yield failed(domain, reason, reproduce=_reproduce(registration, record), **_observed(record))
        elif told.expires_at is None:
            yield _silent(registration, "the date of expiry")
        else:
            yield passed(domain, f"it is registered until {told.expires_at:%Y-%m-%d}", **_observed(record))

    return _on_record(registration, judge)


@check("domain_expiring_soon")
def domain_expiring_soon(registration: Registration) -> Iterator[Verdict]:
    def judge(record: Record) -> Iterator[Verdict]:
        told, domain = record.registered, registration.domain
        if told.expires_at is None:
            yield _silent(registration, "the date of expiry")
            return
        left = told.expires_at - registration.seen_at
        if left <= timedelta() or told.codes & _LOST:
            yield not_applicable(domain, "the registration has ended already")
        elif left < SOON:
            yield failed(
                domain,
                f"the registration ends on {told.expires_at:%Y-%m-%d}, in {left.days} days; whether it renews by"
                " itself cannot be seen",
                reproduce=_reproduce(registration, record),
                days_left=left.days,
                **_observed(record),
            )
        else:
            yield passed(domain, f"{left.days} days are left", days_left=left.days, **_observed(record))

    return _on_record(registration, judge)


@check("domain_transfer_unlocked")
def domain_transfer_unlocked(registration: Registration) -> Iterator[Verdict]:
    """RFC 5731 section 2.3; where a country's registry has no such status, none can be missing."""

    def judge(record: Record) -> Iterator[Verdict]:
        told, domain = record.registered, registration.domain
        if told.transfer_locks:
            locks = sorted(told.transfer_locks)
            yield passed(domain, f"a transfer is locked: {', '.join(locks)}", **_observed(record))
        elif (other := _without_locks(registration, record)) is not None:
            yield other
        else:
            yield failed(
                domain,
                "the registry shows no lock against a transfer to another registrar",
                reproduce=_reproduce(registration, record),
                **_observed(record),
            )

    return _on_record(registration, judge)


@check("domain_registry_lock_missing")
def domain_registry_lock_missing(registration: Registration) -> Iterator[Verdict]:
    """The three prohibitions that a registry sets and lifts on a call alone."""

    def judge(record: Record) -> Iterator[Verdict]:
        told, domain = record.registered, registration.domain
        missing = sorted(_REGISTRY_LOCKS - told.codes)
        if not missing:
            yield passed(domain, "the registry itself has locked it", **_observed(record))
        elif (other := _without_locks(registration, record)) is not None:
            yield other
        else:
            yield failed(
                domain,
                "the registry has not locked it: what can sign in at the registrar can move or delete it",
                reproduce=_reproduce(registration, record),
                missing=missing,
                **_observed(record),
            )

    return _on_record(registration, judge)


def _without_locks(registration: Registration, record: Record) -> Verdict | None:
    """Where nothing can be said of locks: no status is published, or a country's registry shows none of EPP's."""
    told, domain = record.registered, registration.domain
    if told.shows_locks:
        return None
    ending = domain.rpartition(".")[2]
    if len(ending) == 2 or ending.startswith("xn--"):
        return not_applicable(domain, f"the registry of .{ending} shows no locks")
    return None if told.statuses else _silent(registration, "a status")


@check("domain_on_hold")
def domain_on_hold(registration: Registration) -> Iterator[Verdict]:
    def judge(record: Record) -> Iterator[Verdict]:
        told, domain = record.registered, registration.domain
        held = sorted(told.codes & _HELD)
        if held:
            yield failed(
                domain,
                f"the registry shows {', '.join(held)}: it is taken out of the DNS, or soon will be",
                reproduce=_reproduce(registration, record),
                **_observed(record),
            )
        elif not told.statuses:
            yield _silent(registration, "a status")
        else:
            yield passed(domain, "no status holds it back", **_observed(record))

    return _on_record(registration, judge)


@check("domain_recently_registered")
def domain_recently_registered(registration: Registration) -> Iterator[Verdict]:
    def judge(record: Record) -> Iterator[Verdict]:
        told, domain = record.registered, registration.domain
        if told.registered_at is None:
            yield _silent(registration, "the date of registration")
            return
        age = registration.seen_at - told.registered_at
        if age < YOUNG:
            yield failed(
                domain,
                f"it was registered on {told.registered_at:%Y-%m-%d}, {max(age.days, 0)} days ago",
                reproduce=_reproduce(registration, record),
                age_days=max(age.days, 0),
                **_observed(record),
            )
        else:
            yield passed(domain, f"it was registered {age.days} days ago", age_days=age.days, **_observed(record))

    return _on_record(registration, judge)
