"""One list out of all the evidence: what shows where, and what could not be looked at."""

from datetime import UTC, datetime
from typing import cast

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.dns import DnsZone, ServerAnswers
from services.scanner.engine.evidence.exposure import PageScripts, ScriptReply, Scripts
from services.scanner.engine.evidence.http import ErrorReply, Http, Page, Response, Service
from services.scanner.engine.evidence.mail_transport import Greeting, MailServer, MailTransport
from services.scanner.engine.evidence.ports import OpenPort, Ports, ScannedAddress
from services.scanner.engine.evidence.software import Software
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import html
from services.scanner.engine.parsers import technologies as parser
from services.scanner.engine.probes.software import software
from services.scanner.engine.target import parse

NOW = datetime(2026, 11, 25, tzinfo=UTC)
GONE = Unseen("no answer", "target")


class Clock:
    def now(self) -> datetime:
        return NOW


def response(url: str, *headers: tuple[str, str]) -> Response:
    return Response(url, "192.0.2.1", 200, headers)


def http(*services: Service, pages: tuple[Page, ...] = ()) -> Http:
    return Http("example.test", "example.test", NOW, "https://foreign.example", services, pages, None)


async def listed(
    web: Http | Unseen = GONE,
    scripts: Scripts | Unseen = GONE,
    ports: Ports | Unseen = GONE,
    mail: MailTransport | Unseen = GONE,
    zone: DnsZone | Unseen = GONE,
) -> Software:
    return await software(parse("example.test"), cast(Network, Clock()), web, scripts, ports, mail, zone)


def told(found: Software) -> list[tuple[str, str, str]]:
    return [(one.asset, one.product, one.version) for one in found.technologies]


async def test_nothing_seen_is_nothing_said() -> None:
    found = await listed()
    assert not found.technologies
    assert not found.looked_at
    assert [(place.asset, place.reason) for place in found.hidden] == [("example.test", GONE)]


async def test_headers_of_both_schemes_are_one_word() -> None:
    named = ("server", "Apache/2.4.41 (Ubuntu) PHP/7.4.3")
    services = [
        Service("example.test", "192.0.2.1", scheme, (response(f"{scheme}://example.test/", named),))
        for scheme in ("https", "http")
    ]
    found = await listed(http(*services))
    assert told(found) == [
        ("example.test:443", "apache:http_server", "2.4.41"),
        ("example.test:443", "php:php", "7.4.3"),
    ]
    assert [one.releases for one in found.technologies] == [("20.04",), ("20.04",)]
    assert found.technologies[0].reproduce == ("curl -sk -o /dev/null -D - https://example.test/ | grep -i '^server'")


async def test_another_domain_is_not_ours() -> None:
    away = Service("example.test", "192.0.2.1", "https", (response("https://other.test/", ("server", "nginx")),))
    assert told(await listed(http(away))) == []


async def test_a_page_and_its_scripts() -> None:
    text = (
        '<meta name="generator" content="WordPress 6.4.2"><app ng-version="12.0.3"></app>'
        '<script src="/wp-includes/js/jquery/jquery.min.js?ver=3.7.1"></script><script src="/own.js"></script>'
    )
    url = "https://example.test/"
    page = Page(response(url), html.parse(text, url), cors=GONE, traces=parser.in_text(text))
    scripts = Scripts(
        (
            PageScripts(
                page.asset, (ScriptReply(f"{url}own.js", 200, traces=parser.in_script("/*! Bootstrap v4.3.1 ")),)
            ),
        )
    )
    found = await listed(http(pages=(page,)), scripts)
    assert set(told(found)) == {
        ("example.test:443", "wordpress:wordpress", "6.4.2"),
        ("example.test:443", "angular:angular", "12.0.3"),
        ("example.test:443", "jquery:jquery", "3.7.1"),
        ("example.test:443", "getbootstrap:bootstrap", "4.3.1"),
    }


async def test_an_error_page() -> None:
    error = ErrorReply("https://example.test/x", 404, (), parser.in_text("<h3>Apache Tomcat/9.0.30</h3>"))
    page = Page(response("https://example.test/"), None, cors=GONE, errors=(error, GONE))
    found = await listed(http(pages=(page,)))
    assert told(found) == [("example.test:443", "apache:tomcat", "9.0.30")]
    assert "https://example.test/x" in found.technologies[0].reproduce


async def test_the_version_told_best_is_kept() -> None:
    headers = (("server", "nginx"), ("via", "1.1 nginx/1.18"), ("x-powered-by", "nginx/1.18.0"))
    service = Service("example.test", "192.0.2.1", "https", (response("https://example.test/", *headers),))
    assert told(await listed(http(service))) == [("example.test:443", "f5:nginx", "1.18.0")]


async def test_ports_mail_and_name_servers() -> None:
    ports = Ports(
        "example.test",
        (
            ScannedAddress(
                "example.test",
                "192.0.2.1",
                (
                    OpenPort(22, "ssh", "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.10\r\n"),
                    OpenPort(443, "http", "HTTP/1.1 200 OK\r\nServer: nginx/1.0.0\r\n\r\n", tls=True),
                    OpenPort(27017, "mongodb", "", product="MongoDB", version="4.4.1"),
                ),
                (),
                (),
            ),
            ScannedAddress("www.example.test", "192.0.2.2", (), (), (), GONE),
        ),
    )
    greeting = Greeting("220 mx ESMTP Exim 4.94.2 Tue", ())
    mail = MailTransport("example.test", (MailServer("mx.example.test", "192.0.2.3", NOW, greeting, None),))
    answers = ServerAnswers("ns1.example.test", "192.0.2.4", GONE, GONE, GONE, GONE, "dnsmasq-2.75")
    found = await listed(ports=ports, mail=mail, zone=DnsZone("example.test", (answers,)))
    assert told(found) == [
        ("example.test:22", "openbsd:openssh", "8.9p1"),
        ("example.test:27017", "mongodb:mongodb", "4.4.1"),
        ("mx.example.test:25", "exim:exim", "4.94.2"),
        ("ns1.example.test:53", "thekelleys:dnsmasq", "2.75"),
    ]
    assert found.technologies[0].reproduce == "nc -w 5 192.0.2.1 22"
    assert found.technologies[-1].reproduce == "dig +short @192.0.2.4 version.bind CH TXT"
    assert {place.asset for place in found.hidden} == {"example.test", "www.example.test"}


async def test_a_page_that_turns_the_scan_away_hides_what_runs_there() -> None:
    answer = Response("https://example.test/", "192.0.2.1", 403, ())
    refusal = Page(answer, None, cors=GONE, turned_away="the server turned the scan away with status 403")
    found = await listed(http(Service("example.test", "192.0.2.1", "https", (answer,)), pages=(refusal,)))
    assert not found.looked_at
    assert "example.test:443" in {place.asset for place in found.hidden}
