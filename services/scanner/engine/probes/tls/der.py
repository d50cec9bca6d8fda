"""Just enough of DER (X.690) to see what a parsed certificate no longer shows: encodings and inner fields."""

from collections.abc import Iterator

SEQUENCE, OCTET_STRING, UTC_TIME, GENERALIZED_TIME = 0x30, 0x04, 0x17, 0x18


def elements(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(tag, content, whole encoding) of one element after another. ValueError where they are broken."""
    at = 0
    while at < len(data):
        start, tag = at, data[at]
        if tag & 0x1F == 0x1F or at + 2 > len(data):
            raise ValueError("an element of ASN.1 is cut short")
        length, at = data[at + 1], at + 2
        if length & 0x80:
            width = length & 0x7F
            length = int.from_bytes(data[at : at + width], "big")
            at += width
            if not 0 < width <= 4:
                raise ValueError("an element of ASN.1 has no definite length")
        if at + length > len(data):
            raise ValueError("an element of ASN.1 is cut short")
        yield tag, data[at : at + length], data[start : at + length]
        at += length


def fields(data: bytes) -> tuple[tuple[int, bytes, bytes], ...]:
    """The elements within the one structure that `data` is."""
    (_, content, _), *rest = elements(data)
    if rest:
        raise ValueError("bytes follow the end of the structure")
    return tuple(elements(content))
