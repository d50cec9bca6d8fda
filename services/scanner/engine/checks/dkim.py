"""The keys that sign the domain's mail, as far as they can be found."""

from collections.abc import Iterator

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailRecords
from services.scanner.engine.parsers import dkim
from services.scanner.engine.parsers.errors import ParseError

MINIMUM_BITS, STRONG_BITS = 1024, 2048  # RFC 8301 section 3.2: verifiers refuse fewer, and signers should have more


def _keys(mail: MailRecords) -> dict[str, tuple[str, dkim.Key]]:
    """By selector: the record and its key, where it holds one in use."""
    found = {}
    for selector in mail.selectors:
        texts = mail.found(_name(mail, selector), "TXT")
        for text in () if texts is None or isinstance(texts, Unseen) else texts:
            try:
                key = dkim.parse(text)
            except ParseError:
                continue
            if not key.revoked and key.for_mail:
                found[selector] = text, key
    return found


def _hidden(mail: MailRecords) -> Unseen | None:
    """Why a selector could not be looked at."""
    answers = (mail.found(_name(mail, selector), "TXT") for selector in mail.selectors)
    return next((answer for answer in answers if isinstance(answer, Unseen)), None)


def _name(mail: MailRecords, selector: str) -> str:
    return f"{selector}._domainkey.{mail.domain}"


@check("dkim_not_found")
def dkim_not_found(mail: MailRecords) -> Iterator[Verdict]:
    """Never a failure: selectors cannot be listed, so a key that was not found may well be there."""
    keys = _keys(mail)
    if keys:
        yield passed(mail.domain, f"keys were found at {', '.join(keys)}", selectors=list(keys))
        return
    yield not_tested(mail.domain, _hidden(mail) or Unseen(_why_not_found(mail), "ours"))


def _why_not_found(mail: MailRecords) -> str:
    tried = f"no key at {len(mail.selectors)} usual selectors"
    if mail.keys_below is False:
        return f"{tried}, and no name exists below _domainkey.{mail.domain}"
    if mail.keys_below:
        return f"{tried}, but names do exist below _domainkey.{mail.domain}: they cannot be listed from outside"
    return f"{tried}; others cannot be listed from outside"


@check("dkim_weak_key")
def dkim_weak_key(mail: MailRecords) -> Iterator[Verdict]:
    keys = _keys(mail)
    if not keys:
        hidden = _hidden(mail)
        nothing = "no DKIM key was found to judge"
        yield not_tested(mail.domain, hidden) if hidden else not_applicable(mail.domain, nothing)
    weak = {selector: why for selector, (_, key) in keys.items() if (why := _weakness(key))}
    for selector, why in weak.items():
        record, key = keys[selector]
        yield failed(
            mail.domain,
            f"the key at the selector {selector} {why}",
            reproduce=f"dig +short {_name(mail, selector)} TXT",
            subject=selector,
            selector=selector,
            record=record,
            algorithm=key.algorithm,
            bits=key.bits,
            testing=key.testing,
        )
    if keys and not weak:
        yield passed(
            mail.domain,
            "the keys found are strong",
            keys={selector: f"{key.algorithm} {key.bits} bit" for selector, (_, key) in keys.items()},
        )


def _weakness(key: dkim.Key) -> str:
    if key.algorithm == "rsa" and key.bits < MINIMUM_BITS:
        return f"has {key.bits} bit: verifiers do not take signatures of fewer than {MINIMUM_BITS}"
    if key.algorithm == "rsa" and key.bits < STRONG_BITS:
        return f"has {key.bits} bit, fewer than {STRONG_BITS}"
    if key.hashes and "sha256" not in key.hashes:
        return "may sign with SHA-1 only" if "sha1" in key.hashes else "names no hash that verifiers know"
    return ""
