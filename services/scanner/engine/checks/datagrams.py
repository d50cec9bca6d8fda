"""Checks of UDP services that answer strangers."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from services.scanner.engine.check import Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.evidence.ports import Datagrams, Snmp, UdpHost

_AGAIN = {
    "chargen": "echo | nc -u -w 2 {address} 19",
    "ntp monlist": "ntpdc -n -c monlist {address}",
    "ntp readvar": "ntpq -n -c readvar {address}",
    "cldap": "nmap -sU -Pn -p 389 --script ldap-rootdse {address}",
    "ssdp": "nmap -sU -Pn -p 1900 --script upnp-info {address}",
    "memcached": "printf '\\0\\1\\0\\0\\0\\1\\0\\0version\\r\\n' | nc -u -w 2 {address} 11211",
    "snmp v1": "snmpget -v1 -c public {address} 1.3.6.1.2.1.1.1.0",
    "snmp v2c": "snmpget -v2c -c public {address} 1.3.6.1.2.1.1.1.0",
}


@check("udp_amplification_service")
def udp_amplification_service(datagrams: Datagrams) -> Iterator[Verdict]:
    reason = "{service} answers a stranger's packet of {asked} bytes with one of {answered}"
    return _judged(datagrams.domain, datagrams.hosts, reason)


@check("port_snmp_open")
def port_snmp_open(snmp: Snmp) -> Iterator[Verdict]:
    return _judged(snmp.domain, snmp.hosts, '{service} gives a reader with the community "public" what it asks for')


def _judged(domain: str, hosts: tuple[UdpHost, ...], reason: str) -> Iterator[Verdict]:
    if not hosts:
        yield not_applicable(domain, "it has no web host")
    for _, addresses in groupby(hosts, key=lambda host: host.host):
        verdicts = [verdict for host in addresses for verdict in _of(host, reason)]
        failures = [verdict for verdict in verdicts if verdict.status == "fail"]
        yield from merged(failures or verdicts)


def _of(host: UdpHost, reason: str) -> Iterator[Verdict]:
    answering = [answer for answer in host.answers if answer.state == "answers"]
    for answer in answering:
        yield failed(
            f"{host.host}:{answer.port}",
            reason.format(service=answer.service, asked=answer.asked, answered=answer.answered),
            reproduce=_AGAIN[answer.service].format(address=host.address),
            subject=answer.service,
            address=host.address,
            transport="udp",
            asked=answer.asked,
            answered=answer.answered,
            banner=answer.banner,
        )
    if host.unseen:
        yield not_tested(host.host, host.unseen)
    elif not answering:
        yield _silent(host)


def _silent(host: UdpHost) -> Verdict:
    """A refusal is certain. Silence after two packets only makes it likely: UDP may be lost, and says nothing of it."""
    states = {answer.service: answer.state for answer in host.answers}
    verdict = passed(
        host.host, "none of the services gave a stranger what it asked for", address=host.address, services=states
    )
    is_certain = all(answer.state in ("closed", "refuses") for answer in host.answers)
    return verdict if is_certain else replace(verdict, confidence="inferred")
