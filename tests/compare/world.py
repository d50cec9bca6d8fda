"""The targets that every tool looks at: the named sites, and some that differ from the hardened one in several things.

What differs in one of them is apart from each other (certificate, SPF, DNSSEC, policy ...), so that each subject is
judged as if it stood alone, and one look of a tool serves all its subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.support.lab import ports
from tests.support.lab.ca import CertificateSpec
from tests.support.lab.dns import NameServerSpec, ZoneSpec
from tests.support.lab.mail import MailSpec, SmtpSpec
from tests.support.lab.ports import Dialogue, PortsSpec
from tests.support.lab.signing import Signing
from tests.support.lab.site import Site, hardened
from tests.support.lab.tls import Scripted, TlsSpec
from tests.support.lab.web import PAGE, WebSpec
from tests.support.lab.world import neglected

RSA = CertificateSpec(key="RSA-2048")
OLD = TlsSpec(versions=("TLSv1.0", "TLSv1.1", "TLSv1.2"), ciphers="ALL:!aNULL", dh_bits=1024, certificate=RSA)
# Answered in part by hand, as no OpenSSL of today does: AES-128-GCM and 3DES with RSA key exchange.
FLAWED = tuple(Scripted("TLSv1.2", suite, flaws=("heartbleed", "ccs_injection")) for suite in (0x009C, 0x000A))
ELEVEN = " ".join(f"a:h{number}.hardened.test" for number in range(11))
WEAK_SSH = ports.ssh(
    key_exchange=("diffie-hellman-group1-sha1", "curve25519-sha256"),
    host_keys=("ssh-rsa", "ssh-dss"),
    ciphers=("3des-cbc", "aes128-cbc", "aes256-gcm@openssh.com"),
    macs=("hmac-md5", "hmac-sha2-256"),
    methods=("password", "publickey"),
)


@dataclass(frozen=True)
class Target:
    """What differs from the hardened site. `{name}` in a record stands for the domain."""

    tls: TlsSpec = field(default_factory=TlsSpec)
    mail: MailSpec = field(default_factory=MailSpec)
    records: Sequence[tuple[str, str, tuple[str, ...]]] = ()  # owner, type, all that is there of it
    csp: str = ""
    headers: Sequence[tuple[str, tuple[str, ...]]] = ()  # name, values
    web: WebSpec = field(default_factory=WebSpec)
    signing: Signing | None = field(default_factory=Signing)
    nameservers: tuple[NameServerSpec, ...] = ZoneSpec(()).nameservers
    open: dict[int, Dialogue] = field(default_factory=dict)


TARGETS: dict[str, Target] = {
    "expired": Target(
        TlsSpec(certificate=CertificateSpec(begins_in=timedelta(days=-90), ends_in=timedelta(days=-2))),
        records=[("@", "TXT", ())],
        csp="default-src 'self'",
        signing=Signing(ds="wrong"),
    ),
    "selfsigned": Target(
        TlsSpec(certificate=CertificateSpec(issuer="itself")),
        records=[("@", "TXT", ("v=spf1 -all", "v=spf1 mx -all"))],
        csp="script-src 'unsafe-inline'; object-src 'none'; base-uri 'none'",
        signing=Signing(begins_in=timedelta(days=-40), ends_in=timedelta(days=-3)),
    ),
    "stranger": Target(
        TlsSpec(certificate=CertificateSpec(issuer="stranger", key="RSA-2048")),
        records=[("@", "TXT", ("v=spf1 mx ?all",))],
        csp="script-src 'nonce-3yQ4n2PZr9uVbW1x3yQ4n2' 'unsafe-inline' 'strict-dynamic' https:; object-src 'none'; "
        "base-uri 'none'",
        signing=Signing(ds="absent"),
    ),
    "wrongname": Target(
        TlsSpec(certificate=CertificateSpec(names=("elsewhere.test",))),
        records=[("@", "TXT", (f"v=spf1 {ELEVEN} -all",))],
        csp="default-src *; script-src 'self' 'unsafe-eval'",
        signing=Signing(forged=("A",)),
    ),
    "smallkey": Target(
        TlsSpec(certificate=CertificateSpec(key="RSA-1024")),
        records=[("_dmarc", "TXT", ())],
        csp="script-src https: data:; object-src 'none'; base-uri 'self'",
        signing=None,
    ),
    "shortchain": Target(
        TlsSpec(certificate=CertificateSpec(sends_intermediate=False)),
        records=[("_dmarc", "TXT", ("v=DMARC1; p=none; sp=reject; rua=mailto:dmarc@{name}",))],
        csp="script-src 'self' https://ajax.googleapis.com; object-src 'none'; base-uri 'self'",
        signing=Signing(denial="NSEC3", iterations=10, salt=b"\xab"),
    ),
    "sha1": Target(
        TlsSpec(certificate=CertificateSpec(key="RSA-2048", signature="SHA1")),
        records=[("_dmarc", "TXT", ("v=DMARC1; p=reject", "v=DMARC1; p=none"))],
        csp="script-src http://cdn.example 10.0.0.1 'nonce-abc'; report-uri /csp",
        signing=Signing(algorithm="RSASHA1"),
    ),
    "modern": Target(
        TlsSpec(versions=("TLSv1.3",)),
        MailSpec(policy="version: STSv1\r\nmode: testing\r\nmx: mail.{name}\r\nmax_age: 604800\r\n"),
        records=[("_dmarc", "TXT", ("v=DMARC1; p=quarantine; sp=none; pct=20; rua=mailto:dmarc@{name}",))],
        headers=[("Strict-Transport-Security", ("max-age=86400",)), ("X-Content-Type-Options", ())],
        signing=Signing(algorithm="ED25519", denial="NSEC3"),
        nameservers=(NameServerSpec(transfer=True, version="BIND 9.18.1"), NameServerSpec(network=1, serial=7)),
    ),
    "old": Target(
        OLD,
        MailSpec(tls=OLD, policy="version: STSv1\r\nmode: enforce\r\n"),
        records=[("_dmarc", "TXT", ("v=DMARC1; p=rejected",)), ("_smtp._tls", "TXT", ())],
        headers=[("Strict-Transport-Security", ()), ("Referrer-Policy", ("unsafe-url",))],
        signing=Signing(algorithm="RSASHA256", bits=1024),
        nameservers=(NameServerSpec(recursive=True), NameServerSpec(behaviour="lame")),
        open={22: WEAK_SSH, 21: ports.FTP, 5432: ports.POSTGRESQL, 8080: ports.page("Jenkins", "Jetty(9.4.1)")},
    ),
    "static": Target(
        TlsSpec(versions=("TLSv1.2",), ciphers="AES128-SHA:AES256-GCM-SHA384", certificate=RSA),
        MailSpec(tls=TlsSpec(versions=("TLSv1.2",), ciphers="AES128-SHA", certificate=RSA), policy=None),
        records=[("@", "TXT", ("v=spf1 include:spf.{name} redirect=spf.{name}",)), ("_mta-sts", "TXT", ())],
        headers=[("X-Frame-Options", ()), ("Content-Security-Policy", ("default-src 'self'; frame-ancestors *",))],
        nameservers=(NameServerSpec(),),
    ),
    "stapled": Target(
        TlsSpec(certificate=CertificateSpec(must_staple=True, staple="good", status_at="ocsp", timestamps=2)),
        MailSpec(tls=TlsSpec(certificate=CertificateSpec(issuer="stranger", ends_in=timedelta(days=-1)))),
        records=[("@", "TXT", ("v=spf1 ip4:192.0.2.0/24 exists:%{{i}}.{name} ~all",)), ("@", "CAA", ())],
        web=WebSpec(cookies=("session=1; Path=/", "theme=dark; Path=/; Secure; SameSite=Lax"), cors="reflect"),
        signing=Signing(algorithm="ECDSAP384SHA384", digest="SHA384", denial="none"),
    ),
    "mixed": Target(
        TlsSpec(versions=("TLSv1.2", "TLSv1.3"), ciphers="ALL:!aNULL", dh_bits=2048, certificate=RSA),
        MailSpec(smtp=SmtpSpec(starttls=False, relays=True)),
        records=[
            ("@", "TXT", ("v=spf1 a: mx -all",)),
            ("@", "MX", ("10 mail", "20 mail2")),
            ("mail2", "A", ("$mail",)),
        ],
        web=WebSpec(page=PAGE.replace(' integrity="sha384-lab"', ""), redirect=None, trace=True),
        headers=[("Content-Security-Policy", ())],
    ),
    "flawed": Target(
        TlsSpec(versions=("TLSv1.3",), certificate=RSA, scripted=FLAWED),
        records=[("@", "MX", ("0 .",)), ("@", "TXT", ("v=spf1 -all",)), ("_mta-sts", "TXT", ())],
        csp="script-src 'self' 'unsafe-hashes' 'sha256-2gqSFHVBVTmNkfWlKzmJkSJv3qs7MYNDJgCkPAVvAIs='; img-src *",
    ),
}  # fmt: skip


def sites() -> tuple[Site, ...]:
    made = (_site(f"{name}.test", target) for name, target in TARGETS.items())
    return hardened("hardened.test"), neglected("neglected.test"), *made


def _site(name: str, target: Target) -> Site:
    base = hardened(name)
    zone = replace(base.zone, signing=target.signing, nameservers=target.nameservers)
    zone = zone.set("spf", "TXT", "v=spf1 mx -all")
    for owner, record_type, data in target.records:
        zone = zone.set(owner, record_type, *(one.format(name=name) for one in data))
    web = target.web
    for header, values in (("Content-Security-Policy", (target.csp,) if target.csp else None), *target.headers):
        web = web if values is None else web.set(header, *values)
    return replace(base, zone=zone, tls=target.tls, mail=target.mail, web=web, ports=PortsSpec(target.open))
