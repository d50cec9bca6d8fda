"""Path building and validation by RFC 5280 section 6.1: what is accepted, what is refused, and why."""

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import permutations
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.evidence.tls import Trust
from services.scanner.engine.probes.tls import paths
from services.scanner.engine.probes.tls.link import Link
from tests.unit.engine.tls.pki import NOW, Entity, Extension, authority, judged, key, name, server, store, usage

ROOT = authority("Root")
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
ONE, OTHER = x509.ObjectIdentifier("1.2.3.1"), x509.ObjectIdentifier("1.2.3.2")
DAY = timedelta(days=1)


def under(*extensions: Extension, names: Sequence[str] = (), **leaf: Any) -> Trust:
    """A path with one authority that has these extensions."""
    middle = authority("Middle", ROOT, extensions=extensions)
    return judged([ROOT], server(middle, *names, **leaf), middle.certificate)


def constrained(permitted: Sequence[x509.GeneralName] = (), excluded: Sequence[x509.GeneralName] = ()) -> Extension:
    return x509.NameConstraints(permitted or None, excluded or None), True


def san(*names: x509.GeneralName) -> Extension:
    return x509.SubjectAlternativeName(names), False


def policies(*held: x509.ObjectIdentifier) -> Extension:
    return x509.CertificatePolicies([x509.PolicyInformation(each, None) for each in held]), False


class TestBuilding:
    def test_any_order_and_more_than_needed(self) -> None:
        upper = authority("Upper", ROOT)
        lower = authority("Lower", upper)
        stray = authority("Stray").certificate
        sent = [upper.certificate, lower.certificate, stray, lower.certificate, ROOT.certificate]
        leaf = server(lower)

        for order in permutations(sent[:3]):
            assert judged([ROOT], leaf, *order, *sent[3:]).status == "trusted"

    def test_an_expired_cross_certificate_beside_a_good_one(self) -> None:
        old_root = authority("Old Root")
        expired = authority("Middle", old_root, ends=NOW - DAY)
        good = authority("Middle", ROOT)
        leaf = server(good)

        assert judged([ROOT, old_root], leaf, expired.certificate, good.certificate).status == "trusted"
        refused = judged([old_root], leaf, expired.certificate)
        assert refused.status == "untrusted"
        assert "CN=Middle is valid only from" in refused.reason

    def test_a_root_that_is_cross_signed_by_one_that_is_not_in_the_store(self) -> None:
        stranger = authority("Stranger")
        crossed = authority("Root", stranger)  # the same name and key as ROOT
        middle = authority("Middle", ROOT)

        found = judged([ROOT], server(middle), middle.certificate, crossed.certificate, stranger.certificate)

        assert (found.status, found.root) == ("trusted", "CN=Root")

    def test_authorities_that_sign_each_other_are_no_way_out(self) -> None:
        one, other = authority("One"), authority("Other")
        crossed_one, crossed_other = authority("One", other), authority("Other", one)

        found = judged([ROOT], server(one), crossed_one.certificate, crossed_other.certificate)

        assert found.status != "trusted"

    def test_the_work_is_bounded_in_a_mesh(self) -> None:
        """Every authority certifies every other: more paths than could ever be tried, and none leads to the root."""
        members = [authority(f"M{number}") for number in range(12)]
        mesh = [authority(f"M{a}", members[b]).certificate for a in range(12) for b in range(12) if a != b]
        leaf = Link.of(server(members[0]))
        search = paths.Search([Link.of(each) for each in mesh], store(ROOT.certificate).by_subject, NOW)

        assert search.valid(leaf) is None
        assert search._steps <= paths.MAX_STEPS + 1
        assert len(search._signed) <= paths.MAX_SIGNATURES

    def test_a_way_through_a_mesh(self) -> None:
        members = [authority(f"M{number}") for number in range(5)]
        mesh = [authority(f"M{a}", members[b]).certificate for a in range(5) for b in range(5) if a != b]
        way_out = authority("M4", ROOT)

        assert judged([ROOT], server(members[0]), *mesh, way_out.certificate).status == "trusted"

    def test_two_authorities_of_the_same_name(self) -> None:
        impostor, real = authority("Middle", ROOT, key_name="impostor"), authority("Middle", ROOT)

        assert judged([ROOT], server(real), impostor.certificate, real.certificate).status == "trusted"

    def test_names_are_compared_without_regard_to_case_and_blanks(self) -> None:
        middle = authority("Middle  Authority", ROOT)
        shown_as = authority("middle authority", ROOT, key_name="Middle  Authority")

        assert judged([ROOT], server(middle), shown_as.certificate).status == "trusted"

    def test_a_certificate_that_the_operator_trusts_as_it_is(self) -> None:
        leaf = server(None)

        assert judged([Entity(leaf, key("server"))], leaf).status == "trusted"

    def test_a_longer_path_than_any(self) -> None:
        chain, above = [], ROOT
        for number in range(paths.MAX_CERTIFICATES):
            above = authority(f"L{number}", above)
            chain.append(above.certificate)

        assert judged([ROOT], server(above), *chain).status != "trusted"


