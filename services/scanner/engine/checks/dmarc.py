"""What receivers are told to do with mail that fails: DMARC."""

from collections.abc import Iterator
from shlex import quote

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailRecords
from services.scanner.engine.parsers import dmarc
from services.scanner.engine.parsers.dmarc import DISPOSITIONS, Applied


def _texts(mail: MailRecords) -> tuple[str, ...] | Unseen:
    """What stands at `_dmarc` of the domain itself, DMARC or not."""
    texts = mail.found(f"_dmarc.{mail.domain}", "TXT")
    return Unseen("the DMARC record was not asked for", "ours") if texts is None else texts


def _meant(texts: tuple[str, ...]) -> list[str]:
    """Records that are DMARC, or were meant to be and miss the version tag at their beginning."""
    return [text for text in texts if dmarc.is_record(text) or "dmarc1" in text.lower()]


def _applied(mail: MailRecords) -> Applied | Verdict:
    """The record that receivers use, or the verdict of a check that needs one."""
    match dmarc.discover(mail.domain, mail.found):
        case Unseen() as unseen:
            return not_tested(mail.domain, unseen)
        case None:
            return not_applicable(mail.domain, "there is no DMARC record that receivers would use")
        case applied:
            return applied


def _dig(at: str) -> str:
    return f"dig +short _dmarc.{at} TXT"


@check("dmarc_missing")
def dmarc_missing(mail: MailRecords) -> Iterator[Verdict]:
    applied, texts = dmarc.discover(mail.domain, mail.found), _texts(mail)
    if isinstance(applied, Unseen):
        yield not_tested(mail.domain, applied)
    elif applied:
        yield passed(mail.domain, f"a DMARC record stands at {applied.at}", at=applied.at, record=applied.record)
    elif not isinstance(texts, Unseen) and _meant(texts):
        yield not_applicable(mail.domain, "a record is there but void: see dmarc_invalid and dmarc_policy_none")
    else:
        yield failed(
            mail.domain,
            "no DMARC record tells receivers what to do with mail that is forged in this domain's name",
            reproduce=_dig(mail.domain),
            asked=[f"_dmarc.{at}" for at in dmarc.walk(mail.domain)],
        )


@check("dmarc_invalid")
def dmarc_invalid(mail: MailRecords) -> Iterator[Verdict]:
    texts = _texts(mail)
    if isinstance(texts, Unseen):
        yield not_tested(mail.domain, texts)
        return
    meant = _meant(texts)
    if not meant:
        yield not_applicable(mail.domain, "the domain has no DMARC record of its own")
        return
    problems = _problems(meant)
    if not problems:
        yield passed(mail.domain, "the DMARC record parses", record=meant[0])
        return
    yield failed(mail.domain, problems[0], reproduce=_dig(mail.domain), records=meant, problems=problems)


def _problems(meant: list[str]) -> list[str]:
    records = [text for text in meant if dmarc.is_record(text)]
    if len(records) > 1:
        return [f"there are {len(records)} DMARC records: receivers use none of them"]
    if not records:
        return ["the record does not begin with v=DMARC1: receivers do not take it for DMARC"]
    return list(dmarc.parse(records[0]).problems)


@check("dmarc_policy_none")
def dmarc_policy_none(mail: MailRecords) -> Iterator[Verdict]:
    texts = _texts(mail)
    match _applied(mail):
        case Applied() as applied if applied.disposition in ("quarantine", "reject"):
            yield passed(
                mail.domain, f"forged mail is met with {applied.disposition}", at=applied.at, record=applied.record
            )
        case Applied() as applied:
            yield failed(
                mail.domain,
                "forged mail is only reported, never refused"
                if applied.disposition
                else "the record has no policy that receivers can use",
                reproduce=_dig(applied.at),
                at=applied.at,
                record=applied.record,
            )
        case Verdict(status="not_applicable") if not isinstance(texts, Unseen) and _meant(texts):
            yield failed(
                mail.domain,
                "the record is void: no policy protects the domain",
                reproduce=_dig(mail.domain),
                records=_meant(texts),
            )
        case verdict:
            yield verdict


@check("dmarc_subdomain_policy_weak")
def dmarc_subdomain_policy_weak(mail: MailRecords) -> Iterator[Verdict]:
    match _applied(mail):
        case Verdict() as verdict:
            yield verdict
        case applied:
            policy = applied.policy
            if policy.p is None:
                yield not_applicable(mail.domain, "the record has no policy to compare with")
                return
            weaker = {
                name: value
                for name, value in (("sp", policy.sp), ("np", policy.np))
                if value and DISPOSITIONS.index(value) < DISPOSITIONS.index(policy.p)
            }
            if not weaker:
                yield passed(mail.domain, "subdomains are protected as the domain is", record=applied.record)
                return
            said = " and ".join(f"{name}={value}" for name, value in weaker.items())
            yield failed(
                mail.domain,
                f"{said} protects subdomains less than p={policy.p} does the domain",
                reproduce=_dig(applied.at),
                at=applied.at,
                record=applied.record,
                weaker=weaker,
            )


@check("dmarc_partial_enforcement")
def dmarc_partial_enforcement(mail: MailRecords) -> Iterator[Verdict]:
    match _applied(mail):
        case Verdict() as verdict:
            yield verdict
        case applied if applied.disposition not in ("quarantine", "reject"):
            yield not_applicable(mail.domain, "nothing is enforced")
        case applied:
            policy = applied.policy
            if not policy.testing and policy.pct in (None, 100):
                yield passed(mail.domain, "the policy holds for all mail", record=applied.record)
                return
            yield failed(
                mail.domain,
                "t=y asks receivers not to enforce the policy yet"
                if policy.testing
                else f"older receivers apply the policy to {policy.pct} % of the mail only",
                reproduce=_dig(applied.at),
                at=applied.at,
                record=applied.record,
            )


@check("dmarc_no_reporting")
def dmarc_no_reporting(mail: MailRecords) -> Iterator[Verdict]:
    match _applied(mail):
        case Verdict() as verdict:
            yield verdict
        case applied if not applied.policy.rua:
            yield failed(
                mail.domain,
                "no address takes aggregate reports (rua)",
                reproduce=_dig(applied.at),
                at=applied.at,
                record=applied.record,
            )
        case applied:
            yield _reporting(mail, applied)


def _reporting(mail: MailRecords, applied: Applied) -> Verdict:
    refused: dict[str, str] = {}
    for address, host in dmarc.report_hosts(applied).items():
        match dmarc.authorised(applied, host, mail.found):
            case Unseen() as unseen:
                return not_tested(mail.domain, unseen)
            case False:
                refused[address] = dmarc.authorisation(applied, host)
    if not refused:
        return passed(mail.domain, "aggregate reports are taken", record=applied.record, rua=list(applied.policy.rua))
    return failed(
        mail.domain,
        f"{next(iter(refused))} is in another domain, which does not say that it takes reports of this one",
        reproduce=f"dig +short {quote(next(iter(refused.values())))} TXT",
        at=applied.at,
        record=applied.record,
        not_authorised=refused,
    )
