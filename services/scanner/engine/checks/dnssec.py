"""DNSSEC: whether the zone is signed, whether that proves anything, and for how long."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from shlex import quote
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.dnssec.algorithms import digest_forbidden, digest_name_of, forbidden, name_of
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dnssec import DnsKey, Dnssec, Signature, ZoneTrust

RSA_BITS = 2048  # below it: under 112 bits of strength (NIST SP 800-57 part 1)
# A signature ought to be renewed well before its end (RFC 6781 section 4.4.2): with less left than a twelfth of its
# lifetime the renewal has failed, however short it is; with more than three days left there is time in any case.
_SHARE, _AMPLE = 12, timedelta(days=3)


@check("dnssec_not_signed")
def not_signed(dnssec: Dnssec) -> Iterator[Verdict]:
    zone = dnssec.zone
    if isinstance(zone, Unseen):
        yield not_tested(dnssec.domain, zone)
    elif isinstance(zone.keys, Unseen):
        yield not_tested(zone.name, zone.keys)
    elif zone.keys:
        yield passed(zone.name, "the zone is signed", keys=_keys(zone.keys))
    elif zone.ds:
        yield not_applicable(zone.name, "its parent says that it is signed: whether that holds is another check's")
    else:
        yield failed(
            zone.name,
            "the zone has no DNSKEY: it is not signed",
            reproduce=_dig(zone.name, "DNSKEY"),
            chain=_chain(dnssec),
        )


@check("dnssec_bogus")
def bogus(dnssec: Dnssec) -> Iterator[Verdict]:
    zone = dnssec.zone
    if isinstance(zone, Unseen):
        yield not_tested(dnssec.domain, zone)
        return
    if zone.status == "bogus":
        yield _bogus(dnssec, zone.name, "DNSKEY", zone.reason, zone.signatures)
        return
    if zone.status == "indeterminate":
        yield not_tested(zone.name, Unseen(zone.reason, zone.fault or "target"))
        return
    if zone.status == "insecure":
        yield not_applicable(zone.name, f"no chain of trust leads to it: {zone.reason}")
        return
    wrong = [record for record in dnssec.records if record.status == "bogus"]
    unclear = [record for record in dnssec.records if record.status == "indeterminate"]
    if wrong:
        for record in wrong:
            yield _bogus(dnssec, record.name, record.type, record.reason, record.signatures, subject=record.type)
    elif unclear:
        yield not_tested(zone.name, Unseen(unclear[0].reason, unclear[0].fault or "target"))
    else:
        validated = [f"{record.name} {record.type}" for record in dnssec.records]
        yield passed(zone.name, "the chain of trust holds", chain=_chain(dnssec), validated=validated)


def _bogus(
    dnssec: Dnssec, name: str, kind: str, reason: str, signatures: tuple[Signature, ...], *, subject: str = ""
) -> Verdict:
    return failed(
        name,
        f"validation fails, so that the domain is gone for whoever validates: {reason}",
        reproduce=f"{_dig(name, kind)} +cd",
        subject=subject,
        chain=_chain(dnssec),
        signatures=[_told(one) for one in signatures],
    )


@check("dnssec_signature_expiring")
def signature_expiring(dnssec: Dnssec) -> Iterator[Verdict]:
    zone = dnssec.zone
    if isinstance(zone, Unseen):
        yield not_tested(dnssec.domain, zone)
    elif zone.status == "indeterminate":
        yield not_tested(zone.name, Unseen(zone.reason, zone.fault or "target"))
    elif zone.status != "secure":
        yield not_applicable(zone.name, f"no chain of trust leads to it: {zone.reason}")
    else:
        found = (*zone.signatures, *(one for record in dnssec.records for one in record.signatures))
        good = [one for one in found if not one.fault and one.signer == zone.name]
        if not good:
            yield not_tested(zone.name, Unseen("none of its signatures was seen", "target"))
            return
        soonest = min(good, key=lambda one: one.expiration)
        late = [one for one in good if _late(one, dnssec.at)]
        if not late:
            yield passed(zone.name, f"the first signature to end does so at {soonest.expiration}", **_soonest(soonest))
            return
        yield failed(
            zone.name,
            f"its signature over {late[0].type} of {late[0].owner} ends at {late[0].expiration:%Y-%m-%d %H:%M} UTC",
            reproduce=_dig(late[0].owner, late[0].type),
            **_soonest(soonest),
            signatures=[_told(one) for one in late],
        )


def _late(signature: Signature, now: datetime) -> bool:
    lifetime = signature.expiration - signature.inception
    return signature.expiration - now < min(lifetime / _SHARE, _AMPLE)


def _soonest(signature: Signature) -> dict[str, Any]:
    return {"first_to_end": f"{signature.owner} {signature.type}", "ends_at": signature.expiration.isoformat()}


@check("dnssec_weak_algorithm")
def weak_algorithm(dnssec: Dnssec) -> Iterator[Verdict]:
    zone = dnssec.zone
    if isinstance(zone, Unseen):
        yield not_tested(dnssec.domain, zone)
    elif isinstance(zone.keys, Unseen):
        yield not_tested(zone.name, zone.keys)
    elif not zone.keys:
        yield not_applicable(zone.name, "the zone has no keys")
    else:
        weak = list(_weak(zone))
        if weak:
            yield from weak
        elif isinstance(zone.ds, Unseen):
            yield not_tested(zone.name, zone.ds)
        else:
            yield passed(zone.name, "its keys are strong", keys=_keys(zone.keys))


def _weak(zone: ZoneTrust) -> Iterator[Verdict]:
    keys = () if isinstance(zone.keys, Unseen) else tuple(key for key in zone.keys if not key.revoked)
    for algorithm in sorted({key.algorithm for key in keys if forbidden(key.algorithm)}):
        yield failed(
            zone.name,
            f"it is signed by {name_of(algorithm)}, which validators are told to take for no signature",
            reproduce=_dig(zone.name, "DNSKEY"),
            subject=name_of(algorithm),
            keys=_keys(keys),
        )
    short = [key for key in keys if key.bits is not None and key.bits < RSA_BITS]
    if short:
        yield failed(
            zone.name,
            f"it has an RSA key of {min(key.bits or 0 for key in short)} bits",
            reproduce=_dig(zone.name, "DNSKEY"),
            subject="short key",
            keys=_keys(short),
        )
    ds = () if isinstance(zone.ds, Unseen) else zone.ds
    for digest in sorted({one.digest_type for one in ds if digest_forbidden(one.digest_type)}):
        yield failed(
            zone.name,
            f"its parent names its key by {digest_name_of(digest)}",
            reproduce=_dig(zone.name, "DS"),
            subject=f"DS {digest_name_of(digest)}",
            ds=[f"{one.tag} {one.algorithm} {one.digest_type} {one.digest}" for one in ds],
        )


@check("dnssec_ds_missing")
def ds_missing(dnssec: Dnssec) -> Iterator[Verdict]:
    zone, parent = dnssec.zone, dnssec.parent
    if isinstance(zone, Unseen):
        yield not_tested(dnssec.domain, zone)
    elif isinstance(zone.keys, Unseen) or isinstance(zone.ds, Unseen):
        yield not_tested(zone.name, next(one for one in (zone.keys, zone.ds) if isinstance(one, Unseen)))
    elif not zone.keys:
        yield not_applicable(zone.name, "the zone is not signed")
    elif zone.ds or parent is None:
        yield passed(zone.name, "its parent names its keys", ds=[f"{one.tag} {one.algorithm}" for one in zone.ds])
    elif parent.status != "secure":
        yield not_applicable(zone.name, f"the zone above it, {parent.name}, is not secure itself")
    else:
        yield failed(
            zone.name,
            f"the zone is signed, but {parent.name} has no DS record for it: nobody can tell",
            reproduce=_dig(zone.name, "DS"),
            keys=_keys(zone.keys),
            wanted=list(dnssec.cds) if not isinstance(dnssec.cds, Unseen) else [],
        )


@check("dnssec_nsec3_iterations")
def nsec3_iterations(dnssec: Dnssec) -> Iterator[Verdict]:
    zone = dnssec.zone
    if isinstance(zone, Unseen):
        yield not_tested(dnssec.domain, zone)
    elif isinstance(dnssec.nsec3, Unseen):
        yield not_tested(zone.name, dnssec.nsec3)
    elif dnssec.nsec3 is None:
        yield not_applicable(zone.name, "the zone uses no NSEC3")
    elif dnssec.nsec3.iterations:
        yield failed(
            zone.name,
            f"its NSEC3 takes {dnssec.nsec3.iterations} additional iterations",
            reproduce=_dig(zone.name, "NSEC3PARAM"),
            iterations=dnssec.nsec3.iterations,
            salt=dnssec.nsec3.salt,
        )
    else:
        yield passed(zone.name, "its NSEC3 takes no additional iterations", salt=dnssec.nsec3.salt)


def _dig(name: str, kind: str) -> str:
    return f"dig +dnssec {quote(name)} {kind}"


def _chain(dnssec: Dnssec) -> list[str]:
    zones = () if isinstance(dnssec.zones, Unseen) else dnssec.zones
    return [f"{zone.name}: {zone.status}{f' ({zone.reason})' if zone.reason else ''}" for zone in zones]


def _keys(keys: tuple[DnsKey, ...] | list[DnsKey]) -> list[str]:
    return [f"{key.tag} {name_of(key.algorithm)}{f' {key.bits} bits' if key.bits else ''}" for key in keys]


def _told(signature: Signature) -> str:
    window = f"{signature.inception:%Y-%m-%dT%H:%M:%SZ} to {signature.expiration:%Y-%m-%dT%H:%M:%SZ}"
    state = signature.fault or "good"
    return f"{signature.owner} {signature.type} by {signature.tag} of {signature.signer}, {window}: {state}"
