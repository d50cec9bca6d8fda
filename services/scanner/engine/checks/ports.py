"""Checks of open ports: services that do not belong on the open Internet."""

import re
from collections.abc import Callable, Iterator, Set
from itertools import groupby
from typing import Any

from services.scanner.engine.check import (
    Confidence,
    Verdict,
    check,
    failed,
    merged,
    not_applicable,
    not_tested,
    passed,
)
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import OpenPort, Ports, ScannedAddress

DATABASES = frozenset(
    {"mysql", "postgresql", "mssql", "oracle", "mongodb", "redis", "memcached", "cassandra", "elasticsearch", "couchdb"}
)
DATABASE_PORTS = frozenset({1433, 1521, 3306, 5432, 5984, 6379, 9042, 9200, 9300, 11211, 27017})
CONTAINER_APIS = frozenset({"docker", "kubernetes", "etcd", "consul"})
_EXPECTED = frozenset({"ssh", "smtp", "imap", "pop3"})
_MAIL_IN_TLS = frozenset({465, 993, 995})
_GREETING = frozenset({"ssh", "smtp", "imap", "pop3", "ftp", "telnet", "vnc", "mysql", "rsync"})  # these speak first
# What shows again that a store answers without a login, as our own question did.
_QUERIES = {
    "redis": "printf 'INFO server\\r\\n' | nc -w 5 {address} {port}",
    "memcached": "printf 'version\\r\\n' | nc -w 5 {address} {port}",
    "mongodb": "mongosh --host {address} --port {port} --eval 'db.adminCommand({{listDatabases: 1, nameOnly: true}})'",
    "elasticsearch": "curl -sk {scheme}://{host}:{port}/",
    "couchdb": "curl -sk {scheme}://{host}:{port}/_all_dbs",
    "docker": "curl -sk {scheme}://{host}:{port}/version",
    "kubernetes": "curl -sk {scheme}://{host}:{port}/version",
    "etcd": "curl -sk {scheme}://{host}:{port}/version",
    "consul": "curl -sk {scheme}://{host}:{port}/v1/agent/self",
    "http": "curl -sk {scheme}://{host}:{port}/",
}
_OWN_CHECKS = frozenset(
    {*DATABASES, *CONTAINER_APIS, "telnet", "ftp", "rdp", "smb", "netbios", "vnc", "x11", "ldap", "rpc", "rsync"}
)
# The titles and server names that admin pages of devices and servers show.
_MANAGEMENT = re.compile(
    r"\b(iDRAC\d?|Integrated Lights-Out|iLO \d|Supermicro BMC|IPMI|RouterOS|WebFig|pfSense|OPNsense|FortiGate|SonicWall"
    r"|GlobalProtect Portal|Cisco ASDM|VMware ESXi|vSphere|vCenter|Proxmox Virtual Environment|UniFi|EdgeOS|DD-WRT"
    r"|OpenWrt|LuCI|Synology|QNAP|Webmin|MiniServ|cPanel Login|WHM Login|Plesk Obsidian|Portainer|Cockpit"
    r"|JetDirect|LaserJet)\b"
)
_WEAK_KEY_EXCHANGE = re.compile(r".*-sha1")  # RFC 9142 section 3
_WEAK_REST = re.compile(r"ssh-dss|.*-cbc(@.*)?|arcfour.*|hmac-md5.*")


@check("port_telnet_open")
def telnet(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"telnet"}, usual={23})


@check("port_rdp_open")
def rdp(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"rdp"}, usual={3389})


@check("port_ssh_open")
def ssh(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"ssh"}, usual={22})


@check("port_smb_open")
def smb(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"smb", "netbios"}, usual={139, 445})


@check("port_vnc_or_x11_open")
def vnc_or_x11(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"vnc", "x11"}, usual={5900, 5901, 6000})


@check("port_database_open")
def database(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, DATABASES, usual=DATABASE_PORTS)


@check("port_container_api_open")
def container_api(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, CONTAINER_APIS, usual={2375, 2379, 6443, 8500})


@check("port_ldap_open")
def ldap(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"ldap"}, usual={389, 3268})


@check("port_rpc_nfs_open")
def rpc_nfs(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"rpc", "rsync"}, usual={111, 873, 2049})


