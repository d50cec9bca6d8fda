"""How protocols show themselves in their first bytes: greetings, and answers to the questions that are asked."""

import re

# The order matters where one pattern is a special case of a later one.
_TEXT = (
    ("vnc", rb"RFB \d{3}\.\d{3}\n"),
    ("rtsp", rb"RTSP/\d\.\d \d{3}"),
    ("sip", rb"SIP/2\.0 \d{3}"),
    ("rsync", rb"@RSYNCD: |@ERROR: (access denied|max connections)"),
    ("svn", rb"\( (success|failure) \( "),
    ("git", rb"[0-9a-f]{4}(ERR |version |[0-9a-f]{40} )|FATAL: .{0,40}(git|repository)"),
    ("sieve", rb'"IMPLEMENTATION" "|"SIEVE" "'),
    ("imap", rb"(?i)\* (OK|BYE|PREAUTH)\b"),
    ("acap", rb"\* ACAP \("),
    ("redis", rb"-(NOAUTH|DENIED|NOPERM|LOADING|MISCONF|WRONGPASS)\b|\+PONG\r\n|\$\d+\r\n(# Server|redis_version)"),
    (
        "redis",
        rb"-ERR (unknown command|operation not permitted|wrong number of arguments|max number of clients|Protocol "
        rb"error)",
    ),
    ("nats", rb"INFO \{[^\n]{0,2000}\"server_id\""),
    ("pop3", rb"\+OK\b|-ERR "),
    ("vmware-auth", rb"220 VMware Authentication Daemon"),
    ("hylafax", rb"(220|130|421)[ -][^\n]{0,200}HylaFAX"),
    ("poppassd", rb"200 [^\n]{0,200}(poppassd|who are you|hello and welcome to)"),
    (
        "nntp",
        rb"(?i)(200|201|400|480|502)[ -][^\n]{0,300}(nntp|nnrp|internetnews|\binn\b|news|posting|leafnode|"
        rb"cyclone|typhoon|diablo|usenet|article|can post|permission to talk)",
    ),
    (
        "irc",
        rb":\S{1,200} (NOTICE|PING|\d{3}) |NOTICE (AUTH|\*|IP_LOOKUP|Auth) |PING :|"
        rb"ERROR :(Closing|Your host|Trying|Connect|All|Access|You)",
    ),
    ("memcached", rb"VERSION \d+\.\d|(ERROR\r\n)+$|CLIENT_ERROR |SERVER_ERROR "),
    ("beanstalkd", rb"UNKNOWN_COMMAND\r\n|BAD_FORMAT\r\n"),
    (
        "zookeeper",
        rb"Zookeeper version: |\w{4} is not executed because it is not in the whitelist|This ZooKeeper "
        rb"instance",
    ),
    ("stomp", rb"(CONNECTED|ERROR)\n[a-z-]+:"),
    ("xmpp", rb"(<\?xml[^>]{0,100}\?>\s{0,10})?<(stream:(stream|error)|/?stream:)"),
    ("clickhouse", rb"[^\n]{0,200}Port 9000 is for clickhouse-client program"),
    ("jdwp", rb"JDWP-Handshake"),
    ("rsh", rb"\x01(rlogind|rexecd|rshd|Login incorrect|Permission denied|Where are you|Host |getnameinfo)"),
    ("asterisk-manager", rb"Asterisk Call Manager/"),
    ("openvpn-management", rb">INFO:OpenVPN Management Interface|ENTER PASSWORD:$"),
    ("mpd", rb"OK MPD "),
    ("teamspeak", rb"TS3\s"),
    ("cvs", rb"cvs \[(pserver|server) aborted\]|cvs-pserver"),
    ("zabbix", rb"ZBXD\x01"),
    ("ident", rb"[\d ,\r\n]{0,16}: ?(ERROR|USERID) ?:"),
    ("netstat", rb"Active (Internet )?[Cc]onnections"),
    (
        "finger",
        rb"(?i)\s{0,5}(Login(:? \S+\s+Name: |\s+Name\s)|No one (is )?logged (on|in)|"
        rb"\s{0,10}Line\s{1,20}User\s{1,20}Host|Username\s+Real name|finger: |User\s+Real Name)",
    ),
    ("chargen", rb"!\"#\$%&'\(\)\*\+,-\./0123456789:;<=>\?@ABC|[ !]{1,2}\"#\$%&'\(\)"),
    (
        "daytime",
        rb"(?i)\s{0,3}((mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? [^\n]{0,30}\d{1,2}:\d{2}:\d{2}|\d{5} \d\d-\d\d-\d\d "
        rb"\d\d:\d\d:\d\d|\d{1,2}:\d{2}(:\d{2})?( [ap]m)? \d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|\d{1,2} [a-z]{3} \d{4} "
        rb"\d{1,2}:\d{2}:\d{2})[^\n]{0,40}\r?\n?$",
    ),
)
_BINARY = (
    (
        "mysql",
        rb"[^\x00].\x00[\x00-\x03](\x0a[\x20-\x7e]{1,100}\x00|\x09[\x20-\x7e]{1,100}\x00|\xff..[\x20-\x7e\x80-\xfe])",
    ),
    ("mysql", rb"\x05\x00\x00\x00\x0b\x08\x05\x1a\x00"),  # the X protocol's notice
    ("postgresql", rb"[SN]$|E\x00\x00.{2}S[^\x00]{3,20}\x00[CV]|E(FATAL|ERROR|Invalid packet|invalid length)"),
    ("mssql", rb"\x04\x01\x00.\x00\x00.\x00\x00\x00"),
    ("mssql", rb"\x04\x01.{2}\x00\x00[\x00\x01]\x00"),
    ("oracle", rb"\x00.\x00\x00[\x02\x04\x05\x0b]\x00"),
    ("mongodb", rb".{2}[\x00-\x02]\x00.{8}(\xdd\x07\x00\x00|\x01\x00\x00\x00[\x00-\x0f]\x00\x00\x00)"),
    ("kafka", rb"\x00\x00.{2}CLKF\x00[\x00-\x63]"),  # our correlation id, then the error code
    ("cassandra", rb"[\x81-\x86]\x00.{1,2}[\x00\x02\x03\x06]\x00\x00.."),
    ("pptp", rb"\x00\x9c\x00\x01\x1a\x2b\x3c\x4d"),
    ("s7", rb"\x03\x00\x00.\x02\xf0\x80\x32[\x02\x03]"),
    ("iso-tsap", rb"\x03\x00\x00.[\x0d-\x7f]\xd0.{5}(\xc0\x01|\xc1\x02|\xc2\x02)"),
    ("rdp", rb"\x03\x00\x00.[\x06-\x7f]\xd0"),
    ("smb", rb"\x00.{3}[\xfe\xff]SMB"),
    ("netbios", rb"\x82\x00\x00\x00$|\x83\x00\x00\x01[\x80-\x8f]$"),
    ("x11", rb"[\x00\x02].\x0b\x00\x00\x00.{2}|\x01\x00\x0b\x00\x00\x00.{2}"),
    ("ldap", rb"\x30(.|\x81.|\x82..|\x83...|\x84....)\x02\x01[\x00\x01][\x61\x64\x65\x73\x78]"),
    ("kerberos", rb"\x00\x00.{2}[\x7e\x6b\x6d]([\x20-\x7f]|\x81.|\x82..)\x30"),
    ("rpc", rb"[\x80\x00].{3}CLRP\x00\x00\x00\x01"),
    ("msrpc", rb"\x05\x00[\x0c\x0d\x03\x02]\x03.\x00\x00\x00"),
    ("amqp", rb"AMQP[\x00-\x03]|\x01\x00\x00.{4}\x00\x0a\x00\x0a"),
    ("mqtt", rb"\x20[\x02-\x7f][\x00\x01][\x00-\x05\x80-\xa2]"),
    ("openwire", rb".{4}\x01ActiveMQ"),
    ("modbus", rb"CL\x00\x00\x00.[\x00-\xff][\x2b\xab]"),
    ("ajp", rb"AB\x00\x01\x09"),
    ("rmi", rb"\x4e\x00[\x01-\x40][\x20-\x7e]{1,64}\x00\x00"),
    ("openvpn", rb"\x00[\x0e-\x60]\x40.{8}"),
    ("bolt", rb"\x00\x00[\x00-\x0f][\x01-\x05]$"),
    ("adb", rb"(CNXN|AUTH).{16}(\xbc\xb1\xa7\xb1|\xbe\xaa\xab\xb7)"),
    ("epmd", rb"\x00\x00\x11\x11(name |$)"),
    ("dns", rb"..CL[\x80-\x87].\x00"),
    ("bgp", rb"\xff{16}\x00.[\x01-\x04]"),
    ("socks", rb"\x05[\x00-\x09\xff]$|\x05\x00\x05[\x00-\x08]|\x00[\x5a-\x5d].{6}$"),
    ("tls", rb"[\x15\x16]\x03[\x00-\x04]\x00|\x15\x03[\x00-\x04]"),
)


