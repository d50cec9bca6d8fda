"""DNSSEC validation of answers that a lab's resolver would give, some of them tampered with on the way."""

import asyncio
import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.util
import dns.rrset
import pytest
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scanner.engine.dnssec import anchors, keys
from services.scanner.engine.dnssec.denial import nsec3_hash
from services.scanner.engine.dnssec.signatures import Effort, TooMuch, verify
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.network import Network
from services.scanner.engine.secure_lookup import SecureAnswer, secure_lookup
from services.scanner.engine.settings import EngineSettings
from tests.support.lab.dns import TOP, Resolver, Zone, ZoneSpec
from tests.support.lab.signing import Signing

Tamper = Callable[[dns.message.Message, Resolver], dns.message.Message | Unseen | None]
SERVERS = ("192.0.2.53", "192.0.2.54")
RECORDS = (
    ("@", "A", "192.0.2.1"),
    ("www", "A", "192.0.2.2"),
    ("a.deep", "A", "192.0.2.3"),
    ("*.wild", "A", "192.0.2.4"),
    ("alias", "CNAME", "www"),
)


@dataclass
class FakeNetwork:
    """Answers as the lab's resolver does, but for what `tamper` makes of it."""

    resolver: Resolver
    settings: EngineSettings
    tamper: Tamper = lambda message, resolver: None
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    kept: dict[type, Any] = field(default_factory=dict)

    def now(self) -> datetime:
        return self.moment

    async def query(self, name: str, record_type: str) -> dns.message.Message | Unseen:
        query = dns.message.make_query(name, record_type, want_dnssec=True)
        (wire,) = self.resolver(query, True)
        answer = dns.message.from_wire(wire)
        return self.tamper(answer, self.resolver) or answer


@pytest.fixture
def anchor(tmp_path: Path) -> Path:
    return tmp_path / "anchor"


class World:
    """`test.`, the trust anchor's zone, and what is below it."""

    def __init__(self, anchor: Path, **zones: Signing | None) -> None:
        self.resolver = Resolver()
        top = Zone("test", TOP, {}, SERVERS)
        self.add(top)
        for name, signing in zones.items():
            self.add(Zone(name.replace("_", "."), ZoneSpec(RECORDS, signing=signing), {}, SERVERS))
        assert top.signer is not None
        anchor.write_text(f"test. IN DS {top.signer.ds()}\n")
        self._settings = EngineSettings(dnssec_trust_anchor_file=anchor)

    def add(self, zone: Zone) -> None:
        self.resolver.zones[zone.origin] = zone

    async def ask(self, name: str, kind: str = "A", tamper: Tamper = lambda message, resolver: None) -> SecureAnswer:
        fake = FakeNetwork(self.resolver, self._settings, tamper)
        return await secure_lookup(cast(Network, fake), name, kind)


def asked(message: dns.message.Message, name: str, kind: str) -> bool:
    question = message.question[0]
    return question.name == dns.name.from_text(name) and question.rdtype == dns.rdatatype.from_text(kind)


def signer_of(resolver: Resolver, name: str) -> Any:
    return resolver.zones[dns.name.from_text(name)].signer


def resigned(message: dns.message.Message, resolver: Resolver, zone: str, rrset: dns.rrset.RRset) -> None:
    """The set in the place of that of its name and type, with a signature that holds."""
    for section in (message.answer, message.authority):
        for found in [one for one in section if one.name == rrset.name and rrset.rdtype in (one.rdtype, one.covers)]:
            section.remove(found)
    section = message.authority if rrset.rdtype == dns.rdatatype.NSEC else message.answer
    section += [rrset, signer_of(resolver, zone).signature(rrset)]


def nsec(owner: str, following: str, *types: str) -> dns.rrset.RRset:
    kinds = [dns.rdatatype.from_text(kind) for kind in types]
    windows = dns.rdtypes.util.Bitmap.from_rdtypes(kinds).windows
    rdata = cast(Any, NSEC)(dns.rdataclass.IN, dns.rdatatype.NSEC, dns.name.from_text(following), windows)
    return dns.rrset.from_rdata(dns.name.from_text(owner), 0, rdata)


