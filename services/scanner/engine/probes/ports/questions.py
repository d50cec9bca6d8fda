"""What to say first where the service waits for its client: harmless questions, for metadata only."""

import struct
from collections.abc import Mapping
from types import MappingProxyType

# Served inside TLS from the first byte.
TLS_FIRST = frozenset(
    {443, 444, 465, 636, 990, 992, 993, 995, 2083, 2087, 2376, 4443, 5986, 6443, 8006, 8443, 8834, 9443, 10250, 10443}
)
# Where the server speaks first, and is given the time to.
GREETING = frozenset({21, 22, 23, 25, 110, 119, 143, 587, 873, 902, 2222, 3306, 5900, 5901})

# Where a web server is the custom, which waits for its client.
WEB = frozenset(
    {80, 81, 2082, 2086, 2375, 2379, 3000, 3128, 5000, 5601, 5984, 5985, 7001, 8000, 8008, 8080, 8081, 8086, 8088, 8500}
    | {8888, 9000, 9090, 9200, 10000, 15672}
)

_PATHS = {2375: "/version", 2379: "/version", 5984: "/_all_dbs", 6443: "/version", 8500: "/v1/agent/self"}


def http(host: str, port: int, user_agent: str) -> bytes:
    """RFC 9112 section 3."""
    lines = (
        f"GET {_PATHS.get(port, '/')} HTTP/1.1",
        f"Host: {host}:{port}",
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _mongodb() -> bytes:
    """OP_MSG with {listDatabases: 1, nameOnly: true, $db: "admin"}: refused where a login is demanded."""
    document = b"\x10listDatabases\x00" + struct.pack("<i", 1)
    document += b"\x08nameOnly\x00\x01" + b"\x02$db\x00\x06\x00\x00\x00admin\x00"
    body = struct.pack("<i", len(document) + 5) + document + b"\x00"
    return struct.pack("<iiiiIB", 21 + len(body), 1, 0, 2013, 0, 0) + body


def _mssql() -> bytes:
    """TDS PRELOGIN with a version option ([MS-TDS] 2.2.6.5)."""
    options = b"\x00\x00\x06\x00\x06\xff" + bytes(6)
    return struct.pack("!BBHHBB", 0x12, 1, 8 + len(options), 0, 1, 0) + options


def _oracle() -> bytes:
    """A TNS connect packet."""
    data = b"(CONNECT_DATA=(COMMAND=version))"
    header = struct.pack("!HHHHHHHHHHI", 0x0134, 0x012C, 0, 0x0800, 0x7FFF, 0x4F98, 0, 1, len(data), 58, 0)
    body = header + bytes(50 - len(header)) + data
    return struct.pack("!HHBBH", 8 + len(body), 0, 1, 0, 0) + body


def _rpc(program: int, version: int) -> bytes:
    """A call of procedure 0, which does nothing (RFC 5531 sections 9 and 12)."""
    call = struct.pack("!IIIIII", 0x434C5250, 0, 2, program, version, 0) + bytes(16)
    return struct.pack("!I", 0x80000000 | len(call)) + call


def _smb() -> bytes:
    """SMB2 NEGOTIATE with the dialects 2.0.2 and 2.1 ([MS-SMB2] 2.2.3)."""
    header = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ", 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + bytes(16)
    body = struct.pack("<HHHHI", 36, 2, 1, 0, 0) + bytes(16) + bytes(8) + struct.pack("<HH", 0x0202, 0x0210)
    return struct.pack("!I", len(header + body)) + header + body


def _netbios() -> bytes:
    """A session request to the name that any SMB server listens to (RFC 1002 section 4.3.2)."""
    names = (b"*SMBSERVER".ljust(16), b"SCANNER".ljust(15) + b"\x00")
    encoded = [bytes(0x41 + nibble for byte in name for nibble in divmod(byte, 16)) for name in names]
    return b"\x81\x00\x00\x44" + b"".join(b"\x20" + name + b"\x00" for name in encoded)


# X.224 connection request ([MS-RDPBCGR] 2.2.1.1)
_RDP = bytes.fromhex("030000130ee000000000000100080003000000")
# A search of the root DSE for its object class (RFC 4511 section 4.5.1)
_LDAP = bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")
FIRST: Mapping[int, bytes] = MappingProxyType(
    {
        111: _rpc(100000, 2),
        139: _netbios(),
        389: _LDAP,
        445: _smb(),
        1433: _mssql(),
        1521: _oracle(),
        2049: _rpc(100003, 3),
        3268: _LDAP,
        3389: _RDP,
        5432: struct.pack("!II", 8, 80877103),  # SSLRequest
        5672: b"AMQP\x00\x00\x09\x01",
        6000: b"l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # X11 connection setup, no authorisation
        6379: b"INFO server\r\n",
        9042: bytes.fromhex("040000000500000000"),  # CQL OPTIONS
        11211: b"version\r\n",
        27017: _mongodb(),
    }
)
