"""SSH packets and what stands in them, as bytes (RFC 4251 section 5, RFC 4253). No I/O."""

import struct
from collections.abc import Iterable

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import SshAlgorithms

KEXINIT, NEWKEYS = 20, 21
SERVICE_REQUEST, SERVICE_ACCEPT = 5, 6
KEX_ECDH_INIT, KEX_ECDH_REPLY = 30, 31
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
_LISTS = 10
_NAMES = 100  # of one list


def string(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def mpint(magnitude: bytes) -> bytes:
    """A positive number, given big-endian."""
    stripped = magnitude.lstrip(b"\x00")
    return string((b"\x00" if stripped[:1] >= b"\x80" else b"") + stripped)


def names(lists: Iterable[Iterable[str]]) -> bytes:
    return b"".join(string(",".join(one).encode()) for one in lists)


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """The string at the beginning, and what follows it. ValueError where it is cut short."""
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) < end:
        raise ValueError("a string is cut short")
    return data[4:end], data[end:]


def name_list(data: bytes) -> tuple[str, ...]:
    return tuple(data.decode("ascii", "replace").split(",")[:_NAMES]) if data else ()


def kexinit(lists: Iterable[Iterable[str]], cookie: bytes) -> bytes:
    """The payload of SSH_MSG_KEXINIT (RFC 4253 section 7.1)."""
    return bytes([KEXINIT]) + cookie + names(lists) + bytes(5)


def parse_kexinit(payload: bytes) -> tuple[tuple[str, ...], ...]:
    """Its ten name-lists. ValueError."""
    if len(payload) < 17 or payload[0] != KEXINIT:
        raise ValueError("the server sent no list of algorithms")
    lists: list[tuple[str, ...]] = []
    rest = payload[17:]
    for _ in range(_LISTS):
        try:
            found, rest = take_string(rest)
        except ValueError:
            raise ValueError("the server's list of algorithms is cut short") from None
        lists.append(name_list(found))
    return tuple(lists)


def algorithms(lists: tuple[tuple[str, ...], ...]) -> SshAlgorithms:
    key_exchange, host_keys, to_server, to_client, mac_to_server, mac_to_client, *_ = lists
    return SshAlgorithms(
        key_exchange,
        host_keys,
        ciphers=tuple(dict.fromkeys((*to_server, *to_client))),
        macs=tuple(dict.fromkeys((*mac_to_server, *mac_to_client))),
    )


def ssh_algorithms(packet: bytes) -> SshAlgorithms | Unseen:
    """From the binary packet that carries SSH_MSG_KEXINIT (RFC 4253 section 6)."""
    if len(packet) < 6:
        return Unseen("the server sent no list of algorithms", "target")
    try:
        return algorithms(parse_kexinit(packet[5:]))
    except ValueError as error:
        return Unseen(str(error), "target")


def packet(payload: bytes, block: int = 8, *, length_counts: bool = True) -> bytes:
    """The binary packet (RFC 4253 section 6), not encrypted; `length_counts`: the length is part of what is padded."""
    padding = block - (len(payload) + 1 + (4 if length_counts else 0)) % block
    padding += block if padding < 4 else 0
    return struct.pack("!IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def unpacked(body: bytes) -> bytes:
    """The payload of a packet without its length. ValueError."""
    if not body or body[0] + 1 > len(body):
        raise ValueError("a packet is malformed")
    return body[1 : len(body) - body[0]]
