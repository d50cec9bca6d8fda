"""RDAP and WHOIS answers, as registries write them."""

import json
from datetime import UTC, datetime

import pytest

from services.scanner.engine.parsers import rdap, whois
from services.scanner.engine.parsers.errors import ParseError

DOMAIN = {
    "objectClassName": "domain",
    "ldhName": "EXAMPLE.com.",
    "status": ["client transfer prohibited", "server delete prohibited", 7],
    "events": [
        {"eventAction": "registration", "eventDate": "2001-02-03T04:05:06Z"},
        {"eventAction": "reregistration", "eventDate": "2020-02-03T04:05:06.5Z"},
        {"eventAction": "Expiration", "eventDate": "2030-02-03T06:05:06+02:00"},
        {"eventAction": "last changed", "eventDate": "soon"},
        "garbage",
    ],
    "nameservers": [{"ldhName": "NS1.Example.com."}, None],
    "entities": [
        {"roles": ["registrar"], "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "R"]]]}
    ],
}


def test_a_domain_object() -> None:
    found = rdap.domain(json.dumps(DOMAIN).encode(), "example.com")
    assert found.registrar == "R"
    assert found.registered_at == datetime(2020, 2, 3, 4, 5, 6, 500_000, UTC)
    assert found.expires_at == datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert found.changed_at is None
    assert found.nameservers == ("ns1.example.com",)
    assert found.codes == {"clienttransferprohibited", "serverdeleteprohibited"}
    assert found.shows_locks
    assert found.transfer_locks == {"clienttransferprohibited"}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"objectClassName": "error"}', json.dumps({**DOMAIN, "ldhName": "other.com"}).encode()],
)
def test_what_is_no_domain_object(body: bytes) -> None:
    with pytest.raises(ParseError):
        rdap.domain(body, "example.com")


@pytest.mark.parametrize("field", ["status", "events", "nameservers", "entities"])
@pytest.mark.parametrize("value", [None, 1, "x", {}, [[]], [{"roles": None, "vcardArray": [1, [[]]]}], [[[[]]]]])
def test_members_of_another_kind_are_left_out(field: str, value: object) -> None:
    rdap.domain(json.dumps({**DOMAIN, field: value}).encode(), "example.com")


def test_the_longest_entry_of_the_bootstrap_file_counts() -> None:
    services = [
        [["com", "net"], ["http://old.example/rdap", "https://new.example/rdap"]],
        [["uk"], ["https://uk.example/"]],
        [["co.uk"], ["https://co.uk.example/"]],
        ["garbage"],
    ]
    table = rdap.bootstrap(json.dumps({"version": "1.0", "services": services}).encode())
    assert rdap.servers(table, "example.com")[0] == "https://new.example/rdap/"
    assert rdap.servers(table, "example.co.uk") == ("https://co.uk.example/",)
    assert rdap.servers(table, "example.org.uk") == ("https://uk.example/",)
    assert rdap.servers(table, "example.de") == ()
    with pytest.raises(ParseError):
        rdap.bootstrap(b'{"services": []}')


VERISIGN = """\
   Domain Name: EXAMPLE.COM\r
   Registrar: RESERVED-Internet Assigned Numbers Authority\r
   Updated Date: 2026-08-14T07:01:39Z\r
   Creation Date: 1995-08-14T04:00:00Z\r
   Registry Expiry Date: 2027-08-13T04:00:00Z\r
   Domain Status: clientDeleteProhibited https://icann.org/epp#clientDeleteProhibited\r
   Domain Status: clientTransferProhibited https://icann.org/epp#clientTransferProhibited\r
   Name Server: A.IANA-SERVERS.NET\r
>>> Last update of whois database: 2026-11-24T00:00:00Z <<<\r
"""
NOMINET = """
    Domain name:
        example.co.uk

    Registrar:
        Some Registrar Ltd [Tag = SOME]
        URL: https://some.example

    Relevant dates:
        Registered on: before Aug-1996
        Expiry date:  05-Dec-2027
        Last updated:  02-Nov-2026

    Registration status:
        Registered until expiry date.

    Name servers:
        ns1.example.net           192.0.2.1   2001:db8::1
        ns2.example.net
"""
JPRS = """\
[Domain Name]                   EXAMPLE.JP
[Name Server]                   ns1.example.jp
[Created on]                    2001/03/31
[Expires on]                    2027/03/31
[Status]                        Active
"""
RIPN = """\
domain:        EXAMPLE.RU
nserver:       ns1.example.ru. 192.0.2.1
state:         REGISTERED, DELEGATED, VERIFIED
registrar:     RU-CENTER-RU
created:       1997-09-23T09:45:07Z
paid-till:     2027-09-30T21:00:00Z
"""
TWNIC = """\
Domain Name: example.com.tw
   Domain Status: clientUpdateProhibited,clientTransferProhibited
   Record expires on 2027-11-09 (YYYY-MM-DD)
   Record created on 2000-08-29 (YYYY-MM-DD)
   Domain servers in listed order:
      ns1.example.com
      ns2.example.com
"""
SIDN = """\
Domain name: example.nl
Status:      active

Registrar:
   Hoster BV
   Street 1

Domain nameservers:
   ns1.example.nl
"""


