"""Sites that keep a whole group of checks from looking: each of these says so, and no other is misled by it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

import pytest

from services.scanner.engine import catalog
from services.scanner.engine.evidence.ports import PORTS
from shared.contracts.report import Module
from tests.integration.engine.harness import SOFTWARE, Scan, expect_blocked
from tests.support.lab import Site, hardened
from tests.support.lab.dns import NameServerSpec
from tests.support.lab.mail import MailSpec, SmtpSpec
from tests.support.lab.ports import SILENT, PortsSpec
from tests.support.lab.sources import Known
from tests.support.lab.tls import TlsSpec
from tests.support.lab.web import Behaviour, Reply, WebSpec

SITE = hardened("hardened.test")


def of(*modules: Module, but: Collection[str] = ()) -> frozenset[str]:
    """All checks of these modules, so that one added later has to be as honest; `but` those that can look elsewhere."""
    rows = catalog.load().checks
    assert set(but) <= set(rows)
    return frozenset(check_id for check_id, row in rows.items() if row.module in modules) - frozenset(but)


# Of a web server: but for names that say "staging", of which the site has none.
WEB = of(
    Module.HTTP_HEADERS,
    Module.CSP,
    Module.COOKIES,
    Module.HTTP_BEHAVIOUR,
    Module.EXPOSURE,
    but=("staging_host_public", "waf_not_detected"),
) | {"malicious_script_detected"}
# What even a refusal answers: HTTPS is spoken, and these two methods get answers of their own.
ANSWERED_ALL_THE_SAME = {"https_not_available", "http_trace_enabled", "http_dangerous_methods"}
FILES = of(
    Module.EXPOSURE,
    but=(
        "staging_host_public",
        # of the page and what it loads
        "exposed_secret_in_javascript",
        "exposed_source_map",
        "public_cloud_bucket_listing",
    ),
)
# By TCP; of the two by UDP, silence is the answer of a service that is not there or gives strangers nothing.
TCP = of(Module.OPEN_PORTS, but=("udp_amplification_service", "port_snmp_open"))
SPF = frozenset(check_id for check_id in of(Module.DNS_EMAIL) if check_id.startswith("spf_"))
DMARC_AND_DKIM = of(Module.DNS_EMAIL, but=(*SPF, "non_mail_domain_unprotected"))
SMTP = frozenset(
    ("smtp_starttls_missing", "smtp_tls_weak", "smtp_certificate_invalid", "smtp_open_relay", "dane_mismatch")
)
MTA_STS_POLICY = frozenset(("mta_sts_invalid", "mta_sts_not_enforced"))
DANE = frozenset(("dane_missing", "dane_mismatch"))
BY_PKIX = {"smtp_certificate_invalid": "without DANE that vouches for it, it is judged by its authority, and is good"}
NAME_SERVERS = frozenset((
    "dns_zone_transfer_open", "dns_open_resolver", "dns_single_nameserver", "dns_lame_delegation",
    "dns_soa_serial_inconsistent", "dns_server_version_disclosed", "dns_delegation_inconsistent",
    "dns_soa_timers_unsound",
))  # fmt: skip
PUBLISHED = ("_dmarc", "_mta-sts", "_smtp._tls", "default._domainkey", "_domainkey", "_25._tcp.mail")


def refusing(status: int) -> Site:
    """As a protection in front of it turns strangers away, whatever they ask for."""
    reply = Reply(b"<!doctype html><title>Just a moment...</title>", status=status)
    headers = (("Server", "lab"),)
    return replace(SITE, web=WebSpec(headers, page="", files={}, redirect=None, security_txt=None, missing=reply))


@pytest.mark.parametrize("behaviour", ["hang", "reset", "garbage"])
async def test_tls_that_is_not_spoken(baseline: Scan, behaviour: Literal["hang", "reset", "garbage"]) -> None:
    """Plain HTTP leads to it, so that of the web nothing is seen either."""
    site = replace(SITE, tls=TlsSpec(behaviour=behaviour))
    await expect_blocked(site, baseline=baseline, checks=WEB | of(Module.SSL_TLS))


@pytest.mark.parametrize("behaviour", ["hangs", "resets", "garbage", "drips"])
async def test_a_web_server_that_does_not_answer(baseline: Scan, behaviour: Behaviour) -> None:
    site = replace(SITE, web=WebSpec(behaviour=behaviour))
    await expect_blocked(site, baseline=baseline, checks=WEB | SOFTWARE)


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_web_server_that_turns_the_scan_away(baseline: Scan, status: int) -> None:
    checks = (WEB | of(Module.TECH_STACK)) - ANSWERED_ALL_THE_SAME
    await expect_blocked(refusing(status), baseline=baseline, checks=checks)


async def test_a_web_server_that_limits_how_often_files_are_asked_for(baseline: Scan) -> None:
    web = WebSpec(missing=Reply(b"slow down", status=429), files={}, security_txt=None)
    checks = {*FILES, "security_txt_missing", "security_txt_invalid", "verbose_error_page"}
    # The scripts of the page are refused as well.
    checks |= {"exposed_secret_in_javascript", "exposed_source_map", "directory_listing_enabled"}
    await expect_blocked(replace(SITE, web=web), baseline=baseline, checks=checks)


async def test_ports_that_are_all_filtered(baseline: Scan) -> None:
    site = replace(SITE, web=None, tls=None, ports=PortsSpec(filtered=tuple(PORTS)))
    await expect_blocked(site, baseline=baseline, checks=WEB | SOFTWARE | TCP | of(Module.SSL_TLS))


async def test_name_servers_that_are_silent_but_to_resolvers(baseline: Scan) -> None:
    servers = (NameServerSpec(behaviour="reserved"), NameServerSpec(network=1, behaviour="reserved"))
    site = replace(SITE, zone=replace(SITE.zone, nameservers=servers))
    await expect_blocked(site, baseline=baseline, checks=NAME_SERVERS)


@pytest.mark.parametrize("how", ["servfail", "unanswered"])
async def test_records_of_the_domain_that_cannot_be_asked_for(baseline: Scan, how: str) -> None:
    """Its `www.` and names below can: they do not speak for the domain."""
    zone = replace(SITE.zone, **{how: ("@", *PUBLISHED)})  # type: ignore[arg-type]  # two fields of one type
    checks = (
        of(Module.DNS, but=("dns_wildcard_record",))  # of a name below
        | of(Module.DNSSEC, but=("dnssec_nsec3_iterations",))  # its denials are seen, and are by NSEC
        | of(Module.DNS_EMAIL, Module.MAIL_TRANSPORT, Module.OPEN_PORTS, Module.SSL_TLS)
        # RFC 9116 section 3: the file of `www.` is one.
        | (WEB - {"security_txt_missing", "security_txt_invalid"})
        | {"dangling_ns", "dangling_mx", "ip_blocklisted", "ct_unexpected_certificate", "staging_host_public"}
    )
    await expect_blocked(replace(SITE, zone=zone), baseline=baseline, checks=checks)


async def test_records_below_the_domain_that_cannot_be_asked_for(baseline: Scan) -> None:
    zone = replace(SITE.zone, servfail=PUBLISHED)
    checks = DMARC_AND_DKIM | MTA_STS_POLICY | DANE | {"mta_sts_missing", "tlsrpt_missing"}
    await expect_blocked(replace(SITE, zone=zone), baseline=baseline, checks=checks, also=BY_PKIX)


async def test_tlsa_records_that_stay_unanswered(baseline: Scan) -> None:
    zone = replace(SITE.zone, unanswered=("_25._tcp.mail",))
    await expect_blocked(replace(SITE, zone=zone), baseline=baseline, checks=DANE, also=BY_PKIX)


@pytest.mark.parametrize("behaviour", ["hangs", "resets", "garbage", "endless"])
async def test_a_mail_host_that_greets_nobody(
    baseline: Scan, behaviour: Literal["hangs", "resets", "garbage", "endless"]
) -> None:
    site = replace(SITE, mail=MailSpec(smtp=SmtpSpec(behaviour=behaviour)))
    await expect_blocked(site, baseline=baseline, checks=SMTP)


async def test_a_mail_host_whose_tls_hangs(baseline: Scan) -> None:
    site = replace(SITE, mail=MailSpec(tls=TlsSpec(behaviour="hang")))
    checks = SMTP - {"smtp_starttls_missing", "smtp_open_relay"}  # both are seen before TLS
    await expect_blocked(site, baseline=baseline, checks=checks)


async def test_a_mail_host_whose_ports_are_all_filtered(baseline: Scan) -> None:
    """The policy's host is the same one."""
    site = replace(SITE, mail=MailSpec(filtered=(25, 110, 143, 443, 465, 587, 993, 995)))
    checks = SMTP | MTA_STS_POLICY | {"mail_access_cleartext"}
    await expect_blocked(site, baseline=baseline, checks=checks)


