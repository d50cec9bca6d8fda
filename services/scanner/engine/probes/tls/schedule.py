"""The keys of a TLS 1.3 handshake (RFC 8446 section 7) and the records that they protect (section 5.2)."""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from services.scanner.engine.probes.tls import parse


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


# The hash, and the length of the key in bytes, by suite.
_SUITES = {
    0x1301: ("sha256", 16),
    0x1302: ("sha384", 32),
    0x1303: ("sha256", 32),
    0x1304: ("sha256", 16),
    0x1305: ("sha256", 16),
}


_CCM_8 = 0x1305


def is_known(suite: int) -> bool:
    return suite in _SUITES


def _cipher(suite: int, key: bytes) -> _Cipher:
    match suite:
        case 0x1303:
            return ChaCha20Poly1305(key)
        case 0x1304:
            return AESCCM(key, tag_length=16)
        case 0x1305:  # _CCM_8
            return AESCCM(key, tag_length=8)
        case _:
            return AESGCM(key)


@dataclass(slots=True)
class Protection:
    """One direction of the traffic under one secret."""

    cipher: _Cipher
    iv: bytes
    tag: int  # bytes
    _sequence: int = field(default=0, init=False)

    def open(self, header: bytes, body: bytes) -> tuple[int, bytes]:
        """The inner type and content. Malformed."""
        try:
            plain = self.cipher.decrypt(self._nonce(), body, header)
        except (InvalidTag, ValueError):
            raise parse.Malformed("a record cannot be decrypted with the keys of its handshake") from None
        content = plain.rstrip(b"\x00")
        if not content:
            raise parse.Malformed("a protected record has no type")
        return content[-1], content[:-1]

    def seal(self, kind: int, content: bytes) -> bytes:
        """A whole record."""
        header = b"\x17\x03\x03" + struct.pack("!H", len(content) + 1 + self.tag)
        return header + self.cipher.encrypt(self._nonce(), content + bytes([kind]), header)

    def _nonce(self) -> bytes:
        number = self._sequence.to_bytes(12, "big")
        self._sequence += 1
        return bytes(a ^ b for a, b in zip(self.iv, number, strict=True))


class Transcript:
    """What both sides have said so far."""

    def __init__(self, suite: int) -> None:
        self._hash = hashlib.new(_SUITES[suite][0])

    def add(self, message: bytes) -> None:
        self._hash.update(message)

    def begin_again(self) -> None:
        """After a HelloRetryRequest, the first hello counts by its hash (RFC 8446 section 4.4.1)."""
        digest = self._hash.digest()
        self._hash = hashlib.new(self._hash.name)
        self._hash.update(b"\xfe\x00\x00" + bytes([len(digest)]) + digest)

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


class Schedule:
    """Without a pre-shared key."""

    def __init__(self, suite: int, shared: bytes, hellos: bytes) -> None:
        """`shared`: of the key exchange; `hellos`: the transcript's digest up to the ServerHello."""
        self._suite = suite
        self._hash, self._key_length = _SUITES[suite]
        self._size = hashlib.new(self._hash).digest_size
        self._empty = hashlib.new(self._hash).digest()
        early = self._extract(bytes(self._size), bytes(self._size))
        handshake = self._extract(self._expand(early, b"derived", self._empty, self._size), shared)
        self._client = self._expand(handshake, b"c hs traffic", hellos, self._size)
        self.server = self._protection(self._expand(handshake, b"s hs traffic", hellos, self._size))
        self.client = self._protection(self._client)
        self._handshake = handshake

    def finished(self, digest: bytes) -> bytes:
        """The client's Finished over the transcript's digest, as a message."""
        key = self._expand(self._client, b"finished", b"", self._size)
        return b"\x14\x00\x00" + bytes([self._size]) + hmac.digest(key, digest, self._hash)

    def application(self, digest: bytes) -> tuple[Protection, Protection]:
        """(the server's, the client's) after the handshake; `digest` up to the server's Finished."""
        master = self._extract(self._expand(self._handshake, b"derived", self._empty, self._size), bytes(self._size))
        server, client = (
            self._protection(self._expand(master, label, digest, self._size))
            for label in (b"s ap traffic", b"c ap traffic")
        )
        return server, client

    def _protection(self, secret: bytes) -> Protection:
        key = self._expand(secret, b"key", b"", self._key_length)
        tag = 8 if self._suite == _CCM_8 else 16
        return Protection(_cipher(self._suite, key), self._expand(secret, b"iv", b"", 12), tag)

    def _extract(self, salt: bytes, secret: bytes) -> bytes:
        return hmac.digest(salt, secret, self._hash)

    def _expand(self, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        """HKDF-Expand-Label (RFC 8446 section 7.1); no length here is more than one block."""
        label = b"tls13 " + label
        info = struct.pack("!H", length) + bytes([len(label)]) + label + bytes([len(context)]) + context
        return hmac.digest(secret, info + b"\x01", self._hash)[:length]
