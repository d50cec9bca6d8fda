"""Checks of open ports: services that do not belong on the open Internet."""

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
from services.scanner.engine.checks.management import administration_of
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import OpenPort, Ports, ScannedAddress

DATABASES = frozenset(
    {"mysql", "postgresql", "mssql", "oracle", "mongodb", "redis", "memcached", "cassandra", "elasticsearch", "couchdb"}
    | {"influxdb", "zookeeper", "kafka", "clickhouse", "neo4j", "bolt", "arangodb", "qdrant", "solr", "rethinkdb"}
)
DATABASE_PORTS = frozenset(
    {1433, 1521, 2181, 3306, 5432, 5984, 6379, 7687, 8123, 9042, 9092, 9200, 9300, 11211, 27017, 27018, 27019, 28015}
)
CONTAINER_APIS = frozenset({"docker", "kubernetes", "kubelet", "etcd", "consul"})
# What controls a machine or a program, whatever the page: remote administration, debuggers, controllers of plants.
_CONTROL = {
    "winrm": "Windows Remote Management",
    "jdwp": "the Java debugger, which runs any code",
    "adb": "the Android debugger, which runs any command",
    "rmi": "a Java RMI registry",
    "vmware-auth": "the remote console of VMware ESXi",
    "openvpn-management": "the management of OpenVPN",
    "asterisk-manager": "the management of Asterisk",
    "s7": "a Siemens S7 controller",
    "modbus": "a Modbus controller",
}
_EXPECTED = frozenset({"ssh", "smtp", "imap", "pop3"})
_MAIL_IN_TLS = frozenset({465, 993, 995})
# These speak first.
_GREETING = frozenset(
    {"ssh", "smtp", "imap", "pop3", "ftp", "telnet", "vnc", "mysql", "rsync", "irc", "nntp", "vmware-auth", "nats"}
    | {"asterisk-manager", "openvpn-management"}
)
# What shows again that a store answers without a login, as our own question did.
_QUERIES = {
    "redis": "printf 'INFO server\\r\\n' | nc -w 5 {address} {port}",
    "memcached": "printf 'version\\r\\n' | nc -w 5 {address} {port}",
    "zookeeper": "printf 'srvr\\n' | nc -w 5 {address} {port}",
    "mongodb": "mongosh --host {address} --port {port} --eval 'db.adminCommand({{listDatabases: 1, nameOnly: true}})'",
    "cassandra": "cqlsh {address} {port} -e 'SHOW VERSION'",
    "elasticsearch": "curl -sk {scheme}://{host}:{port}/",
    "couchdb": "curl -sk {scheme}://{host}:{port}/_all_dbs",
    "influxdb": "curl -sk '{scheme}://{host}:{port}/query?q=SHOW+DATABASES'",
    "clickhouse": "curl -sk {scheme}://{host}:{port}/",
    "neo4j": "curl -sk {scheme}://{host}:{port}/",
    "qdrant": "curl -sk {scheme}://{host}:{port}/collections",
    "docker": "curl -sk {scheme}://{host}:{port}/version",
    "kubernetes": "curl -sk {scheme}://{host}:{port}/api",
    "kubelet": "curl -sk {scheme}://{host}:{port}/pods",
    "etcd": "curl -sk {scheme}://{host}:{port}/version",
    "consul": "curl -sk {scheme}://{host}:{port}/v1/agent/self",
    "winrm": "curl -ski {scheme}://{host}:{port}/wsman",
    "jdwp": "printf JDWP-Handshake | nc -w 5 {address} {port}",
    "smb": "nmap -Pn -p {port} --script smb-protocols {address}",
    "rdp": "nmap -Pn -p {port} --script rdp-enum-encryption {address}",
    "http": "curl -sk {scheme}://{host}:{port}/",
}
_TUNNELS = frozenset({"pptp", "openvpn"})  # vpn_gateway_detected speaks of these
_OWN_CHECKS = frozenset(
    {*DATABASES, *CONTAINER_APIS, *_CONTROL, *_TUNNELS, "telnet", "ftp", "rdp", "smb", "netbios", "vnc", "x11", "ldap"}
    | {"rpc", "rsync"}
)
_ANSWERS_EVERYWHERE = 0.8  # of the ports tried: a firewall that speaks for the host, or a trap for scanners


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
    return _exposed(ports, {"vnc", "x11"}, usual={5900, 5901, 6000, 6001})


@check("port_database_open")
def database(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, DATABASES, usual=DATABASE_PORTS)


@check("port_container_api_open")
def container_api(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, CONTAINER_APIS, usual={2375, 2376, 2379, 6443, 8500, 10250})


@check("port_ldap_open")
def ldap(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"ldap"}, usual={389, 636, 3268, 3269})


@check("port_rpc_nfs_open")
def rpc_nfs(ports: Ports) -> Iterator[Verdict]:
    return _exposed(ports, {"rpc", "rsync"}, usual={111, 873, 2049})


@check("port_ftp_cleartext")
def ftp_cleartext(ports: Ports) -> Iterator[Verdict]:
    """RFC 4217 section 4: a server that takes TLS answers AUTH TLS with 234."""

    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in of_protocols(scanned, {"ftp"}):
            if port.tls or port.starttls:
                continue
            if port.starttls is None:
                reason = f"the FTP server on port {port.port} did not say whether it takes AUTH TLS"
                yield not_tested(scanned.host, Unseen(reason, "target"))
                continue
            reproduce = f"printf 'AUTH TLS\\r\\nQUIT\\r\\n' | nc -w 5 {scanned.address} {port.port}"
            yield failure(scanned, port, "FTP does not take AUTH TLS", reproduce=reproduce)

    return by_host(ports, judge)


