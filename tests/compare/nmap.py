"""Nmap: which ports are open, what speaks there, and what its usual scripts find."""

from collections.abc import Iterator
from xml.etree import ElementTree

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone, ServerAnswers
from services.scanner.engine.evidence.mail_transport import MailAccess, MailTransport
from services.scanner.engine.evidence.methods import Methods
from services.scanner.engine.evidence.ports import PORTS, OpenPort, Ports, SshAlgorithms
from services.scanner.engine.evidence.tls import Version
from services.scanner.engine.evidence.tls_flaws import Flaw, TlsFlaws
from tests.compare.peer import Ours, Peer, Said, Statement, debian_tool
from tests.compare.sslyze import present
from tests.support.far_lab import FarLab

_PLACES = debian_tool("nmap", "nmap")
_SCRIPTS = "http-trace,http-git,http-methods,ssl-enum-ciphers,ssh2-enum-algos"
_DNS_SCRIPTS = "dns-zone-transfer,dns-nsid"
_FLAWS: dict[Flaw, str] = {"heartbleed": "ssl-heartbleed", "ccs_injection": "ssl-ccs-injection"}
_DANGEROUS = {"PUT", "DELETE", "CONNECT", "PATCH", "PROPFIND", "MKCOL"}
_MAIL_SCRIPTS = "smtp-commands,smtp-open-relay,imap-capabilities,pop3-capabilities"
_VERSIONS: tuple[Version, ...] = ("SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_NAMES = {"microsoft-ds": "smb", "ms-wbt-server": "rdp", "https": "http"}
_ELEMENT = ElementTree.Element


def _reads_host(output: bytes, ours: Ours) -> Iterator[Statement]:
    host = ElementTree.fromstring(output).find("host")
    if host is None:
        return
    ports = {int(port.attrib["portid"]): port for port in host.iter("port")}
    theirs = {number for number, port in ports.items() if _attribute(port, "state", "state") == "open"}
    seen, address = ours.seen(Ports), _attribute(host, "address", "addr")
    looked = [one for one in seen.addresses if one.address == address] if seen else []
    found = {port.port: port for one in looked for port in one.open}
    if looked:
        yield Statement("open ports", _listed(found), _listed(theirs & set(PORTS)))
        yield from _services(ports, found)
        yield from _ssh(ports, found)
    scripts = {script.attrib["id"] for script in host.iter("script")}
    yield Statement("TRACE", ours.fails("http_trace_enabled"), "http-trace" in scripts)
    yield Statement("Git repository", ours.fails("exposed_git_repository"), "http-git" in scripts)
    if 443 in ports:
        yield from _tls(ports[443], ours)
        yield from _methods(ports[443], ours)


def _services(ports: dict[int, _ELEMENT], found: dict[int, OpenPort]) -> Iterator[Statement]:
    for number, port in ports.items():
        if _attribute(port, "service", "method") == "probed" and number in found:
            name = _attribute(port, "service", "name")
            ours = found[number]
            inside = _attribute(port, "service", "tunnel") == "ssl"
            yield Statement("service", ours.protocol, _NAMES.get(name, name))
            yield Statement("service inside TLS", ours.tls, inside)


def _ssh(ports: dict[int, _ELEMENT], found: dict[int, OpenPort]) -> Iterator[Statement]:
    for number, port in ports.items():
        script = _script(port, "ssh2-enum-algos")
        algorithms = found[number].ssh if number in found else None
        if script is None or not isinstance(algorithms, SshAlgorithms):
            continue
        ours = {
            "kex_algorithms": algorithms.key_exchange,
            "server_host_key_algorithms": algorithms.host_keys,
            "encryption_algorithms": algorithms.ciphers,
            "mac_algorithms": algorithms.macs,
        }
        for table in script.iter("table"):
            names = tuple(sorted(element.text or "" for element in table.iter("elem")))
            if table.attrib["key"] in ours:
                yield Statement(f"SSH {table.attrib['key']}", tuple(sorted(ours[table.attrib["key"]])), names)


def _tls(port: _ELEMENT, ours: Ours) -> Iterator[Statement]:
    script, service = _script(port, "ssl-enum-ciphers"), ours.web_tls
    if script is None or service is None:
        return
    tables = {table.attrib["key"]: table for table in script.findall("table")}
    for version in _VERSIONS:
        suites: set[str] = set()
        for suite in tables[version].iter("elem") if version in tables else ():
            if suite.attrib.get("key") == "name":
                suites.add((suite.text or "").replace("_AKE_WITH_", "_"))  # its own spelling for TLS 1.3
        names = set(service.suites_of(version))
        complete = any(found.version == version and found.complete for found in service.suites)
        if complete or (suites and not names):
            yield Statement(f"suites of {version}", tuple(sorted(names)), tuple(sorted(suites)))
    told = {one.attrib.get("key"): one.text for one in tables["TLSv1.2"].iter("elem")} if "TLSv1.2" in tables else {}
    if (preference := told.get("cipher preference")) in ("server", "client"):
        yield Statement("preference", service.features.preference, preference)


def _reads_flaws(output: bytes, ours: Ours) -> Iterator[Statement]:
    port, evidence = ElementTree.fromstring(output).find("host/ports/port"), ours.seen(TlsFlaws)
    tried = [one for one in evidence.endpoints if one.asset == f"{ours.domain}:443"] if evidence else []
    if port is None or not tried:
        return
    for flaw, name in _FLAWS.items():
        yield Statement(flaw, present(tried[0].flaws.get(flaw)), _vulnerable(_script(port, name)))


def _vulnerable(script: _ELEMENT | None) -> bool | None:
    """It says nothing where the flaw is not; and complains where it could not look."""
    if script is None:
        return False
    return True if "State: VULNERABLE" in script.attrib["output"] else None


def _methods(port: _ELEMENT, ours: Ours) -> Iterator[Statement]:
    script, methods = _script(port, "http-methods"), ours.seen(Methods)
    allowed = [one.allow for one in methods.replies if one.asset == f"{ours.domain}:443"] if methods else []
    if script is None or not allowed or not allowed[0]:
        return
    theirs = {element.text or "" for element in script.iter("elem")}  # and what it tried with success
    named = {one.strip() for one in allowed[0].split(",")}
    yield Statement("methods named", tuple(sorted(named)), tuple(sorted(theirs & named)))
    yield Statement("dangerous methods", ours.fails("http_dangerous_methods"), bool(theirs & _DANGEROUS))


def _reads_name_servers(output: bytes, ours: Ours) -> Iterator[Statement]:
    zone = ours.seen(DnsZone)
    servers = {server.address: server for server in zone.servers} if zone else {}
    for host in ElementTree.fromstring(output).iter("host"):
        server = servers.get(_attribute(host, "address", "addr"))
        scripts = {script.attrib["id"]: script for script in host.iter("script")}
        if server is None or not any(_attribute(port, "state", "state") == "open" for port in host.iter("port")):
            continue
        yield from _name_server(server, scripts)


def _name_server(server: ServerAnswers, scripts: dict[str, _ELEMENT]) -> Iterator[Statement]:
    transfer, version = server.transfer, server.version
    ours: Said = None if isinstance(transfer, Unseen) else bool(transfer.records)
    yield Statement("zone transfer", ours, "dns-zone-transfer" in scripts)
    told = [e.text or "" for e in scripts["dns-nsid"].iter("elem")] if "dns-nsid" in scripts else [""]
    yield Statement("version of the name server", None if isinstance(version, Unseen) else version, told[-1])


def _reads_mail_host(output: bytes, ours: Ours) -> Iterator[Statement]:
    host = ElementTree.fromstring(output).find("host")
    if host is None:
        return
    ports = {int(port.attrib["portid"]): port for port in host.iter("port")}
    transport, access = ours.seen(MailTransport), ours.seen(MailAccess)
    servers = () if transport is None or isinstance(transport.servers, Unseen) else transport.servers
    for server in servers:
        if server.host == f"mail.{ours.domain}" and not isinstance(server.greeting, Unseen) and 25 in ports:
            commands = _script(ports[25], "smtp-commands")
            theirs = None if commands is None else "STARTTLS" in commands.attrib["output"]
            yield Statement("STARTTLS", server.greeting.offers("STARTTLS"), theirs)
            relay = _script(ports[25], "smtp-open-relay")
            opened = None if relay is None else "is an open relay" in relay.attrib["output"]
            yield Statement("open relay", ours.fails("smtp_open_relay"), opened)
    for point in () if access is None or isinstance(access.points, Unseen) else access.points:
        script = _script(ports[point.port], f"{point.protocol}-capabilities") if point.port in ports else None
        if script is not None and not isinstance(point.capabilities, Unseen) and point.host == f"mail.{ours.domain}":
            offered = any(one in ("STARTTLS", "STLS") for one in point.capabilities)
            yield Statement(f"{point.protocol} upgrades to TLS", offered, _upgrades(script.attrib["output"]))


def _upgrades(listed: str) -> bool:
    """It may join the last capability and the tag of the next answer: "STARTTLSA0001"."""
    return any(word.startswith(("STARTTLS", "STLS")) for word in listed.split())


def _attribute(element: _ELEMENT, child: str, name: str) -> str:
    found = element.find(child)
    return "" if found is None else found.attrib.get(name, "")


def _script(port: _ELEMENT, name: str) -> _ELEMENT | None:
    return next((script for script in port.iter("script") if script.attrib["id"] == name), None)


def _listed(ports: object) -> tuple[str, ...]:
    assert isinstance(ports, set | dict)
    return tuple(str(port) for port in sorted(ports))


def _command(*options: str) -> tuple[str, ...]:
    return "nmap", "-Pn", "-n", "-oX", "-", *options


def _looks_at_host(domain: str, lab: FarLab) -> tuple[str, ...]:
    ports = ",".join(str(port) for port in sorted(PORTS))
    return _command("-sT", "-p", ports, "-sV", "--version-light", "--script", _SCRIPTS, domain)


def _looks_at_name_servers(domain: str, lab: FarLab) -> tuple[str, ...]:
    zone = f"dns-zone-transfer.domain={domain}"
    servers = (f"ns1.{domain}", f"ns2.{domain}")
    alone = ("--max-hostgroup", "1")  # the script for transfers shares its options among servers asked at once
    return _command("-sT", "-sU", "-p", "T:53,U:53", *alone, "--script", _DNS_SCRIPTS, "--script-args", zone, *servers)


def _looks_at_mail_host(domain: str, lab: FarLab) -> tuple[str, ...]:
    return _command("-sT", "-p", "25,110,143,587", "--script", _MAIL_SCRIPTS, f"mail.{domain}")


def _looks_for_flaws(domain: str, lab: FarLab) -> tuple[str, ...]:
    return _command("-sT", "-p", "443", "--script", ",".join(_FLAWS.values()), domain)


HOST = Peer("Nmap", _looks_at_host, _reads_host, *_PLACES)
NAME_SERVERS = Peer("Nmap, name servers", _looks_at_name_servers, _reads_name_servers, *_PLACES)
MAIL_HOST = Peer("Nmap, mail host", _looks_at_mail_host, _reads_mail_host, *_PLACES)
FLAWS = Peer("Nmap, flaws of TLS", _looks_for_flaws, _reads_flaws, *_PLACES)
