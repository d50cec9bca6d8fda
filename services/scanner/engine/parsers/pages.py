"""Telling pages apart by what they say: error details, default pages, listings of a directory or a bucket."""

import re
from collections.abc import Iterable, Mapping

WINDOW = 64 * 1024  # characters of a page that are looked at

_ERROR_DETAILS: Mapping[str, re.Pattern[str]] = {
    "Python traceback": re.compile(r"Traceback \(most recent call last\)"),
    "Werkzeug debugger": re.compile(r"werkzeug debugger|__debugger__=yes", re.I),
    "Django debug page": re.compile(r"DEBUG\s*=\s*True</code>|You're seeing this error because you have"),
    "PHP error": re.compile(
        r"(?:Fatal error|Parse error|Warning|Notice)(?:</b>)?:\s[^\n]{1,300}\bon line (?:<b>)?\d+", re.I
    ),
    "Java stack trace": re.compile(
        r"(?:Exception|Error)[^\n]{0,300}\r?\n\s{1,20}at [\w.$]{1,200}\([\w.]{1,100}\.java:\d+\)"
    ),
    "Node.js stack trace": re.compile(
        r"Error: [^\n]{0,300}?(?:\n|<br>)(?:&nbsp;|\s){0,20}at [^\n]{1,200}\.[cm]?js:\d+:\d+"
    ),
    ".NET stack trace": re.compile(
        r"\[[A-Za-z.]{1,100}Exception[^\n]{0,300}\]|Server Error in '[^'\n]{1,100}' Application"
    ),
    "Ruby on Rails debug page": re.compile(r"Action Controller: Exception caught|Rails\.root: "),
    "Laravel debug page": re.compile(r"Whoops! There was an error|laravel-ignition|Ignition\b[^\n]{0,100}flare", re.I),
    "Go panic": re.compile(r"goroutine \d+ \[running\]"),
    "SQL error": re.compile(
        r"You have an error in your SQL syntax|ORA-\d{5}:|PG::\w+Error|SQLSTATE\[\w+\]|"
        r"unterminated quoted string at or near"
    ),
}

_DEFAULT_PAGES: Mapping[str, re.Pattern[str]] = {
    "nginx": re.compile(r"<title>\s*(?:Welcome to nginx!|Test Page for the Nginx HTTP Server)", re.I),
    "Apache httpd": re.compile(
        r"Apache2 (?:Ubuntu|Debian) Default Page|<h1>It works!</h1>|Test Page for the (?:Apache )?HTTP Server|"
        r"<title>\s*(?:Apache )?HTTP Server Test Page powered by",
        re.I,
    ),
    "Microsoft IIS": re.compile(r"<title>IIS (?:Windows|7|8|10)|iisstart\.(?:png|htm)", re.I),
    "Apache Tomcat": re.compile(r"<title>Apache Tomcat(?:/[\d.]+)?</title>|successfully installed Tomcat", re.I),
    "OpenResty": re.compile(r"<title>\s*Welcome to OpenResty!", re.I),
    "XAMPP": re.compile(r"<title>\s*Welcome to XAMPP", re.I),
    "WildFly": re.compile(r"<title>\s*Welcome to (?:WildFly|JBoss)", re.I),
    "Ruby on Rails": re.compile(r"<title>\s*Ruby on Rails(?: [\d.]+)?</title>[^\0]{0,20000}Rails version", re.I),
    "Django": re.compile(r"The install worked successfully! Congratulations!", re.I),
    "Caddy": re.compile(r"<title>Caddy works!", re.I),
    "cPanel": re.compile(r"<title>(?:Default Web Site Page|Future home of something quite cool)", re.I),
    "Plesk": re.compile(r"<title>(?:Web Server's Default Page|Domain Default page)</title>", re.I),
    "LiteSpeed": re.compile(r"Congratulations! You have (?:now |successfully )*installed (?:the )?\w*LiteSpeed", re.I),
}

_DIRECTORY = re.compile(
    r"<title>\s*(?:Index of|Directory listing for|Directory Listing For|Directory:|listing directory) ?\[?/|"
    r"\[To Parent Directory\]|<h1>Directory listing for /",
    re.I,
)
_BUCKET = re.compile(r"<ListBucketResult\b|<EnumerationResults\b[^>]{0,200}ContainerName=")


# Those that pages come in; Python knows others, among them some that are no encodings or take quadratic time.
_CHARSET = re.compile(
    r"charset\s*=\s*[\"']?(utf-?8|utf-?16(?:le|be)?|us-ascii|iso-8859-\d{1,2}|latin-?1|windows-\d{3,4}|cp\d{3,4}|koi8-[ru]|"
    r"gbk|gb2312|gb18030|big5|euc-(?:jp|kr)|shift[_-]jis|iso-2022-jp|macintosh)\b",
    re.I,
)
_TURNED_AWAY = (401, 403, 407, 429)
_CHALLENGE = re.compile(
    r"<title>(?:Just a moment\.\.\.|Attention Required! \| Cloudflare|DDoS-Guard|Access denied \| )|"
    r"_Incapsula_Resource|window\._cf_chl_opt|/cdn-cgi/challenge-platform/|Request unsuccessful\. Incapsula|"
    r"sucuri\.net/privacy-policy|<title>Pardon Our Interruption",
)
_CHALLENGE_HEADERS = {"cf-mitigated": ("challenge",), "x-amzn-waf-action": ("challenge", "captcha")}


def decoded(body: bytes, content_type: str) -> str:
    """By the byte order mark, the declared charset or UTF-8; never fails, and has no NUL."""
    declared = _CHARSET.search(content_type)
    charset = declared[1] if declared else "utf-8"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16"
    try:
        text = body.decode(charset, "replace")
    except (LookupError, ValueError, UnicodeError):
        text = body.decode("utf-8", "replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def challenge(status: int, headers: Iterable[tuple[str, str]], text: str) -> str:
    """What stopped the request on its way to the site: a rate limit, a riddle, a block page; "" where nothing did."""
    for name, value in headers:
        if value.strip().lower() in _CHALLENGE_HEADERS.get(name, ()):
            return f"a protection in front of the site asks visitors to prove themselves ({name}: {value.strip()[:40]})"
    if status in (429, 503):
        return f"the server turned the request away with status {status}"
    if status in (202, 403, 405, 406) and _CHALLENGE.search(text[:WINDOW]):
        return f"a protection in front of the site blocked the request with status {status}"
    return ""


def turned_away(status: int, headers: Iterable[tuple[str, str]], text: str) -> str:
    """Why the answer is a refusal or a riddle for the scan, and not the page; "" where it is one."""
    if blocked := challenge(status, headers, text):
        return blocked
    refused = status in _TURNED_AWAY or status >= 500
    return f"the server turned the scan away with status {status}" if refused else ""


def error_details(text: str) -> tuple[str, ...]:
    """The kinds of inner detail that an error page shows, by name; never the detail itself."""
    return tuple(name for name, pattern in _ERROR_DETAILS.items() if pattern.search(text[:WINDOW]))


def default_page(text: str) -> str:
    """The product whose untouched start page this is; "" where it is none that is known."""
    return next((name for name, pattern in _DEFAULT_PAGES.items() if pattern.search(text[:WINDOW])), "")


def lists_directory(text: str) -> bool:
    return _DIRECTORY.search(text[:WINDOW]) is not None


def lists_bucket(text: str) -> bool:
    """An object store's listing: S3 and those that copy it, Azure Blob Storage."""
    return _BUCKET.search(text[:WINDOW]) is not None
