"""Whether an issuer took a certificate back: by the staple, its OCSP responder or its list (RFC 6960, RFC 5280)."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import CRLEntryExtensionOID, ExtendedKeyUsageOID

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls import Standing, Staple
from services.scanner.engine.fetching import Document, fetch
from services.scanner.engine.network import Network
from services.scanner.engine.probes.tls import der
from services.scanner.engine.probes.tls.certificate import (
    MALFORMED,
    extension,
    list_addresses,
    oddities_ignored,
    responder_addresses,
)
from services.scanner.engine.probes.tls.link import Link, name_key

TIMEOUT = 3.0  # seconds for all that is asked about one certificate
OCSP_TIMEOUT = 1.8  # of these
MAX_RESPONSE = 64 * 1024
MAX_LIST = 8 * 1024 * 1024
MAX_ADDRESSES = 2  # tried of one kind
SKEW = timedelta(minutes=5)  # that the issuer's clock may be ahead of ours
OPEN_ENDED = timedelta(days=7)  # how long a response holds that does not say so itself
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_GET = 255  # bytes of a request up to which it is asked for by GET, which caches answer (RFC 6960 A.1)


class Useless(ValueError):
    """What was said proves nothing; the message says why, a clause."""


async def standing(network: Network, link: Link, issuer: Link) -> Standing | Unseen:
    """What `issuer` publishes of `link`, asked within TIMEOUT."""
    responders, lists = responder_addresses(link.certificate), list_addresses(link.certificate)
    if not responders and not lists:
        return Standing("unpublished")
    problem = "it is published where it cannot be asked over HTTP"
    try:
        async with asyncio.timeout(TIMEOUT):
            for found in _attempts(network, link, issuer, responders, lists):
                try:
                    return await found()
                except Useless as useless:
                    problem = str(useless)
    except TimeoutError:
        problem = f"neither responder nor list gave an answer within {TIMEOUT:g} s"
    except _Ours as error:
        return error.unseen
    return Unseen(f"whether {link.name} was revoked could not be found out: {problem}", "source")


def request(link: Link, issuer: Link) -> bytes:
    """An OCSP request without a nonce, so that caches can answer (RFC 5019 section 2.1)."""
    algorithm = hashes.SHA1()  # noqa: S303  # no signature: RFC 5019 section 2.1.1 has it so, and every responder knows it
    name, key = _identity(link, issuer, algorithm)
    asked = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, link.serial, algorithm).build()
    return asked.public_bytes(serialization.Encoding.DER)


def staple(response: bytes, link: Link, issuer: Link, now: datetime) -> tuple[Staple, Standing | None]:
    """What came along in the handshake, and what it says where a client may rely on it."""
    try:
        said = read_response(response, link, issuer, now)
    except _Unknown as unknown:
        return Staple("unknown", str(unknown)), None
    except Useless as useless:
        return Staple("", str(useless)), None
    assert said.status != "unpublished"
    return Staple(said.status, "", said.this_update, said.next_update), said


def unverifiable() -> Staple:
    """A response whose signature nobody can check, as the issuer's certificate is not known."""
    return Staple("", "the issuer's certificate is not known, so its signature cannot be verified")


class _Unknown(Useless):
    """The responder answers for certificates of this issuer, and not for this one."""


class _Ours(Exception):
    def __init__(self, unseen: Unseen) -> None:
        super().__init__(unseen.reason)
        self.unseen = unseen


def read_response(response: bytes, link: Link, issuer: Link, now: datetime) -> Standing:
    """RFC 6960 section 3.2: all that makes a response acceptable. Useless where it is not."""
    try:
        with oddities_ignored():
            return _read_response(ocsp.load_der_ocsp_response(response), link, issuer, now)
    except MALFORMED as error:
        if isinstance(error, Useless):
            raise
        raise Useless(f"the OCSP response cannot be decoded: {error}") from None


def _read_response(response: ocsp.OCSPResponse, link: Link, issuer: Link, now: datetime) -> Standing:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Useless(f"the responder answered {response.response_status.name.lower()}")
    said = next((each for each in response.responses if _concerns(each, link, issuer)), None)
    if said is None:
        raise Useless("the OCSP response is about another certificate")
    for found in response.extensions:
        if found.critical and found.oid != x509.OCSPNonce.oid:
            raise Useless(f"the OCSP response has a critical extension that is not known, {found.oid.dotted_string}")
    _verify_response(response, issuer, now)
    this_update, next_update = said.this_update_utc, said.next_update_utc
    if this_update > now + SKEW:
        raise Useless(f"the OCSP response is of the future ({this_update:%Y-%m-%d %H:%M})")
    if (next_update or this_update + OPEN_ENDED) < now - SKEW:
        raise Useless(
            f"the OCSP response is out of date since {next_update or this_update + OPEN_ENDED:%Y-%m-%d %H:%M}"
        )
    if said.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise _Unknown("the responder does not know the certificate")
    revoked = said.certificate_status is ocsp.OCSPCertStatus.REVOKED
    return Standing(
        "revoked" if revoked else "good",
        "ocsp",
        this_update=this_update,
        next_update=next_update,
        revoked_at=said.revocation_time_utc if revoked else None,
        reason=said.revocation_reason.name if revoked and said.revocation_reason else "",
    )