class TestAuthorities:
    @pytest.mark.parametrize(
        ("extensions", "without", "reason"),
        [
            ([(x509.BasicConstraints(ca=False, path_length=None), True)], (), "is no authority's certificate"),
            ([], (x509.BasicConstraints,), "is no authority's certificate"),
            ([(x509.BasicConstraints(ca=True, path_length=None), False)], (), "not critical"),
            ([(usage(digital_signature=True), True)], (), "may not sign certificates"),
            ([], (x509.KeyUsage,), "without keyUsage"),
            ([], (x509.SubjectKeyIdentifier,), "without subjectKeyIdentifier"),
            ([], (x509.AuthorityKeyIdentifier,), "has no authorityKeyIdentifier"),
            ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)], (), "is not for TLS servers"),
            (
                [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)],
                (),
                "critical extension that is not known, 1.2.3.4",
            ),
            ([(x509.PrecertPoison(), True)], (), "is a precertificate"),
            ([(x509.PolicyConstraints(0, None), False)], (), "not critical"),
        ],
    )
    def test_refused(self, extensions: list[Extension], without: tuple[type, ...], reason: str) -> None:
        middle = authority("Middle", ROOT, extensions=extensions, without=without)

        found = judged([ROOT], server(middle), middle.certificate)

        assert found.status == "untrusted"
        assert reason in found.reason
        assert "CN=Middle" in found.reason

    @pytest.mark.parametrize(
        "extension",
        [
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), True),
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False),
        ],
    )
    def test_accepted(self, extension: Extension) -> None:
        assert under(extension).status == "trusted"

    def test_path_length(self) -> None:
        upper = authority("Upper", ROOT, extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
        lower = authority("Lower", upper)

        assert judged([ROOT], server(upper), upper.certificate).status == "trusted"
        found = judged([ROOT], server(lower), lower.certificate, upper.certificate)
        assert "CN=Upper allows 0 authorities below it, and there are 1" in found.reason

    def test_a_self_issued_certificate_does_not_count_into_the_path_length(self) -> None:
        upper = authority("Upper", ROOT, extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
        rolled_over = authority("Upper", upper, key_name="the next key")

        assert judged([ROOT], server(rolled_over), rolled_over.certificate, upper.certificate).status == "trusted"

    def test_the_root_limits_paths_too(self) -> None:
        narrow = authority("Narrow Root", extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
        middle = authority("Middle", narrow)

        assert judged([narrow], server(narrow)).status == "trusted"
        assert judged([narrow], server(middle), middle.certificate).status == "untrusted"

    def test_short_and_unusual_keys(self) -> None:
        weak = authority("Weak", ROOT, key_name="rsa-1024-weak")
        modern = authority("Modern", ROOT, key_name="ed25519-modern")

        assert "RSA key of 1024 bit" in judged([ROOT], server(weak), weak.certificate).reason
        assert judged([ROOT], server(modern), modern.certificate).status == "trusted"

    def test_an_expired_root(self) -> None:
        expired = authority("Gone", ends=NOW - DAY)

        assert "CN=Gone is valid only" in judged([expired], server(expired)).reason


class TestServers:
    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"extensions": [(x509.BasicConstraints(ca=True, path_length=None), True)]}, "not a server's"),
            ({"extensions": [(usage(key_cert_sign=True), True)]}, "may sign certificates"),
            ({"extensions": [(usage(crl_sign=True), True)]}, "may not be used for TLS"),
            ({"without": [x509.AuthorityKeyIdentifier]}, "has no authorityKeyIdentifier"),
            ({"extensions": [constrained([x509.DNSName("test")])]}, "name constraints"),
            ({"extensions": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]}, "not for TLS"),
            ({"extensions": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)]}, "not for"),
            ({"common_name": ""}, "neither a subject nor a critical subjectAltName"),
            ({"extensions": [(x509.PrecertPoison(), True)]}, "is a precertificate"),
            (  # a feature that nobody defined
                {"extensions": [(x509.UnrecognizedExtension(x509.TLSFeature.oid, b"\x30\x03\x02\x01\x63"), False)]},
                "cannot be decoded",
            ),
            (
                {"extensions": [(x509.SubjectKeyIdentifier(b"1"), True)]},
                "critical subjectKeyIdentifier (RFC 5280 section 4.2.1.2)",
            ),
        ],
    )
    def test_refused(self, settings: dict[str, Any], reason: str) -> None:
        found = judged([ROOT], server(ROOT, **settings))

        assert found.status == "untrusted"
        assert reason in found.reason

    @pytest.mark.parametrize(
        "settings",
        [
            {"without": [x509.ExtendedKeyUsage]},
            {"without": [x509.BasicConstraints]},
            {"without": [x509.SubjectAlternativeName]},  # no name matches then, which is another check's affair
            {"common_name": "", "extensions": [(san(x509.DNSName("www.example.test"))[0], True)]},
            {"extensions": [(usage(key_encipherment=True), True)], "key_name": "rsa-2048-leaf"},
            {"extensions": [(x509.TLSFeature([x509.TLSFeatureType.status_request]), True)]},
        ],
    )
    def test_accepted(self, settings: dict[str, Any]) -> None:
        found = judged([ROOT], server(ROOT, **settings))
        assert (found.status, found.reason) == ("trusted", "")


