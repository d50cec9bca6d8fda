"""Who may send mail in the domain's name: SPF, and domains that send none."""

from collections.abc import Iterator

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailRecords
from services.scanner.engine.parsers import dmarc, spf
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.spf_check_host import MAX_LOOKUPS, MAX_VOID
from services.scanner.engine.parsers.spf_evaluation import Evaluation, evaluate

ENFORCING = ("quarantine", "reject")
NULL_MX = "."  # RFC 7505


def _records(mail: MailRecords) -> tuple[str, ...] | Unseen:
    texts = mail.found(mail.domain, "TXT")
    if texts is None or isinstance(texts, Unseen):
        return texts or Unseen("the TXT records were not asked for", "ours")
    return spf.select(texts)


def _receives(mail: MailRecords) -> bool | Unseen:
    """Whether an MX other than the null MX is there."""
    records = mail.found(mail.domain, "MX")
    if records is None or isinstance(records, Unseen):
        return records or Unseen("the MX records were not asked for", "ours")
    return any(record.split()[-1] != NULL_MX for record in records)


def _one_record(mail: MailRecords) -> tuple[str, Evaluation] | Verdict:
    """The domain's SPF record and what it comes to, or the verdict of a check that needs exactly one."""
    records = _records(mail)
    if isinstance(records, Unseen):
        return not_tested(mail.domain, records)
    if len(records) != 1:
        return not_applicable(mail.domain, "there is no SPF record" if not records else "there are several SPF records")
    return records[0], evaluate(mail.domain, mail.found)


def _dig(mail: MailRecords) -> str:
    return f"dig +short {mail.domain} TXT"


@check("spf_missing")
def spf_missing(mail: MailRecords) -> Iterator[Verdict]:
    records, receives = _records(mail), _receives(mail)
    if isinstance(records, Unseen):
        yield not_tested(mail.domain, records)
    elif records:
        yield passed(mail.domain, "there is an SPF record", records=list(records))
    elif isinstance(receives, Unseen):
        yield not_tested(mail.domain, receives)
    elif not receives:
        yield not_applicable(mail.domain, "the domain takes no mail: see non_mail_domain_unprotected")
    else:
        yield failed(
            mail.domain, "the domain takes mail but no SPF record says who sends it", reproduce=_dig(mail), records=[]
        )


@check("spf_multiple_records")
def spf_multiple_records(mail: MailRecords) -> Iterator[Verdict]:
    records = _records(mail)
    if isinstance(records, Unseen):
        yield not_tested(mail.domain, records)
    elif not records:
        yield not_applicable(mail.domain, "there is no SPF record")
    elif len(records) == 1:
        yield passed(mail.domain, "there is one SPF record", records=list(records))
    else:
        yield failed(
            mail.domain,
            f"there are {len(records)} SPF records: receivers use none of them",
            reproduce=_dig(mail),
            records=list(records),
        )


@check("spf_invalid")
def spf_invalid(mail: MailRecords) -> Iterator[Verdict]:
    match _one_record(mail):
        case Verdict() as verdict:
            yield verdict
        case record, evaluation:
            if evaluation.errors:
                yield failed(
                    mail.domain,
                    evaluation.errors[0],
                    reproduce=_dig(mail),
                    record=record,
                    errors=evaluation.errors,
                )
            elif evaluation.open:
                yield not_tested(mail.domain, evaluation.open)
            else:
                yield passed(mail.domain, "it parses, and so does all that it includes", record=record)


@check("spf_permissive_all")
def spf_permissive_all(mail: MailRecords) -> Iterator[Verdict]:
    """By what a stranger gets, not by the last word of the record: an include may let everyone in as well."""
    match _one_record(mail):
        case Verdict() as verdict:
            yield verdict
        case record, evaluation:
            if evaluation.open and evaluation.stranger != "pass":
                yield not_tested(mail.domain, evaluation.open)
            elif evaluation.stranger in ("fail", "softfail"):
                yield passed(mail.domain, "strangers are turned down", record=record, stranger=evaluation.stranger)
            elif evaluation.stranger == "permerror":
                yield not_applicable(mail.domain, "the record is in error: see spf_invalid")
            else:
                yield failed(
                    mail.domain,
                    "it lets anyone on the Internet send as this domain"
                    if evaluation.stranger == "pass"
                    else "it says nothing of senders that it does not name",
                    reproduce=_dig(mail),
                    record=record,
                    stranger=evaluation.stranger,
                )


