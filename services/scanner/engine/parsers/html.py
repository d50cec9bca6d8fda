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
MAX_HOSTS = 100
MAX_URL = 2048

_INTEGRITY = re.compile(r"sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}(?:\?|\Z)", re.IGNORECASE)
_OPENING = re.compile(r"<(?=[a-z]|!--|/form)", re.IGNORECASE)
_TAG_NAME = re.compile(r"[A-Za-z][^\t\n\f\r />]*")
_ATTRIBUTE = re.compile(r"[\t\n\f\r /]*(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*)[\t\n\f\r ]*(?P<equals>=?)[\t\n\f\r ]*")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]*")
_RAW_TEXT = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_FALLBACK_TEXT = frozenset(("iframe", "noembed", "noframes"))
_KEPT_CONTENT = {"style": 64 * 1024, "script": 64 * 1024}  # characters; of other raw text, few
_IN_HEAD = frozenset(("html", "head", "title", "base", "link", "meta", "style", "script", "noscript", "template"))
_CSS_ADDRESS = re.compile(
    r"(?P<import>@import\s{0,20}(?:url\(\s{0,20})?|url\(\s{0,20})[\"']?(?P<url>[^\"'()\s<>]{1,2048})", re.IGNORECASE
)
_NAMED_HOST = re.compile(r"(?:\\?/){2}((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?=[\\/\"'?:])", re.IGNORECASE)
_PRELOADED: Mapping[str, Kind] = {
    "script": "script",
    "style": "style",
    "image": "image",
    "audio": "image",
    "video": "image",
}
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

    @property
    def pinned(self) -> bool:
        """Whether browsers check its content: a valid hash is there (Subresource Integrity, section 3.3.2)."""
        return any(_INTEGRITY.match(token) for token in self.integrity.split())


@dataclass(frozen=True, slots=True)
class Form:
    action: str  # absolute
    password: bool  # asks for one


@dataclass(frozen=True, slots=True)
class Document:
    title: str = ""
    resources: tuple[Resource, ...] = ()
    forms: tuple[Form, ...] = ()
    policies: tuple[str, ...] = ()  # of <meta http-equiv="Content-Security-Policy"> in the head
    referrer: str = ""  # of <meta name="referrer">
    generators: tuple[str, ...] = ()  # of <meta name="generator">
    named_hosts: tuple[str, ...] = ()  # in addresses within inline scripts, which may load more

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
    generators: list[str] = field(default_factory=list)
    action: str | None = None  # of the open form
    password: bool = False  # the open form, or the page outside any, asks for one
    in_head: bool = True
    named_hosts: dict[str, None] = field(default_factory=dict)

    def element(self, name: str, attributes: Mapping[str, str], content: str) -> None:
        self.in_head = self.in_head and name in _IN_HEAD
        if "url(" in attributes.get("style", "").lower():
            self._css(attributes["style"])
        for attribute, kind in _SOURCES.get(name, ()):
            for value in _addresses(attribute, attributes.get(attribute, "")):
                self._add(kind, value, attributes.get("integrity", ""))
        match name:
            case "title" if not self.title:
                self.title = " ".join(unescape(content).split())[:200]
            case "base" if not self.base and attributes.get("href"):
                self.base = _join(self.url, attributes["href"]) or ""
            case "style":
                self._css(content)
            case "script" if len(self.named_hosts) < MAX_HOSTS:
                self.named_hosts.update((found[1].lower(), None) for found in islice(_NAMED_HOST.finditer(content), 50))
            case "body" if attributes.get("background"):
                self._add("image", attributes["background"])
            case "link":
                self._link(attributes)
            case "meta":
                self._meta(attributes)
            case "form":
                self._close_form()
                dialog = attributes.get("method", "").strip().lower() == "dialog"  # submits nothing anywhere
                self.action = self.url if dialog else self._target(attributes.get("action", ""))
            case "/form":
                self._close_form()
            case "input" | "button":
                self._control(attributes)

    def document(self) -> Document:
        self._close_form()
        return Document(
            self.title,
            tuple(self.resources),
            tuple(self.forms),
            tuple(self.policies),
            self.referrer,
            tuple(self.generators),
            tuple(self.named_hosts)[:MAX_HOSTS],
        )

    def _add(self, kind: Kind, value: str, integrity: str = "") -> None:
        url = _join(self.base or self.url, value)
        if url and len(self.resources) < MAX_RESOURCES:
            self.resources.append(Resource(kind, url, integrity[:MAX_URL]))

    def _link(self, attributes: Mapping[str, str]) -> None:
        relations = attributes.get("rel", "").lower().split()
        kind: Kind | None = None
        if "stylesheet" in relations:
            kind = "style"
        elif "modulepreload" in relations:
            kind = "script"
        elif "preload" in relations:
            kind = _PRELOADED.get(attributes.get("as", "").lower())
        elif "icon" in relations:
            kind = "image"
        if kind and attributes.get("href"):
            self._add(kind, attributes["href"], attributes.get("integrity", ""))

    def _css(self, text: str) -> None:
        """What style sheets in the page itself load; fonts count as images."""
        for found in islice(_CSS_ADDRESS.finditer(text), 50):
            self._add("style" if found["import"].startswith("@") else "image", found["url"])

    def _target(self, value: str) -> str:
        """Where a form is submitted; an empty address is the page's own, whatever <base> says (HTML, 4.10.21.3)."""
        return (_join(self.base or self.url, value) or "") if value.strip() else self.url

    def _meta(self, attributes: Mapping[str, str]) -> None:
        content = attributes.get("content", "")
        if attributes.get("http-equiv", "").strip().lower() == "content-security-policy":
            if self.in_head and content and len(self.policies) < 10:  # HTML, section 4.2.5.3: in the head alone
                self.policies.append(content[:16384])
        elif attributes.get("name", "").lower() == "referrer" and content:
            self.referrer = content[:200]
        elif attributes.get("name", "").lower() == "generator" and content and len(self.generators) < 5:
            self.generators.append(content[:200])

    def _control(self, attributes: Mapping[str, str]) -> None:
        kind = attributes.get("type", "").lower()
        self.password |= kind == "password"
        if kind == "image":
            self._add("image", attributes.get("src", ""))
        if attributes.get("formaction") and len(self.forms) < MAX_FORMS:
            self.forms.append(Form(self._target(attributes["formaction"]), self.password))

    def _close_form(self) -> None:
        if (self.action is not None or self.password) and len(self.forms) < MAX_FORMS:
            self.forms.append(Form(self.action if self.action is not None else self.url, self.password))
        self.action, self.password = None, False


def _elements(text: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Start tags (with the text of raw-text elements) and `/form`."""
    position = 0
    unclosed: set[str] = set()  # raw text that does not end before the text does; the lenient reading is the safer one
    while opening := _OPENING.search(text, position):
        position = opening.end()
        if text.startswith("!--", position):
            end = text.find("-->", position + 1)
            position = end + 3 if end >= 0 else len(text)
        elif match := _TAG_NAME.match(text, position):
            name = match[0].lower()
            attributes, position = _attributes(text, match.end())
            content = ""
            closing = None if name in unclosed else _RAW_TEXT.get(name)
            end_tag = closing.search(text, position) if closing else None
            if closing and end_tag is None and name in _FALLBACK_TEXT:
                unclosed.add(name)
            elif closing:
                end = end_tag.start() if end_tag else len(text)
                kept = _KEPT_CONTENT.get(name, 1000)
                content, position = text[position + 1 : min(end, position + kept)], end
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