class TestNameConstraints:
    @pytest.mark.parametrize(
        ("host", "base", "within"),
        [
            ("www.example.test", "example.test", True),
            ("example.test", "example.test", True),
            ("WWW.Example.TEST", "eXample.test", True),
            ("anotherexample.test", "example.test", False),
            ("example.test.evil", "example.test", False),
            ("www.example.test", ".example.test", True),
            ("example.test", ".example.test", False),
            ("*.example.test", "example.test", True),
            ("www.example.test", "", True),
        ],
    )
    def test_permitted_hosts(self, host: str, base: str, *, within: bool) -> None:
        found = under(constrained([x509.DNSName(base)]), names=[host])
        assert (found.status == "trusted") is within, found.reason

    @pytest.mark.parametrize(
        ("host", "base", "excluded"),
        [
            ("www.example.test", "example.test", True),
            ("other.test", "example.test", False),
            ("*.example.test", "bad.example.test", True),  # one of the names that it stands for
            ("*.example.test", "very.bad.example.test", False),
            ("example.test", ".example.test", True),
            ("www.example.test", "", True),
        ],
    )
    def test_excluded_hosts(self, host: str, base: str, *, excluded: bool) -> None:
        found = under(constrained(excluded=[x509.DNSName(base)]), names=[host])
        assert (found.status == "untrusted") is excluded

    def test_exclusion_wins(self) -> None:
        both = constrained([x509.DNSName("example.test")], [x509.DNSName("bad.example.test")])
        assert under(both, names=["bad.example.test"]).status == "untrusted"
        assert under(both, names=["good.example.test"]).status == "trusted"

    @pytest.mark.parametrize(
        ("address", "network", "trusted"),
        [
            ("192.0.2.7", "192.0.2.0/24", True),
            ("192.0.3.7", "192.0.2.0/24", False),
            ("2001:db8::1", "2001:db8::/32", True),
            ("2001:db9::1", "2001:db8::/32", False),
            ("192.0.2.7", "2001:db8::/32", False),  # no permitted network holds it
        ],
    )
    def test_addresses(self, address: str, network: str, *, trusted: bool) -> None:
        found = under(
            constrained([x509.IPAddress(ip_network(network))]), extensions=[san(x509.IPAddress(ip_address(address)))]
        )
        assert (found.status == "trusted") is trusted

    def test_a_kind_that_is_not_constrained_is_free(self) -> None:
        found = under(
            constrained([x509.DNSName("example.test")]), extensions=[san(x509.IPAddress(ip_address("192.0.2.1")))]
        )
        assert found.status == "trusted"

    def test_subjects(self) -> None:
        inside = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SERVER")]))
        outside = x509.DirectoryName(name("somebody else"))

        assert under(constrained([inside])).status == "trusted"
        assert under(constrained([outside])).status == "untrusted"
        assert under(constrained(excluded=[inside])).status == "untrusted"
        assert under(constrained([outside]), common_name="", extensions=[(san(x509.DNSName("a.test"))[0], True)])

    @pytest.mark.parametrize(
        ("tree", "value", "trusted"),
        [
            (x509.RFC822Name("example.test"), x509.RFC822Name("me@example.test"), True),
            (x509.RFC822Name("example.test"), x509.RFC822Name("me@mail.example.test"), False),
            (x509.RFC822Name(".example.test"), x509.RFC822Name("me@mail.example.test"), True),
            (x509.RFC822Name("me@example.test"), x509.RFC822Name("you@example.test"), False),
            (
                x509.UniformResourceIdentifier(".example.test"),
                x509.UniformResourceIdentifier("https://www.example.test:8443/x"),
                True,
            ),
            (
                x509.UniformResourceIdentifier("example.test"),
                x509.UniformResourceIdentifier("https://www.example.test/"),
                False,
            ),
            (x509.UniformResourceIdentifier("example.test"), x509.UniformResourceIdentifier("urn:isbn:1"), False),
            (x509.RegisteredID(ONE), x509.RegisteredID(ONE), False),  # constrained, and nobody says how
        ],
    )
    def test_other_kinds(self, tree: x509.GeneralName, value: x509.GeneralName, *, trusted: bool) -> None:
        found = under(constrained([tree]), extensions=[san(x509.DNSName("www.example.test"), value)])
        assert (found.status == "trusted") is trusted, found.reason

    def test_the_authorities_below_are_bound_too(self) -> None:
        upper = authority("Upper", ROOT, extensions=[constrained([x509.DirectoryName(name("server"))])])
        lower = authority("Lower", upper)

        assert judged([ROOT], server(lower), lower.certificate, upper.certificate).status == "untrusted"

    def test_too_many_to_apply(self) -> None:
        trees = [x509.DNSName(f"d{number}.test") for number in range(600)]
        names = [f"w.d{number}.test" for number in range(600)]

        assert "more names than" in under(constrained(trees), names=names).reason