def read_list(text: bytes, link: Link, issuer: Link, now: datetime) -> Standing:
    """RFC 5280 section 6.3.3, for a complete list of the certificate's own issuer. Useless where it is none."""
    try:
        load = x509.load_pem_x509_crl if text.startswith(b"-----BEGIN") else x509.load_der_x509_crl
        return _read_list(load(text), link, issuer, now)
    except MALFORMED as error:
        if isinstance(error, Useless):
            raise
        raise Useless(f"the revocation list cannot be decoded: {error}") from None


def _read_list(crl: x509.CertificateRevocationList, link: Link, issuer: Link, now: datetime) -> Standing:
    if name_key(crl.issuer) != link.issuer:
        raise Useless("the revocation list is another issuer's")
    usage = extension(issuer.certificate, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise Useless("the issuer may not sign revocation lists (RFC 5280 section 6.3.3 (f))")
    partial = _scope(crl, link)
    if isinstance(crl.signature_hash_algorithm, _WEAK_HASHES) or not _list_signed(crl, issuer):
        raise Useless("the signature of the revocation list is not one of the issuer's to rely on")
    if crl.last_update_utc > now + SKEW:
        raise Useless(f"the revocation list is of the future ({crl.last_update_utc:%Y-%m-%d %H:%M})")
    if crl.next_update_utc is None or crl.next_update_utc < now - SKEW:
        raise Useless("the revocation list is out of date")
    entry = crl.get_revoked_certificate_by_serial_number(link.serial)
    if entry is None and partial:
        raise Useless("the revocation list is only for some reasons")
    return Standing(
        "revoked" if entry else "good",
        "crl",
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        revoked_at=entry.revocation_date_utc if entry else None,
        reason=_reason(entry) if entry else "",
    )


def _scope(crl: x509.CertificateRevocationList, link: Link) -> bool:
    """Whether the list is for some reasons alone. Useless where it covers others (section 6.3.3 (b))."""
    some_reasons = False
    for found in crl.extensions:
        match found.value:
            case x509.DeltaCRLIndicator():
                raise Useless("the revocation list holds changes alone")
            case x509.IssuingDistributionPoint() as point:
                authority = link.constraints is not None and link.constraints.ca
                if point.only_contains_attribute_certs or point.indirect_crl:
                    raise Useless("the revocation list is not about certificates of its issuer alone")
                if (point.only_contains_user_certs and authority) or (point.only_contains_ca_certs and not authority):
                    raise Useless("the revocation list does not cover certificates of this kind")
                if point.full_name and not _same_point(point.full_name, link.certificate):
                    raise Useless("the revocation list is for other certificates of its issuer")
                some_reasons = bool(point.only_some_reasons)
            case _ if found.critical:
                raise Useless(
                    f"the revocation list has a critical extension that is not known, {found.oid.dotted_string}"
                )
    return some_reasons


def _same_point(names: list[x509.GeneralName], certificate: x509.Certificate) -> bool:
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    return any(name in (point.full_name or ()) for point in points for name in names)


def _reason(entry: x509.RevokedCertificate) -> str:
    for found in entry.extensions:
        if found.oid == CRLEntryExtensionOID.CRL_REASON:
            return str(found.value.reason.name)
    return ""


def _list_signed(crl: x509.CertificateRevocationList, issuer: Link) -> bool:
    key = issuer.certificate.public_key()
    if not isinstance(
        key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
    ):
        return False
    return crl.is_signature_valid(key)


def _concerns(said: ocsp.OCSPSingleResponse, link: Link, issuer: Link) -> bool:
    name, key = _identity(link, issuer, said.hash_algorithm)
    return (said.issuer_name_hash, said.issuer_key_hash, said.serial_number) == (
        name,
        key,
        link.serial,
    )


def _identity(link: Link, issuer: Link, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """The hashes of the issuer's name, as the certificate has it, and of its key's bits (RFC 6960 section 4.1.1)."""
    body = der.fields(link.certificate.tbs_certificate_bytes)
    name = body[3 if body[0][0] == 0xA0 else 2][2]
    return _digest(algorithm, name), _digest(algorithm, _key_bits(issuer))


def _key_bits(link: Link) -> bytes:
    return der.fields(link.public_key)[1][1][1:]


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    return hashlib.new(algorithm.name.replace("-", "_"), data, usedforsecurity=False).digest()


def _verify_response(response: ocsp.OCSPResponse, issuer: Link, now: datetime) -> None:
    """By the issuer's key, or that of a responder to which the issuer delegated (RFC 6960 section 4.2.2.2)."""
    if isinstance(response.signature_hash_algorithm, _WEAK_HASHES):
        raise Useless("the OCSP response is signed with a weak hash")
    if _is_responder(response, issuer):
        if not _response_signed(response, issuer):
            raise Useless("the OCSP response does not bear the issuer's signature")
        return
    for certificate in response.certificates[:8]:
        delegate = Link.of(certificate)
        if not _is_responder(response, delegate):
            continue
        purposes = extension(certificate, x509.ExtendedKeyUsage)
        if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
            raise Useless("the OCSP response is signed by one who may not answer for the issuer")
        if not certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc:
            raise Useless("the certificate of the OCSP responder is not valid now")
        if delegate.issuer != issuer.subject or not delegate.signed_by(issuer):
            raise Useless("the OCSP responder was not appointed by the issuer")
        if not _response_signed(response, delegate):
            raise Useless("the OCSP response does not bear the responder's signature")
        return
    raise Useless("the OCSP response is signed by nobody known")


def _is_responder(response: ocsp.OCSPResponse, link: Link) -> bool:
    if response.responder_key_hash is not None:
        return response.responder_key_hash == hashlib.sha1(_key_bits(link), usedforsecurity=False).digest()
    return response.responder_name is not None and name_key(response.responder_name) == link.subject


def _response_signed(response: ocsp.OCSPResponse, link: Link) -> bool:
    signature, body = response.signature, response.tbs_response_bytes
    try:
        algorithm = response.signature_hash_algorithm
        match link.certificate.public_key():
            case rsa.RSAPublicKey() as key if algorithm is not None:
                key.verify(signature, body, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePublicKey() as key if algorithm is not None:
                key.verify(signature, body, ec.ECDSA(algorithm))
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() as key:
                key.verify(signature, body)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


Attempt = Callable[[], Awaitable[Standing]]


def _attempts(
    network: Network, link: Link, issuer: Link, responders: tuple[str, ...], lists: tuple[str, ...]
) -> Iterator[Attempt]:
    for address in responders[:MAX_ADDRESSES]:
        yield _Ask(network, link, issuer, address).responder
    for address in lists[:MAX_ADDRESSES]:
        yield _Ask(network, link, issuer, address).list


@dataclass(frozen=True, slots=True)
class _Ask:
    network: Network
    link: Link
    issuer: Link
    address: str

    async def responder(self) -> Standing:
        try:
            asked = request(self.link, self.issuer)
        except MALFORMED as error:
            raise Useless(f"a certificate of the path cannot be decoded: {error}") from None
        path = self.address.rstrip("/") + "/" + quote(base64.b64encode(asked), safe="")
        if len(path) <= _GET:
            answer = await fetch(self.network, path, fault="source", limit=MAX_RESPONSE, timeout=OCSP_TIMEOUT)
        else:
            answer = await fetch(
                self.network,
                self.address,
                fault="source",
                method="POST",
                data=asked,
                headers={"Content-Type": "application/ocsp-request"},
                limit=MAX_RESPONSE,
                timeout=OCSP_TIMEOUT,
            )
        body = self._body(answer, MAX_RESPONSE)
        return self._placed(read_response(body, self.link, self.issuer, self.network.now()))

    async def list(self) -> Standing:
        answer = await fetch(self.network, self.address, fault="source", limit=MAX_LIST, timeout=TIMEOUT)
        body = self._body(answer, MAX_LIST)
        return self._placed(await asyncio.to_thread(read_list, body, self.link, self.issuer, self.network.now()))

    def _body(self, answer: Document | Unseen, limit: int) -> bytes:
        if isinstance(answer, Unseen):
            if answer.fault == "ours":
                raise _Ours(answer)
            raise Useless(answer.reason)
        if answer.status != 200:
            raise Useless(f"{self.address} answers with status {answer.status}")
        if len(answer.body) >= limit:
            raise Useless(f"{self.address} gives more than {limit} bytes")
        return answer.body

    def _placed(self, said: Standing) -> Standing:
        return Standing(
            said.status, said.source, self.address, said.this_update, said.next_update, said.revoked_at, said.reason
        )
