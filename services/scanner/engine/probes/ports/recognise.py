"""What a service is, by what it says. Pure functions over its first bytes."""

import re
import struct

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import SshAlgorithms

BANNER_BYTES = 512
_TITLE = re.compile(rb"<title[^>]*>(.{0,200}?)</title", re.IGNORECASE | re.DOTALL)
_HTTP_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: (\d{1,9})\r\n", re.IGNORECASE)

_BY_PATTERN: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (protocol, re.compile(pattern, re.DOTALL))
    for protocol, pattern in (
        ("ssh", rb"SSH-\d"),
        ("vnc", rb"RFB \d{3}\.\d{3}"),
        ("rsync", rb"@RSYNCD:"),
        ("pop3", rb"\+OK"),
        ("imap", rb"\* (OK|BYE|PREAUTH)"),
        ("ftp", rb"220[ -][^\n]*FTP(?!.*SMTP)"),
        ("smtp", rb"(220|554|421)[ -][^\n]*SMTP"),
        ("telnet", rb"\xff[\xfb-\xfe]|.{0,200}\b(login|[Uu]sername): ?$"),
        ("redis", rb"-NOAUTH|-ERR (unknown command|operation not permitted)|-DENIED Redis|\$\d+\r\n# Server|\+PONG"),
        ("memcached", rb"VERSION \d|ERROR\r\n"),
        ("mysql", rb".{2}\x00\x00(\x0a\d|\xff.{2}[\x20-\x7e])"),
        ("postgresql", rb"[SN]$|E\x00\x00.{2}S(FATAL|ERROR)"),
        ("mssql", rb"\x04\x01.{2}\x00"),
        ("oracle", rb".{2}\x00\x00[\x02\x04\x05\x0b]\x00"),
        ("mongodb", rb".{12}(\xdd\x07|\x01\x00)\x00\x00"),
        ("cassandra", rb"[\x83-\x85].{3}[\x00\x06]"),
        ("rdp", rb"\x03\x00.{3}\xd0"),
        ("smb", rb"\x00.{3}[\xfe\xff]SMB"),
        ("netbios", rb"[\x82\x83]\x00\x00[\x00\x01]"),
        ("x11", rb"[\x00-\x02].\x0b\x00"),
        ("ldap", rb"\x30.{1,6}\x02\x01\x01[\x61\x64\x65]"),
        ("rpc", rb".{4}CLRP\x00\x00\x00\x01"),
        ("amqp", rb"AMQP|\x01\x00\x00.{4}\x00\x0a\x00\x0a"),
        ("tls", rb"[\x15\x16]\x03[\x00-\x03]"),
    )
)
_BY_HTTP_TEXT = (
    ("docker", re.compile(rb'"ApiVersion"|Server: Docker/')),
    ("kubernetes", re.compile(rb'"gitVersion"|"kind": ?"Status"')),
    ("etcd", re.compile(rb'"etcdserver"')),
    ("consul", re.compile(rb'X-Consul-|"Datacenter"')),
    ("elasticsearch", re.compile(rb"(?i)X-elastic-product|You Know, for Search|security_exception|opensearch")),
    ("couchdb", re.compile(rb"Server: CouchDB|\"couchdb\"")),
)


def protocol_of(data: bytes, port: int) -> str:
    """ "unknown" where nothing fits. The port only decides what a bare 220 greeting belongs to."""
    if _HTTP_STATUS.match(data):
        return next((protocol for protocol, text in _BY_HTTP_TEXT if text.search(data)), "http")
    for protocol, pattern in _BY_PATTERN:
        if pattern.match(data):
            return protocol
    if data.startswith(b"220"):
        return "ftp" if port == 21 else "smtp"
    return "unknown"


def open_access(protocol: str, data: bytes) -> bool | None:
    """Whether the answer to our question shows that no login is needed; None where the question does not tell."""
    match protocol:
        case "redis":
            return data.startswith((b"$", b"+PONG")) or (None if data.startswith(b"-ERR unknown") else False)
        case "memcached":
            return data.startswith(b"VERSION") or None
        case "mongodb":
            return b"ok\x00" + struct.pack("<d", 1.0) in data
        case "elasticsearch" | "couchdb" | "docker" | "etcd" | "consul" | "kubernetes":
            status = _HTTP_STATUS.match(data)
            return status is not None and status[1] == b"200"
        case _:
            return None


def banner(data: bytes) -> str:
    return data[:BANNER_BYTES].decode("ascii", "backslashreplace").translate(_ESCAPED)


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(9), 11, 12, *range(14, 32), 127)}


def title(data: bytes) -> str:
    found = _TITLE.search(data)
    return " ".join(found[1].decode("utf-8", "replace").split()) if found else ""


def is_unfinished(data: bytes) -> bool:
    """Whether this is the beginning of an HTTP answer of which more is to come, as far as its length is stated."""
    header, _, body = data.partition(b"\r\n\r\n")
    length = _CONTENT_LENGTH.search(header + b"\r\n")
    return data.startswith(b"HTTP/") and (length is None or len(body) < int(length[1]))


def ssh_algorithms(packet: bytes) -> SshAlgorithms | Unseen:
    """From the binary packet that carries SSH_MSG_KEXINIT (RFC 4253 sections 6 and 7.1)."""
    if len(packet) < 22 or packet[5] != 20:
        return Unseen("the server sent no list of algorithms", "target")
    lists: list[tuple[str, ...]] = []
    rest = packet[22:]
    for _ in range(8):
        if len(rest) < 4 or len(rest) < (end := 4 + int.from_bytes(rest[:4], "big")):
            return Unseen("the server's list of algorithms is cut short", "target")
        lists.append(tuple(rest[4:end].decode("ascii", "replace").split(",")[:100]))
        rest = rest[end:]
    key_exchange, host_keys, to_server, to_client, mac_to_server, mac_to_client, *_ = lists
    return SshAlgorithms(
        key_exchange,
        host_keys,
        ciphers=tuple(dict.fromkeys((*to_server, *to_client))),
        macs=tuple(dict.fromkeys((*mac_to_server, *mac_to_client))),
    )
