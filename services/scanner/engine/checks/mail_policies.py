"""What a domain asks of those who send mail to it: MTA-STS and TLS reporting."""

from collections.abc import Iterator
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.dane import secured
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dane import Dane
from services.scanner.engine.evidence.mail_policies import MailPolicies, PolicyFile
from services.scanner.engine.parsers import mta_sts, tls_rpt
from services.scanner.engine.parsers.errors import ParseError
from services.scanner.engine.parsers.mta_sts import Policy

_TAKES_NO_MAIL = "the domain takes no mail: it has no MX host"


def _excuse(policies: MailPolicies, texts: tuple[str, ...] | Unseen) -> Verdict | None:
    """Why a check of records cannot fail."""
    for seen in (policies.mx, texts):
        if isinstance(seen, Unseen):
            return not_tested(policies.domain, seen)
    return None if policies.mx else not_applicable(policies.domain, _TAKES_NO_MAIL)


def _sts_records(policies: MailPolicies) -> tuple[str, ...]:
    return () if isinstance(policies.sts_texts, Unseen) else mta_sts.records(policies.sts_texts)


def valid_policy(policies: MailPolicies) -> Policy | None:
    """The policy, where senders would find it and could use it."""
    records = _sts_records(policies)
    if len(records) != 1 or not isinstance(policies.policy, PolicyFile):
        return None
    try:
        mta_sts.identifier(records[0])
        return _parsed(policies.policy)
    except ParseError:
        return None


def _parsed(file: PolicyFile) -> Policy:
    """RFC 8461 sections 3.2 and 3.3. ParseError."""
    if file.status != 200:
        moved = f", with a redirect to {file.location}, which senders do not follow" if file.location else ""
        raise ParseError(f"the policy's address answers {file.status}{moved}")
    if file.media_type != "text/plain":
        raise ParseError(f"the policy is sent as {file.media_type or 'nothing in particular'}, not as text/plain")
    return mta_sts.parse(file.body)


def _fetch(domain: str) -> str:
    return f"dig +short _mta-sts.{domain} TXT; curl -sSi https://mta-sts.{domain}/.well-known/mta-sts.txt"


@check("mta_sts_missing")
def mta_sts_missing(policies: MailPolicies, dane: Dane) -> Iterator[Verdict]:
    """DANE for every mail host does the same and more (RFC 8461 section 2)."""
    records = _sts_records(policies)
    if excuse := _excuse(policies, policies.sts_texts):
        yield excuse
        return
    if records:
        yield passed(policies.domain, "it announces a policy of MTA-STS", records=list(records))
        return
    protected = [secured(found) for found in (() if isinstance(dane.sets, Unseen) else dane.sets)]
    if protected and all(known is True for known in protected):
        yield passed(policies.domain, "it has no policy of MTA-STS, but DANE for its mail hosts")
    elif protected and False not in protected:
        yield not_tested(policies.domain, next(known for known in protected if isinstance(known, Unseen)))
    else:
        yield failed(
            policies.domain,
            "nothing tells senders to insist on TLS: who sits between can make them deliver in clear",
            reproduce=f"dig +short _mta-sts.{policies.domain} TXT",
            texts=list(policies.sts_texts) if not isinstance(policies.sts_texts, Unseen) else [],
        )


@check("mta_sts_invalid")
def mta_sts_invalid(policies: MailPolicies) -> Iterator[Verdict]:
    if excuse := _excuse(policies, policies.sts_texts):
        yield excuse
        return
    records = _sts_records(policies)
    if not records:
        texts = () if isinstance(policies.sts_texts, Unseen) else policies.sts_texts
        meant = [text for text in texts if "stsv1" in text.lower()]
        if meant:
            yield _void(policies, "the record does not begin with v=STSv1; so that senders discard it", meant)
        else:
            yield not_applicable(policies.domain, "it announces no policy of MTA-STS")
        return
    if len(records) > 1:
        yield _void(policies, f"there are {len(records)} records: senders use none of them", records)
        return
    try:
        identifier = mta_sts.identifier(records[0])
    except ParseError as error:
        yield _void(policies, str(error), records)
        return
    yield _judged(policies, records, identifier)


def _judged(policies: MailPolicies, records: tuple[str, ...], identifier: str) -> Verdict:
    file = policies.policy
    if isinstance(file, Unseen) and _unfetchable(file):
        return _void(policies, f"the policy cannot be fetched: {file.reason}", records)
    if not isinstance(file, PolicyFile):
        return not_tested(policies.domain, file or Unseen("the policy was not asked for", "ours"))
    try:
        policy = _parsed(file)
    except ParseError as error:
        return _void(policies, str(error), records, status=file.status, media_type=file.media_type)
    mx = () if isinstance(policies.mx, Unseen) else policies.mx
    strangers = [host for host in mx if not policy.admits(host)] if policy.mode != "none" else []
    if strangers:
        return _void(
            policies,
            f"the policy does not name the mail host {strangers[0]}: senders that keep to it do not deliver there",
            records,
            mode=policy.mode,
            patterns=list(policy.mx),
            not_named=strangers,
        )
    return passed(policies.domain, "the policy can be fetched and holds", id=identifier, mode=policy.mode, mx=policy.mx)


def _unfetchable(policy: Unseen) -> bool:
    """The host said so itself, where silence may have been for us alone."""
    return policy.fault == "target" and not policy.silent


def _void(policies: MailPolicies, reason: str, records: tuple[str, ...] | list[str], **evidence: Any) -> Verdict:
    return failed(policies.domain, reason, reproduce=_fetch(policies.domain), records=list(records), **evidence)


@check("mta_sts_not_enforced")
def mta_sts_not_enforced(policies: MailPolicies) -> Iterator[Verdict]:
    policy = valid_policy(policies)
    if excuse := _excuse(policies, policies.sts_texts):
        yield excuse
    elif isinstance(policies.policy, Unseen) and not _unfetchable(policies.policy):
        yield not_tested(policies.domain, policies.policy)
    elif policy is None:
        yield not_applicable(policies.domain, "there is no policy that senders could use")
    elif policy.mode == "enforce":
        yield passed(policies.domain, "the policy is enforced", mode=policy.mode, max_age=policy.max_age)
    else:
        yield failed(
            policies.domain,
            "the policy only asks for reports: mail is delivered in clear all the same"
            if policy.mode == "testing"
            else "the policy says that there is none any more",
            reproduce=_fetch(policies.domain),
            mode=policy.mode,
            max_age=policy.max_age,
        )


@check("tlsrpt_missing")
def tlsrpt_missing(policies: MailPolicies) -> Iterator[Verdict]:
    if excuse := _excuse(policies, policies.report_texts):
        yield excuse
        return
    texts = () if isinstance(policies.report_texts, Unseen) else policies.report_texts
    records = tls_rpt.records(texts)
    try:
        if len(records) != 1:
            raise ParseError(
                f"there are {len(records)} records: senders use none of them"
                if records
                else "no record tells senders where to report that TLS to the domain's mail hosts failed"
            )
        addresses = tls_rpt.parse(records[0])
    except ParseError as error:
        yield failed(
            policies.domain,
            str(error),
            reproduce=f"dig +short _smtp._tls.{policies.domain} TXT",
            texts=list(texts),
        )
        return
    yield passed(policies.domain, "reports of failed TLS are taken", record=records[0], rua=list(addresses))
