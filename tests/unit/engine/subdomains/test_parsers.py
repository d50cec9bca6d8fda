"""Names, providers and logged certificates."""

import json

import pytest

from services.scanner.engine.parsers import ct, issuers, subdomain_names, takeover
from services.scanner.engine.parsers.errors import ParseError


def test_names_below_the_domain() -> None:
    names = [
        "*.Shop.example.com",
        "example.com",
        "a.example.com.",
        "badexample.com",
        "x y.example.com",
        "_dmarc.example.com",
    ]
    found = list(subdomain_names.within(names, "example.com"))
    assert found == ["shop.example.com", "a.example.com", "_dmarc.example.com"]


def test_names_in_spf() -> None:
    records = [
        "v=spf1 include:_spf.example.com -a:out.example.com mx:mx.example.com/24 exists:%{i}.example.com ~all",
        "x a:y",
    ]
    assert list(subdomain_names.in_spf(records)) == ["_spf.example.com", "out.example.com", "mx.example.com"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("staging.example.com", "staging"),
        ("api-dev2.example.com", "dev"),
        ("www.test.example.com", "test"),
        ("latest.example.com", ""),
        ("device.example.com", ""),
        ("contest.example.com", ""),
        ("www.example.com", ""),
    ],
)
def test_what_a_name_says(name: str, word: str) -> None:
    assert subdomain_names.environment(name, "example.com") == word


def test_the_domains_own_words_do_not_count() -> None:
    assert subdomain_names.environment("www.test.com", "test.com") == ""


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("acme.github.io", "Github"),
        ("acme.s3.amazonaws.com", "AWS/S3"),
        ("acme.s3-website-eu-west-1.amazonaws.com", "AWS/S3"),
        ("acme.s3-website.eu-central-1.amazonaws.com", "AWS/S3"),
        ("acme.s3.eu-west-1.amazonaws.com", "AWS/S3"),
        ("acme.azurewebsites.net", "Microsoft Azure"),
        ("acme.eu-west-1.elasticbeanstalk.com", "AWS/Elastic Beanstalk"),
        ("notgithub.io", None),
        ("github.io.example.com", None),
        ("lb-1.eu-west-1.elb.amazonaws.com", None),
    ],
)
def test_providers(name: str, provider: str | None) -> None:
    found = takeover.provider(["alias.example.com", name])
    assert (found and found.name) == provider


def test_a_search_of_logged_certificates() -> None:
    entry = {
        "id": 1,
        "serial_number": "aa",
        "issuer_name": "C=US, O=Let's Encrypt, CN=R11",
        "common_name": "example.com",
    }
    entry |= {"name_value": "Example.com\nwww.example.com", "not_before": "2026-10-01T00:00:00", "not_after": "x"}
    body = json.dumps([entry, {**entry, "id": 2}, "garbage", {**entry, "serial_number": "bb"}]).encode()
    found = ct.parse(body)
    assert [one.id for one in found] == ["1", "1"]  # the precertificate of the same number is one with it
    assert found[0].names == ("example.com", "www.example.com")
    assert found[0].not_after is None
    assert ct.parse(body[:-20]) == found[:1]
    assert ct.parse(b"[]") == ()


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'"},'])
def test_what_is_no_list_of_certificates(body: bytes) -> None:
    with pytest.raises(ParseError):
        ct.parse(body)


@pytest.mark.parametrize(
    ("issuer", "organisation", "known"),
    [
        ("C=US, O=Let's Encrypt, CN=R11", "Let's Encrypt", True),
        ('C=US, O="DigiCert, Inc.", CN=X', "DigiCert, Inc.", True),
        ("C=US, O=DigiCert Inc, OU=www.digicert.com, CN=X", "DigiCert Inc", True),
        ("C=GB, ST=Greater Manchester, L=Salford, O=Sectigo Limited, CN=X", "Sectigo Limited", True),
        ("CN=Own Root", "", False),
        ("", "", False),
    ],
)
def test_issuers(issuer: str, organisation: str, known: bool) -> None:
    assert issuers.organisation(issuer) == organisation
    assert bool(issuers.identifiers(issuer)) == known