@pytest.mark.parametrize("denial", ["NSEC", "NSEC3"])
@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("a.test", "A", 1),
        ("a.test", "TXT", 0),
        ("deep.a.test", "A", 0),
        ("nothing.a.test", "A", 0),
        ("x.y.wild.a.test", "A", 1),
        ("x.wild.a.test", "TXT", 0),
        ("alias.a.test", "A", 1),
        ("alias.a.test", "TXT", 0),
        ("a.test", "DS", 1),
        ("A.TEST", "A", 1),
    ],
)
async def test_what_is_and_what_is_not(anchor: Path, denial: Any, name: str, kind: str, records: int) -> None:
    found = await World(anchor, a_test=Signing(denial=denial)).ask(name, kind)
    assert (found.status, found.reason, len(found.records)) == ("secure", "", records)


@pytest.mark.parametrize(
    ("signing", "status"),
    [
        (None, "insecure"),
        (Signing(ds="absent"), "insecure"),
        (Signing(ds="wrong"), "bogus"),
        (Signing(serves_keys=False), "bogus"),
        (Signing(revoked=True), "bogus"),
        (Signing(ends_in=timedelta(seconds=-5)), "bogus"),
        (Signing(begins_in=timedelta(seconds=60)), "bogus"),
        (Signing(forged=("A",)), "bogus"),
        (Signing(forged=("DNSKEY",)), "bogus"),
        (Signing(algorithm="RSASHA1NSEC3SHA1", denial="NSEC3"), "secure"),
    ],
)
async def test_the_chain(anchor: Path, signing: Signing | None, status: str) -> None:
    assert (await World(anchor, a_test=signing).ask("a.test")).status == status


def _changed_ds(**fields: Any) -> Tamper:
    """The DS of a.test with other fields, well signed by its parent."""

    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        if asked(message, "a.test", "DS"):
            (ds,) = (one for one in message.answer if one.rdtype == dns.rdatatype.DS)
            made = {name: getattr(ds[0], name) for name in ("key_tag", "algorithm", "digest_type", "digest")} | fields
            rdata = cast(Any, DS)(dns.rdataclass.IN, dns.rdatatype.DS, *made.values())
            resigned(message, resolver, "test", dns.rrset.from_rdata(ds.name, 0, rdata))

    return tamper


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"algorithm": 200}, "insecure"),  # RFC 4035 section 5.2
        ({"algorithm": 1}, "insecure"),
        ({"digest_type": 3}, "insecure"),  # RFC 6840 section 5.2
        ({"digest_type": 200}, "insecure"),
        ({"key_tag": 1}, "bogus"),
        ({"digest": bytes(32)}, "bogus"),
    ],
)
async def test_delegations_that_cannot_be_followed(anchor: Path, fields: dict[str, Any], status: str) -> None:
    found = await World(anchor, a_test=Signing()).ask("a.test", tamper=_changed_ds(**fields))
    assert found.status == status


async def test_sha_1_beside_sha_256_counts_for_nothing(anchor: Path) -> None:
    """RFC 4509 section 3."""

    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        if asked(message, "a.test", "DS"):
            key = signer_of(resolver, "a.test").key
            good = dns.dnssec.make_ds("a.test.", key, "SHA1", policy=dns.dnssec.allow_all_policy)
            wrong = cast(Any, DS)(dns.rdataclass.IN, dns.rdatatype.DS, key.key_id(), 13, 2, bytes(32))
            both = dns.rrset.from_rdata_list(dns.name.from_text("a.test"), 0, [good, wrong])
            resigned(message, resolver, "test", both)

    assert (await World(anchor, a_test=Signing()).ask("a.test", tamper=tamper)).status == "bogus"


def _without(*kinds: str) -> Tamper:
    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        for section in (message.answer, message.authority):
            section[:] = [one for one in section if dns.rdatatype.to_text(one.rdtype) not in kinds]

    return tamper