def _compiled(table: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, re.Pattern[bytes]], ...]:
    return tuple((protocol, re.compile(pattern, re.DOTALL)) for protocol, pattern in table)


BY_TEXT = _compiled(_TEXT)
BY_BYTES = _compiled(_BINARY)

SSH = re.compile(rb"(^|\n)SSH-[\d.]{1,6}-|^(Exceeded MaxStartups|Not allowed at this time)\r?\n")

# What a greeting of "220" belongs to, which FTP (RFC 959) and SMTP (RFC 5321) have in common.
_SMTP_WORDS = (
    rb"\bE?[SL]MTPS?\b|ESMTP|SMTP|Postfix|Exim|[Ss]endmail|qmail|IMail|MailEnable|MailSite|Exchange|Lotus Domino|"
    rb"Haraka|OpenSMTPD|MDaemon|XMail|PowerMTA|PMTA|CommuniGate|Zimbra|Kerio (Connect|MailServer)|hMail|SurgeMail|"
    rb"GroupWise|MERAK|Mercury|Sun Java|iPlanet|Mirapoint|Barracuda|IronPort|MailMarshal|Message|Mail(er)?\b|\bmail\b|"
    rb"\bMTA\b|\bMX\b|\b(mx|smtp|mail|relay|mta)\d{0,3}[.-]|spam|Spam|InterScan|MailGate|MailArmor|eSafe|Smail|"
    rb"EIMS|[Gg]reylist|OpenVMS|\(#\d\.|^421 \d\.\d\.\d |WebShield|VirusScreen|FTGate|ZMailer|Rblsmtpd|rblsmtpd|smtpd"
)
SMTP_WORDS = re.compile(_SMTP_WORDS)
FTP_WORDS = re.compile(
    rb"(?i)ftp|filezilla|serv-u|gene6|\bwu-|titan|cerberus|bulletproof|file transfer|anonymous|please login with user|"
    rb"users? logged in|you are user number|new user|private system|\bwing\b|\bJD |drive|\bNAS\b|camera|video|audio|"
    rb"printer|xerox|docuprint|telepresence|\baxis\b|encoder|controller|gestetner|ricoh|lanier|konica|MyBook|TiMOS|"
    rb"enter your (user ?)?name|QTCP|imatix|ability server|netpresenz|session will be terminated|memory limit|"
    rb"you will be disconnected|accepting logins|not welcomed on this server|connections for this ip"
)

_PROMPT = (
    rb"(?i)(login|login name|user ?name|user|account( name)?|host ?name|password|passcode|logon|pin|access code|id)"
    rb"\s{0,3}[:>?]\s{0,4}(\xff.{0,20})?$"
)
TELNET = (
    re.compile(rb"[\t-\r\x00\x1b\x20-\x7e]{0,1500}\xff[\xfb-\xfe]|\xff[\xf0-\xfe]"),
    re.compile(
        rb"(?i).{0,600}?(user access verification|busybox|telnet|welcome to vxworks|hit enter|press (any|enter|return)|"
        rb"tnvt|login incorrect|password required, but none set|hp jetdirect|broadband router|password is not set|"
        rb"authorization failed after|management console|configuration menu|logon password>)",
        re.DOTALL,
    ),
)
PROMPT = re.compile(_PROMPT, re.DOTALL)
