"""What an HTML page loads and submits: a tokenizer of one pass, so that hostile markup costs no more than its length.

The standard library's html.parser is quadratic on unclosed markup in the Python versions we support.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from itertools import islice
from typing import Literal
from urllib.parse import urljoin

Kind = Literal["script", "style", "frame", "object", "image"]

MAX_ELEMENTS = 50_000
MAX_RESOURCES = 500
MAX_FORMS = 100
MAX_URL = 2048

_OPENING = re.compile(r"<(?=[a-z]|!--|/form)", re.IGNORECASE)
_TAG_NAME = re.compile(r"[A-Za-z][^\t\n\f\r />]*")
_ATTRIBUTE = re.compile(r"[\t\n\f\r /]*(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*)[\t\n\f\r ]*(?P<equals>=?)[\t\n\f\r ]*")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]*")
_RAW_TEXT = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "textarea", "title", "xmp")}
_SOURCES: Mapping[str, tuple[tuple[str, Kind], ...]] = {
    "script": (("src", "script"),),
    "iframe": (("src", "frame"),),
    "frame": (("src", "frame"),),
    "object": (("data", "object"),),
    "embed": (("src", "object"),),
    "img": (("src", "image"), ("srcset", "image")),
    "source": (("src", "image"), ("srcset", "image")),
    "audio": (("src", "image"),),
    "video": (("src", "image"), ("poster", "image")),
    "track": (("src", "image"),),
}


@dataclass(frozen=True, slots=True)
class Resource:
    """Something the page loads; images, sound and video are all of the kind "image"."""

    kind: Kind
    url: str  # absolute
    integrity: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    action: str  # absolute
    password: bool  # asks for one


@dataclass(frozen=True, slots=True)
class Document:
    title: str = ""
    resources: tuple[Resource, ...] = ()
    forms: tuple[Form, ...] = ()
    policies: tuple[str, ...] = ()  # of <meta http-equiv="Content-Security-Policy">
    referrer: str = ""  # of <meta name="referrer">

    def loads(self, *kinds: Kind) -> tuple[Resource, ...]:
        return tuple(resource for resource in self.resources if resource.kind in kinds)


def parse(text: str, url: str) -> Document:
    """`url`: where the page came from; relative addresses are resolved against it, or against the first <base>."""
    page = _Page(url)
    for name, attributes, content in islice(_elements(text), MAX_ELEMENTS):
        page.element(name, attributes, content)
    return page.document()


@dataclass(slots=True)
class _Page:
    url: str
    base: str = ""
    title: str = ""
    referrer: str = ""
    resources: list[Resource] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    action: str | None = None  # of the open form
    password: bool = False  # the open form, or the page outside any, asks for one

    def element(self, name: str, attributes: Mapping[str, str], content: str) -> None:
        for attribute, kind in _SOURCES.get(name, ()):
            for value in _addresses(attribute, attributes.get(attribute, "")):
                self._add(kind, value, attributes.get("integrity", ""))
        match name:
            case "title" if not self.title:
                self.title = " ".join(unescape(content).split())[:200]
            case "base" if not self.base and attributes.get("href"):
                self.base = _join(self.url, attributes["href"]) or ""
            case "link":
                self._link(attributes)
            case "meta":
                self._meta(attributes)
            case "form":
                self._close_form()
                self.action = _join(self.base or self.url, attributes.get("action", "")) or ""
            case "/form":
                self._close_form()
            case "input" | "button":
                self._control(attributes)

    def document(self) -> Document:
        self._close_form()
        return Document(self.title, tuple(self.resources), tuple(self.forms), tuple(self.policies), self.referrer)

    def _add(self, kind: Kind, value: str, integrity: str = "") -> None:
        url = _join(self.base or self.url, value)
        if url and len(self.resources) < MAX_RESOURCES:
            self.resources.append(Resource(kind, url, integrity[:MAX_URL]))

    def _link(self, attributes: Mapping[str, str]) -> None:
        relations = attributes.get("rel", "").lower().split()
        if "stylesheet" in relations:
            self._add("style", attributes.get("href", ""), attributes.get("integrity", ""))
        elif "icon" in relations:
            self._add("image", attributes.get("href", ""))

    def _meta(self, attributes: Mapping[str, str]) -> None:
        content = attributes.get("content", "")
        if attributes.get("http-equiv", "").lower() == "content-security-policy" and len(self.policies) < 10:
            self.policies.append(content[:16384])
        elif attributes.get("name", "").lower() == "referrer":
            self.referrer = content[:200]

    def _control(self, attributes: Mapping[str, str]) -> None:
        kind = attributes.get("type", "").lower()
        self.password |= kind == "password"
        if kind == "image":
            self._add("image", attributes.get("src", ""))
        if attributes.get("formaction") and len(self.forms) < MAX_FORMS:
            target = _join(self.base or self.url, attributes["formaction"])
            self.forms.append(Form(target or "", self.password))

    def _close_form(self) -> None:
        if (self.action is not None or self.password) and len(self.forms) < MAX_FORMS:
            self.forms.append(Form(self.action if self.action is not None else self.url, self.password))
        self.action, self.password = None, False


def _elements(text: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Start tags (with the text of raw-text elements) and `/form`."""
    position = 0
    while opening := _OPENING.search(text, position):
        position = opening.end()
        if text.startswith("!--", position):
            end = text.find("-->", position + 1)
            position = end + 3 if end >= 0 else len(text)
        elif match := _TAG_NAME.match(text, position):
            name = match[0].lower()
            attributes, position = _attributes(text, match.end())
            content = ""
            if closing := _RAW_TEXT.get(name):
                end_tag = closing.search(text, position)
                end = end_tag.start() if end_tag else len(text)
                content, position = text[position + 1 : min(end, position + 1000)], end
            yield name, attributes, content
        else:
            yield "/form", {}, ""


def _attributes(text: str, position: int) -> tuple[Mapping[str, str], int]:
    """Of a repeated attribute the first counts (HTML, section 13.2.5.33)."""
    attributes: dict[str, str] = {}
    while match := _ATTRIBUTE.match(text, position):
        position, value = match.end(), ""
        if match["equals"]:
            quote = text[position : position + 1]
            if quote and quote in "'\"":
                end = text.find(quote, position + 1)
                if end < 0:
                    return attributes, len(text)
                value, position = text[position + 1 : end], end + 1
            elif unquoted := _UNQUOTED.match(text, position):
                value, position = unquoted[0], unquoted.end()
        if len(attributes) < 100:
            attributes.setdefault(match["name"].lower(), unescape(value[:20000]))
    return attributes, position


def _addresses(attribute: str, value: str) -> Iterator[str]:
    if attribute == "srcset":
        yield from (candidate.split()[0] for candidate in value.split(",")[:20] if candidate.strip())
    elif value:
        yield value


def _join(base: str, value: str) -> str | None:
    value = value.strip("\t\n\f\r \0").translate({9: None, 10: None, 13: None})
    try:
        url = urljoin(base, value)
    except ValueError:
        return None  # a broken IPv6 literal
    return url if len(url) <= MAX_URL else None
