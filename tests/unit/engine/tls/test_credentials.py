"""The examination of what an endpoint showed, with the authorities' servers played by a table."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import AuthorityInformationAccessOID

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Revocation, Standing, Trust
from services.scanner.engine.fetching import Document
from services.scanner.engine.network import Network
from services.scanner.engine.probes.tls import credentials, revocation
from services.scanner.engine.probes.tls.credentials import Credentials, Examiner, Presented
from tests.unit.engine.tls.pki import NOW, Extension, authority, server, store
from tests.unit.engine.tls.test_revocation import crl, response

ROOT = authority("Root")
OCSP, CRL, ISSUER = "http://ocsp.test", "http://ca.test/issuer.crl", "http://ca.test/issuer.cer"


class FakeNetwork:
    def now(self) -> Any:
        return NOW


class Servers:
    """What answers at which address; whatever is not here is out of reach."""

    def __init__(self, answers: Mapping[str, bytes | int | Unseen]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def fetch(self, network: Network, url: str, **options: Any) -> Document | Unseen:
        self.asked.append(f"{options.get('method', 'GET')} {url}")
        for address, answer in self.answers.items():
            if url.startswith(address):
                if isinstance(answer, Unseen):
                    return answer
                body = answer if isinstance(answer, bytes) else b""
                return Document(url, answer if isinstance(answer, int) else 200, (), body)
        return Unseen(f"{url} could not be asked", options["fault"])


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    played = Servers({})
    monkeypatch.setattr(revocation, "fetch", played.fetch)
    monkeypatch.setattr(credentials, "fetch", played.fetch)
    yield played


def access(*, responder: bool = True, issuer: str = ISSUER) -> Extension:
    places = [(AuthorityInformationAccessOID.OCSP, OCSP)] if responder else []
    places.append((AuthorityInformationAccessOID.CA_ISSUERS, issuer))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(address)) for method, address in places]
    ), False


def listed() -> Extension:
    name = x509.UniformResourceIdentifier(CRL)
    return x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)]), False


MIDDLE = authority("Issuer", ROOT)
LEAF = server(MIDDLE, extensions=[access(), listed()])


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def examine(*presented: Presented) -> list[Credentials]:
    async def run() -> list[Credentials]:
        network = cast(Network, FakeNetwork())
        examiner = Examiner(network, store(ROOT.certificate))
        return list(await asyncio.gather(*(examiner.examine(one) for one in presented)))

    return asyncio.run(run())


def leaf_standing(seen: Credentials) -> Standing | Unseen:
    assert isinstance(seen.revocation, Revocation)
    return seen.revocation.statuses[0].standing


CHAIN = (der(LEAF), der(MIDDLE.certificate))


def test_the_responder_is_asked_once_for_all_endpoints(servers: Servers) -> None:
    servers.answers = {OCSP: response(LEAF, MIDDLE)}

    seen = examine(Presented(CHAIN), Presented(CHAIN), Presented((der(LEAF), der(MIDDLE.certificate), der(LEAF))))

    assert [asked.startswith(f"GET {OCSP}/") for asked in servers.asked] == [True]
    for each in seen:
        standing = leaf_standing(each)
        assert isinstance(standing, Standing)
        assert (standing.status, standing.source, standing.address) == ("good", "ocsp", OCSP)


def test_the_list_is_asked_where_the_responder_fails(servers: Servers) -> None:
    servers.answers = {OCSP: 503, CRL: crl(MIDDLE, LEAF.serial_number)}

    [seen] = examine(Presented(CHAIN))

    standing = leaf_standing(seen)
    assert isinstance(standing, Standing)
    assert (standing.status, standing.source, standing.reason) == ("revoked", "crl", "key_compromise")


def test_nothing_answers(servers: Servers) -> None:
    [seen] = examine(Presented(CHAIN))

    standing = leaf_standing(seen)
    assert isinstance(standing, Unseen)
    assert standing.fault == "source"
    assert len(servers.asked) == 2


def test_no_way_out_of_here_is_ours(servers: Servers) -> None:
    servers.answers = {OCSP: Unseen("no route", "ours")}

    [seen] = examine(Presented(CHAIN))

    assert leaf_standing(seen) == Unseen("no route", "ours")


def test_more_than_a_list_may_be(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "MAX_LIST", 100)
    servers.answers = {CRL: crl(MIDDLE)}

    [seen] = examine(Presented(CHAIN))

    standing = leaf_standing(seen)
    assert isinstance(standing, Unseen)
    assert "gives more than 100 bytes" in standing.reason


def test_a_staple_makes_it_unnecessary_to_ask(servers: Servers) -> None:
    [seen] = examine(Presented(CHAIN, staple=response(LEAF, MIDDLE), asked=True))

    standing = leaf_standing(seen)
    assert isinstance(standing, Standing)
    assert standing.source == "staple"
    assert servers.asked == []


def test_a_long_request_is_posted(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "_GET", 10)
    servers.answers = {OCSP: response(LEAF, MIDDLE)}

    examine(Presented(CHAIN))

    assert servers.asked == [f"POST {OCSP}"]


@pytest.mark.parametrize("form", [serialization.Encoding.DER, serialization.Encoding.PEM])
def test_an_issuer_that_was_not_sent_is_fetched(servers: Servers, form: serialization.Encoding) -> None:
    servers.answers = {ISSUER: MIDDLE.certificate.public_bytes(form), OCSP: response(LEAF, MIDDLE)}

    [seen] = examine(Presented((der(LEAF),)))

    assert isinstance(seen.trust, Trust)
    assert (seen.trust.status, seen.trust.completed_by, seen.trust.root) == ("incomplete", ISSUER, "CN=Root")
    assert isinstance(leaf_standing(seen), Standing)


def test_two_issuers_that_were_not_sent(servers: Servers) -> None:
    upper = authority("Upper", ROOT)
    lower = authority("Lower", upper, extensions=[access(responder=False, issuer="http://ca.test/upper.cer")])
    leaf = server(lower, extensions=[access(responder=False)])
    servers.answers = {ISSUER: der(lower.certificate), "http://ca.test/upper.cer": der(upper.certificate)}

    [seen] = examine(Presented((der(leaf),)))

    assert isinstance(seen.trust, Trust)
    assert (seen.trust.status, seen.trust.root) == ("incomplete", "CN=Root")


def test_an_issuer_that_leads_nowhere(servers: Servers) -> None:
    stranger = authority("Stranger")
    middle = authority("Issuer", stranger)
    servers.answers = {ISSUER: der(middle.certificate)}

    [seen] = examine(Presented((der(server(middle, extensions=[access(responder=False)])),)))

    assert isinstance(seen.trust, Trust)
    assert seen.trust.status == "untrusted"


@pytest.mark.parametrize("answer", [b"<html>no such page</html>", 404, Unseen("silent", "source")])
def test_an_issuer_that_cannot_be_had(servers: Servers, answer: bytes | int | Unseen) -> None:
    servers.answers = {ISSUER: answer}

    [seen] = examine(Presented((der(LEAF),)))

    assert isinstance(seen.trust, Trust)
    assert (seen.trust.status, seen.trust.completed_by) == ("incomplete", "")
    standing = leaf_standing(seen)
    assert isinstance(standing, Unseen)
    assert standing.fault == "target"


def test_garbage(servers: Servers) -> None:
    [broken, beside] = examine(Presented((b"\x30\x03\x02\x01\x00",)), Presented((*CHAIN, b"garbage", b"")))

    assert isinstance(broken.trust, Unseen)
    assert broken.trust.fault == "target"
    assert isinstance(beside.trust, Trust)
    assert beside.trust.status == "trusted"


@pytest.mark.parametrize(
    ("presented", "staple"),
    [
        (Presented(CHAIN), Unseen("no staple was asked for", "ours")),
        (Presented(CHAIN, asked=True), None),
    ],
)
def test_what_no_staple_means(servers: Servers, presented: Presented, staple: Unseen | None) -> None:
    [seen] = examine(presented)

    assert isinstance(seen.revocation, Revocation)
    assert seen.revocation.staple == staple