@check("spf_softfail")
def spf_softfail(mail: MailRecords) -> Iterator[Verdict]:
    """~all is accepted practice where DMARC enforces, since DMARC then decides (RFC 7208 section 8.5)."""
    match _one_record(mail):
        case Verdict() as verdict:
            yield verdict
        case record, evaluation:
            if evaluation.open:
                yield not_tested(mail.domain, evaluation.open)
                return
            if evaluation.stranger != "softfail":
                yield passed(mail.domain, "it does not end in ~all", record=record, stranger=evaluation.stranger)
                return
            applied = dmarc.discover(mail.domain, mail.found)
            if isinstance(applied, Unseen):
                yield not_tested(mail.domain, applied)
            elif applied and applied.disposition in ENFORCING:
                yield passed(
                    mail.domain,
                    f"it ends in ~all, and DMARC enforces p={applied.disposition}",
                    record=record,
                    dmarc=applied.record,
                )
            else:
                yield failed(
                    mail.domain,
                    "it ends in ~all, and no DMARC policy turns strangers down either",
                    reproduce=_dig(mail),
                    record=record,
                )


@check("spf_too_many_lookups")
def spf_too_many_lookups(mail: MailRecords) -> Iterator[Verdict]:
    match _one_record(mail):
        case Verdict() as verdict:
            yield verdict
        case record, evaluation:
            if evaluation.lookups > MAX_LOOKUPS or evaluation.void > MAX_VOID:
                yield failed(
                    mail.domain,
                    f"it takes {evaluation.lookups} lookups, {evaluation.void} of them void; receivers give up after "
                    f"{MAX_LOOKUPS}, or {MAX_VOID} void",
                    reproduce=_dig(mail),
                    record=record,
                    lookups=evaluation.lookups,
                    void=evaluation.void,
                    counted=evaluation.costly,
                )
            elif evaluation.open:
                yield not_tested(mail.domain, evaluation.open)
            else:
                yield passed(
                    mail.domain,
                    f"it takes {evaluation.lookups} lookups of {MAX_LOOKUPS}",
                    record=record,
                    counted=evaluation.costly,
                )


@check("non_mail_domain_unprotected")
def non_mail_domain_unprotected(mail: MailRecords) -> Iterator[Verdict]:
    """A domain without mail should say so thrice: null MX, "v=spf1 -all", p=reject."""
    records, receives = _records(mail), _receives(mail)
    if isinstance(records, Unseen) or isinstance(receives, Unseen):
        yield not_tested(mail.domain, next(seen for seen in (records, receives) if isinstance(seen, Unseen)))
        return
    if receives or any(_sends(record) for record in records):
        yield not_applicable(mail.domain, "the domain takes or sends mail")
        return
    applied = dmarc.discover(mail.domain, mail.found)
    if isinstance(applied, Unseen):
        yield not_tested(mail.domain, applied)
        return
    missing = [
        what
        for what, there in (
            ("a null MX", bool(mail.found(mail.domain, "MX"))),
            ('SPF "v=spf1 -all"', evaluate(mail.domain, mail.found).stranger == "fail"),
            ("DMARC p=reject", applied is not None and applied.disposition == "reject"),
        )
        if not there
    ]
    policy = applied.record if applied else None
    if missing:
        yield failed(
            mail.domain,
            f"the domain has no mail but lacks {' and '.join(missing)}",
            reproduce=f"dig +short {mail.domain} MX; {_dig(mail)}; dig +short _dmarc.{mail.domain} TXT",
            missing=missing,
            spf=list(records),
            dmarc=policy,
        )
    else:
        yield passed(mail.domain, "the domain has no mail, and says so", spf=list(records), dmarc=policy)


def _sends(record: str) -> bool:
    """Whether an SPF record names any sender."""
    try:
        parsed = spf.parse(record)
    except ParseError:
        return True  # somebody meant to send
    return parsed.redirect is not None or any(term.mechanism != "all" or term.qualifier == "+" for term in parsed.terms)
