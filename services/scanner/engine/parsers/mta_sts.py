"""MTA-STS: the TXT record (RFC 8461 section 3.1) and the policy file (section 3.2)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from services.scanner.engine.parsers.errors import ParseError

Mode = Literal["enforce", "testing", "none"]
MODES: tuple[Mode, ...] = ("enforce", "testing", "none")
MAX_AGE = 31_557_600  # seconds, section 3.2
MAX_POLICY = 64 * 1024  # bytes, section 3.3
_WHITESPACE = " \t"
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(\S(?:.*\S)?)")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Policy:
    mode: Mode
    max_age: int  # seconds
    mx: tuple[str, ...]  # patterns, in lower case

    def admits(self, host: str) -> bool:
        """Whether a pattern matches this MX name (section 4.1): a wildcard stands for one whole left-most label."""
        name = host.lower().removesuffix(".")
        return name in self.mx or f"*.{name.partition('.')[2]}" in self.mx


def records(texts: Iterable[str]) -> tuple[str, ...]:
    """The TXT records of `_mta-sts` that are not discarded; a sender wants exactly one."""
    return tuple(text for text in texts if text.startswith("v=STSv1;"))


def identifier(text: str) -> str:
    """The id of a record. ParseError where senders would not use it."""
    version, *fields = (part.strip(_WHITESPACE) for part in text.split(";"))
    if version != "v=STSv1":
        raise ParseError("the record does not begin with v=STSv1;")
    if fields and not fields[-1]:
        fields.pop()
    found = None
    for field in fields:
        if field.startswith("id="):
            if not _ID.fullmatch(field[3:]):
                raise ParseError(f"{field[:60]!r} is not an id of 1 to 32 letters and digits")
            found = found or field[3:]
        elif not _EXTENSION.fullmatch(field):
            raise ParseError(f"{field[:60]!r} is not a field: it should read name=value")
    if found is None:
        raise ParseError("the record has no id, by which senders see that the policy has changed")
    return found


def parse(body: bytes) -> Policy:
    """ParseError where a sender would treat the policy as invalid."""
    if len(body) > MAX_POLICY:
        raise ParseError(f"the policy is longer than {MAX_POLICY // 1024} KiB")
    try:
        lines = body.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise ParseError("the policy is not text in UTF-8") from None
    fields: dict[str, str] = {}
    patterns: list[str] = []
    for line in filter(None, (line.rstrip(_WHITESPACE) for line in lines)):
        found = _FIELD.fullmatch(line)
        if not found:
            raise ParseError(f"{line[:60]!r} is not a line of a policy: it should read key: value")
        if found[1] == "mx":
            patterns.append(_pattern(found[2]))
        else:
            fields.setdefault(found[1], found[2])
    if missing := [key for key in ("version", "mode", "max_age") if key not in fields]:
        raise ParseError(f"the policy has no {' and no '.join(missing)}")
    if fields["version"] != "STSv1":
        raise ParseError(f"the policy is of version {fields['version'][:40]!r}, not STSv1")
    if fields["mode"] not in MODES:
        raise ParseError(f"the mode {fields['mode'][:40]!r} is none of {', '.join(MODES)}")
    mode = fields["mode"]
    if not patterns and mode != "none":
        raise ParseError("the policy names no mx")
    return Policy(mode, _seconds(fields["max_age"]), tuple(patterns))


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_AGE):
        raise ParseError(f"max_age is {text[:40]!r}, not a number of seconds up to {MAX_AGE}")
    return int(text)


def _pattern(text: str) -> str:
    labels = text.removeprefix("*.").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ParseError(f"the mx pattern {text[:80]!r} is neither a host name nor one with *. before it")
    return text.lower()
