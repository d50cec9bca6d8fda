"""Services are known by what they say, whatever the port."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.probes.ports import questions, recognise

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
        (b"hello", "unknown"),
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
