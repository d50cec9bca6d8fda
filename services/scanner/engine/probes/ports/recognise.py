"""What a service is, by what it says. Pure functions over its first bytes."""

import re
import struct

from services.scanner.engine.probes.ports import patterns
from services.scanner.engine.probes.ports.ssh_messages import ssh_algorithms as ssh_algorithms

BANNER_BYTES = 512
_LOOKED_AT = 4096  # bytes; what has not shown itself by then will not
_TITLE = re.compile(rb"<title[^>]{0,200}>(.{0,200}?)</title", re.IGNORECASE | re.DOTALL)
_HTTP_STATUS = re.compile(rb"(?:HTTP|ICY)(?:/\d\.\d)? (\d{3})")
_BARE_PAGE = re.compile(rb"(?i)\s{0,20}(<!doctype html|<html|<head)")
_NAMELESS_STATUS = re.compile(
    rb"(\(null\)|UNKNOWN)? ?\d{3} [^\r\n]{1,60}\r\n(Server|Content-Type|Date|Pragma|Cache-Control): "
)
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: {0,10}(\d{1,9})\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: {0,10}chunked\r\n", re.IGNORECASE)
_GREETING_CODE = re.compile(rb"(220|120|421|431|530|554|521|550|450|451|500(?= OOPS))([ -]|\r?\n|$)")
# What tells an interface from a page that only writes about one: its headers, and a body that is data, not HTML.
_BY_HTTP_HEADER = (
    ("docker", re.compile(rb"(?i)\r\n(Server: Docker/|Docker-Experimental:|Api-Version: 1\.)")),
    ("consul", re.compile(rb"(?i)\r\nX-Consul-")),
    ("elasticsearch", re.compile(rb"(?i)\r\n(X-elastic-product:|X-OpenSearch-|WWW-Authenticate: [^\r]{0,60}(security|"
                                 rb"OpenSearch|Open Distro|Search Guard)\")")),
    ("couchdb", re.compile(rb"(?i)\r\n(Server: CouchDB|X-Couch-)")),
    ("influxdb", re.compile(rb"(?i)\r\nX-Influxdb-(Version|Build):")),
    ("clickhouse", re.compile(rb"(?i)\r\nX-ClickHouse-")),
    ("arangodb", re.compile(rb"(?i)\r\n(Server: ArangoDB|X-Arango-)")),
    ("kubernetes", re.compile(rb"(?i)\r\nX-Kubernetes-Pf-")),
    ("etcd", re.compile(rb"(?i)\r\nX-Etcd-")),
)  # fmt: skip
_BY_HTTP_BODY = (
    ("docker", re.compile(rb'"ApiVersion" ?:|"message" ?: ?"page not found"')),
    (
        "kubelet",
        re.compile(rb'"kind" ?: ?"PodList"|Forbidden \(user=system:[\w:.-]{1,80}, verb=\w{1,20}, resource=nodes'),
    ),
    ("kubernetes", re.compile(rb'"gitVersion" ?:|"kind" ?: ?"(Status|APIVersions)"')),
    ("etcd", re.compile(rb'"etcdserver" ?:|"etcdcluster" ?:')),
    ("consul", re.compile(rb'"Datacenter" ?:')),
    ("elasticsearch", re.compile(rb"You Know, for Search|security_exception|opensearch|This is not an? HTTP port")),
    ("couchdb", re.compile(rb'"couchdb" ?:')),
    ("influxdb", re.compile(rb'"name" ?: ?"influxdb"')),
    ("mongodb", re.compile(rb"trying to access MongoDB over HTTP")),
    ("clickhouse", re.compile(rb"Port 9000 is for clickhouse-client|DB::Exception: ")),
    ("neo4j", re.compile(rb'"neo4j_version" ?:|"bolt_(routing|direct)" ?:')),
    ("qdrant", re.compile(rb'"title" ?: ?"qdrant')),
)
_TITLES = {b"RethinkDB Administration Console": "rethinkdb", b"Solr Admin": "solr"}
_DOMAIN_FIRST = re.compile(rb"220[ -][\w-]{1,63}(\.[\w-]{1,63}){0,8}\.[A-Za-z]{2,24} ")  # RFC 5321 section 4.2
_FTP_PORTS = frozenset({20, 21, 990, 2121})
_SMTP_PORTS = frozenset({25, 465, 587, 2525})


