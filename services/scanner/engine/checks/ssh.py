"""Checks of SSH servers: what they offer, and how they let users in."""

import re
from collections.abc import Iterator
from typing import Any

from services.scanner.engine.check import Verdict, check, not_applicable, not_tested, passed
from services.scanner.engine.checks.ports import by_host, failure, of_protocols
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import OpenPort, Ports, ScannedAddress, SshAlgorithms

# RFC 9142 section 3: SHA-1 in the key exchange, and its 1024-bit groups and RSA.
_WEAK_KEY_EXCHANGE = re.compile(r".*-sha1(-.*)?(@.*)?")
_WEAK_HOST_KEY = re.compile(r"(.*-)?ssh-dss(-.*)?|.*-sign-dss(@.*)?|spki-sign-dss|pgp-sign-dss")
# RFC 8758: RC4; RFC 4253 section 6.3: "none"; CBC mode; and the blocks of 64 bits that DES and its kin have.
_WEAK_CIPHER = re.compile(r".*-cbc(@.*)?|arcfour.*|none|(3des|des|blowfish|cast128|idea)-ctr|des-.*")
_WEAK_MAC = re.compile(r"hmac-md5.*|none|umac-32@.*")
_STRICT = "kex-strict-s-v00@openssh.com"


@check("ssh_weak_algorithms")
def ssh_weak_algorithms(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        servers = of_protocols(scanned, {"ssh"})
        if not servers:
            yield not_applicable(scanned.host, "no SSH server answers")
        for port in servers:
            old = [version for version in ("SSH-1.5", "SSH-1.3", "SSH-1.99") if version + "-" in port.banner]
            if isinstance(port.ssh, Unseen) and not old:
                yield not_tested(scanned.host, port.ssh)
                continue
            weak = old + (_weak(port.ssh) if isinstance(port.ssh, SshAlgorithms) else [])
            if weak:
                reproduce = f"nmap -Pn -p {port.port} --script ssh2-enum-algos {scanned.address}"
                yield failure(
                    scanned,
                    port,
                    f"SSH offers {', '.join(weak[:5])}{' and others' if len(weak) > 5 else ''}",
                    reproduce=reproduce,
                    weak=weak,
                    **_terrapin(port),
                )
        if servers and all(isinstance(port.ssh, SshAlgorithms) for port in servers):
            told = {name: value for port in servers for name, value in _terrapin(port).items()}
            seen = [f"{port.port}/{port.protocol}" for port in scanned.open]
            yield passed(scanned.host, address=scanned.address, open=seen, **told)

    return by_host(ports, judge)


def _weak(offered: SshAlgorithms) -> list[str]:
    tables = (
        (offered.key_exchange, _WEAK_KEY_EXCHANGE),
        (offered.host_keys, _WEAK_HOST_KEY),
        (offered.ciphers, _WEAK_CIPHER),
        (offered.macs, _WEAK_MAC),
    )
    return [name for names, pattern in tables for name in names if pattern.fullmatch(name)]


def _terrapin(port: OpenPort) -> dict[str, Any]:
    """CVE-2023-48795: noted, not a finding of its own, as it takes someone in the middle and costs little."""
    if not isinstance(port.ssh, SshAlgorithms) or _STRICT in port.ssh.key_exchange:
        return {}
    etm = any(name.endswith("-etm@openssh.com") for name in port.ssh.macs)
    cbc = any("-cbc" in name for name in port.ssh.ciphers)
    if "chacha20-poly1305@openssh.com" in port.ssh.ciphers or (etm and cbc):
        return {"terrapin": "open to CVE-2023-48795: no strict key exchange is offered"}
    return {}


@check("ssh_password_auth_enabled")
def ssh_password_auth_enabled(ports: Ports) -> Iterator[Verdict]:
    """RFC 4252 section 5.2: what the server lists when it is asked with the method "none"."""

    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        servers = of_protocols(scanned, {"ssh"})
        if not servers:
            yield not_applicable(scanned.host, "no SSH server answers")
        for port in servers:
            match port.ssh_methods:
                case None:
                    yield not_tested(scanned.host, Unseen("how users log in was not asked", "ours"))
                case Unseen() as unseen:
                    yield not_tested(scanned.host, unseen)
                case methods if {"password", "none"} & set(methods):
                    name = "password" if "password" in methods else "none"
                    reproduce = (
                        f"ssh -o PreferredAuthentications=none -o StrictHostKeyChecking=no -p {port.port} "
                        f"nobody@{scanned.address}"
                    )
                    reason = f"SSH offers the method {name}" if name == "password" else "SSH asks for no login at all"
                    yield failure(scanned, port, reason, reproduce=reproduce, methods=list(methods))
                case methods:
                    yield passed(scanned.host, address=scanned.address, port=port.port, methods=list(methods))

    return by_host(ports, judge)
