"""Product and version, where a service names them plainly in what it says. Pure functions; no guesses."""

import re


def _patterns(*table: tuple[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((product, re.compile(pattern)) for product, pattern in table)


_MAILBOXES = (
    r"(?P<product>Courier|Cyrus|Qpopper|QPOP|UW|Microsoft Exchange|MDaemon|Zimbra|Teapop|Solid|CommuniGate|"
    r"Kerio Connect|Kerio MailServer|Lotus Notes|Domino|DBMAIL|Popa3d|hMailServer|Openwave|GroupWise|"
    r"MailEnable|Mirapoint|CallPilot)"
)
# As greetings of many servers are made: "(tnftpd 20061217)", "Twisted 14.0.0 FTP Server", "FTP server version 1.2".
_COMMON = (
    (
        "",
        r"\((?P<product>(?![Vv]er)[A-Za-z][\w /.-]{1,30}?)(?:[: ]+[vV](?:ersion )?|[: ]+)(?P<version>\d+[\w.-]*)[ ),;]",
    ),
    (
        "",
        r"\b(?P<product>[A-Z][A-Za-z-]{1,30}(?: [A-Z][A-Za-z-]{1,30}){0,2}) \[?v?(?P<version>\d+\.\d[\w.-]*)\]?,? "
        r"(?:E?SMTP|FTP|POP3|IMAP|NNTP|ready)",
    ),
    (
        "",
        r"(?P<product>)(?:E?SMTP|FTP|POP3|IMAP\S{0,4}|NNTP|Mail)(?: [Ss]erver| [Ss]ervice| Receiver)?,? ?"
        r"\(?(?:[vV]ersion:? ?|[vV])?(?P<version>\d+\.\d[\w.-]*)",
    ),
)

# Each pattern's group is the version; a product of "" is the pattern's group "product".
_BY_PROTOCOL = {
    "ssh": _patterns(
        ("OpenSSH", r"SSH-[\d.]+-OpenSSH(?:_for_Windows)?[_-]?([\w.]+)?"),
        ("Dropbear", r"SSH-[\d.]+-dropbear(?:_([\w.]+))?"),
        ("", r"SSH-[\d.]+-(?P<product>[A-Za-z][A-Za-z +]*?)(?:[_\-/ ]v?(?P<version>\d[\w.]*))?(?:[\s\r\n]|$)"),
        ("", r"SSH-[\d.]+-(?P<version>\d[\w.]*)[ _](?P<product>[A-Za-z][\w +-]*)"),
        ("", r"SSH-[\d.]+-(?P<product>[A-Za-z][\w.+-]*)"),
    ),
    "ftp": _patterns(
        ("vsFTPd", r"vsFTPd (\d[\w.+-]*)"),
        ("ProFTPD", r"ProFTPD (?:Version:? ?)?(\d[\w.]*)?"),
        ("Pure-FTPd", r"Pure-FTPd(?: (\d[\w.]*))?"),
        ("FileZilla Server", r"FileZilla Server(?: version)?(?: (\d[\w.]*))?"),
        ("Microsoft FTP Service", r"Microsoft FTP Service(?: \(Version (\d[\w.]*)\))?"),
        ("Serv-U", r"Serv-U FTP[ -]Server v?(\d[\w.]*)?"),
        ("WS_FTP", r"WS_FTP Server ?(\d[\w.]*)?"),
        ("Wu-FTPD", r"Version (?:wu|wuftpd)-(\d[\w.()+-]*)"),
        (
            "",
            r"\b(?P<product>[A-Z][\w-]{0,30}FTPd?|bftpd|glFTPd|NcFTPd|CrushFTP|Xlight|Gene6|zFTPServer)"
            r"(?: FTP)?(?: Server)?,? ?(?:[Vv]ersion:? ?|[vV]er\.? ?)?[(v]?(?P<version>\d[\w.]*)?",
        ),
        *_COMMON,
    ),
    "smtp": _patterns(
        ("Postfix", r"\bPostfix\b(?: \(?(\d[\w.]*))?"),
        ("Exim", r"\bExim (\d[\w.]*)"),
        ("Sendmail", r"\bSendmail[ /]+(?:AIX[\d. ]*/(?:UCB )?|SMI-|[A-Za-z-]+ )?(\d[\w.]*)"),
        ("Microsoft ESMTP MAIL Service", r"Microsoft ESMTP MAIL Service(?:, Version: (\d[\w.]*))?"),
        ("OpenSMTPD", r"OpenSMTPD(?: (\d[\w.]*))?"),
        ("MailEnable", r"MailEnable Service, Version: (\d[\w.]*)"),
        ("MDaemon", r"MDaemon[^\d\r\n]{0,30}(\d[\w.]*)?"),
        ("hMailServer", r"hMailServer(?: (\d[\w.]*))?"),
        ("Haraka", r"Haraka(?:[ /](\d[\w.]*))?"),
        (
            "",
            r"(?P<product>Lotus Domino|CommuniGate Pro|IMail|Kerio Connect|Kerio MailServer|SurgeSMTP|GroupWise|Zimbra|"
            r"XMail|Mercury|MailSite|PowerMTA|Sun Java System Messaging Server|MERAK|ArGoSoft Mail Server[ \w]*)"
            r"[^\d\r\n]{0,40}(?P<version>\d[\w.]*)?",
        ),
        ("", r"\bE?SMTP (?P<product>[A-Z][\w-]{2,30})[ /](?P<version>\d[\w.]*)"),
        *_COMMON,
    ),
    "pop3": _patterns(
        ("Dovecot", r"Dovecot(?: \([^)]*\))? ?(?:v?(\d[\w.]*))?"),
        ("", _MAILBOXES + r"\b[^\r\n]{0,40}?[ v(/](?P<version>\d+\.\d[\w.]*)"),
        *_COMMON,
        ("", _MAILBOXES + r"\b"),
    ),
    "imap": _patterns(
        ("Dovecot", r"Dovecot(?: \([^)]*\))? ?(?:v?(\d[\w.]*))?"),
        ("", _MAILBOXES + r"\b[^\r\n]{0,40}?[ v(/](?P<version>\d+\.\d[\w.]*)"),
        *_COMMON,
        ("", _MAILBOXES + r"\b"),
    ),
    "telnet": _patterns(
        (
            "",
            r"(?P<product>BusyBox|MikroTik|Debian GNU/Linux|Ubuntu|FreeBSD|Cisco|RouterOS|Fedora|CentOS)"
            r"(?: v?(?P<version>\d[\w.]*))?",
        ),
    ),
    "vnc": _patterns(("RFB", r"RFB (\d{3}\.\d{3})")),
    "rsync": _patterns(("rsync protocol", r"@RSYNCD: (\d[\d.]*)")),
    "redis": _patterns(("Redis", r"redis_version:(\d[\w.]*)"), ("Valkey", r"valkey_version:(\d[\w.]*)")),
    "memcached": _patterns(("memcached", r"VERSION (\d[\w.]*)")),
    "zookeeper": _patterns(("ZooKeeper", r"Zookeeper version: (\d[\w.]*)")),
    "rtsp": _patterns(("", r"(?i)\r\nServer: (?P<product>[^\r\n/]{1,60})(?:/v?(?P<version>\d[\w.]*))?")),
    "sip": _patterns(
        (
            "",
            r"(?i)\r\n(?:Server|User-Agent): (?P<product>[A-Za-z][^\r\n/]{0,60}?)"
            r"(?:[/ -]v?(?P<version>\d[\w.]*))?[\s(]",
        )
    ),
    "nntp": _patterns(
        (
            "",
            r"(?P<product>INN|InterNetNews|Leafnode|DNEWS|Diablo|Cyclone|Typhoon|Kerio Connect|Kerio MailServer)\b"
            r"[^\d\r\n]{0,40}(?P<version>\d[\w.]*)?",
        ),
        ("Microsoft NNTP Service", r"NNTP Service \d[\d.]* Version: (\d[\d.]*)"),
        *_COMMON,
    ),
    "sieve": _patterns(("", r'"IMPLEMENTATION" "(?P<product>[A-Za-z][A-Za-z ]*?)(?: v?(?P<version>\d[\w.]*))?"')),
    "elasticsearch": _patterns(
        ("OpenSearch", r'(?s)"distribution" ?: ?"opensearch".{0,200}?"number" ?: ?"(\d[\w.]*)"'),
        ("Elasticsearch", r'"number" ?: ?"(\d[\w.]*)"'),
    ),
    "couchdb": _patterns(("CouchDB", r"Server: CouchDB/(\d[\w.]*)"), ("CouchDB", r'"version" ?: ?"(\d[\w.]*)"')),
    "influxdb": _patterns(("InfluxDB", r"(?i)X-Influxdb-Version: v?(\d[\w.]*)")),
    "docker": _patterns(("Docker", r'"Version" ?: ?"(\d[\w.]*)"'), ("Docker", r"Server: Docker/(\d[\w.]*)")),
    "kubernetes": _patterns(("Kubernetes", r'"gitVersion" ?: ?"v(\d[\w.+-]*)"')),
    "etcd": _patterns(("etcd", r'"etcdserver" ?: ?"(\d[\w.]*)"')),
    "consul": _patterns(("Consul", r'"Version" ?: ?"(\d[\w.]*)"')),
    "neo4j": _patterns(("Neo4j", r'"neo4j_version" ?: ?"(\d[\w.]*)"')),
    "clickhouse": _patterns(("ClickHouse", r"\(version (\d[\w.]*)")),
    "qdrant": _patterns(("Qdrant", r'"version" ?: ?"(\d[\w.]*)"')),
    "nats": _patterns(("NATS", r'"version" ?: ?"(\d[\w.]*)"')),
    "amqp": _patterns(("", r"product\S{1,5}(?P<product>RabbitMQ|Qpid|ActiveMQ|LavinMQ)")),
    "asterisk-manager": _patterns(("Asterisk Call Manager", r"Asterisk Call Manager/(\d[\w.]*)")),
    "vmware-auth": _patterns(("VMware Authentication Daemon", r"Daemon Version (\d[\w.]*)")),
    "mpd": _patterns(("Music Player Daemon", r"OK MPD (\d[\w.]*)")),
    "openwire": _patterns(("ActiveMQ", r"ProviderVersion\W{1,8}(\d[\w.]*)")),
}
_HTTP_SERVER = re.compile(
    r"(?i)\r\nServer: {0,5}([A-Za-z][\w.+!&'-]{0,40}?(?: [A-Za-z][\w.+!&'-]{0,20}){0,3}?)"
    r"(?:(?:/ ?|[( ])v?(\d+(?:\.\d[\w.+-]*|(?=[ ;,)]|$))))(?:[\s(;,)]|$)"
)
_HTTP_NAME = re.compile(r"(?i)\r\nServer: {0,5}([A-Za-z][\w .+!&'-]{0,60}?)(?:[\s(;,/]|$)")
_MYSQL_VERSION = re.compile(rb"\A.{4}\x0a(?:5\.5\.5-)?(\d[\w.]*)", re.DOTALL)
_LOOKED_AT = 1024


def of(protocol: str, data: bytes) -> tuple[str, str]:
    """("OpenSSH", "9.9p1"); "" for what is not told."""
    if protocol == "mysql":
        return _mysql(data)
    if protocol == "mssql":
        return _mssql(data)
    text = data[:_LOOKED_AT].decode("latin-1")
    for product, pattern in _BY_PROTOCOL.get(protocol, ()):
        if found := pattern.search(text):
            groups = found.groupdict()
            version = groups.get("version") if "version" in groups or not found.re.groups else found[1]
            return (product or (groups.get("product") or "").strip(" -_")), (version or "").rstrip(".")
    return _web_server(text.partition("\r\n\r\n")[0]) if text.startswith("HTTP/") else ("", "")


def _web_server(head: str) -> tuple[str, str]:
    """RFC 9110 section 10.2.4: the first product is the most significant one."""
    if found := _HTTP_SERVER.search(head):
        return found[1].strip(), found[2].rstrip(".")
    named = _HTTP_NAME.search(head)
    return (named[1].strip() if named else ""), ""


def _mysql(data: bytes) -> tuple[str, str]:
    found = _MYSQL_VERSION.match(data)
    greeting = data[:200]
    product = "MariaDB" if b"MariaDB" in greeting else "Percona Server" if b"ercona" in greeting else "MySQL"
    if found:
        return product, found[1].decode("ascii", "replace")
    return (product if b"MySQL" in greeting or b"MariaDB" in greeting else ""), ""


def _mssql(data: bytes) -> tuple[str, str]:
    """The VERSION option of the PRELOGIN answer ([MS-TDS] 2.2.6.5): major, minor, build."""
    options = data[8:]
    if len(options) < 5 or options[0] != 0:
        return "Microsoft SQL Server", ""
    start = int.from_bytes(options[1:3], "big")
    version = options[start : start + 4]
    if len(version) < 4:
        return "Microsoft SQL Server", ""
    return "Microsoft SQL Server", f"{version[0]}.{version[1]}.{int.from_bytes(version[2:4], 'big')}"