@pytest.mark.parametrize(
    ("name", "tamper", "status", "fault"),
    [
        ("a.test", _without("RRSIG"), "indeterminate", "source"),
        ("nothing.a.test", _without("NSEC"), "bogus", None),
        ("x.wild.a.test", _without("NSEC"), "bogus", None),  # that nothing nearer exists is not shown
        ("b.test", _without("NSEC"), "bogus", None),  # an unsigned zone has to be shown to be one
        ("a.test", lambda message, resolver: Unseen("silence", "target"), "indeterminate", "source"),
        (
            "a.test",
            lambda message, resolver: Unseen("silence", "target") if asked(message, "a.test", "DNSKEY") else None,
            "indeterminate",
            "target",
        ),
    ],
    ids=["no signatures", "no denial", "wildcard", "unsigned", "silence", "silent keys"],
)
async def test_what_is_left_out(anchor: Path, name: str, tamper: Tamper, status: str, fault: str | None) -> None:
    found = await World(anchor, a_test=Signing(), b_test=None).ask(name, tamper=tamper)
    assert (found.status, found.fault) == (status, fault)


def _denying(name: str, kind: str, *rrsets: dns.rrset.RRset, zone: str = "a.test", rcode: str = "NOERROR") -> Tamper:
    """Nothing but this proof in answer to the question."""

    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        if asked(message, name, kind):
            message.answer.clear()
            message.authority.clear()
            message.set_rcode(dns.rcode.from_text(rcode))
            for rrset in rrsets:
                message.authority += [rrset, signer_of(resolver, zone).signature(rrset)]

    return tamper


@pytest.mark.parametrize(
    ("name", "kind", "tamper", "status"),
    [
        ("www.a.test", "TXT", _denying("www.a.test", "TXT", nsec("www.a.test", "a.test", "A")), "secure"),
        # RFC 6840 section 4.3: an alias has every type
        ("www.a.test", "TXT", _denying("www.a.test", "TXT", nsec("www.a.test", "a.test", "CNAME")), "bogus"),
        # RFC 6840 section 4.1: what stands above a zone says nothing of what is in it
        ("www.a.test", "TXT", _denying("www.a.test", "TXT", nsec("www.a.test", "a.test", "NS")), "bogus"),
        ("q.www.a.test", "A", _denying("q.www.a.test", "A", nsec("www.a.test", "a.test", "NS")), "bogus"),
        ("q.www.a.test", "A", _denying("q.www.a.test", "A", nsec("www.a.test", "a.test", "DNAME")), "bogus"),
        # RFC 4035 section 5.4: without a word about the wildcard
        ("www.a.test", "A", _denying("www.a.test", "A", nsec("w.a.test", "z.a.test"), rcode="NXDOMAIN"), "bogus"),
        (
            "www.a.test",
            "A",
            _denying(
                "www.a.test",
                "A",
                nsec("w.a.test", "z.a.test"),
                nsec("a.test", "b.a.test", "SOA"),
                rcode="NXDOMAIN",
            ),
            "secure",
        ),
        # RFC 9824 section 3.1: a name that does not exist, without lies about its neighbours
        (
            "www.a.test",
            "A",
            _denying("www.a.test", "A", nsec("www.a.test", r"\000.www.a.test", "NSEC", "TYPE128"), rcode="NXDOMAIN"),
            "secure",
        ),
        (
            "www.a.test",
            "A",
            _denying("www.a.test", "A", nsec("www.a.test", "a.test", "TXT"), rcode="NXDOMAIN"),
            "bogus",
        ),
        # The last NSEC of a zone leads back to its apex
        ("z.a.test", "A", _denying("z.a.test", "A", nsec("y.a.test", "a.test"), nsec("a.test", "b.a.test")), "secure"),
        # RFC 4035 section 5.2: the child's own word about its DS is no word of its parent
        ("a.test", "A", _denying("a.test", "DS", nsec("a.test", "b.test", "NS", "SOA"), zone="test"), "bogus"),
        ("a.test", "A", _denying("a.test", "DS", nsec("a.test", "b.test", "NS"), zone="test"), "insecure"),
        ("a.test", "A", _denying("a.test", "DS", nsec("a.test", "b.test", "NS"), zone="a.test"), "bogus"),
    ],
)
async def test_proofs_of_absence(anchor: Path, name: str, kind: str, tamper: Tamper, status: str) -> None:
    found = await World(anchor, a_test=Signing()).ask(name, kind, tamper)
    assert found.status == status, found