async def test_a_mail_host_where_all_services_hang(baseline: Scan) -> None:
    also = dict.fromkeys(MTA_STS_POLICY, "this host refuses connections to the policy")
    site = replace(SITE, mail=PortsSpec(dict.fromkeys((25, 110, 143, 587), SILENT)))
    await expect_blocked(site, baseline=baseline, checks=SMTP | {"mail_access_cleartext"}, also=also)


async def test_a_mail_host_whose_address_cannot_be_found(baseline: Scan) -> None:
    site = replace(SITE, zone=replace(SITE.zone, servfail=("mail",)))
    checks = SMTP | {"mail_access_cleartext", "dns_private_ip_disclosed", "ip_blocklisted"}
    checks |= {"subdomain_takeover_possible", "dangling_cname", "dangling_ns", "dangling_mx"}
    await expect_blocked(site, baseline=baseline, checks=checks)


@pytest.mark.parametrize(
    "site",
    [
        replace(SITE, mail=MailSpec(policy_tls=TlsSpec(behaviour="hang"))),
        replace(SITE, mail=MailSpec(policy_web=WebSpec(behaviour="hangs"))),
        replace(SITE, zone=replace(SITE.zone, servfail=("mta-sts",))),
    ],
    ids=["in TLS", "in HTTP", "in DNS"],
)
async def test_the_host_of_a_policy_that_is_silent(baseline: Scan, site: Site) -> None:
    await expect_blocked(site, baseline=baseline, checks=MTA_STS_POLICY)


