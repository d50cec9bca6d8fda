"""Content codings undone within a bound, so that a small body cannot become a huge one."""

import zlib
from typing import Protocol


class Decoder(Protocol):
    def decode(self, data: bytes, limit: int) -> bytes:
        """At most `limit` more bytes. ValueError on garbage."""


class Identity:
    def decode(self, data: bytes, limit: int) -> bytes:
        return data[:limit]


class Zlib:
    """gzip and deflate; some servers send deflate without its zlib header (RFC 9110 section 8.4.1.2)."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)  # a gzip or zlib header, whichever it is
        self._started = False

    def decode(self, data: bytes, limit: int) -> bytes:
        if limit <= 0 or self._inflate.eof:
            return b""
        try:
            decoded = self._inflate.decompress(data, limit)
        except zlib.error as error:
            if self._started:
                raise ValueError(f"broken compression: {error}") from error
            self._inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            try:
                decoded = self._inflate.decompress(data, limit)
            except zlib.error:
                raise ValueError(f"broken compression: {error}") from error
        self._started = True
        return decoded


def decoder(content_encoding: str) -> Decoder:
    """For a Content-Encoding header's value. A coding that was not asked for is left as it came."""
    return Zlib() if content_encoding.strip().lower() in ("gzip", "x-gzip", "deflate") else Identity()