class TestPolicies:
    REQUIRED = (x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)

    def test_nothing_is_required_by_default(self) -> None:
        assert under(policies(ONE), extensions=[policies(OTHER)]).status == "trusted"

    @pytest.mark.parametrize(
        ("held", "by_leaf", "trusted"),
        [
            ((ONE,), (ONE,), True),
            ((ONE,), (OTHER,), False),
            ((ANY_POLICY,), (OTHER,), True),
            ((ONE,), (ANY_POLICY,), True),
            ((ONE,), (), False),
        ],
    )
    def test_an_explicit_policy(
        self, held: Sequence[x509.ObjectIdentifier], by_leaf: Sequence[x509.ObjectIdentifier], *, trusted: bool
    ) -> None:
        found = under(self.REQUIRED, policies(*held), extensions=[policies(*by_leaf)] if by_leaf else [])
        assert (found.status == "trusted") is trusted, found.reason

    def test_any_policy_inhibited(self) -> None:
        inhibited = (x509.InhibitAnyPolicy(0), True)
        assert under(self.REQUIRED, inhibited, policies(ONE), extensions=[policies(ANY_POLICY)]).status == "untrusted"
        assert under(self.REQUIRED, inhibited, policies(ONE), extensions=[policies(ONE)]).status == "trusted"

    def test_mapping(self) -> None:
        mapping = bytes.fromhex("300c300a06032a030106032a0302")  # 1.2.3.1 is 1.2.3.2 below
        extension = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), mapping), True)

        assert under(self.REQUIRED, policies(ONE), extension, extensions=[policies(OTHER)]).status == "trusted"
        assert under(self.REQUIRED, policies(ONE), extension, extensions=[policies(ONE)]).status == "untrusted"


SETTINGS: list[dict[str, Any]] = [
    {},
    {"ends": NOW - DAY},
    {"begins": NOW + DAY},
    {"without": [x509.BasicConstraints]},
    {"without": [x509.KeyUsage]},
    {"extensions": [(x509.BasicConstraints(ca=True, path_length=0), True)]},
    {"extensions": [(usage(digital_signature=True), True)]},
    {"extensions": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]},
    {"extensions": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]},
    {"extensions": [constrained([x509.DNSName("example.test")])]},
    {"extensions": [constrained(excluded=[x509.DNSName("example.test")])]},
    {"key_name": "rsa-1024-weak"},
    {"key_name": "rsa-2048-good"},
]


@settings(max_examples=60, deadline=None)
@given(upper=st.sampled_from(SETTINGS), lower=st.sampled_from(SETTINGS), crossed=st.booleans())
def test_the_verdict_is_that_of_an_independent_verifier(
    upper: dict[str, Any], lower: dict[str, Any], *, crossed: bool
) -> None:
    """The one of pyca/cryptography, for all that both judge."""
    first = authority("Upper", ROOT, **{"key_name": "upper", **upper})
    second = authority("Lower", first, **{"key_name": "lower", **lower})
    leaf = server(second)
    sent = [first.certificate, second.certificate]
    if crossed:
        sent.append(authority("Upper", ROOT, key_name=upper.get("key_name", "upper")).certificate)

    ours = judged([ROOT], leaf, *sent)

    policy = verification.PolicyBuilder().store(verification.Store([ROOT.certificate])).time(NOW)
    try:
        policy.build_server_verifier(x509.DNSName("www.example.test")).verify(leaf, sent)
        theirs = "trusted"
    except verification.VerificationError:
        theirs = "untrusted"
    assert ours.status == theirs, ours.reason