async def test_many_iterations_are_not_hashed(anchor: Path) -> None:
    found = await World(anchor, a_test=Signing(denial="NSEC3", iterations=101)).ask("nothing.a.test")
    assert found.status == "insecure"
    assert "101" in found.reason


@pytest.mark.parametrize("signing", [Signing(denial="NSEC3", opt_out=True), Signing(denial="NSEC3")])
async def test_below_a_zone_that_opts_out(anchor: Path, signing: Signing) -> None:
    world = World(anchor, a_test=signing, plain_a_test=None, signed_a_test=Signing())
    assert (await world.ask("www.plain.a.test")).status == "insecure"
    assert (await world.ask("www.signed.a.test")).status == "secure"
    assert (await world.ask("nothing.a.test")).status == ("insecure" if signing.opt_out else "secure")


async def test_a_forged_record_is_bogus_whatever_signed_it(anchor: Path) -> None:
    """RFC 4035 section 5.3.1: the signer is the zone that the records are in."""

    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        if asked(message, "www.a.test", "A"):
            forged = dns.rrset.from_text("www.a.test.", 0, "IN", "A", "192.0.2.66")
            message.answer[:] = [forged, signer_of(resolver, "b.test").signature(forged)]

    found = await World(anchor, a_test=Signing(), b_test=Signing()).ask("www.a.test", tamper=tamper)
    assert found.status == "bogus"


async def test_a_longer_ttl_and_other_letters_change_no_signature(anchor: Path) -> None:
    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        for rrset in message.answer:
            rrset.ttl = 17

    assert (await World(anchor, a_test=Signing()).ask("wWw.A.tEsT", tamper=tamper)).status == "secure"


async def test_aliases_that_lead_in_circles_end(anchor: Path) -> None:
    world = World(anchor)
    records = (("x", "CNAME", "y"), ("y", "CNAME", "x"))
    world.add(Zone("a.test", ZoneSpec(records, signing=Signing()), {}, SERVERS))
    found = await world.ask("x.a.test")
    assert (found.status, found.fault) == ("indeterminate", "target")


def _twins(key: DNSKEY) -> Iterable[DNSKEY]:
    """Other keys of the same tag: it is a sum of 16-bit words, whatever their order (RFC 4034 appendix B)."""
    octets = key.key
    for at in range(0, len(octets) - 2, 2):
        swapped = octets[:at] + octets[at + 2 : at + 4] + octets[at : at + 2] + octets[at + 4 :]
        yield cast(DNSKEY, key.replace(key=swapped))


async def test_keys_of_one_tag_cost_a_bounded_number_of_verifications(anchor: Path) -> None:
    """CVE-2023-50387: many keys and many signatures that fit each other by tag alone."""

    def tamper(message: dns.message.Message, resolver: Resolver) -> None:
        signer = signer_of(resolver, "a.test")
        if asked(message, "a.test", "DNSKEY"):
            found = [signer.key, *(twin for twin in _twins(signer.key) if twin.key_id() == signer.key.key_id())]
            assert len(found) > 10
            resigned(message, resolver, "a.test", dns.rrset.from_rdata_list(dns.name.from_text("a.test"), 0, found))
        elif asked(message, "www.a.test", "A"):
            (rrsig,) = (one for one in message.answer if one.rdtype == dns.rdatatype.RRSIG)
            false = [rrsig[0].replace(signature=bytes([number]) * 64) for number in range(10)]
            message.answer[:] = [one for one in message.answer if one is not rrsig]
            message.answer.append(dns.rrset.from_rdata_list(rrsig.name, 0, false))

    found = await World(anchor, a_test=Signing(algorithm="ED25519")).ask("www.a.test", tamper=tamper)
    assert (found.status, found.fault) == ("indeterminate", "target")


