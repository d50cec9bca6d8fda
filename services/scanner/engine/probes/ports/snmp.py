"""SNMP with the community that devices are delivered with. Only where an intrusive scan was asked for."""

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.ports import Snmp
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.ports.datagrams import Question, asked
from services.scanner.engine.target import Target

_REQUEST_ID = b"CLSN"


def _get_system_description(version: int) -> bytes:
    """GetRequest of sysDescr.0 with the community "public": RFC 1157 section 4.1.2 (v1: 0), RFC 1901 (v2c: 1)."""
    name = b"\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"
    variables = b"\x30\x0e\x30\x0c" + name
    body = b"\x02\x04" + _REQUEST_ID + b"\x02\x01\x00\x02\x01\x00" + variables
    message = b"\x02\x01" + bytes([version]) + b"\x04\x06public\xa0" + bytes([len(body)]) + body
    return b"\x30" + bytes([len(message)]) + message


def _is_response(answer: bytes) -> bool:
    """A GetResponse to this request; whoever refuses the community says nothing at all (RFC 1157 section 4.1)."""
    return answer[:1] == b"\x30" and b"public\xa2" in answer[:24] and b"\x02\x04" + _REQUEST_ID in answer[:48]


_QUESTIONS = tuple(
    Question(161, name, _get_system_description(version), _is_response)
    for version, name in ((0, "snmp v1"), (1, "snmp v2c"))
)


@probe(budget=6.0)
async def snmp(target: Target, network: Network, addresses: Addresses) -> Snmp:
    return Snmp(target.domain, await asked(network, addresses, _QUESTIONS))