@pytest.mark.parametrize(
    ("text", "domain", "expires", "registered", "server", "lock"),
    [
        (VERISIGN, "example.com", "2027-08-13", "1995-08-14", "a.iana-servers.net", True),
        (NOMINET, "example.co.uk", "2027-12-05", "1996-08-01", "ns1.example.net", False),
        (JPRS, "example.jp", "2027-03-31", "2001-03-31", "ns1.example.jp", False),
        (RIPN, "example.ru", "2027-09-30", "1997-09-23", "ns1.example.ru", False),
        (TWNIC, "example.com.tw", "2027-11-09", "2000-08-29", "ns1.example.com", True),
        (SIDN, "example.nl", None, None, "ns1.example.nl", False),
    ],
    ids=["verisign", "nominet", "jprs", "ru", "twnic", "sidn"],
)
def test_forms_of_registries(
    text: str, domain: str, expires: str | None, registered: str | None, server: str, lock: bool
) -> None:
    found = whois.parse(text, domain)
    assert (found.expires_at and f"{found.expires_at:%Y-%m-%d}") == expires
    assert (found.registered_at and f"{found.registered_at:%Y-%m-%d}") == registered
    assert found.nameservers[0] == server
    assert bool(found.transfer_locks) == lock
    assert lock or not found.shows_locks


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('No match for "EXAMPLE.COM".\n', "no record"),
        ("% nothing found\n", "no record"),
        ("Domain: example.de\nStatus: free\n", "no record"),
        ("Your query limit exceeded. Try again later.\n", "refuses"),
        ("Domain Name: other.com\nCreation Date: 2001-01-01\n", "other.com"),
        ("", "nothing"),
        ("<html>\x00\xff</html>" * 1000, "nothing"),
    ],
)
def test_answers_without_a_record(text: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        whois.parse(text, "example.com" if "example.de" not in text else "example.de")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2027-09-14T04:00:00Z", "2027-09-14"),
        ("2027-09-14 04:00:00", "2027-09-14"),
        ("2027-09-14T01:00:00+0300", "2027-09-13"),
        ("2027/09/14 (JST)", "2027-09-14"),
        ("2027. 09. 14.", "2027-09-14"),
        ("20270914", "2027-09-14"),
        ("20270914 #19970703", "2027-09-14"),
        ("14-Sep-2027", "2027-09-14"),
        ("14.09.2027", "2027-09-14"),
        ("14/09/2027 12:00:00", "2027-09-14"),
        ("September 14 2027", "2027-09-14"),
        ("Tue Sep 14 2027", "2027-09-14"),
        ("Tue Sep 14 23:59:59 GMT 2027", "2027-09-14"),
        ("14 September 2027", "2027-09-14"),
        ("2027-Sep-14", "2027-09-14"),
        ("31.02.2027", None),
        ("9999-12-31T23:59:59-1200", None),
        ("never", None),
    ],
)
def test_dates(text: str, day: str | None) -> None:
    found = whois.moment(text)
    assert (found and f"{found:%Y-%m-%d}") == day


def test_the_server_that_iana_refers_to() -> None:
    assert whois.referral("domain: DE\nrefer:        whois.denic.de\n\nwhois: other.example\n") == "whois.denic.de"
    assert whois.referral("domain: XX\nwhois:\nstatus: ACTIVE\n") == ""
    assert whois.referral("refer: ../etc/passwd\n") == ""
    assert whois.question("whois.denic.de", "example.de") == "-T dn,ace example.de"
    assert whois.question("whois.nic.test", "example.test") == "example.test"
