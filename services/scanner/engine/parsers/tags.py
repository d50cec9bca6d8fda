"""Tag lists, "v=DKIM1; k=rsa; p=...": the form that DKIM and DMARC share (RFC 6376 section 3.2)."""

from services.scanner.engine.parsers.errors import ParseError

WHITESPACE = " \t\r\n"


def parse(text: str) -> dict[str, str]:
    """Tags in their order, names as written. ParseError where a part is no `name=value`, or a name comes twice."""
    tags: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip(WHITESPACE):
        parts.pop()
    for part in parts:
        name, separator, value = part.partition("=")
        name = name.strip(WHITESPACE)
        if not separator or not name:
            raise ParseError(f"{part.strip(WHITESPACE)[:40]!r} is not a tag: it should read name=value")
        if not (name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha()):
            raise ParseError(f"{name[:40]!r} is not a tag name")
        if name in tags:
            raise ParseError(f"the tag {name!r} comes twice")
        tags[name] = value.strip(WHITESPACE)
    return tags