def protocol_of(data: bytes, port: int) -> str:
    """ "unknown" where nothing fits.

    The port decides one thing only: whose a greeting is that FTP and SMTP have in common ("220 ready"), on their ports.
    """
    data = data[:_LOOKED_AT]
    if not data:
        return "unknown"
    if _HTTP_STATUS.match(data):
        return _over_http(data)
    if patterns.SSH.search(data):
        return "ssh"
    for protocol, pattern in patterns.BY_TEXT:
        if pattern.match(data):
            return protocol
    if (code := _GREETING_CODE.match(data)) and not _NAMELESS_STATUS.match(data):
        return _of_greeting(data, code[1], port)
    if patterns.TELNET[0].match(data):
        return "telnet"
    for protocol, pattern in patterns.BY_BYTES:
        if pattern.match(data):
            return protocol
    if _BARE_PAGE.match(data) or _NAMELESS_STATUS.match(data):
        return "http"  # HTTP/0.9: the page alone; or a small server that does not know its own version
    if patterns.PROMPT.search(data[-200:]) or patterns.TELNET[1].match(data):
        return "telnet"
    return "unknown"


def _of_greeting(data: bytes, code: bytes, port: int) -> str:
    ftp, smtp = patterns.FTP_WORDS.search(data), patterns.SMTP_WORDS.search(data)
    if code in (b"120", b"431", b"530") or data.startswith(b"500 OOPS"):
        return "smtp" if smtp and not ftp else "ftp"
    if code in (b"554", b"521"):
        return "smtp"
    if ftp and smtp:  # "mail.example.org FTP server", "ftp.example.org ESMTP"
        return "smtp" if re.search(rb"E?SMTP", data) else "ftp"
    if ftp or smtp:
        return "ftp" if ftp else "smtp"
    if _DOMAIN_FIRST.match(data):
        return "smtp"
    return "ftp" if port in _FTP_PORTS else "smtp" if port in _SMTP_PORTS else "unknown"


def is_bare_greeting(data: bytes) -> bool:
    """Whether it may be FTP or SMTP, and says of neither that it is."""
    code = _GREETING_CODE.match(data)
    return bool(
        code and code[1] == b"220" and not patterns.FTP_WORDS.search(data) and not patterns.SMTP_WORDS.search(data)
    )


def _over_http(data: bytes) -> str:
    head, _, body = data.partition(b"\r\n\r\n")
    for protocol, header in _BY_HTTP_HEADER:
        if header.search(head):
            return protocol
    if not _BARE_PAGE.match(body):
        for protocol, text in _BY_HTTP_BODY:
            if text.search(body):
                return protocol
    shown = _TITLE.search(body)
    return _TITLES.get(shown[1].strip(), "http") if shown else "http"


def open_access(protocol: str, data: bytes) -> bool | None:
    """Whether the answer to our question shows that no login is needed; None where the question does not tell."""
    status = _HTTP_STATUS.match(data)
    match protocol:
        case "redis":
            return data.startswith((b"$", b"+PONG")) or (False if data.startswith((b"-NOAUTH", b"-DENIED", b"-NOPERM"))
                                                         or b"operation not permitted" in data else None)  # fmt: skip
        case "memcached" | "zookeeper":
            return data.startswith((b"VERSION", b"Zookeeper version")) or None
        case "mongodb":
            return None if status else b"ok\x00" + struct.pack("<d", 1.0) in data
        case "cassandra":
            return {b"\x02": True, b"\x03": False}.get(data[4:5] if data[:1] >= b"\x83" else data[3:4])
        case "x11":
            return data[:1] == b"\x01"
        case "kubelet":
            return b'"PodList"' in data and status is not None and status[1] == b"200"
        case "mqtt":
            return {0: True, 4: False, 5: False, 0x86: False, 0x87: False}.get(data[3]) if len(data) > 3 else None
        case "socks":
            return {b"\x05\x00": True, b"\x05\x02": False, b"\x05\xff": False}.get(data[:2])
        case "adb":
            return data.startswith(b"CNXN")
        case "nats":
            return b'"auth_required":true' not in data.replace(b" ", b"")
        case "elasticsearch" | "couchdb" | "docker" | "consul" | "kubernetes" | "influxdb" | "neo4j" | "qdrant":
            return _answered(protocol, status[1], data) if status else None
        case "clickhouse" | "arangodb" | "solr" | "rethinkdb":
            return False if status and status[1] in (b"401", b"403", b"516") else None
        case _:
            return None


