"""As far into an SSH session as an ordinary client goes before it logs in: which algorithms, and which ways to log in.

RFC 4253 (transport), RFC 5656 and 8731 (ECDH), RFC 5647 (AES-GCM), RFC 4252 section 5.2 (the method "none" asks for the
list of methods). The host's key is not verified: nothing secret is sent.
"""

import asyncio
import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import SshAlgorithms
from services.scanner.engine.probes.ports import ssh_messages as ssh
from services.scanner.engine.probes.ports.ssh_groups import GROUP_14, GROUP_16

_IDENTIFICATION = b"SSH-2.0-ComplianceLayer"
_ANSWER = 3.0  # seconds; a slow machine needs one for its signature
_PACKET_BYTES = 35000  # the largest packet that everyone takes (RFC 4253 section 6.1)
_PREAMBLE_BYTES = 8192  # lines before the identification (section 4.2)
_PACKETS = 20  # to wait for the one that is wanted
_USER = b"nobody"  # whose ways in are asked for; OpenSSH names the same to everybody

_CURVES: dict[str, tuple[ec.EllipticCurve, str]] = {
    "ecdh-sha2-nistp256": (ec.SECP256R1(), "sha256"),
    "ecdh-sha2-nistp384": (ec.SECP384R1(), "sha384"),
    "ecdh-sha2-nistp521": (ec.SECP521R1(), "sha512"),
}
_GROUPS = {
    "diffie-hellman-group14-sha256": (GROUP_14, "sha256"),
    "diffie-hellman-group16-sha512": (GROUP_16, "sha512"),
    "diffie-hellman-group14-sha1": (GROUP_14, "sha1"),
}
_KEY_EXCHANGES = ("curve25519-sha256", "curve25519-sha256@libssh.org", *_CURVES, *_GROUPS)
_HOST_KEYS = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", "ssh-dss"),
)
_CIPHERS = {  # key bytes, whether GCM
    "aes128-gcm@openssh.com": (16, True),
    "aes256-gcm@openssh.com": (32, True),
    "aes128-ctr": (16, False),
    "aes192-ctr": (24, False),
    "aes256-ctr": (32, False),
}
_MACS = {  # hash, whether the packet is encrypted first
    "hmac-sha2-256-etm@openssh.com": ("sha256", True),
    "hmac-sha2-512-etm@openssh.com": ("sha512", True),
    "hmac-sha2-256": ("sha256", False),
    "hmac-sha2-512": ("sha512", False),
    "hmac-sha1-etm@openssh.com": ("sha1", True),
    "hmac-sha1": ("sha1", False),
}
_OURS = (
    *(_KEY_EXCHANGES, _HOST_KEYS, tuple(_CIPHERS), tuple(_CIPHERS), tuple(_MACS), tuple(_MACS)),
    *(("none",), ("none",), (), ()),
)


class Channel(Protocol):
    async def read(self, limit: int, timeout: float) -> bytes: ...

    async def write(self, data: bytes, timeout: float) -> None: ...


@dataclass(frozen=True, slots=True)
class SshSession:
    algorithms: SshAlgorithms | Unseen
    methods: tuple[str, ...] | Unseen


async def examine(channel: Channel, greeting: bytes) -> SshSession:
    """`greeting` is what the server has said so far. What it hides or breaks off is Unseen; never an exception."""
    algorithms: SshAlgorithms | Unseen = Unseen("the server sent no list of algorithms", "target")
    try:
        wire = _Wire(channel, greeting)
        own = ssh.kexinit(_OURS, os.urandom(16))
        await channel.write(_IDENTIFICATION + b"\r\n" + ssh.packet(own), _ANSWER)
        identification = await wire.identification()
        theirs = await wire.expect(ssh.KEXINIT)
        lists = ssh.parse_kexinit(theirs)
        algorithms = ssh.algorithms(lists)
        return SshSession(algorithms, await _methods(wire, own, identification, theirs, lists))
    except (ValueError, InvalidTag) as error:
        reason = str(error) or "its packets could not be deciphered"
    except (TimeoutError, OSError, EOFError) as error:
        reason = f"the SSH server broke off: {str(error) or type(error).__name__}"
    unseen = Unseen(reason, "target")
    return SshSession(unseen if isinstance(algorithms, Unseen) else algorithms, unseen)


