"""What others know of the sites: RDAP and WHOIS servers, a search of logged certificates, block lists, breach data."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from dns.name import from_text as dns_name

from tests.support.lab.closing import Listener
from tests.support.lab.dns import Resolver, Zone, ZoneSpec

HOST = "sources.test"
WHOIS = 43
ADDRESS_LIST, DOMAIN_LIST = "addresses.bl.test", "domains.bl.test"
LOCKS = (
    "client transfer prohibited",
    "server transfer prohibited",
    "server update prohibited",
    "server delete prohibited",
)
SETTINGS: Mapping[str, str] = {
    "CL_CT_URL": f"http://{HOST}/ct?q={{domain}}&output=json",
    "CL_RDAP_BOOTSTRAP_URL": f"http://{HOST}/rdap/dns.json",
    "CL_DNSBL_ZONES": f"{ADDRESS_LIST},{DOMAIN_LIST}",
    "CL_BREACH_URL": f"http://{HOST}/breaches/{{domain}}",
}
Service = Literal["rdap", "whois", "ct", "breaches", "lists"]


@dataclass(frozen=True, slots=True)
class Registration:
    """A registry's record; what is None is not published."""

    status: tuple[str, ...] = LOCKS
    expires_in: timedelta | None = timedelta(days=400, hours=1)
    registered_in: timedelta | None = timedelta(days=-4000)
    registrar: str = "Lab Registrar"


@dataclass(frozen=True, slots=True)
class LoggedCertificate:
    """Of a transparency log. `names` below the site's own name, or the site's own."""

    names: tuple[str, ...]
    issuer: str = "C=US, O=Let's Encrypt, CN=R11"
    ends_in: timedelta = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Known:
    """What the sources say of a site. The defaults are those of a hardened one."""

    registration: Registration | None = field(default_factory=Registration)  # None: the registry has no such domain
    certificates: tuple[LoggedCertificate, ...] = ()
    address_codes: tuple[str, ...] = ()  # by which the block list has its web address
    domain_codes: tuple[str, ...] = ()
    breaches: tuple[Mapping[str, Any], ...] = ()
    accounts: int = 0
    silent: frozenset[Service] = frozenset()  # these close the connection, or refuse the question


class Sources:
    """All of them at one address."""

    def __init__(self, resolver: Resolver, address: str) -> None:
        self._resolver = resolver
        self._known: dict[str, tuple[Known, str]] = {}  # by site, with its web address
        for name, owner in ((HOST, "@"), ("iana.org", "whois")):
            spec = ZoneSpec(records=((owner, "A", address),))
            resolver.zones[dns_name(name)] = Zone(name, spec, {}, (address,))
        self._list_all()

    async def serve(self, address: str, ports: Mapping[int, int]) -> AsyncExitStack:
        async with AsyncExitStack() as stack:
            for port, connected in ((80, self._http), (WHOIS, self._whois)):
                stack.push_async_callback((await Listener.start(connected, address, ports[port])).aclose)
            return stack.pop_all()

    def know(self, site: str, known: Known, web: str) -> None:
        self._known[site] = known, web
        self._list_all()

    def _list_all(self) -> None:
        """The block lists, with their test entries (RFC 5782 section 5) or the code by which they refuse a resolver."""
        refused = any("lists" in known.silent for known, _ in self._known.values())
        test = "127.255.255.254" if refused else "127.0.0.2"
        addresses, domains = [("2.0.0.127", "A", test)], [("test", "A", test)]
        for site, (known, web) in self._known.items():
            backwards = ip_address(web).reverse_pointer.removesuffix(".in-addr.arpa")
            addresses += [(backwards, "A", code) for code in known.address_codes]
            domains += [(site, "A", code) for code in known.domain_codes]
            if known.address_codes:
                addresses.append((backwards, "TXT", f"listed, see http://{HOST}/{web}"))
        for name, records in ((ADDRESS_LIST, addresses), (DOMAIN_LIST, domains)):
            self._resolver.zones[dns_name(name)] = Zone(name, ZoneSpec(tuple(records)), {}, ("192.0.2.53",))

    def _of(self, name: str, service: Service) -> Known | None:
        known, _ = self._known.get(name, (None, ""))
        if known and service in known.silent:
            raise ConnectionAbortedError
        return known

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        parts = urlsplit(head.split(b" ")[1].decode())
        answer = self._answer(parts.path, parse_qs(parts.query).get("q", [""])[0])
        status = "404 Not Found" if answer is None else "200 OK"
        content = json.dumps(answer if answer is not None else {"errorCode": 404}).encode()
        lines = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        writer.write(f"{lines}Connection: close\r\n\r\n".encode() + content)
        await writer.drain()

    def _answer(self, path: str, query: str) -> Any:
        name = path.rpartition("/")[2]
        if path == "/rdap/dns.json":  # RFC 9224
            return {"version": "1.0", "services": [[["test"], [f"http://{HOST}/rdap/"]]]}
        if path.startswith("/rdap/domain/"):
            known = self._of(name, "rdap")
            return known and known.registration and rdap(name, known.registration)
        if path == "/ct":
            known = self._of(query, "ct")
            return [logged(number, one) for number, one in enumerate(known.certificates, 1)] if known else []
        if path.startswith("/breaches/"):
            known = self._of(name, "breaches")
            return known and {"breaches": list(known.breaches), "accounts": known.accounts}
        return None

    async def _whois(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = (await reader.readline()).decode().strip()
        if "." not in question:
            writer.write(f"% IANA WHOIS server\r\ndomain: {question.upper()}\r\nrefer: {HOST}\r\n".encode())
        else:
            known = self._of(question, "whois")
            told = known.registration if known else None
            writer.write((whois(question, told) if told else f'No match for "{question}".\r\n').encode())
        await writer.drain()


def rdap(name: str, told: Registration) -> dict[str, Any]:
    """A domain object (RFC 9083 section 5.3)."""
    events = (("expiration", told.expires_in), ("registration", told.registered_in))
    return {
        "objectClassName": "domain",
        "ldhName": name.upper(),
        "status": list(told.status),
        "events": [{"eventAction": action, "eventDate": _when(after)} for action, after in events if after is not None],
        "nameservers": [{"objectClassName": "nameserver", "ldhName": f"ns1.{name}"}],
        "entities": [
            {
                "objectClassName": "entity",
                "roles": ["registrar"],
                "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", told.registrar]]],
            }
        ],
    }


def whois(name: str, told: Registration) -> str:
    """As the registries of generic top-level domains write it."""
    codes = (words.split()[0] + "".join(word.capitalize() for word in words.split()[1:]) for words in told.status)
    lines = [f"Domain Name: {name.upper()}", f"Registrar: {told.registrar}"]
    lines += [f"Creation Date: {_when(told.registered_in)}"] if told.registered_in is not None else []
    lines += [f"Registry Expiry Date: {_when(told.expires_in)}"] if told.expires_in is not None else []
    lines += [f"Domain Status: {code} https://icann.org/epp#{code}" for code in codes]
    return "\r\n".join((*lines, f"Name Server: NS1.{name.upper()}", ">>> Last update of WHOIS database <<<", ""))


def logged(number: int, one: LoggedCertificate) -> dict[str, Any]:
    """As crt.sh gives it."""
    return {
        "id": number,
        "serial_number": f"{number:032x}",
        "issuer_name": one.issuer,
        "common_name": one.names[0],
        "name_value": "\n".join(one.names),
        "not_before": _when(one.ends_in - timedelta(days=90)).rstrip("Z"),
        "not_after": _when(one.ends_in).rstrip("Z"),
    }


def _when(after: timedelta) -> str:
    return (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")
