"""Content codings undone within a bound, so that a small body cannot become a huge one."""

import zlib
from typing import Protocol


class Decoder(Protocol):
    def decode(self, data: bytes, limit: int) -> bytes:
        """At most `limit` more bytes. ValueError on garbage."""


class Identity:
    def decode(self, data: bytes, limit: int) -> bytes:
        return data[:limit]


_GZIP = b"\x1f\x8b"
_MEMBERS = 100  # of a gzip stream; what comes after so many is left out


class Zlib:
    """gzip and deflate; some servers send deflate without its zlib header (RFC 9110 section 8.4.1.2)."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)  # a gzip or zlib header, whichever it is
        self._started = False
        self._members = 1

    def decode(self, data: bytes, limit: int) -> bytes:
        decoded = b""
        while data and len(decoded) < limit:
            if self._inflate.eof:
                if not data.startswith(_GZIP) or self._members >= _MEMBERS:
                    break
                self._members += 1  # another member follows (RFC 1952, section 2.2)
                self._inflate = zlib.decompressobj(wbits=47)
            decoded += self._decompress(data, limit - len(decoded))
            data = self._inflate.unused_data
        return decoded

    def _decompress(self, data: bytes, limit: int) -> bytes:
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
