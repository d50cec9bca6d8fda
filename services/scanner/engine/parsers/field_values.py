"""Values of header fields that several specifications share: lists by Fetch, structured fields by RFC 9651."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)


def get_decode_split(value: str | None) -> tuple[str, ...] | None:
    """Fetch, "get, decode, and split": at commas outside quoted strings, whose quotes stay. None without a header."""
    if value is None:
        return None
    values, current, position = [], "", 0
    while position < len(value):
        char = value[position]
        if char == '"' and (quoted := _QUOTED.match(value, position)):
            current, position = current + quoted[0], quoted.end()
            continue
        if char == ",":
            values.append(current.strip("\t "))
            current = ""
        else:
            current += char
        position += 1
    return (*values, current.strip("\t "))


class NotStructured(ValueError):
    """The field does not parse, and is ignored as a whole (RFC 9651, section 4.2)."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, told apart from a string of the same text."""

    text: str


Bare = int | float | str | bytes | bool | Token
Member = Bare | tuple[Bare, ...]  # parameters are checked and dropped

_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,3})?(?![0-9.])")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BYTES = re.compile(r":[A-Za-z0-9+/=]*:")
_BOOLEAN = re.compile(r"\?([01])")
_DATE = re.compile(r"@-?[0-9]{1,15}(?![0-9.])")
_DISPLAY = re.compile(r'%"(?:[ !#-$&-~]|%[0-9a-f]{2})*"')
_SPACES = re.compile(r" *")
_OWS = re.compile(r"[ \t]*")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = _SPACES.match(text).end()  # type: ignore[union-attr]  # it matches nothing at least

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def literal(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def end(self) -> None:
        self.take(_SPACES)
        if self.at < len(self.text):
            raise NotStructured

    def bare(self) -> Bare:
        if found := self.take(_STRING):
            return re.sub(r"\\(.)", r"\1", found[1])
        if found := self.take(_NUMBER):
            if "." in found[0] and len(found[0].lstrip("-").partition(".")[0]) > 12:
                raise NotStructured
            return float(found[0]) if "." in found[0] else int(found[0])
        if found := self.take(_BOOLEAN):
            return found[1] == "1"
        if found := self.take(_TOKEN):
            return Token(found[0])
        if found := self.take(_BYTES) or self.take(_DATE) or self.take(_DISPLAY):
            return found[0].encode()
        raise NotStructured

    def parameters(self) -> None:
        while self.literal(";"):
            self.take(_SPACES)
            if not self.take(_KEY):
                raise NotStructured
            if self.literal("="):
                self.bare()

    def item(self) -> Bare:
        value = self.bare()
        self.parameters()
        return value

    def member(self) -> Member:
        if not self.literal("("):
            return self.item()
        inner: list[Bare] = []
        while True:
            self.take(_SPACES)
            if self.literal(")"):
                self.parameters()
                return tuple(inner)
            inner.append(self.item())
            if not self.text.startswith((" ", ")"), self.at):
                raise NotStructured


def item(text: str) -> Bare:
    """RFC 9651, section 4.2.3. NotStructured."""
    parser = _Parser(text)
    value = parser.item()
    parser.end()
    return value


def dictionary(text: str) -> Mapping[str, Member]:
    """RFC 9651, section 4.2.2; of a repeated key the last value counts. NotStructured."""
    parser = _Parser(text)
    found: dict[str, Member] = {}
    while parser.at < len(text):
        key = parser.take(_KEY)
        if not key:
            raise NotStructured
        found.pop(key[0], None)
        if parser.literal("="):
            found[key[0]] = parser.member()
        else:
            found[key[0]] = True
            parser.parameters()
        parser.take(_OWS)
        if parser.at == len(text):
            return found
        if not parser.literal(","):
            raise NotStructured
        parser.take(_OWS)
        if parser.at == len(text):
            raise NotStructured  # a trailing comma
    return found
