"""What to say first where the service waits for its client: harmless questions, for metadata only."""

import struct
from collections.abc import Mapping
from types import MappingProxyType

# Served inside TLS from the first byte.
TLS_FIRST = frozenset(
    {443, 465, 563, 636, 853, 990, 992, 993, 994, 995, 2053, 2083, 2087, 2096, 2376, 3269, 4443, 5061, 5671, 5986, 6443}
    | {6697, 8006, 8443, 8834, 8883, 9443, 10250, 10443}
)
# Where the server speaks first, and is given the time to: a mail server may let its clients wait on purpose.
GREETING: Mapping[int, float] = MappingProxyType(
    {25: 6.5, 465: 6.5, 587: 6.5, 2525: 6.5}
    | dict.fromkeys((21, 22, 23, 110, 119, 143, 220, 563, 873, 902, 990, 992, 993, 995, 2121, 2222, 2323, 3306), 4.0)
    | dict.fromkeys((4190, 5900, 5901, 6667, 33060), 4.0)
)
# Printers put on paper whatever they are sent.
NEVER_ASKED = frozenset(range(9100, 9108))

# Where a web server is the custom, which waits for its client.
WEB = frozenset(
    {
        80,
        81,
        82,
        443,
        591,
        631,
        2052,
        2053,
        2082,
        2083,
        2086,
        2087,
        2095,
        2096,
        2375,
        2376,
        2379,
        3000,
        3128,
        4443,
        5000,
    }
    | {5601, 5800, 5984, 5985, 5986, 6443, 7001, 7474, 8000, 8001, 8006, 8008, 8080, 8081, 8086, 8088, 8123, 8161, 8180}
    | {8200, 8443, 8500, 8834, 8880, 8888, 8983, 9000, 9001, 9043, 9080, 9090, 9200, 9443, 10000, 10250, 10255, 10443}
    | {15672, 16010, 50070}
)

_PATHS = {
    2375: "/version",
    2376: "/version",
    2379: "/version",
    5984: "/_all_dbs",
    5985: "/wsman",
    5986: "/wsman",
    6333: "/collections",
    6443: "/api",
    8086: "/query?q=SHOW+DATABASES",
    8500: "/v1/agent/self",
    8529: "/_api/version",
    10250: "/pods",
    10255: "/pods",
}
# The path that an interface gives itself away on, or shows by that it wants no login; asked once it is recognised.
SECOND_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "docker": "/version",
        "consul": "/v1/agent/self",
        "couchdb": "/_all_dbs",
        "elasticsearch": "/",
        "influxdb": "/query?q=SHOW+DATABASES",
        "kubernetes": "/api",
        "kubelet": "/pods",
        "qdrant": "/collections",
    }
)


def path_of(port: int) -> str:
    return _PATHS.get(port, "/")


def http(host: str, port: int, user_agent: str, path: str | None = None) -> bytes:
    """RFC 9112 section 3."""
    lines = (
        f"GET {path or path_of(port)} HTTP/1.1",
        f"Host: {host}:{port}",
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def etcd_authentication(host: str, port: int, user_agent: str) -> bytes:
    """Whether etcd's authentication is on (its JSON gateway, from version 3.5 on)."""
    lines = (
        "POST /v3/auth/status HTTP/1.1",
        f"Host: {host}:{port}",
        f"User-Agent: {user_agent}",
        "Content-Type: application/json",
        "Content-Length: 2",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "{}")).encode()


def _mongodb(command: bytes, more: bytes = b"") -> bytes:
    """OP_MSG with {command: 1, ..., $db: "admin"}."""
    document = b"\x10" + command + b"\x00" + struct.pack("<i", 1) + more + b"\x02$db\x00\x06\x00\x00\x00admin\x00"
    body = struct.pack("<i", len(document) + 5) + document + b"\x00"
    return struct.pack("<iiiiIB", 21 + len(body), 1, 0, 2013, 0, 0) + body


MONGODB_BUILD = _mongodb(b"buildInfo")  # answered to everybody
_MONGODB = _mongodb(b"listDatabases", more=b"\x08nameOnly\x00\x01")  # refused where a login is demanded


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


def _smb1() -> bytes:
    """SMB_COM_NEGOTIATE with the one dialect "NT LM 0.12" ([MS-CIFS] 2.2.4.52): who takes it speaks version 1."""
    header = b"\xffSMB\x72" + struct.pack("<IBH", 0, 0x18, 0xC801) + bytes(12) + struct.pack("<HHHH", 0, 1, 0, 1)
    dialects = b"\x02NT LM 0.12\x00"
    body = b"\x00" + struct.pack("<H", len(dialects)) + dialects
    return struct.pack("!I", len(header + body)) + header + body