async def _methods(
    wire: "_Wire", own: bytes, identification: bytes, theirs: bytes, lists: tuple[tuple[str, ...], ...]
) -> tuple[str, ...] | Unseen:
    chosen = [next((name for name in ours if name in offered), "") for ours, offered in zip(_OURS, lists, strict=True)]
    key_exchange, _, to_server, to_client, mac_to_server, mac_to_client, *_ = chosen
    needed = [key_exchange, chosen[1], to_server, to_client]
    needed += [mac_to_server] if to_server and not _CIPHERS[to_server][1] else []
    needed += [mac_to_client] if to_client and not _CIPHERS[to_client][1] else []
    if not all(needed):
        return Unseen("it speaks no algorithm that we do, so that its ways to log in were not asked for", "ours")
    public, finish, digest = _offer(key_exchange)
    await wire.send(bytes([ssh.KEX_ECDH_INIT]) + ssh.string(public))
    reply = await wire.expect(ssh.KEX_ECDH_REPLY)
    host_key, rest = ssh.take_string(reply[1:])
    their_public, _ = ssh.take_string(rest)
    secret = ssh.mpint(finish(their_public))
    said = (_IDENTIFICATION, identification, own, theirs, host_key, public, their_public)
    exchanged = hashlib.new(digest, b"".join(map(ssh.string, said)) + secret).digest()

    def key(letter: bytes, size: int) -> bytes:
        """RFC 4253 section 7.2."""
        made = hashlib.new(digest, secret + exchanged + letter + exchanged).digest()
        while len(made) < size:
            made += hashlib.new(digest, secret + exchanged + made).digest()
        return made[:size]

    await wire.send(bytes([ssh.NEWKEYS]))
    await wire.expect(ssh.NEWKEYS)
    wire.outgoing = _cipher(to_server, mac_to_server, key, b"ACE", encrypting=True)
    wire.incoming = _cipher(to_client, mac_to_client, key, b"BDF", encrypting=False)
    request = ssh.string(_USER) + ssh.string(b"ssh-connection") + ssh.string(b"none")
    await wire.send(bytes([ssh.SERVICE_REQUEST]) + ssh.string(b"ssh-userauth"), bytes([ssh.USERAUTH_REQUEST]) + request)
    answer = await wire.expect(ssh.USERAUTH_FAILURE, ssh.USERAUTH_SUCCESS)
    if answer[0] == ssh.USERAUTH_SUCCESS:
        return ("none",)
    return ssh.name_list(ssh.take_string(answer[1:])[0])