@check("port_ftp_cleartext")
def ftp_cleartext(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in _of(scanned, {"ftp"}):
            if not port.tls and not port.starttls:
                reproduce = f"printf 'AUTH TLS\\r\\nQUIT\\r\\n' | nc -w 5 {scanned.address} {port.port}"
                yield _failure(scanned, port, "FTP does not take AUTH TLS", reproduce=reproduce)

    return _by_host(ports, judge)


@check("ssh_weak_algorithms")
def ssh_weak_algorithms(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        servers = _of(scanned, {"ssh"})
        if not servers:
            yield not_applicable(scanned.host, "no SSH server answers")
        for port in servers:
            weak = [version for version in ("SSH-1.5", "SSH-1.99") if port.banner.startswith(version)]
            match port.ssh:
                case Unseen() as unseen if not weak:
                    yield not_tested(scanned.host, unseen)
                    continue
                case None | Unseen():
                    pass
                case offered:
                    rest = (*offered.host_keys, *offered.ciphers, *offered.macs)
                    weak += [name for name in offered.key_exchange if _WEAK_KEY_EXCHANGE.fullmatch(name)]
                    weak += [name for name in rest if _WEAK_REST.fullmatch(name)]
            if weak:
                reproduce = f"nmap -Pn -p {port.port} --script ssh2-enum-algos {scanned.address}"
                yield _failure(scanned, port, f"SSH offers {', '.join(weak[:5])}", reproduce=reproduce, weak=weak)

    return _by_host(ports, judge)


@check("database_without_authentication")
def database_without_authentication(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        databases = _of(scanned, DATABASES)
        asked = [port for port in databases if port.open_access is not None]
        for port in asked:
            if port.open_access:
                yield _failure(scanned, port, f"{port.protocol} answers a query without a login")
        if not databases:
            yield not_applicable(scanned.host, "no database, cache or search service answers")
        elif not asked:
            reason = "whether a login is demanded shows only in an attempt to log in, which is not made"
            yield not_applicable(scanned.host, reason)

    return _by_host(ports, judge)


@check("management_interface_exposed")
def management_interface(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in _of(scanned, {"http"}):
            shown = _MANAGEMENT.search(port.title) or _MANAGEMENT.search(port.banner)
            if shown:
                reason = f"the page looks like the administration of {shown[0]}"
                yield _failure(scanned, port, reason, confidence="inferred", title=port.title)

    return _by_host(ports, judge)


@check("port_unexpected_open")
def unexpected(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in scanned.open:
            if _is_expected(port) or port.protocol in _OWN_CHECKS:
                continue
            if port.protocol in ("unknown", "tls"):
                yield _failure(scanned, port, f"port {port.port} is open, and what listens there is not recognised")
            else:
                reason = (
                    f"port {port.port} ({port.protocol}) is open; whether it is meant to be only its owner can tell"
                )
                yield not_tested(scanned.host, Unseen(reason, "ours"))

    return _by_host(ports, judge)


def _is_expected(port: OpenPort) -> bool:
    return port.port in (53, 80, 443) or port.protocol in _EXPECTED or (port.tls and port.port in _MAIL_IN_TLS)


def _exposed(ports: Ports, protocols: Set[str], usual: Set[int]) -> Iterator[Verdict]:
    """Fails for every port behind which one of `protocols` is spoken; a silent service on a `usual` port may be one."""

    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in _of(scanned, protocols):
            yield _failure(scanned, port, f"{port.protocol} answers on port {port.port}")
        for port in _of(scanned, {"unknown"}):
            if port.port in usual:
                reason = f"port {port.port} is open, but what listens there does not say what it is"
                yield not_tested(scanned.host, Unseen(reason, "target"))

    return _by_host(ports, judge)


def _by_host(ports: Ports, judge: Callable[[ScannedAddress], Iterator[Verdict]]) -> Iterator[Verdict]:
    """The failures `judge` finds at a host's addresses, each port once; where it yields nothing, the address passes."""
    if not ports.addresses:
        yield not_applicable(ports.domain, "it has no web host")
    for _, addresses in groupby(ports.addresses, key=lambda scanned: scanned.host):
        verdicts = [verdict for scanned in addresses for verdict in _judged(scanned, judge)]
        failures = [verdict for verdict in verdicts if verdict.status == "fail"]
        yield from merged(failures or verdicts)


def _judged(scanned: ScannedAddress, judge: Callable[[ScannedAddress], Iterator[Verdict]]) -> list[Verdict]:
    if scanned.unseen:
        return [not_tested(scanned.host, scanned.unseen)]
    seen = [f"{port.port}/{port.protocol}" for port in scanned.open]
    return list(judge(scanned)) or [passed(scanned.host, address=scanned.address, open=seen)]


def _of(scanned: ScannedAddress, protocols: Set[str]) -> list[OpenPort]:
    return [port for port in scanned.open if port.protocol in protocols]


def _failure(
    scanned: ScannedAddress,
    port: OpenPort,
    reason: str,
    *,
    reproduce: str = "",
    confidence: Confidence = "confirmed",
    **evidence: Any,
) -> Verdict:
    return failed(
        f"{scanned.host}:{port.port}",
        reason,
        reproduce=reproduce or _ask_again(scanned, port),
        confidence=confidence,
        address=scanned.address,
        protocol=port.protocol,
        tls=port.tls,
        banner=port.banner,
        **evidence,
    )


def _ask_again(scanned: ScannedAddress, port: OpenPort) -> str:
    """A command that lets the service show itself again."""
    if port.protocol in _GREETING and not port.tls:
        return f"nc -w 5 {scanned.address} {port.port}"
    query = _QUERIES.get(port.protocol, "nmap -Pn -sV -p {port} {address}")
    scheme = "https" if port.tls else "http"
    return query.format(scheme=scheme, host=scanned.host, address=scanned.address, port=port.port)