# What only an answer with data in it holds; a start page or a health check may be free to all where the data is not.
_DATA = {
    "elasticsearch": re.compile(rb'"cluster_name"|You Know, for Search'),
    "couchdb": re.compile(rb"\r\n\r\n\s{0,9}(?:[0-9a-f]{1,8}\r\n)?\["),
    "docker": re.compile(rb'"ApiVersion"'),
    "consul": re.compile(rb'"Config" ?:|"Datacenter" ?:'),
    "kubernetes": re.compile(rb'"kind" ?: ?"APIVersions"'),
    "influxdb": re.compile(rb'"results" ?:'),
    "qdrant": re.compile(rb'"collections" ?:'),
}


def _answered(protocol: str, status: bytes, data: bytes) -> bool | None:
    if status in (b"401", b"403"):
        return False
    shown = _DATA.get(protocol)
    return True if status == b"200" and shown is not None and shown.search(data) else None


def banner(data: bytes) -> str:
    return data[:BANNER_BYTES].decode("ascii", "backslashreplace").translate(_ESCAPED)


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(9), 11, 12, *range(14, 32), 127)}


def title(data: bytes) -> str:
    found = _TITLE.search(data)
    return " ".join(found[1].decode("utf-8", "replace").split()) if found else ""


def is_unfinished(data: bytes) -> bool:
    """Whether more is to come, as far as the protocol tells: a page, a document, or a greeting of several lines."""
    if data.startswith(b"HTTP/"):
        return _is_unfinished_page(data)
    if data[12:16] == _OP_MSG:
        return len(data) < int.from_bytes(data[:4], "little")
    if bulk := _REDIS_BULK.match(data):
        return len(data) < bulk.end() + int(bulk[1]) + 2
    if _LINE_TO_BE_CONTINUED.match(data):
        return not _LAST_LINE.match(data[data.rstrip().rfind(b"\n") + 1 :])
    return False


_OP_MSG = struct.pack("<i", 2013)
_REDIS_BULK = re.compile(rb"\$(\d{1,6})\r\n")
_LINE_TO_BE_CONTINUED = re.compile(rb"\d{3}-")
_LAST_LINE = re.compile(rb"\d{3} [^\n]*\n")


def _is_unfinished_page(data: bytes) -> bool:
    header, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return True
    if length := _CONTENT_LENGTH.search(header + b"\r\n"):
        return len(body) < int(length[1])
    return not (_CHUNKED.search(header + b"\r\n") and body.endswith(b"0\r\n\r\n"))


_WRONG_DOOR = re.compile(
    rb"HTTP/1\.[01] 400 .{0,3000}?(HTTPS (port|server)|SSL-enabled server port|TLS port)", re.DOTALL
)


def wants_tls(data: bytes) -> bool:
    """Whether a web server says that it is to be spoken to inside TLS, or answers with an alert of TLS."""
    return bool(_WRONG_DOOR.match(data)) or data[:2] == b"\x15\x03"


def is_winrm(path: str, data: bytes) -> bool:
    """Windows Remote Management: what Windows' own web server says of that path, which it knows ([MS-WSMV] 2.1)."""
    status = _HTTP_STATUS.match(data)
    known = status is not None and status[1] in (b"401", b"405", b"411")
    return path == "/wsman" and known and b"Microsoft-HTTPAPI" in data[:_LOOKED_AT]


def rdp_details(data: bytes) -> dict[str, str]:
    """What a connection confirm says to a client that offers TLS without CredSSP ([MS-RDPBCGR] 2.2.1.2)."""
    kind, code = data[11:12], int.from_bytes(data[15:19], "little")
    if kind == b"\x03":
        return {"nla": "required"} if code == 5 else {"nla": f"not told (failure {code})"}
    security = {b"\x02\x01": "TLS"}.get(kind + data[15:16], "RDP's own encryption")
    return {"nla": "not required", "security": security}


def vnc_security(data: bytes, version: str) -> dict[str, str]:
    """The security types of RFC 6143 section 7.1.2 (and of version 3.3, 7.1.2's end, where the server decides)."""
    names = {1: "None", 2: "VNC", 5: "RA2", 16: "Tight", 18: "TLS", 19: "VeNCrypt", 30: "Apple", 35: "MS-Logon"}
    kinds: list[int] = []
    if version <= "003.006":
        kinds = [int.from_bytes(data[:4], "big")] if len(data) >= 4 else []
    elif data:
        kinds = list(data[1 : 1 + data[0]])
    return {"security": ", ".join(names.get(kind, str(kind)) for kind in kinds if kind)} if any(kinds) else {}