def _offer(key_exchange: str) -> tuple[bytes, Callable[[bytes], bytes], str]:
    """Our public value, what makes the shared secret of theirs (ValueError), and the name of the hash."""
    if key_exchange in _GROUPS:
        prime, digest = _GROUPS[key_exchange]
        private = int.from_bytes(os.urandom(32), "big") | 1 << 255
        ours = pow(2, private, prime)

        def finish(theirs: bytes) -> bytes:
            value = int.from_bytes(theirs, "big")
            if not 1 < value < prime - 1:
                raise ValueError("its public value is out of range")
            return pow(value, private, prime).to_bytes(prime.bit_length() // 8, "big")

        return ssh.mpint(ours.to_bytes(prime.bit_length() // 8, "big"))[4:], finish, digest
    if key_exchange in _CURVES:
        curve, digest = _CURVES[key_exchange]
        on_curve = ec.generate_private_key(curve)
        point = on_curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return (
            point,
            lambda theirs: on_curve.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, theirs)),
            digest,
        )
    scalar = x25519.X25519PrivateKey.generate()
    return (
        scalar.public_key().public_bytes_raw(),
        lambda theirs: scalar.exchange(x25519.X25519PublicKey.from_public_bytes(theirs)),
        "sha256",
    )


class _Keys(Protocol):
    header: int  # bytes to read before the packet's length is known

    def seal(self, payload: bytes, sequence: int) -> bytes: ...

    def length(self, header: bytes) -> int:
        """How many bytes follow the header."""

    def open(self, header: bytes, rest: bytes, sequence: int) -> bytes: ...


class _Plain:
    header = 4

    def seal(self, payload: bytes, sequence: int) -> bytes:
        return ssh.packet(payload)

    def length(self, header: bytes) -> int:
        return int.from_bytes(header, "big")

    def open(self, header: bytes, rest: bytes, sequence: int) -> bytes:
        return ssh.unpacked(rest)


class _Gcm:
    """RFC 5647 section 7: the length in clear, authenticated; the last eight bytes of the nonce count."""

    header = 4

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._aead = AESGCM(key)
        self._fixed, self._counter = nonce[:4], int.from_bytes(nonce[4:], "big")

    def seal(self, payload: bytes, sequence: int) -> bytes:
        made = ssh.packet(payload, 16, length_counts=False)
        return made[:4] + self._aead.encrypt(self._nonce(), made[4:], made[:4])

    def length(self, header: bytes) -> int:
        return int.from_bytes(header, "big") + 16

    def open(self, header: bytes, rest: bytes, sequence: int) -> bytes:
        return ssh.unpacked(self._aead.decrypt(self._nonce(), rest, header))

    def _nonce(self) -> bytes:
        nonce = self._fixed + self._counter.to_bytes(8, "big")
        self._counter = (self._counter + 1) % 2**64
        return nonce


class _Ctr:
    """AES in counter mode with an HMAC (RFC 4344 section 4, RFC 6668), over the packet or over its encryption."""

    def __init__(self, key: bytes, counter: bytes, mac: str, mac_key: bytes, *, encrypting: bool) -> None:
        cipher = Cipher(algorithms.AES(key), modes.CTR(counter))
        self._update = (cipher.encryptor() if encrypting else cipher.decryptor()).update
        self._hash, self._etm = _MACS[mac]
        self._mac_key = mac_key
        self._mac_bytes = hashlib.new(self._hash).digest_size
        self._clear = b""
        self.header = 4 if self._etm else 16

    def seal(self, payload: bytes, sequence: int) -> bytes:
        made = ssh.packet(payload, 16, length_counts=not self._etm)
        if self._etm:
            sealed = made[:4] + self._update(made[4:])
            return sealed + self._mac(sealed, sequence)
        return self._update(made) + self._mac(made, sequence)

    def length(self, header: bytes) -> int:
        if self._etm:
            return int.from_bytes(header, "big") + self._mac_bytes
        self._clear = self._update(header)
        return int.from_bytes(self._clear[:4], "big") - 12 + self._mac_bytes

    def open(self, header: bytes, rest: bytes, sequence: int) -> bytes:
        body, mac = rest[: -self._mac_bytes], rest[-self._mac_bytes :]
        if self._etm:
            made, covered = self._update(body), header + body
        else:
            covered = self._clear + self._update(body)
            made = covered[4:]
        if not hmac.compare_digest(mac, self._mac(covered, sequence)):
            raise InvalidTag
        return ssh.unpacked(made)

    def _mac(self, data: bytes, sequence: int) -> bytes:
        return hmac.digest(self._mac_key, struct.pack("!I", sequence) + data, self._hash)


def _cipher(name: str, mac: str, key: Callable[[bytes, int], bytes], letters: bytes, *, encrypting: bool) -> _Keys:
    iv, encryption, integrity = (letters[place : place + 1] for place in range(3))
    size, is_gcm = _CIPHERS[name]
    if is_gcm:
        return _Gcm(key(encryption, size), key(iv, 12))
    mac_key = key(integrity, hashlib.new(_MACS[mac][0]).digest_size)
    return _Ctr(key(encryption, size), key(iv, 16), mac, mac_key, encrypting=encrypting)


class _Wire:
    """Packets to and fro, each with its number."""

    def __init__(self, channel: Channel, seen: bytes) -> None:
        self._channel = channel
        self._seen = seen
        self._sent, self._received = 1, 0  # the list of algorithms went out with the identification
        self._end = asyncio.get_running_loop().time() + 2 * _ANSWER
        self.outgoing: _Keys = _Plain()
        self.incoming: _Keys = _Plain()

    async def identification(self) -> bytes:
        """The server's line, without its end; other lines may come before it."""
        while True:
            line, newline, rest = self._seen.partition(b"\n")
            if newline:
                self._seen = rest
                if line.startswith(b"SSH-"):
                    return line.rstrip(b"\r")
            elif len(line) > _PREAMBLE_BYTES:
                raise ValueError("its identification is too long")
            else:
                await self._more()

    async def send(self, *payloads: bytes) -> None:
        sealed = b"".join(self.outgoing.seal(one, self._sent + place) for place, one in enumerate(payloads))
        self._sent += len(payloads)
        await self._channel.write(sealed, _ANSWER)

    async def expect(self, *kinds: int) -> bytes:
        """The first payload of one of these kinds. ValueError, EOFError, TimeoutError, OSError."""
        for _ in range(_PACKETS):
            header = await self._take(self.incoming.header)
            length = self.incoming.length(header)
            if not 5 <= length <= _PACKET_BYTES:
                raise ValueError(
                    "the server sent no list of algorithms" if not self._received else "a packet is malformed"
                )
            payload = self.incoming.open(header, await self._take(length), self._received)
            self._received += 1
            if payload[:1] and payload[0] in kinds:
                return payload
        raise ValueError("what was asked for did not come")

    async def _take(self, count: int) -> bytes:
        while len(self._seen) < count:
            await self._more()
        taken, self._seen = self._seen[:count], self._seen[count:]
        return taken

    async def _more(self) -> None:
        left = self._end - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimeoutError("it is too slow")
        data = await self._channel.read(_PACKET_BYTES, left)
        if not data:
            raise EOFError("the connection was closed")
        self._seen += data
