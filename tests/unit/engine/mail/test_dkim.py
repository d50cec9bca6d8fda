"""DKIM key records."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.parsers import dkim
from services.scanner.engine.parsers.errors import ParseError

ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463 appendix A.2
# RSA of 512 bit, which no current library makes: a SubjectPublicKeyInfo written by hand around any odd number.
RSA_512 = base64.b64encode(
    bytes.fromhex("305c300d06092a864886f70d0101010500034b003048024100") + b"\xc5" * 64 + bytes.fromhex("0203010001")
).decode()


def rsa_record(bits: int, form: serialization.PublicFormat) -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(key.public_bytes(serialization.Encoding.DER, form)).decode()


@pytest.mark.parametrize(
    "form", [serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1], ids=["SPKI", "PKCS1"]
)
def test_the_bits_of_a_real_key(form: serialization.PublicFormat) -> None:
    assert dkim.parse(rsa_record(1024, form)) == dkim.Key("rsa", 1024, (), revoked=False)


def test_a_key_that_is_far_too_short() -> None:
    assert dkim.parse(f"p={RSA_512}").bits == 512


def test_ed25519_and_all_tags() -> None:
    key = dkim.parse(f"v=DKIM1; k=ed25519; h=sha256 : sha1; t=y:s; s=email; n=a note; p={ED25519}")
    assert key == dkim.Key("ed25519", 256, ("sha256", "sha1"), False, testing=True, services=("email",))
    assert key.usable


def test_an_empty_key_is_revoked() -> None:
    assert dkim.parse("v=DKIM1; p=").revoked
    assert not dkim.parse("v=DKIM1; p=").usable


@pytest.mark.parametrize("tags", ["s=tlsrpt", "h=sha512", "k=rot13"])
def test_a_key_that_no_verifier_of_mail_uses(tags: str) -> None:
    assert not dkim.parse(f"v=DKIM1; {tags}; p={RSA_512}").usable


def test_a_key_may_be_folded() -> None:
    assert dkim.parse(f"v=DKIM1;\tk = rsa ;\r\n p={RSA_512[:30]}\r\n\t{RSA_512[30:]} ;").bits == 512


@pytest.mark.parametrize(
    "record",
    [
        "",
        "v=DKIM1; k=rsa",
        "v=DKIM2; p=",
        f"k=rsa; v=DKIM1; p={RSA_512}",
        "v=DKIM1; p=***",
        "v=DKIM1; p=AAAA",
        f"v=DKIM1; p={RSA_512[:40]}",
        f"v=DKIM1; k=ed25519; p={RSA_512}",
        f"v=DKIM1; p={ED25519}; p={ED25519}",
        "v=spf1 -all",
    ],
)
def test_no_key(record: str) -> None:
    with pytest.raises(ParseError):
        dkim.parse(record)


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200))
def test_nothing_but_parse_error(key: bytes) -> None:
    try:
        dkim.parse("p=" + base64.b64encode(key).decode())
    except ParseError:
        return


@settings(deadline=None)  # the machine may be busy
@given(st.text(max_size=200))
def test_nothing_but_parse_error_from_text(text: str) -> None:
    try:
        dkim.parse(text)
    except ParseError:
        return
