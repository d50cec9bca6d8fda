"""Services are known by what they say, whatever the port."""

import struct
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.probes.ports import questions, recognise, software

MONGO_OK = struct.pack("<iiii", 60, 1, 1, 2013) + bytes(5) + b"\x01ok\x00" + struct.pack("<d", 1.0)
MONGO_NO = struct.pack("<iiii", 60, 1, 1, 2013) + bytes(5) + b"\x01ok\x00" + struct.pack("<d", 0.0)
ELASTIC = b'HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n\r\n{"tagline": "You Know, for Search"}'


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "ssh"),
        (b"220 ProFTPD Server ready\r\n", "ftp"),
        (b"220 mail.example.test ESMTP Postfix\r\n", "smtp"),
        (b"+OK Dovecot ready.\r\n", "pop3"),
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "imap"),
        (b"\r\nUbuntu\r\nhost login: ", "telnet"),
        (b"VERSION 1.6.40\r\n", "memcached"),
        (b"\x49\x00\x00\x00\xffj\x04Host is not allowed", "mysql"),
        (b"\x04\x01\x00\x2b\x00\x00\x01\x00", "mssql"),
        (b"\x00\x59\x00\x00\x04\x00\x00\x00\x22\x00", "oracle"),
        (MONGO_OK, "mongodb"),
        (b"\x84\x00\x00\x00\x06\x00\x00\x00\x00", "cassandra"),
        (b"\x00\x16\x0b\x00\x00\x00\x06\x00No protocol specified", "x11"),
        (b"\x83\x00\x00\x01\x82", "netbios"),
        (b"@RSYNCD: 31.0\n", "rsync"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "tls"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "http"),
        (ELASTIC, "elasticsearch"),
        (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"etcdserver":"3.5.0"}', "etcd"),
        (b"Exceeded MaxStartups\r\n", "ssh"),
        (b"Welcome\r\nSSH-2.0-OpenSSH_9.9\r\n", "ssh"),  # RFC 4253 section 4.2: lines may come before
        (b"SSH-1.99-Cisco-1.25\n", "ssh"),
        (b"220 (vsFTPd 3.0.5)\r\n", "ftp"),
        (b"220-Welcome to Pure-FTPd\r\n220 You are user number 1\r\n", "ftp"),
        (b"220 Microsoft FTP Service\r\n", "ftp"),
        (b"500 OOPS: vsftpd: cannot locate user\r\n", "ftp"),
        (b"220 mail.example.test FTP server ready\r\n", "ftp"),
        (b"220 ftp.example.test ESMTP Postfix\r\n", "smtp"),
        (b"220 mx.example.test ready\r\n", "smtp"),  # RFC 5321 section 4.2: the domain comes first
        (b"554 5.7.1 No SMTP service here\r\n", "smtp"),
        (b"421 4.7.0 Try again later, closing connection.\r\n", "smtp"),
        (b"220 VMware Authentication Daemon Version 1.10: SSL Required\r\n", "vmware-auth"),
        (b"-ERR POP3 server busy\r\n", "pop3"),
        (b"* BYE Too many connections\r\n", "imap"),
        (b"200 news.example.test InterNetNews NNRP server INN 2.7 ready (posting ok)\r\n", "nntp"),
        (b":irc.example.test NOTICE AUTH :*** Looking up your hostname\r\n", "irc"),
        (b"ERROR :Closing Link: [192.0.2.1] (Throttled)\r\n", "irc"),
        (b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23", "telnet"),
        (b"\x1b[2J\xff\xfb\x01\xff\xfb\x03Router\r\n", "telnet"),
        (b"\r\n\r\nUser Access Verification\r\n\r\nPassword: ", "telnet"),
        (b"-DENIED Redis is running in protected mode\r\n", "redis"),
        (b"-ERR wrong number of arguments for 'get' command\r\n", "redis"),
        (b"-ERR max number of clients reached\r\n", "redis"),
        (b"\x4a\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\x00" + bytes(60), "mysql"),
        (b"\x05\x00\x00\x00\x0b\x08\x05\x1a\x00", "mysql"),
        (b"S", "postgresql"),
        (b"E\x00\x00\x00\x83SFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol", "postgresql"),
        (b"E\x00\x00\x00\x83SFEHLER\x00C0A000\x00M", "postgresql"),  # in the language of its installation
        (b"RFB 003.008\n", "vnc"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS\r\n\r\n", "rtsp"),
        (b"SIP/2.0 404 Not Found\r\nVia: SIP/2.0/TCP scanner.invalid\r\n\r\n", "sip"),
        (b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x124\x00\x02\x1f\x08\x00\x02\x00\x00\x00", "rdp"),
        (b"\x03\x00\x00\x0b\x06\xd0\x00\x00\x124\x00", "rdp"),
        (b"\x03\x00\x00\x16\x11\xd0\x00\x01\x00\x02\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02", "iso-tsap"),
        (b"\x03\x00\x00\x1b\x02\xf0\x80\x32\x03\x00\x00", "s7"),
        (b"\x00\x00\x00\x55\xffSMBr" + bytes(70), "smb"),
        (b"\x82\x00\x00\x00", "netbios"),
        (b"0\x84\x00\x00\x00\x10\x02\x01\x01e\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00", "ldap"),
        (b"\x00\x00\x00\x5c\x7eZ0X\xa0\x03\x02\x01\x05", "kerberos"),
        (b"\x80\x00\x00\x18CLRP\x00\x00\x00\x01" + bytes(16), "rpc"),
        (b"\x05\x00\x0c\x03\x10\x00\x00\x00\x3c\x00", "msrpc"),
        (b"\x20\x02\x00\x05", "mqtt"),
        (b"\x01\x00\x00\x00\x00\x01\xf8\x00\x0a\x00\x0a\x00\x09", "amqp"),
        (b"AMQP\x00\x00\x09\x01", "amqp"),
        (b"\x00\x00\x01\x2eCLKF\x00\x00\x00\x00\x00\x2a", "kafka"),
        (b"Zookeeper version: 3.8.4-9316c2a7, built on 2024-02-12\n", "zookeeper"),
        (b"srvr is not executed because it is not in the whitelist.\n", "zookeeper"),
        (b"\x00\x00\x00\xf4\x01ActiveMQ\x00\x00\x00\x0c", "openwire"),
        (b'INFO {"server_id":"NA","version":"2.10.4","auth_required":true}\r\n', "nats"),
        (b"\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x02\x00\x00", "pptp"),
        (b"\x00\x1a\x40" + bytes(range(24)), "openvpn"),
        (b"AB\x00\x01\x09", "ajp"),
        (b"JDWP-Handshake", "jdwp"),
        (b"\x4e\x00\x09127.0.0.1\x00\x00\xd4\x31", "rmi"),
        (b"\x05\x00", "socks"),
        (b"CL\x00\x00\x00\x03\x01\xab\x01", "modbus"),
        (b"\x00\x1dCL\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00", "dns"),
        (b"( success ( 2 2 ( ) ( edit-pipeline svndiff1 ) ) ) ", "svn"),
        (b"0033ERR access denied or repository not exported: /", "git"),
        (b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n', "sieve"),
        (b"<?xml version='1.0'?><stream:stream xmlns='jabber:client'", "xmpp"),
        (b"0, 0 : ERROR : INVALID-PORT\r\n", "ident"),
        (b"Tue Nov 24 12:00:00 2026\r\n", "daytime"),
        (b"HTTP/1.1 200 OK\r\nX-Influxdb-Version: 1.8.10\r\n\r\n", "influxdb"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\r\n", "clickhouse"),
        (b"HTTP/1.0 200 OK\r\n\r\nIt looks like you are trying to access MongoDB over HTTP on the native", "mongodb"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nForbidden (user=system:anonymous, verb=get, resource=nodes, sub", "kubelet"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"kind":"PodList","apiVersion":"v1"', "kubelet"),
        # A page that writes about something is not that thing.
        (b'HTTP/1.1 200 OK\r\n\r\n<!doctype html><p>You Know, for Search; "couchdb": "Welcome"', "http"),
        (b"(null) 400 Bad Request\r\nServer: mini_httpd/1.19\r\n", "http"),
        (b"hello", "unknown"),
        (b"\x00\x00\x00\x00\x00\x00", "unknown"),
        (b"", "unknown"),
    ],
)
def test_protocol(data: bytes, protocol: str) -> None:
    assert recognise.protocol_of(data, 9999) == protocol


def test_a_bare_greeting_belongs_to_the_custom_of_its_port() -> None:
    assert recognise.protocol_of(b"220 ready\r\n", 21) == "ftp"
    assert recognise.protocol_of(b"220 ready\r\n", 25) == "smtp"


@pytest.mark.parametrize(
    ("data", "needs_no_login"),
    [
        (MONGO_OK, True),
        (MONGO_NO, False),
        (b"VERSION 1.6.40\r\n", True),
        (b"-NOAUTH Authentication required.\r\n", False),
        (ELASTIC, True),
        (b"HTTP/1.1 401 Unauthorized\r\nX-elastic-product: Elasticsearch\r\n\r\n", False),
        (b"\x04\x01\x00\x2b\x00\x00\x01\x00", None),
        (b"-ERR unknown command\r\n", None),
        (b"\x84\x00\x00\x00\x02\x00\x00\x00\x00", True),  # READY
        (b"\x84\x00\x00\x00\x03\x00\x00\x00\x31", False),  # AUTHENTICATE
        (b"\x20\x02\x00\x00", True),
        (b"\x20\x02\x00\x05", False),
        (b'HTTP/1.1 200 OK\r\nServer: CouchDB/3.3.3\r\n\r\n["_users"]\n', True),
        (b'HTTP/1.1 200 OK\r\nServer: CouchDB/3.3.3\r\n\r\n{"couchdb":"Welcome"}', None),  # to everybody
        (b"HTTP/1.1 401 Unauthorized\r\nX-Influxdb-Version: 1.8\r\n\r\n", False),
        (b'HTTP/1.1 403 Forbidden\r\n\r\n{"kind":"Status","code":403}', False),
        (b'HTTP/1.1 200 OK\r\n\r\n{"kind":"APIVersions","versions":["v1"]}', True),
    ],
)
def test_open_access(data: bytes, needs_no_login: bool | None) -> None:
    assert recognise.open_access(recognise.protocol_of(data, 9999), data) is needs_no_login


@given(data=st.binary(max_size=600), port=st.integers(1, 65535))
def test_hostile_bytes_are_taken(data: bytes, port: int) -> None:
    protocol = recognise.protocol_of(data, port)
    recognise.open_access(protocol, data)
    recognise.title(data)
    recognise.ssh_algorithms(data)
    assert all(character == "\n" or character == "\r" or character == "\t" or character.isprintable()
               for character in recognise.banner(data))  # fmt: skip


def test_a_banner_is_bounded_and_printable() -> None:
    assert recognise.banner(b"\x1b[2J\x00\xff" + b"a" * 1000).startswith("\\x1b[2J\\x00\\xffaaa")
    assert recognise.banner(b"a" * 1000) == "a" * recognise.BANNER_BYTES


def test_a_list_of_algorithms_cut_short_is_unseen() -> None:
    packet = struct.pack("!IB", 200, 4) + b"\x14" + bytes(16) + struct.pack("!I", 500) + b"curve25519-sha256"

    assert isinstance(recognise.ssh_algorithms(packet), Unseen)
    assert isinstance(recognise.ssh_algorithms(b""), Unseen)


def test_questions_state_their_own_length() -> None:
    first = questions.FIRST

    assert struct.unpack_from("<i", first[27017])[0] == len(first[27017])  # OP_MSG
    assert struct.unpack_from("<i", first[27017], 21)[0] == len(first[27017]) - 21  # its document
    assert struct.unpack_from("!H", first[1433], 2)[0] == len(first[1433])  # TDS
    assert struct.unpack_from("!H", first[1521])[0] == len(first[1521])  # TNS
    assert struct.unpack_from("!H", first[3389], 2)[0] == len(first[3389])  # TPKT
    assert struct.unpack_from("!I", first[445])[0] == len(first[445]) - 4  # NetBIOS session
    assert struct.unpack_from("!H", first[139], 2)[0] == len(first[139]) - 4
    assert struct.unpack_from("!I", first[111])[0] & 0x7FFFFFFF == len(first[111]) - 4  # record marking
    assert first[389][1] == len(first[389]) - 2  # BER


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", ("OpenSSH", "9.2p1")),
        (b"SSH-2.0-dropbear_2022.83\r\n", ("Dropbear", "2022.83")),
        (b"SSH-2.0-Cisco-1.25\n", ("Cisco", "1.25")),
        (b"220 (vsFTPd 3.0.5)\r\n", ("vsFTPd", "3.0.5")),
        (b"220 ProFTPD 1.3.8 Server (Debian) [192.0.2.1]\r\n", ("ProFTPD", "1.3.8")),
        (b"220 mx.example.test ESMTP Exim 4.96 Tue, 24 Nov 2026\r\n", ("Exim", "4.96")),
        (b"220 mx.example.test ESMTP Postfix (Debian/GNU)\r\n", ("Postfix", "")),
        (b"+OK Dovecot (Ubuntu) ready.\r\n", ("Dovecot", "")),
        (b"* OK example.test Cyrus IMAP 3.6.1-Debian server ready\r\n", ("Cyrus", "3.6.1")),
        (b"\x4a\x00\x00\x00\x0a8.4.3\x00" + bytes(66), ("MySQL", "8.4.3")),
        (b"\x4a\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\x00" + bytes(60), ("MariaDB", "10.11.6")),
        (b"\x04\x01\x00\x16\x00\x00\x01\x00\x00\x00\x06\x00\x06\xff\x10\x00\x10\x31\x00\x00",
         ("Microsoft SQL Server", "16.0.4145")),
        (b"$99\r\n# Server\r\nredis_version:7.2.4\r\n", ("Redis", "7.2.4")),
        (b"HTTP/1.1 200 OK\r\nServer: nginx/1.26.2\r\n\r\n", ("nginx", "1.26.2")),
        (b"HTTP/1.1 200 OK\r\nServer: Apache/2.4.62 (Debian) OpenSSL/3.0.15\r\n\r\n", ("Apache", "2.4.62")),
        (b"HTTP/1.1 200 OK\r\nServer: Microsoft-IIS/10.0\r\n\r\n", ("Microsoft-IIS", "10.0")),
        (b"HTTP/1.1 200 OK\r\nServer: cloudflare\r\n\r\n", ("cloudflare", "")),
        (b"HTTP/1.1 200 OK\r\n\r\n", ("", "")),
        (b"hello", ("", "")),
    ],
)  # fmt: skip
def test_product_and_version(data: bytes, found: tuple[str, str]) -> None:
    assert software.of(recognise.protocol_of(data, 9999), data) == found


@pytest.mark.parametrize(
    ("data", "details"),
    [
        ("030000130ed000001234000300080005000000", {"nla": "required"}),
        ("030000130ed000001234000200080001000000", {"nla": "not required", "security": "TLS"}),
        ("030000130ed000001234000200080000000000", {"nla": "not required", "security": "RDP's own encryption"}),
        ("0300000b06d00000123400", {"nla": "not required", "security": "RDP's own encryption"}),  # before 2008
    ],
)
def test_what_rdp_demands(data: str, details: dict[str, str]) -> None:
    assert recognise.rdp_details(bytes.fromhex(data)) == details


@pytest.mark.parametrize(
    ("data", "version", "security"),
    [
        (b"\x02\x01\x02", "003.008", "None, VNC"),
        (b"\x01\x02", "003.007", "VNC"),
        (b"\x00\x00\x00\x01", "003.003", "None"),
        (b"\x00\x00\x00\x00\x09Too many", "003.008", None),
        (b"", "003.008", None),
    ],
)
def test_what_vnc_demands(data: bytes, version: str, security: str | None) -> None:
    assert recognise.vnc_security(data, version).get("security") == security


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", False),
        (b"220-first\r\n", True),
        (b"220-first\r\n220 last\r\n", False),
        (b"$10\r\n# Server", True),
        (MONGO_OK[:40], True),
        (MONGO_OK, True),  # which says 60 bytes, and has fewer
        (b"SSH-2.0-OpenSSH_9.9\r\n", False),
    ],
)
def test_whether_more_is_to_come(data: bytes, more: bool) -> None:
    assert recognise.is_unfinished(data) is more


def test_a_long_answer_takes_no_longer() -> None:
    """Of what a target may send to keep us busy."""
    started = perf_counter()
    for piece in (b"a", b" ", b"\n", b"A-", b"1.", b"mail.", b"<title", b"220-", b"\xff", b"SSH-", b"(A "):
        for start in (b"", b"220 ", b"+OK ", b"HTTP/1.1 400 x\r\nServer: ", b"SSH-2.0-"):
            data = start + piece * (16384 // len(piece))
            protocol = recognise.protocol_of(data, 9999)
            software.of(protocol, data)
            recognise.title(data)
            recognise.wants_tls(data)
            recognise.is_unfinished(data)
    assert perf_counter() - started < 5
