"""The key schedule of TLS 1.3 against the trace of RFC 8448 section 3."""

import hashlib

import pytest

from services.scanner.engine.probes.tls import agreement, parse, schedule, suites

SHARED = bytes.fromhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
HELLOS = bytes.fromhex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
FINISHED = bytes.fromhex("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13")  # up to the server's
SERVER_IV, CLIENT_IV = bytes.fromhex("5d313eb2671276ee13000b30"), bytes.fromhex("5bd3c71b836e0b76bb73265f")
APPLICATION_IV = bytes.fromhex("cf782b88dd83549aadf1e984")


def test_the_secrets_of_the_trace() -> None:
    keys = schedule.Schedule(0x1301, SHARED, HELLOS)

    server, _ = keys.application(FINISHED)
    assert (keys.server.iv, keys.client.iv, server.iv) == (SERVER_IV, CLIENT_IV, APPLICATION_IV)
    verify_data = "a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61"
    assert keys.finished(FINISHED) == b"\x14\x00\x00\x20" + bytes.fromhex(verify_data)


@pytest.mark.parametrize("suite", [0x1301, 0x1302, 0x1303, 0x1304, 0x1305])
def test_a_sealed_record_is_opened(suite: int) -> None:
    one, other = schedule.Schedule(suite, SHARED, HELLOS), schedule.Schedule(suite, SHARED, HELLOS)
    for content in (b"first", b"second"):
        record = one.client.seal(parse.HANDSHAKE, content)
        assert parse.record_header(record[:5]) == (parse.APPLICATION_DATA, len(record) - 5)
        assert other.client.open(record[:5], record[5:]) == (parse.HANDSHAKE, content)


def test_a_record_of_other_keys_is_malformed() -> None:
    keys = schedule.Schedule(0x1301, SHARED, HELLOS)

    for body in (b"", bytes(40)):
        with pytest.raises(parse.Malformed):
            keys.server.open(b"\x17\x03\x03\x00\x28", body)


def test_after_a_retry_the_first_hello_counts_by_its_hash() -> None:
    transcript = schedule.Transcript(0x1301)
    transcript.add(b"hello")
    transcript.begin_again()
    transcript.add(b"retry")

    first = hashlib.sha256(b"hello").digest()
    assert transcript.digest == hashlib.sha256(b"\xfe\x00\x00\x20" + first + b"retry").digest()


@pytest.mark.parametrize("group", [suites.X25519, suites.P256, 0x0018, 0x0019, 0x001E])
def test_both_sides_agree(group: int) -> None:
    one, other = agreement.agreement(group), agreement.agreement(group)

    assert one
    assert other
    assert one.shared(other.public) == other.shared(one.public)
    with pytest.raises(ValueError, match=r".+"):
        one.shared(b"none")


def test_the_hybrid_share_is_of_the_length_that_rfc_10024_says() -> None:
    own = agreement.agreement(suites.X25519MLKEM768)

    assert own
    assert len(own.public) == 1216
    assert agreement.agreement(0x0100) is None
