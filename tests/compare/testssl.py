"""testssl.sh: a TLS server as OpenSSL and hand-made hellos from a shell see it."""

import json
from collections.abc import Iterator

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls_flaws import Flaw, TlsFlaws
from tests.compare.peer import Ours, Peer, Said, Statement, debian_tool
from tests.compare.sslyze import present
from tests.support.far_lab import FarLab

_PLACES = debian_tool("testssl", "testssl.sh")
_SCRIPT = """
folder=$(mktemp -d)
testssl --quiet --color 0 --warnings off --ip one --add-ca "$1" --jsonfile "$folder/found" -p -S -U "$2" > /dev/null
cat "$folder/found"
rm -r "$folder"
"""
_VERSIONS = {"SSLv3": "ssl_sslv2_or_sslv3_enabled", "TLS1": "ssl_tls10_enabled", "TLS1_1": "ssl_tls11_enabled"}
_FLAWS: dict[str, Flaw] = {"heartbleed": "heartbleed", "CCS": "ccs_injection", "ROBOT": "robot"}


def _reads(output: bytes, ours: Ours) -> Iterator[Statement]:
    told = {one["id"]: one["finding"] for one in json.loads(output)}
    service, asset = ours.web_tls, f"{ours.domain}:443"
    if service is None:
        return
    for name, check in _VERSIONS.items():
        yield Statement(name, ours.fails(check, asset), _offered(told.get(name)))
    yield Statement("TLS1_3", bool(service.suites_of("TLSv1.3")), _offered(told.get("TLS1_3")))
    evidence = ours.seen(TlsFlaws)
    tried = [one for one in evidence.endpoints if one.asset == asset] if evidence else []
    for name, flaw in _FLAWS.items():
        if tried:
            yield Statement(flaw, present(tried[0].flaws.get(flaw)), _vulnerable(told.get(name)))
    yield Statement("compression", ours.fails("ssl_compression_enabled", asset), _vulnerable(told.get("CRIME_TLS")))
    secure = told.get("secure_renego", "")
    lacking = None if not secure else not secure.startswith(("supported", "OpenSSL", "not vulnerable"))
    yield Statement("insecure renegotiation", ours.fails("ssl_insecure_renegotiation", asset), lacking)
    yield Statement("3DES", ours.fails("ssl_3des_cipher", asset), _vulnerable(told.get("SWEET32")))
    prime = told.get("LOGJAM-common_primes", "")
    theirs = None if not prime else not prime.startswith(("no DH key", "--", "not"))
    known = [one.dh.known_prime for one in service.accepted if one.dh] + [
        one.dh.known_prime for one in (service.finite_field_dh,) if hasattr(one, "dh") and one.dh
    ]
    yield Statement("a prime that many share", any(known), theirs)
    yield from _certificate(told, ours, asset)


def _certificate(told: dict[str, str], ours: Ours, asset: str) -> Iterator[Statement]:
    service = ours.web_tls
    if service is None or isinstance(service.certificate, Unseen):
        return
    certificate = service.certificate
    fingerprint = told.get("cert_fingerprintSHA256")
    yield Statement("certificate", certificate.sha256, fingerprint.lower() if fingerprint else None)
    named = told.get("cert_trust", "")
    mismatch: Said = None if not named else not named.startswith("Ok")
    yield Statement("certificate for another name", ours.fails("ssl_certificate_name_mismatch", asset), mismatch)
    dated = told.get("cert_expirationStatus", "")
    expired: Said = None if not dated else dated.startswith("expired")
    yield Statement("certificate expired", ours.fails("ssl_certificate_expired", asset), expired)
    chain = told.get("cert_chain_of_trust", "")
    found = [ours.fails(f"ssl_certificate_{fault}", asset) for fault in ("untrusted", "chain_incomplete")]
    found.append(ours.fails("ssl_certificate_expired", asset))  # which breaks the chain in its eyes too
    untrusted: Said = None if not chain else not chain.startswith("passed")
    yield Statement("chain does not hold", None if None in found else any(found), untrusted)
    if staple := told.get("OCSP_stapling"):
        stapled = None if isinstance(service.revocation, Unseen) else service.revocation.staple is not None
        yield Statement("staple", stapled, staple.startswith("offered"))
    if required := told.get("cert_mustStapleExtension"):
        yield Statement("must-staple", certificate.must_staple, required != "--")
    if count := told.get("certs_countServer"):
        yield Statement("number of certificates", str(len(service.chain)), count)  # type: ignore[arg-type]  # seen above
    if caa := told.get("DNS_CAArecord"):
        yield Statement("no CAA", ours.fails("dns_caa_missing"), caa == "--")


def _offered(finding: str | None) -> bool | None:
    return None if not finding or ("not" not in finding and "offered" not in finding) else not finding.startswith("not")


def _vulnerable(finding: str | None) -> bool | None:
    if not finding or "ailed" in finding or "likely" in finding:
        return None
    return not finding.startswith(("not vulnerable", "supported", "no "))


def _command(domain: str, lab: FarLab) -> tuple[str, ...]:
    return "sh", "-c", _SCRIPT, "sh", str(lab.roots), domain


PEER = Peer("testssl.sh", _command, _reads, *_PLACES)
