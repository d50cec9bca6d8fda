"""Our ClientHellos are understood by a real TLS library, and our parser understands its answers."""

import ssl
from pathlib import Path

import pytest

from services.scanner.engine.evidence.tls import Version
from services.scanner.engine.probes.tls import parse, suites
from services.scanner.engine.probes.tls.hello import client_hello, ssl2_client_hello
from tests.support.lab.ca import CertificateAuthority, CertificateSpec

RANDOM = bytes(range(32))


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CertificateAuthority(tmp_path).issue(("example.test",), CertificateSpec()).file)
    return context


def answer(context: ssl.SSLContext, hello: bytes) -> bytes:
    """What OpenSSL sends back to one record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(hello)
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("version", "offered", "chosen"),
    [
        ("TLSv1.3", suites.TLS13, "TLS_AES_256_GCM_SHA384"),
        ("TLSv1.2", suites.ANY, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ],
)
def test_openssl_chooses_from_what_is_offered(
    context: ssl.SSLContext, version: Version, offered: tuple[int, ...], chosen: str
) -> None:
    flight = answer(context, client_hello(version, offered, "example.test", RANDOM))

    kind, length = parse.record_header(flight[:5])
    [(message, body), *_], _ = parse.messages(flight[5 : 5 + length])
    hello = parse.server_hello(body)
    assert (kind, message) == (parse.HANDSHAKE, parse.SERVER_HELLO)
    assert (hello.version, suites.name(hello.suite)) == (version, chosen)
    assert hello.secure_renegotiation


def test_openssl_sees_the_server_name(context: ssl.SSLContext) -> None:
    seen: list[str | None] = []
    context.set_servername_callback(lambda _, name, __: seen.append(name))

    answer(context, client_hello("TLSv1.2", suites.ANY, "www.example.test", RANDOM))

    assert seen == ["www.example.test"]


def test_openssl_declines_weak_suites_with_an_alert(context: ssl.SSLContext) -> None:
    flight = answer(context, client_hello("TLSv1.2", suites.EXPORT_RC4_DES, "example.test", RANDOM))

    assert parse.record_header(flight[:5])[0] == parse.ALERT
    assert parse.alert(flight[5:]) == "alert handshake_failure"


def test_a_hello_is_never_of_the_length_that_some_servers_hang_on() -> None:
    """RFC 7685: 256 to 511 bytes, the record header left aside."""
    for length in range(1, 200):
        hello = client_hello("TLSv1.2", suites.ANY, "a" * length, RANDOM)
        assert not 256 <= len(hello) - 5 < 512


def test_ssl_3_0_has_no_extensions_and_ssl_2_0_its_own_form() -> None:
    ssl3 = client_hello("SSLv3", (0x0035,), "example.test", RANDOM)

    assert ssl3[:3] == b"\x16\x03\x00"
    assert ssl3[-8:] == b"\x00\x04\x00\x35\x00\xff\x01\x00"
    assert ssl2_client_hello(bytes(16))[:5] == b"\x80\x2e\x01\x00\x02"


def test_the_groups_of_suites() -> None:
    names = {suites.name(number) for number in suites.NULL_OR_ANONYMOUS}

    assert {"TLS_RSA_WITH_NULL_SHA", "TLS_DH_anon_WITH_RC4_128_MD5"} <= names
    assert not set(suites.ANY) & {*suites.NULL_OR_ANONYMOUS, *suites.TLS13}
    assert suites.name(0xFAFA) == "0xFAFA"


def test_every_suite_of_the_registry_is_offered_somewhere() -> None:
    offered = [*suites.TLS13, *suites.WEAK, *(number for part in suites.PARTS for number in part)]

    assert sorted(offered) == sorted(suites.NAMES)
    assert len(suites.NAMES) > 350


@pytest.mark.parametrize("offered", [suites.ANY, suites.WEAK, suites.TLS13, *suites.PARTS, *suites.OLD_PARTS])
def test_no_hello_offers_more_than_servers_can_bear(offered: tuple[int, ...]) -> None:
    assert 0 < len(offered) < 127  # with the signalling value of RFC 5746
