"""Which product and version each kind of mark gives away, and what looks alike and is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scanner.engine.facts import distributions, technologies
from services.scanner.engine.parsers import technologies as parser
from services.scanner.engine.parsers.technologies import Trace


def told(traces: object) -> list[tuple[str, str]]:
    assert isinstance(traces, list | tuple)
    return [(trace.product, trace.version) for trace in traces if isinstance(trace, Trace)]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("server", "Apache", [("apache:http_server", "")]),
        (
            "server",
            "Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips PHP/5.4.16",
            [("apache:http_server", "2.4.6"), ("openssl:openssl", "1.0.2k-fips"), ("php:php", "5.4.16")],
        ),
        ("server", "nginx/1.18.0 (Ubuntu)", [("f5:nginx", "1.18.0")]),
        ("server", "Microsoft-IIS/10.0", [("microsoft:internet_information_services", "10.0")]),
        ("server", "Jetty(9.4.31.v20200723)", [("eclipse:jetty", "9.4.31.v20200723")]),
        ("server", "GlassFish Server Open Source Edition  4.1", [("oracle:glassfish_server", "4.1")]),
        ("server", "WSGIServer/0.2 CPython/3.8.10", [("djangoproject:wsgiserver", "0.2"), ("python:python", "3.8.10")]),
        ("server", "Apache-Coyote/1.1", [("apache:coyote", "1.1")]),
        ("server", "RomPager/4.07 UPnP/1.0", [("allegrosoft:rompager", "4.07")]),
        ("server", "cloudflare", [("cloudflare:cloudflare", "")]),
        ("server", "lab", []),
        ("server", "my-apache-like-thing", []),
        ("server", "", []),
        ("x-powered-by", "PHP/8.1.2-1ubuntu2.14", [("php:php", "8.1.2-1ubuntu2.14")]),
        ("x-powered-by", "Phusion Passenger 5.0.21", [("phusion:passenger", "5.0.21")]),
        (
            "x-powered-by",
            "Servlet 2.4; JBoss-4.2.3.GA (build: 1)",
            [("oracle:java_servlet", "2.4"), ("redhat:jboss_as", "4.2.3.GA")],
        ),
        ("via", "1.1 proxy (squid/3.5.27)", [("squid-cache:squid", "3.5.27")]),
        ("via", "1.1 varnish, 1.1 google", [("varnish-software:varnish", ""), ("google:cloud_cdn", "")]),
        ("x-generator", "Drupal 9 (https://www.drupal.org)", [("drupal:drupal", "9")]),
        ("x-aspnet-version", "4.0.30319", [("microsoft:asp.net", "4.0.30319")]),
        ("x-jenkins", "2.303.3", [("jenkins:jenkins", "2.303.3")]),
        ("x-varnish", "123 456", [("varnish-software:varnish", "")]),  # no version, but a request's number
        ("set-cookie", "PHPSESSID=...; path=/", [("php:php", "")]),
        ("set-cookie", "BIGipServerpool_web=...; path=/", [("f5:big-ip", "")]),
        ("set-cookie", "session=...", []),
        ("content-type", "text/html", []),
    ],
)
def test_headers(name: str, value: str, found: list[tuple[str, str]]) -> None:
    assert told(list(parser.in_headers([(name, value)]))) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("WordPress 6.4.2", [("wordpress:wordpress", "6.4.2")]),
        ("Joomla! - Open Source Content Management", [("joomla:joomla", "")]),
        ("TYPO3 CMS", [("typo3:typo3", "")]),
        ("Hugo 0.101.0", [("gohugo:hugo", "0.101.0")]),
        ("Microsoft Word 15", []),
    ],
)
def test_generators(content: str, found: list[tuple[str, str]]) -> None:
    assert told(list(parser.generated(content))) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://code.jquery.com/jquery-3.4.1.min.js", [("jquery:jquery", "3.4.1")]),
        ("https://a.example/ajax/libs/jquery/1.12.4/jquery.min.js", [("jquery:jquery", "1.12.4")]),
        ("https://a.example/npm/bootstrap@4.3.1/dist/js/bootstrap.min.js", [("getbootstrap:bootstrap", "4.3.1")]),
        ("https://a.example/npm/@angular/core@12.0.0/x.js", [("angular:angular", "12.0.0")]),
        ("https://code.angularjs.org/1.6.9/angular.js", [("angularjs:angularjs", "1.6.9")]),
        ("https://a.example/jquery-ui-1.12.1.custom.min.js", [("jquery:jquery_ui", "1.12.1")]),
        ("https://a.example/jquery.min.js?v=3", [("jquery:jquery", "")]),  # a cache's number
        ("https://a.example/app-1.2.3.js", []),
        ("https://a.example/js/main.js?ver=3.1.2", []),
        (
            "https://a.example/wp-includes/js/jquery/jquery.min.js?ver=3.7.1",
            [("jquery:jquery", "3.7.1"), ("wordpress:wordpress", "")],
        ),
        ("https://a.example/wp-includes/css/style.min.css?ver=6.4.2", [("wordpress:wordpress", "6.4.2")]),
        (
            "https://a.example/wp-content/plugins/contact-form-7/js/index.js?ver=5.3.1",
            [("wordpress-plugin:contact-form-7", "5.3.1"), ("wordpress:wordpress", "")],
        ),
        ("http://[broken/jquery-1.2.3.js", []),
    ],
)
def test_addresses(url: str, found: list[tuple[str, str]]) -> None:
    assert told(parser.in_urls([url])) == found


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("/*! jQuery v3.4.1 | (c) JS Foundation", [("jquery:jquery", "3.4.1")]),
        ("/*!\n * jQuery JavaScript Library v1.12.4\n", [("jquery:jquery", "1.12.4")]),
        ("/*!\n * Bootstrap v4.3.1 (https://getbootstrap.com/)", [("getbootstrap:bootstrap", "4.3.1")]),
        ("/*! jQuery UI - v1.12.1 - 2016-09-14", [("jquery:jquery_ui", "1.12.1")]),
        ("//! moment.js\n//! version : 2.24.0\n", [("momentjs:moment", "2.24.0")]),
        ("/** @license React v16.8.6\n", [("facebook:react", "16.8.6")]),
        ("/** @license lodash lodash.com/license | Underscore.js 1.8.3 underscorejs.org/LICENSE */", []),
        ("/* needs something like 1.2.3 */ var x = 4.5", []),
    ],
)
def test_script_heads(head: str, found: list[tuple[str, str]]) -> None:
    assert told(parser.in_script(head)) == found


@pytest.mark.parametrize(
    ("protocol", "banner", "found"),
    [
        ("ssh", "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.10\r\n", [("openbsd:openssh", "8.9p1")]),
        ("ssh", "SSH-2.0-dropbear_2019.78\r\n", [("dropbear_ssh_project:dropbear_ssh", "2019.78")]),
        ("smtp", "220 mx ESMTP Exim 4.94.2 Tue", [("exim:exim", "4.94.2")]),
        ("smtp", "220 mx ESMTP Postfix (Ubuntu)", [("postfix:postfix", "")]),
        ("smtp", "220 mail ESMTP", []),
        ("ftp", "220 ProFTPD 1.3.5e Server (Debian)", [("proftpd:proftpd", "1.3.5e")]),
        ("ftp", "220 (vsFTPd 3.0.3)", [("vsftpd_project:vsftpd", "3.0.3")]),
        ("ftp", "220 FTP server (MikroTik 6.42.1) ready", [("mikrotik:routeros", "6.42.1")]),
        ("mysql", "J\\x00\\x00\\x00\n8.4.3\\x00\\x00", [("oracle:mysql", "8.4.3")]),
        ("mysql", "J\\x00\\x00\\x00\n5.5.5-10.6.12-MariaDB\\x00", [("mariadb:mariadb", "10.6.12-MariaDB")]),
        ("redis", "$41\r\n# Server\r\nredis_version:7.0.5\r\n", [("redis:redis", "7.0.5")]),
        ("memcached", "VERSION 1.6.21\r\n", [("memcached:memcached", "1.6.21")]),
        ("http", "HTTP/1.1 200 OK\r\nServer: nginx/1.14.0\r\n\r\n<title>Hi</title>", [("f5:nginx", "1.14.0")]),
        ("unknown", "version 1.2.3", []),
    ],
)
def test_banners(protocol: str, banner: str, found: list[tuple[str, str]]) -> None:
    assert told(parser.in_banner(protocol, banner)) == found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("9.18.28", [("isc:bind", "9.18.28")]),
        ("BIND 9.16.1-Ubuntu", [("isc:bind", "9.16.1-Ubuntu")]),
        ("dnsmasq-2.75", [("thekelleys:dnsmasq", "2.75")]),
        ("none of your business", []),
        ("", []),
    ],
)
def test_version_bind(answer: str, found: list[tuple[str, str]]) -> None:
    assert told(parser.in_name_server(answer)) == found


@pytest.mark.parametrize(
    ("text", "product", "version"),
    [
        ('<app-root ng-version="12.0.3"></app-root>', "angular:angular", "12.0.3"),
        ('<meta name="ajs-version-number" content="7.18.1">', "atlassian:confluence", "7.18.1"),
        ("<title>Apache Tomcat/9.0.30</title>", "apache:tomcat", "9.0.30"),
        ("<h1>RouterOS v6.42.1</h1>", "mikrotik:routeros", "6.42.1"),
        ("<title>GlobalProtect Portal</title>", "paloaltonetworks:pan-os", ""),
        (
            'window.grafanaBootData = {settings: {"buildInfo":{"buildstamp":1,"version":"8.2.5"}}}',
            "grafana:grafana",
            "8.2.5",
        ),
    ],
)
def test_pages(text: str, product: str, version: str) -> None:
    assert told(parser.in_text(f"<html>{text}</html>")) == [(product, version)]


@pytest.mark.parametrize(
    ("product", "shown", "upstream", "system", "releases"),
    [
        ("openbsd:openssh", "8.9p1 Ubuntu-3ubuntu0.10", "8.9p1", "ubuntu", ("22.04",)),
        ("openbsd:openssh", "9.2p1 Debian-2+deb12u3", "9.2p1", "debian", ("12",)),
        ("apache:http_server", "2.4.6 (CentOS)", "2.4.6", "centos", ("7",)),
        ("isc:bind", "9.11.4-P2-RedHat-9.11.4-26.P2.el7", "9.11.4-P2", "rhel", ("7",)),
        ("oracle:mysql", "5.7.42-0ubuntu0.18.04.1", "5.7.42", "ubuntu", ("18.04",)),
        ("mariadb:mariadb", "10.6.12-MariaDB-0ubuntu0.22.04.1", "10.6.12", "ubuntu", ("22.04",)),
        ("php:php", "7.0.33-0+deb9u12", "7.0.33", "debian", ("9",)),
        ("f5:nginx", "1.18.0 (Ubuntu)", "1.18.0", "ubuntu", ("20.04", "22.04")),
        ("f5:nginx", "1.18.0", "1.18.0", "", ()),
        ("microsoft:internet_information_services", "8.5", "8.5", "windows", ("2012-r2",)),
        ("apache:http_server", "2.4.58 (Win64)", "2.4.58", "", ()),
    ],
)
def test_packages(product: str, shown: str, upstream: str, system: str, releases: tuple[str, ...]) -> None:
    version = parser.upstream(product, shown.split(" ", maxsplit=1)[0])
    assert version == upstream
    assert distributions.mark(product, version, shown) == distributions.Mark(system, releases)


def test_platform() -> None:
    assert distributions.platform("Apache/2.4.58 (Win64) PHP/8.2.12") == "windows"
    assert distributions.platform("Apache/2.4.58 (Unix)") == ""


def test_the_table_names_each_thing_once() -> None:
    marks = technologies.marks()
    assert len(technologies.products()) >= 150
    every = {*marks.tokens.values(), *marks.headers.values(), *marks.scripts.values(), *dict(marks.text).values()}
    assert every <= set(technologies.products())
    lowered = (
        *marks.tokens,
        *marks.headers,
        *marks.cookies,
        *marks.scripts,
        *dict(marks.urls),
        *dict(marks.generators),
    )
    assert all(mark == mark.lower() for mark in lowered)


@given(st.text(max_size=600))
def test_any_text_is_read_without_an_error(text: str) -> None:
    list(parser.in_headers([("server", text), ("set-cookie", text), ("x-generator", text)]))
    parser.in_text(text)
    parser.in_urls([text, f"https://a.example/{text}"])
    parser.in_script(text)
    for protocol in ("ssh", "mysql", "http", "unknown"):
        parser.in_banner(protocol, text)
    parser.in_name_server(text)
