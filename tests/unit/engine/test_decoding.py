"""Compressed bodies: undone as far as the bound, and no further."""

import gzip
import zlib

import pytest

from services.scanner.engine.decoding import decoder

TEXT = b"body " * 1000


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        (" GZIP ", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("", TEXT),
        ("identity", TEXT),
        ("br", TEXT),  # never asked for: left as it came
    ],
)
def test_decodes(coding: str, data: bytes) -> None:
    assert decoder(coding).decode(data, 10_000) == TEXT


def test_a_bomb_is_cut_at_the_bound() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert decoder("gzip").decode(bomb, 1000) == b"\0" * 1000


def test_decodes_in_pieces() -> None:
    data, gzipped = b"", decoder("gzip")
    squeezed = gzip.compress(TEXT)
    for start in range(0, len(squeezed), 7):
        data += gzipped.decode(squeezed[start : start + 7], 10_000)
    assert data == TEXT


def test_garbage_is_said_to_be_such() -> None:
    with pytest.raises(ValueError, match="broken compression"):
        decoder("gzip").decode(b"\x1f\x8b\x08\x00garbage and more of it", 100)


def test_a_gzip_stream_may_have_several_members() -> None:
    packed = b"".join(gzip.compress(part) for part in (b"one ", b"two ", b"three"))
    assert decoder("gzip").decode(packed, 100) == b"one two three"
    assert decoder("gzip").decode(gzip.compress(b"") * 10_000 + gzip.compress(b"late"), 100) == b""