@check("database_without_authentication")
def database_without_authentication(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        databases = of_protocols(scanned, DATABASES)
        asked = [port for port in databases if port.open_access is not None]
        for port in asked:
            if port.open_access:
                yield failure(scanned, port, f"{port.protocol} answers a query without a login")
        if not databases:
            yield not_applicable(scanned.host, "no database, cache or search service answers")
        elif not asked:
            reason = "whether a login is demanded shows only in an attempt to log in, which is not made"
            yield not_applicable(scanned.host, reason)

    return by_host(ports, judge)


@check("management_interface_exposed")
def management_interface(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in scanned.open:
            if port.protocol in _CONTROL:
                yield failure(scanned, port, f"{_CONTROL[port.protocol]} answers on port {port.port}")
            elif port.protocol == "http" and (shown := administration_of(port.title, port.banner)):
                reason = f"the page looks like the administration of {shown}"
                yield failure(scanned, port, reason, confidence="inferred", title=port.title)

    return by_host(ports, judge)


@check("port_unexpected_open")
def unexpected(ports: Ports) -> Iterator[Verdict]:
    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        if _answers_everywhere(scanned):
            tried = len(scanned.open) + len(scanned.closed) + len(scanned.filtered)
            reason = (
                f"{len(scanned.open)} of {tried} ports of {scanned.address} take connections, and most say nothing: "
                "something answers in the place of services"
            )
            yield not_tested(scanned.host, Unseen(reason, "target"))
            return
        for port in scanned.open:
            if _is_expected(port) or port.protocol in _OWN_CHECKS or port.port in scanned.cdn_ports:
                continue
            if port.protocol in ("unknown", "tls"):
                yield failure(scanned, port, f"port {port.port} is open, and what listens there is not recognised")
            else:
                reason = (
                    f"port {port.port} ({port.protocol}) is open; whether it is meant to be only its owner can tell"
                )
                yield not_tested(scanned.host, Unseen(reason, "ours"))

    return by_host(ports, judge)


def _answers_everywhere(scanned: ScannedAddress) -> bool:
    tried = len(scanned.open) + len(scanned.closed) + len(scanned.filtered)
    return tried > 20 and len(scanned.open) > _ANSWERS_EVERYWHERE * tried


def _is_expected(port: OpenPort) -> bool:
    return port.port in (53, 80, 443) or port.protocol in _EXPECTED or (port.tls and port.port in _MAIL_IN_TLS)


def _exposed(ports: Ports, protocols: Set[str], usual: Set[int]) -> Iterator[Verdict]:
    """Fails for every port behind which one of `protocols` is spoken; a silent service on a `usual` port may be one."""

    def judge(scanned: ScannedAddress) -> Iterator[Verdict]:
        for port in of_protocols(scanned, protocols):
            yield failure(scanned, port, f"{port.protocol} answers on port {port.port}{_grave(port)}")
        for port in of_protocols(scanned, {"unknown"}):
            if port.port in usual:
                reason = f"port {port.port} is open, but what listens there does not say what it is"
                yield not_tested(scanned.host, Unseen(reason, "target"))

    return by_host(ports, judge)


def by_host(ports: Ports, judge: Callable[[ScannedAddress], Iterator[Verdict]]) -> Iterator[Verdict]:
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
    return list(judge(scanned)) or [passed(scanned.host, **_looked_at(scanned))]


def _looked_at(scanned: ScannedAddress) -> dict[str, Any]:
    seen = [f"{port.port}/{port.protocol}" for port in scanned.open]
    more: dict[str, Any] = {"cdn": scanned.cdn} if scanned.cdn else {}
    if scanned.untried:
        more["untried"] = len(scanned.untried)
    return {"address": scanned.address, "open": seen, **more}


def _grave(port: OpenPort) -> str:
    """What makes it worse than merely being there."""
    if port.details.get("smb1") == "accepted":
        return ", and accepts SMB version 1"
    if port.details.get("nla") == "not required":
        return ", and asks for no authentication before it shows its login screen"
    return ", and asks for no password" if port.open_access and port.protocol in ("vnc", "x11") else ""


def of_protocols(scanned: ScannedAddress, protocols: Set[str]) -> list[OpenPort]:
    return [port for port in scanned.open if port.protocol in protocols]


def failure(
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
        **_told(port),
        **evidence,
    )


def _told(port: OpenPort) -> dict[str, Any]:
    """What the service says beyond its banner."""
    found = {"product": port.product, "version": port.version, **port.details}
    return {name: value for name, value in found.items() if value}


def _ask_again(scanned: ScannedAddress, port: OpenPort) -> str:
    """A command that lets the service show itself again."""
    if port.protocol in _GREETING and not port.tls:
        return f"nc -w 5 {scanned.address} {port.port}"
    query = _QUERIES.get(port.protocol, "nmap -Pn -sV -p {port} {address}")
    scheme = "https" if port.tls else "http"
    return query.format(scheme=scheme, host=scanned.host, address=scanned.address, port=port.port)
