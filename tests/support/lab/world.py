"""The named sites: what `make lab` serves and the demo scans."""

from datetime import timedelta

from services.scanner.engine.evidence.ports import PORTS
from tests.support.lab import ports, web
from tests.support.lab.ca import CertificateSpec
from tests.support.lab.dns import NameServerSpec, ZoneSpec
from tests.support.lab.mail import AccessSpec, MailSpec, SmtpSpec
from tests.support.lab.ports import Dialogue, PortsSpec
from tests.support.lab.site import Site, hardened
from tests.support.lab.sources import Known, Registration
from tests.support.lab.tls import Scripted, TlsSpec
from tests.support.lab.web import Behaviour, WebSpec

NOWHERE = "nowhere.test"  # served by nobody: it does not resolve
RC4_SHA = 0x0005
WEAK_DKIM_KEY = (  # RSA of 1024 bit
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDXv3Ej+CcZEPLfHQ9qCq9ngWsGNG/QvcVd1ksTnfgoJrLLWA799SnKmeO7CYanB2xea7cug6"
    "cULj4tzV0SWOn4ycZzL4reBn1eKtijrK1hEN3NK7jOv6DAhZD9bcOlAIAo+WPAjhM+V1RalXmbZt7FYSG7LrSQHdJLuZD5QNIxIQIDAQAB"
)


def everything() -> tuple[Site, ...]:
    """All named sites that are served."""
    return hardened("hardened.test"), neglected("neglected.test"), broken("broken.test"), dark("dark.test")


def neglected(name: str) -> Site:
    """Nobody looked after it for years: findings in every module."""
    zone = ZoneSpec(
        records=(
            ("@", "A", "$web"),
            ("www", "A", "$web"),
            ("*", "A", "$web"),
            ("mail", "A", "$mail"),
            ("backup", "A", "10.1.2.3"),
            ("blog", "CNAME", "neglected.gone-hoster.test."),
            ("@", "MX", "10 mail"),
            ("@", "MX", "20 backup"),
            ("@", "TXT", "v=spf1 a mx +all"),
            ("default._domainkey", "TXT", f"v=DKIM1; k=rsa; p={WEAK_DKIM_KEY}"),
        ),
        nameservers=(
            NameServerSpec(transfer=True, recursive=True, version="BIND 9.8.1"),
            NameServerSpec(behaviour="lame"),
        ),
    )
    return Site(
        name,
        zone,
        web=web.neglected(),
        tls=TlsSpec(
            versions=("TLSv1.0", "TLSv1.1", "TLSv1.2"),
            ciphers="ALL:!aNULL",
            dh_bits=1024,
            certificate=CertificateSpec(
                key="RSA-1024",
                issuer="itself",
                begins_in=timedelta(days=-405),
                ends_in=timedelta(days=-5),
            ),
            scripted=(Scripted("SSLv3", RC4_SHA, renegotiation_info=False),),
        ),
        ports=PortsSpec(
            {
                21: ports.FTP,
                23: ports.TELNET,
                445: ports.SMB,
                2375: ports.DOCKER,
                3306: ports.MYSQL,
                3389: ports.RDP,
                5900: ports.VNC,
                6379: ports.REDIS,
            }
        ),
        mail=MailSpec(
            smtp=SmtpSpec(starttls=False, auth=("PLAIN", "LOGIN"), relays=True),
            access=AccessSpec(imap=("IMAP4rev1", "STARTTLS"), pop3=(), submission=("PLAIN",)),
            policy=None,
        ),
        known=Known(
            registration=Registration(status=("active",), expires_in=timedelta(days=5)),
            address_codes=("127.0.0.2",),
            breaches=({"Name": "Shop2019", "BreachDate": "2019-03-01", "DataClasses": ["Email addresses"]},),
            accounts=12,
        ),
    )


def broken(name: str) -> Site:
    """Hangs, resets, drips and garbage at every door: a scan has to end all the same."""
    zone = hardened(name).zone
    servers = (NameServerSpec(), NameServerSpec(network=1, behaviour="silent"), NameServerSpec(behaviour="garbage"))
    return Site(
        name,
        ZoneSpec(zone.records, nameservers=servers, servfail=("default._domainkey",), unanswered=("s1._domainkey",)),
        web=WebSpec(behaviour="drips"),
        tls=TlsSpec(behaviour="hang"),
        ports=PortsSpec({21: ports.SILENT, 22: Dialogue(bytes(range(256)) * 64)}, filtered=(3306, 5432, 8080)),
        mail=PortsSpec({25: Dialogue(b"\xff" * 512)}),
    )


def hostile(name: str) -> tuple[Site, ...]:
    """Every port that a scan tries is open: one site where all of them hang, one where all speak garbage."""
    zone = hardened(name).zone
    ways: tuple[tuple[Behaviour, Dialogue], ...] = (
        ("hangs", Dialogue(answers={b"": b""})),
        ("garbage", Dialogue(greeting=bytes(range(256)) * 64)),
    )
    return tuple(
        Site(
            name,
            zone,
            web=WebSpec(behaviour=behaviour),
            tls=TlsSpec(behaviour="hang" if behaviour == "hangs" else "garbage"),
            ports=PortsSpec(dict.fromkeys(set(PORTS) - {80, 443, 53}, dialogue)),
            mail=PortsSpec({25: dialogue}),
        )
        for behaviour, dialogue in ways
    )


def dark(name: str) -> Site:
    """Resolves, and answers nothing."""
    return Site(name, hardened(name).zone, web=None, tls=None, mail=None)