async def test_sources_that_are_down(baseline: Scan) -> None:
    """What the names found otherwise show is judged; what only logged certificates name is told beside it."""
    site = replace(SITE, known=Known(silent=frozenset(("rdap", "whois", "ct", "breaches", "lists"))))
    checks = of(Module.WHOIS, Module.REPUTATION, but=("lookalike_domains_found", "malicious_script_detected"))
    scan = await expect_blocked(site, baseline=baseline, checks=checks)
    faults = {verdict.fault for check_id in checks for verdict in scan.verdicts(check_id, "not_tested")}
    assert faults == {"source"}
    assert {verdict.fault for verdict in scan.verdicts("dangling_cname", "not_tested")} == {"source"}


@pytest.mark.parametrize("resolver", ["stripped", "refused"])
async def test_a_resolver_that_keeps_signatures_back(baseline: Scan, resolver: Literal["stripped", "refused"]) -> None:
    scan = await expect_blocked(
        SITE, baseline=baseline, checks=of(Module.DNSSEC) | DANE, also=BY_PKIX, resolver=resolver
    )
    assert {verdict.fault for verdict in scan.verdicts("dnssec_bogus", "not_tested")} == {"source"}


def test_each_group_is_told_apart() -> None:
    """A name misspelt in a set above would never be missed."""
    known = set(catalog.load().checks)
    groups: Mapping[str, Collection[str]] = {
        "web": WEB, "ports": TCP, "mail": SMTP, "dane": DANE, "name servers": NAME_SERVERS, "policy": MTA_STS_POLICY,
    }  # fmt: skip
    assert not {name: unknown for name, group in groups.items() if (unknown := set(group) - known)}