def test_effort_ends() -> None:
    effort = Effort(1)
    effort.spend()
    with pytest.raises(TooMuch):
        effort.spend()


def test_times_wrap_around(anchor: Path) -> None:
    """RFC 4034 section 3.1.5: 32 bits, compared by serial number arithmetic (RFC 1982)."""
    world = World(anchor, a_test=Signing())
    zone = world.resolver.zones[dns.name.from_text("a.test")]
    rrset = zone.rrset(zone.origin, dns.rdatatype.A)
    assert rrset is not None and zone.signer is not None
    rrsig = zone.signer.signature(rrset)[0]
    for moment, good in ((rrsig.inception, True), (rrsig.expiration, True), (rrsig.expiration + 1, False)):
        for turn in (0, 1 << 32):
            when = datetime.fromtimestamp(moment + turn, UTC)
            found = verify(rrset, [rrsig], zone.origin, [zone.signer.key], when, Effort())
            assert (not found.fault) == good


def test_the_hash_of_a_name() -> None:
    """RFC 5155 appendix A."""
    for name, expected in (
        ("example", b"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM"),
        ("a.Example", b"35MTHGPGCU1QG68FAB165KLNSNK3DPVL"),
    ):
        hashed = nsec3_hash(dns.name.from_text(name), bytes.fromhex("aabbccdd"), 12)
        assert base64.b32hexencode(hashed) == expected


@pytest.mark.parametrize("text", ["", "x y z", "test. A 192.0.2.1", "test. DS 1 13 2 00", "$INCLUDE /etc/hostname"])
def test_what_is_no_trust_anchor(text: str) -> None:
    with pytest.raises(ValueError):
        anchors.parse(text)


def test_the_root_is_trusted_by_two_keys() -> None:
    anchor = anchors.load(None)[dns.name.root]
    assert [cast(DS, one).key_tag for one in anchor.records] == [20326, 38696]


def test_the_nearest_anchor_counts() -> None:
    digest = "00" * 32
    known = anchors.parse(f". DS 1 13 2 {digest}\nlab. IN DS 2 13 2 {digest}\nlab. 60 IN DNSKEY 257 3 15 {'A' * 43}=")
    found = anchors.closest(known, dns.name.from_text("www.lab"))
    assert found is not None and len(found.records) == 2
    other = anchors.closest(known, dns.name.from_text("example"))
    assert other is not None and other.zone == dns.name.root


@settings(deadline=None)
@given(st.integers(0, 255), st.binary(max_size=600))
def test_octets_that_are_no_key(algorithm: int, octets: bytes) -> None:
    key = cast(Any, DNSKEY)(dns.rdataclass.IN, dns.rdatatype.DNSKEY, 257, 3, algorithm, octets)
    keys.facts(key)
    keys.public_key(key)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=6), nsec3=st.booleans()
)
def test_octets_changed_on_the_way_raise_nothing(anchor: Path, changes: list[tuple[int, int]], nsec3: bool) -> None:
    def tamper(message: dns.message.Message, resolver: Resolver) -> dns.message.Message | Unseen:
        wire = bytearray(message.to_wire())
        for at, octet in changes:
            wire[12 + at % (len(wire) - 12)] = octet
        try:
            return dns.message.from_wire(bytes(wire), ignore_trailing=True)
        except dns.exception.DNSException:
            return Unseen("the answer cannot be read", "target")

    world = World(anchor, a_test=Signing(denial="NSEC3" if nsec3 else "NSEC"), b_test=None)
    for name, kind in (("www.a.test", "A"), ("nothing.a.test", "TXT"), ("x.wild.a.test", "A"), ("b.test", "MX")):
        asyncio.run(world.ask(name, kind, tamper))
