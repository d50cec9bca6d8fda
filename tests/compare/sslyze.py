"""SSLyze: versions, suites, certificate and weaknesses of a TLS server."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail_transport import MailTransport
from services.scanner.engine.evidence.tls import Accepted, Service, Version
from services.scanner.engine.evidence.tls_flaws import Flaw, TlsFlaws, Tried
from tests.compare.peer import Ours, Peer, Statement, python_tool
from tests.support.far_lab import FarLab

_PLACES = python_tool("sslyze", "sslyze==6.3.1")
_SCANS = (
    "--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--certinfo", "--elliptic_curves", "--ems",
    "--resum", "--resum_attempts=2", "--early_data", "--compression", "--reneg", "--fallback", "--heartbleed",
    "--openssl_ccs", "--robot",
)  # fmt: skip
_VERSIONS: dict[Version, str] = {
    "SSLv2": "ssl_2_0", "SSLv3": "ssl_3_0", "TLSv1.0": "tls_1_0", "TLSv1.1": "tls_1_1", "TLSv1.2": "tls_1_2",
    "TLSv1.3": "tls_1_3",
}  # fmt: skip
_FLAWS: dict[Flaw, tuple[str, str]] = {
    "heartbleed": ("heartbleed", "is_vulnerable_to_heartbleed"),
    "ccs_injection": ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection"),
}
_BROKEN = ("NULL", "anon")
_WEAK = ("EXPORT", "RC4", "_DES_", "DES40")

Seen = dict[str, Any]


def _reads_web(output: bytes, ours: Ours) -> Iterator[Statement]:
    seen, service = _result(output), ours.web_tls
    if seen is None or service is None:
        return
    yield from _verdicts(seen, ours)
    yield from _service(seen, service, seen["connectivity"])
    yield from _flaws(seen, ours)


def _reads_mail(output: bytes, ours: Ours) -> Iterator[Statement]:
    seen, transport = _result(output), ours.seen(MailTransport)
    servers = () if transport is None or isinstance(transport.servers, Unseen) else transport.servers
    service = next((one.tls for one in servers if one.host == f"mail.{ours.domain}"), None)
    if not servers:
        return
    offered = None if isinstance(service, Unseen) else isinstance(service, Service)
    yield Statement("STARTTLS", offered, seen is not None)
    if seen is None:
        return
    if isinstance(service, Service):
        yield from _service(seen, service, seen["connectivity"])
        every = {suite for version in _VERSIONS for suite in _accepted(seen, version)}
        old = not _accepted(seen, "TLSv1.2") and not _accepted(seen, "TLSv1.3")
        broken = bool(_accepted(seen, "SSLv2") | _accepted(seen, "SSLv3")) or _any(every, ("NULL", *_WEAK))
        yield Statement("broken TLS", ours.fails("smtp_tls_weak"), old or broken)


def _verdicts(seen: Seen, ours: Ours) -> Iterator[Statement]:
    """What our checks conclude, from the same facts."""
    asset = f"{ours.domain}:443"
    suites = {version: _accepted(seen, version) for version in _VERSIONS}
    every = {suite for version, accepted in suites.items() for suite in accepted if version != "TLSv1.3"}
    modern, old = suites["TLSv1.3"], suites["SSLv3"] | suites["TLSv1.0"] | suites["TLSv1.1"]

    def fails(check: str) -> bool | None:
        return ours.fails(check, asset)

    yield Statement("SSL 2 or 3", fails("ssl_sslv2_or_sslv3_enabled"), bool(suites["SSLv2"] | suites["SSLv3"]))
    yield Statement("TLS 1.0", fails("ssl_tls10_enabled"), bool(suites["TLSv1.0"]))
    yield Statement("TLS 1.1", fails("ssl_tls11_enabled"), bool(suites["TLSv1.1"]))
    yield Statement("no TLS 1.2 or 1.3", fails("ssl_tls12_missing"), not suites["TLSv1.2"] and not modern)
    yield Statement("no TLS 1.3", fails("ssl_tls13_missing"), not modern)
    yield Statement("no encryption or authentication", fails("ssl_null_or_anonymous_cipher"), _any(every, _BROKEN))
    yield Statement("export, RC4 or DES", fails("ssl_export_rc4_des_cipher"), _any(every, _WEAK))
    yield Statement("3DES", fails("ssl_3des_cipher"), _any(every, ("3DES",)))
    yield Statement("no forward secrecy", fails("ssl_no_forward_secrecy"), not modern and not _any(every, ("DHE_",)))
    sealed = bool(modern) or _any(every, ("_GCM_", "_CCM", "_CHACHA20_"))
    yield Statement("no authenticated encryption", fails("ssl_no_aead_cipher"), not sealed)
    bits = _dh_bits(seen)
    yield Statement("weak Diffie-Hellman", fails("ssl_weak_dh_parameters"), bits is not None and bits < 2048)
    fallback = _told(seen, "tls_fallback_scsv", "supports_fallback_scsv")
    lacking = None if fallback is None else bool(old) and not fallback
    yield Statement("no downgrade protection", fails("ssl_no_downgrade_protection"), lacking)
    renegotiation = _told(seen, "session_renegotiation", "supports_secure_renegotiation")
    lacking = None if renegotiation is None or not every else not renegotiation
    yield Statement("insecure renegotiation", fails("ssl_insecure_renegotiation"), lacking)
    compression = _told(seen, "tls_compression", "supports_compression")
    yield Statement("compression", fails("ssl_compression_enabled"), compression)
    if (deployment := _deployment(seen)) is not None:
        trusted = any(path["verified_certificate_chain"] for path in deployment["path_validation_results"])
        faults = ("untrusted", "expired", "not_yet_valid", "chain_incomplete", "name_mismatch")
        found = [fails(f"ssl_certificate_{fault}") for fault in faults]
        yield Statement("certificate not valid for the name", None if None in found else any(found), not trusted)
        leaf = deployment["received_certificate_chain"][0]
        key, hashed = leaf["public_key"], (leaf["signature_hash_algorithm"] or {}).get("name")
        weak = "RSA" in key["algorithm"] and key["key_size"] < 2048
        yield Statement("weak key", fails("ssl_certificate_weak_key"), weak)
        yield Statement("weak signature", fails("ssl_certificate_weak_signature"), hashed in ("md5", "sha1"))


def _service(seen: Seen, service: Service, connectivity: Seen) -> Iterator[Statement]:
    """The facts themselves."""
    for version in _VERSIONS:
        accepted, asked = _accepted(seen, version), _asked(seen, version)
        names = set(service.suites_of(version)) & asked
        complete = any(found.version == version and found.complete for found in service.suites)
        if complete or not names:
            if accepted or names:
                yield Statement(f"suites of {version}", tuple(sorted(names)), tuple(sorted(accepted)))
        else:  # of a mail host, suites are not searched for to the last one
            yield Statement(f"suites of {version}, those seen", tuple(sorted(names)), tuple(sorted(names & accepted)))
    yield from _groups(seen, service)
    bits = [one.dh.bits for one in (*service.accepted, service.finite_field_dh) if isinstance(one, Accepted) and one.dh]
    if (theirs := _dh_bits(seen)) is not None or bits:
        yield Statement("Diffie-Hellman bits", str(min(bits, default=0)), str(theirs or 0))
    features = service.features
    older = any(_accepted(seen, version) for version in _VERSIONS if version != "TLSv1.3")
    extended = _told(seen, "tls_extended_master_secret", "supports_ems_extension") if older else None
    yield Statement("extended master secret", features.extended_master_secret, extended)
    resumed = seen["session_resumption"]["result"]
    known = {"FULLY_SUPPORTED": True, "NOT_SUPPORTED": False}
    tickets = known.get(resumed["tls_ticket_resumption_result"]) if resumed else None
    yield Statement("tickets", features.tickets, tickets)
    early = _told(seen, "tls_1_3_early_data", "supports_early_data")
    yield Statement("early data", None if features.early_data is None else features.early_data > 0, early)
    requirement = connectivity["client_auth_requirement"]
    client = {"DISABLED": False, "OPTIONAL": True, "REQUIRED": True}.get(requirement)
    yield Statement("asks for a client certificate", features.client_certificate, client)
    if (deployment := _deployment(seen)) is not None and not isinstance(service.chain, Unseen):
        yield from _chain(deployment, service)


def _groups(seen: Seen, service: Service) -> Iterator[Statement]:
    """It offers one group at a time: up to TLS 1.2, an ECDSA certificate on another curve is then of no use."""
    result, certificate = seen["elliptic_curves"]["result"], service.certificate
    ecdsa = not isinstance(certificate, Unseen) and certificate.key_type == "EC"
    if (
        result is None
        or service.groups is None
        or not service.groups.complete
        or (ecdsa and not service.suites_of("TLSv1.3"))
    ):
        return
    theirs = {one["name"].lower() for one in result["supported_curves"] or ()}
    asked = theirs | {one["name"].lower() for one in result["rejected_curves"] or ()}
    ours = {name.lower() for name in service.groups.names} & asked
    yield Statement("curves", tuple(sorted(ours)), tuple(sorted(theirs)))


def _chain(deployment: Seen, service: Service) -> Iterator[Statement]:
    assert not isinstance(service.chain, Unseen)
    received = [
        base64.b64decode(one["fingerprint_sha256"]).hex() for one in deployment["received_certificate_chain"]
    ]  # fmt: skip
    yield Statement("certificates sent", tuple(one.sha256 for one in service.chain), tuple(received))
    ordered = all(one.issuer == above.subject for one, above in zip(service.chain, service.chain[1:], strict=False))
    yield Statement("chain in order", ordered, deployment["received_chain_has_valid_order"])
    leaf = service.chain[0]
    yield Statement("must-staple", leaf.must_staple, deployment["leaf_certificate_has_must_staple_extension"])
    if not isinstance(service.revocation, Unseen):
        yield Statement("staple", service.revocation.staple is not None, deployment["ocsp_response"] is not None)
    if not isinstance(service.transparency, Unseen):
        embedded = sum(one.via == "certificate" for one in service.transparency.timestamps)
        theirs = deployment["leaf_certificate_signed_certificate_timestamps_count"]
        yield Statement("timestamps in the certificate", str(embedded), str(theirs))


def _flaws(seen: Seen, ours: Ours) -> Iterator[Statement]:
    evidence = ours.seen(TlsFlaws)
    tried = [one for one in evidence.endpoints if one.asset == f"{ours.domain}:443"] if evidence else []
    if not tried:
        return
    for flaw, (part, key) in _FLAWS.items():
        yield Statement(flaw, present(tried[0].flaws.get(flaw)), _told(seen, part, key))
    robot = (seen["robot"]["result"] or {}).get("robot_result")
    theirs = None if robot in (None, "UNKNOWN_INCONSISTENT_RESULTS") else robot.startswith("VULNERABLE")
    yield Statement("robot", present(tried[0].flaws.get("robot")), theirs)


def present(tried: Tried | Unseen | None) -> bool | None:
    """A server that has not what a flaw needs does not have it either."""
    return bool(tried.present) if isinstance(tried, Tried) else None


def _result(output: bytes) -> Seen | None:
    results = json.loads(output)["server_scan_results"]
    if not results or results[0]["scan_result"] is None:
        return None
    return {**results[0]["scan_result"], "connectivity": results[0]["connectivity_result"]}


def _told(seen: Seen, part: str, key: str) -> bool | None:
    result = seen[part]["result"]
    return None if result is None else bool(result[key])


def _deployment(seen: Seen) -> Seen | None:
    result = seen["certificate_info"]["result"]
    found: Seen | None = result["certificate_deployments"][0] if result else None
    return found


def _accepted(seen: Seen, version: Version) -> set[str]:
    result = seen[f"{_VERSIONS[version]}_cipher_suites"]["result"]
    return {one["cipher_suite"]["name"] for one in result["accepted_cipher_suites"]} if result else set()


def _asked(seen: Seen, version: Version) -> set[str]:
    result = seen[f"{_VERSIONS[version]}_cipher_suites"]["result"]
    rejected = {one["cipher_suite"]["name"] for one in result["rejected_cipher_suites"]} if result else set()
    return _accepted(seen, version) | rejected


def _dh_bits(seen: Seen) -> int | None:
    found = []
    for version in ("TLSv1.0", "TLSv1.1", "TLSv1.2"):
        result = seen[f"{_VERSIONS[version]}_cipher_suites"]["result"] or {"accepted_cipher_suites": ()}
        keys = [one["ephemeral_key"] for one in result["accepted_cipher_suites"]]
        found += [key["size"] for key in keys if key and key["type_name"] == "DH"]
    return min(found, default=None)


def _any(suites: set[str], marks: tuple[str, ...]) -> bool:
    return any(mark in suite for suite in suites for mark in marks)


def _command(lab: FarLab, *target: str) -> tuple[str, ...]:
    options = ("--json_out=-", "--mozilla_config=disable", f"--certinfo_ca_file={lab.roots}")
    return (str(_PLACES[0]()), *options, *_SCANS, *target)


WEB = Peer("SSLyze", lambda domain, lab: _command(lab, domain), _reads_web, *_PLACES)
MAIL = Peer(
    "SSLyze over STARTTLS",
    lambda domain, lab: _command(lab, "--starttls=smtp", f"mail.{domain}:25"),
    _reads_mail,
    *_PLACES,
)
