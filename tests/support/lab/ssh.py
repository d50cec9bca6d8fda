"""An SSH server that lets nobody in: its algorithms, its key exchange and its list of ways to log in.

RFC 4253, 8731 (curve25519-sha256), 8709 (ssh-ed25519), 5647 (aes256-gcm@openssh.com) and 4252. It goes through with the
exchange where it offers those three; else it breaks off after its list, as a server does that agrees on nothing.
"""

import asyncio
import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHER = "aes256-gcm@openssh.com"


@dataclass(frozen=True, slots=True)
class SshSpec:
    key_exchange: Sequence[str] = ("curve25519-sha256", "diffie-hellman-group16-sha512", "kex-strict-s-v00@openssh.com")
    host_keys: Sequence[str] = ("ssh-ed25519", "rsa-sha2-512")
    ciphers: Sequence[str] = ("chacha20-poly1305@openssh.com", CIPHER)
    macs: Sequence[str] = ("hmac-sha2-256-etm@openssh.com",)
    methods: Sequence[str] = ("publickey",)
    identification: bytes = b"SSH-2.0-OpenSSH_9.9"


async def converse(spec: SshSpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    lists = (spec.key_exchange, spec.host_keys, spec.ciphers, spec.ciphers, spec.macs, spec.macs)
    ours = b"\x14" + os.urandom(16)
    ours += b"".join(_string(",".join(names).encode()) for names in (*lists, ("none",), ("none",), (), ())) + bytes(5)
    writer.write(spec.identification + b"\r\n" + _plain(ours))
    theirs_identification = (await reader.readline()).rstrip(b"\r\n")
    theirs = await _read_plain(reader)
    if CIPHER not in spec.ciphers or "curve25519-sha256" not in spec.key_exchange:
        return
    client_public, _ = _take((await _read_plain(reader))[1:])
    private, host = X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    host_key = _string(b"ssh-ed25519") + _string(host.public_key().public_bytes_raw())
    secret = _mpint(private.exchange(X25519PublicKey.from_public_bytes(client_public)))
    said = (theirs_identification, spec.identification, theirs, ours, host_key, client_public, public)
    exchanged = hashlib.sha256(b"".join(map(_string, said)) + secret).digest()
    signature = _string(b"ssh-ed25519") + _string(host.sign(exchanged))
    writer.write(_plain(b"\x1f" + _string(host_key) + _string(public) + _string(signature)))
    writer.write(_plain(b"\x15"))
    assert await _read_plain(reader) == b"\x15"
    keys = {
        letter: hashlib.sha256(secret + exchanged + letter + exchanged).digest() for letter in (b"A", b"B", b"C", b"D")
    }
    incoming, outgoing = _Gcm(keys[b"C"], keys[b"A"][:12]), _Gcm(keys[b"D"], keys[b"B"][:12])
    assert await incoming.read(reader) == b"\x05" + _string(b"ssh-userauth")
    writer.write(outgoing.sealed(b"\x06" + _string(b"ssh-userauth")))
    assert (await incoming.read(reader)).startswith(b"\x32")
    writer.write(outgoing.sealed(b"\x33" + _string(",".join(spec.methods).encode()) + b"\x00"))
    await writer.drain()
    await reader.read(1)


class _Gcm:
    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._aead, self._nonce = AESGCM(key), nonce

    def sealed(self, payload: bytes) -> bytes:
        padding = 16 - (len(payload) + 1) % 16
        padding += 16 if padding < 4 else 0
        body = bytes([padding]) + payload + bytes(padding)
        length = struct.pack("!I", len(body))
        return length + self._aead.encrypt(self._next(), body, length)

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        length = await reader.readexactly(4)
        sealed = await reader.readexactly(int.from_bytes(length, "big") + 16)
        body = self._aead.decrypt(self._next(), sealed, length)
        return body[1 : len(body) - body[0]]

    def _next(self) -> bytes:
        nonce = self._nonce
        self._nonce = nonce[:4] + (int.from_bytes(nonce[4:], "big") + 1).to_bytes(8, "big")
        return nonce


def _plain(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack("!IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


async def _read_plain(reader: asyncio.StreamReader) -> bytes:
    body = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
    return body[1 : len(body) - body[0]]


def _string(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def _mpint(magnitude: bytes) -> bytes:
    stripped = magnitude.lstrip(b"\x00")
    return _string((b"\x00" if stripped[0] & 0x80 else b"") + stripped)


def _take(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4], "big")
    return data[4:end], data[end:]