def _netbios() -> bytes:
    """A session request to the name that any SMB server listens to (RFC 1002 section 4.3.2)."""
    names = (b"*SMBSERVER".ljust(16), b"SCANNER".ljust(15) + b"\x00")
    encoded = [bytes(0x41 + nibble for byte in name for nibble in divmod(byte, 16)) for name in names]
    return b"\x81\x00\x00\x44" + b"".join(b"\x20" + name + b"\x00" for name in encoded)


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 0x80 else b"\x81" + bytes([len(body)])
    return bytes([tag]) + size + body


def _kerberos() -> bytes:
    """An AS-REQ for a principal of a realm that nobody has (RFC 4120 section 5.4.1); the answer is an error."""

    def name(kind: int, *parts: bytes) -> bytes:
        strings = _der(0x30, *(_der(0x1B, part) for part in parts))
        return _der(0x30, _der(0xA0, _der(0x02, bytes([kind]))), _der(0xA1, strings))

    body = _der(
        0x30,
        _der(0xA0, _der(0x03, b"\x00\x40\x00\x00\x00")),
        _der(0xA1, name(1, b"nobody")),
        _der(0xA2, _der(0x1B, b"INVALID")),
        _der(0xA3, name(2, b"krbtgt", b"INVALID")),
        _der(0xA5, _der(0x18, b"20370101000000Z")),
        _der(0xA7, _der(0x02, b"\x01\x02\x03\x04")),
        _der(0xA8, _der(0x30, _der(0x02, b"\x12"), _der(0x02, b"\x11"))),
    )
    request = _der(0x6A, _der(0x30, _der(0xA1, _der(0x02, b"\x05")), _der(0xA2, _der(0x02, b"\x0a")), _der(0xA4, body)))
    return struct.pack("!I", len(request)) + request


def _msrpc() -> bytes:
    """A bind to the endpoint mapper ([C706] chapter 12)."""
    mapper = bytes.fromhex("0883afe11f5dc91191a408002b14a0fa") + struct.pack("<HH", 3, 0)
    ndr = bytes.fromhex("045d888aeb1cc9119fe808002b104860") + struct.pack("<I", 2)
    body = struct.pack("<HHI", 4280, 4280, 0) + b"\x01\x00\x00\x00" + struct.pack("<HBB", 0, 1, 0) + mapper + ndr
    return struct.pack("<BBBBIHHI", 5, 0, 11, 3, 0x10, 16 + len(body), 0, 1) + body


def _pptp() -> bytes:
    """Start-Control-Connection-Request (RFC 2637 section 2.1)."""
    head = struct.pack("!HHIHHHHIIHH", 156, 1, 0x1A2B3C4D, 1, 0, 0x0100, 0, 1, 1, 0, 0)
    return head + bytes(128)


def _kafka() -> bytes:
    """ApiVersions, version 0, with our correlation id (kafka.apache.org/protocol)."""
    body = struct.pack("!HH", 18, 0) + b"CLKF" + struct.pack("!H", 7) + b"scanner"
    return struct.pack("!I", len(body)) + body


def _dns() -> bytes:
    """The name servers of the root, over TCP (RFC 1035 section 4.2.2)."""
    query = b"CL" + struct.pack("!HHHHH", 0, 1, 0, 0, 0) + b"\x00" + struct.pack("!HH", 2, 1)
    return struct.pack("!H", len(query)) + query


def _adb() -> bytes:
    """Android Debug Bridge: CNXN."""
    data = b"host::\x00"
    return struct.pack("<4sIIIII", b"CNXN", 0x01000000, 4096, len(data), sum(data), 0x4E584E43 ^ 0xFFFFFFFF) + data


def _mqtt() -> bytes:
    """CONNECT of MQTT 3.1.1, a clean session without user name (section 3.1)."""
    body = b"\x00\x04MQTT\x04\x02\x00\x0a\x00\x07scanner"
    return b"\x10" + bytes([len(body)]) + body


