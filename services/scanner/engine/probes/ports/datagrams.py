"""UDP services that answer strangers at length, and can so be turned against others (CISA TA14-017A, CWE-406)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from services.scanner.engine.evidence.addresses import Addresses
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.ports import Datagrams, UdpAnswer, UdpHost
from services.scanner.engine.network import Network, fault_of
from services.scanner.engine.probe import probe
from services.scanner.engine.probes.ports import recognise
from services.scanner.engine.target import Target
from shared.egress import Refused


@dataclass(frozen=True, slots=True)
class Question:
    port: int
    service: str
    data: bytes
    is_given: Callable[[bytes], bool]  # whether an answer is what was asked for


_SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n'
)
_ROOT_DSE = bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")

QUESTIONS = (
    Question(19, "chargen", b"\n", lambda answer: len(answer) > 20),  # RFC 864
    # MON_GETLIST_1, a private request (mode 7) of ntpd: the response bit, the request's code, and no error.
    Question(
        123,
        "ntp monlist",
        b"\x17\x00\x03\x2a" + bytes(4),
        lambda answer: len(answer) > 8 and answer[0] & 0x87 == 0x87 and answer[3] == 0x2A and answer[4] >> 4 == 0,
    ),
    # RFC 9327: readvar, a control message (mode 6).
    Question(
        123,
        "ntp readvar",
        b"\x16\x02\x00\x01" + bytes(8),
        lambda answer: len(answer) > 24 and answer[0] & 0x07 == 6 and answer[1] & 0xC0 == 0x80,
    ),
    # RFC 4511 over UDP, as Active Directory still answers it: the root DSE.
    Question(389, "cldap", _ROOT_DSE, lambda answer: answer[:1] == b"\x30" and b"\x64" in answer[:20]),
    Question(1900, "ssdp", _SEARCH, lambda answer: answer.startswith(b"HTTP/1.1 200")),  # UPnP Device Architecture 1.1
    # memcached's protocol.txt: a frame header of 8 bytes, then the command.
    Question(
        11211,
        "memcached",
        b"\x00\x01\x00\x00\x00\x01\x00\x00version\r\n",
        lambda answer: answer[8:].startswith(b"VERSION"),
    ),
)


@probe(budget=6.0)
async def datagrams(target: Target, network: Network, addresses: Addresses) -> Datagrams:
    """At each address of the domain and its `www.`, a small packet a service, and a second where the first is lost."""
    return Datagrams(target.domain, await asked(network, addresses, QUESTIONS))


async def asked(network: Network, addresses: Addresses, questions: tuple[Question, ...]) -> tuple[UdpHost, ...]:
    hidden: list[UdpHost] = []
    hosts: dict[str, str] = {}
    for host in addresses.web:
        if isinstance(host.addresses, Unseen):
            hidden.append(UdpHost(host.name, "", (), host.addresses))
            continue
        for address in host.addresses:
            hosts.setdefault(address, host.name)
    found = await asyncio.gather(*(_ask_all(network, name, address, questions) for address, name in hosts.items()))
    return (*found, *hidden)


async def _ask_all(network: Network, host: str, address: str, questions: tuple[Question, ...]) -> UdpHost:
    answers = await asyncio.gather(*(_ask(network, address, question) for question in questions))
    unseen = next((answer for answer in answers if isinstance(answer, Unseen)), None)
    return UdpHost(host, address, tuple(answer for answer in answers if isinstance(answer, UdpAnswer)), unseen)


async def _ask(network: Network, address: str, question: Question) -> UdpAnswer | Unseen:
    try:
        answer = await network.datagram(address, question.port, question.data)
    except ConnectionRefusedError:
        return UdpAnswer(question.port, question.service, "closed")
    except (OSError, Refused) as error:
        if fault_of(error) == "ours":
            return Unseen(f"no way to {address} from here: {error}", "ours")
        return UdpAnswer(question.port, question.service, "silent")
    if answer is None:
        return UdpAnswer(question.port, question.service, "silent", len(question.data))
    return UdpAnswer(
        question.port,
        question.service,
        "answers" if question.is_given(answer) else "refuses",
        asked=len(question.data),
        answered=len(answer),
        banner=recognise.banner(answer),
    )