def _sip() -> bytes:
    """An OPTIONS request (RFC 3261 section 11.1)."""
    lines = (
        "OPTIONS sip:nobody@invalid SIP/2.0",
        "Via: SIP/2.0/TCP scanner.invalid;branch=z9hG4bKcl;rport",
        "From: <sip:scanner@scanner.invalid>;tag=cl",
        "To: <sip:nobody@invalid>",
        "Call-ID: cl@scanner.invalid",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 70",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


# X.224 connection request that takes TLS, but not the network level authentication of CredSSP ([MS-RDPBCGR] 2.2.1.1.1):
# a server that demands the latter says so.
RDP_WITHOUT_NLA = bytes.fromhex("030000130ee000000000000100080001000000")
SMB1 = _smb1()
# A search of the root DSE for its object class (RFC 4511 section 4.5.1)
_LDAP = bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")
# CQL (native_protocol_v4.spec): OPTIONS, and a STARTUP that shows whether a login follows.
_CASSANDRA = bytes.fromhex("040000000500000000")
CASSANDRA_STARTUP = bytes.fromhex("040000000100000016") + b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"
# ISO 8073 connection request to slot 0.2 of a controller (RFC 1006), and the set-up of S7's own communication.
_ISO_TSAP = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102")
S7_SETUP = bytes.fromhex("0300001902f08032010000000000080000f0000001000101e0")
_MODBUS = b"CL" + bytes.fromhex("00000005012b0e0100")  # read device identification (Modbus V1.1b3 section 6.21)
_X11 = b"l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00"  # X11 connection setup, no authorisation
_POSTGRESQL = struct.pack("!II", 8, 80877103)  # SSLRequest
_AMQP = b"AMQP\x00\x00\x09\x01"
_SOCKS = b"\x05\x01\x00"  # version 5, no authentication (RFC 1928 section 3)
_OPENVPN = b"\x00\x0e\x38CLAYER01\x00\x00\x00\x00\x00"  # P_CONTROL_HARD_RESET_CLIENT_V2
_RMI = b"JRMI\x00\x02\x4b"
_SIP = _sip()
_RTSP = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"  # RFC 2326 section 10.1
FIRST: Mapping[int, bytes] = MappingProxyType(
    {
        53: _dns(),
        79: b"\r\n",
        88: _kerberos(),
        102: _ISO_TSAP,
        111: _rpc(100000, 2),
        113: b"0, 0\r\n",
        135: _msrpc(),
        139: _netbios(),
        389: _LDAP,
        445: _smb(),
        502: _MODBUS,
        554: _RTSP,
        636: _LDAP,
        853: _dns(),
        1080: _SOCKS,
        1099: _RMI,
        1194: _OPENVPN,
        1433: _mssql(),
        1521: _oracle(),
        1723: _pptp(),
        1883: _mqtt(),
        2049: _rpc(100003, 3),
        2181: b"srvr\n",
        3268: _LDAP,
        3269: _LDAP,
        3389: RDP_WITHOUT_NLA,
        4369: b"\x00\x01n",
        5005: b"JDWP-Handshake",
        5060: _SIP,
        5061: _SIP,
        5222: b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
        b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
        5432: _POSTGRESQL,
        5555: _adb(),
        5671: _AMQP,
        5672: _AMQP,
        6000: _X11,
        6001: _X11,
        6379: b"INFO server\r\n",
        6380: b"INFO server\r\n",
        7687: b"\x60\x60\xb0\x17" + bytes.fromhex("00000004000000030000000200000001"),
        8009: b"\x12\x34\x00\x01\x0a",  # CPing of AJP
        8554: _RTSP,
        8883: _mqtt(),
        9042: _CASSANDRA,
        9092: _kafka(),
        9418: b"0023git-upload-pack /\x00host=invalid\x00",
        11211: b"version\r\n",
        11214: b"version\r\n",
        27017: _MONGODB,
        27018: _MONGODB,
        27019: _MONGODB,
        61613: b"CONNECT\naccept-version:1.2\n\n\x00",
    }
)
# What shows whether a service wants a login, where it was recognised by its answer to something else.
SECOND_QUESTIONS: Mapping[str, bytes] = MappingProxyType(
    {
        "redis": FIRST[6379],
        "memcached": FIRST[11211],
        "mongodb": _MONGODB,
        "cassandra": _CASSANDRA,
        "mqtt": FIRST[1883],
        "zookeeper": FIRST[2181],
    }
)
# What to try, each on a connection of its own, where a service on a port of no custom answers neither HTTP nor TLS.
GUESSES: tuple[tuple[str, bytes], ...] = (
    ("redis", FIRST[6379]),
    ("rdp", RDP_WITHOUT_NLA),
    ("smb", FIRST[445]),
    ("postgresql", _POSTGRESQL),
    ("mongodb", _MONGODB),
    ("ldap", _LDAP),
    ("mqtt", FIRST[1883]),
    ("mssql", FIRST[1433]),
    ("oracle", FIRST[1521]),
    ("socks", _SOCKS),
    ("x11", _X11),
    ("jdwp", FIRST[5005]),
    ("rmi", _RMI),
)
