"""Paths that should not be public, each with the proof that what answers there is the thing itself."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.scanner.engine.parsers.secrets import Secret, assignments, keys

Kind = Literal[
    "git", "metadata", "env", "config", "backup", "private_key", "log", "debug", "status", "admin", "api", "manifest"
]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was recognised; the content itself is never kept."""

    what: str
    secrets: tuple[Secret, ...] = ()


Recogniser = Callable[[bytes], Proof | None]


@dataclass(frozen=True, slots=True)
class Sensitive:
    """One path to ask for, and how its content proves itself. Only the first `LIMIT` bytes are asked for and read."""

    kind: Kind
    path: str
    recognise: Recogniser


LIMIT = 16 * 1024


def _text(what: str, pattern: str) -> Recogniser:
    """Proof by a pattern in the content; an HTML page never proves a plain file (`<` first)."""
    compiled = re.compile(pattern.encode(), re.MULTILINE)

    def recognise(content: bytes) -> Proof | None:
        plain = content.lstrip()[:1] != b"<"
        return Proof(what, keys(content.decode("latin-1"))) if plain and compiled.search(content) else None

    return recognise


def _page(what: str, pattern: str) -> Recogniser:
    """Proof by a pattern in a page's markup."""
    compiled = re.compile(pattern.encode(), re.IGNORECASE)
    return lambda content: Proof(what) if compiled.search(content) else None


def _magic(what: str, *prefixes: bytes, offset: int = 0) -> Recogniser:
    return lambda content: Proof(what) if content[offset:].startswith(prefixes) else None


def _env(content: bytes) -> Proof | None:
    text = content.decode("latin-1")
    if text.lstrip()[:1] in ("<", "{") or not (found := assignments(text)):
        return None
    return Proof("dotenv file with secrets", found)


def _json(what: str, *names: str) -> Recogniser:
    """Proof by a JSON object that has one of `names`; a long one is cut, so its opening must do."""
    opening = re.compile(rb'^\s*\{[^<]*?"(' + b"|".join(name.encode() for name in names) + rb')"\s*:')

    def recognise(content: bytes) -> Proof | None:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            proven = len(content) == LIMIT and opening.search(content[:4096]) is not None
        else:
            proven = isinstance(document, dict) and not document.keys().isdisjoint(names)
        return Proof(what) if proven else None

    return recognise


_ARCHIVE = _magic(
    "archive", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"
)
_TAR = _magic("tar archive", b"ustar", offset=257)
_SQL = _text(
    "SQL dump",
    r"^(?:-- (?:MySQL|MariaDB|PostgreSQL|phpMyAdmin)\b|(?:CREATE TABLE|INSERT INTO|DROP TABLE IF EXISTS) [`\"\w])",
)
_PRIVATE_KEY = _text("PEM private key", r"^-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----")
_PHP_CONFIG = _text("database settings", r"define\(\s*['\"]DB_(?:PASSWORD|NAME)['\"]|['\"]password['\"]\s*=>")
_ACCESS_LOG = r"^\S{1,255} \S{1,64} \S{1,64} \[\d{2}/\w{3}/\d{4}:[^\]\n]{1,40}\] \"[A-Z]{3,10} "
_LOG = _text(
    "log lines",
    _ACCESS_LOG + r"|^\[?(?:\w{3} \w{3} )?\d{1,4}[-/ ]\w{2,3}[-/ ]\d{1,4}[T ][\d:.,+Z ]{8,32}[^\]\n]{0,40}\]? ?"
    r".{0,40}(?:ERROR|WARN|INFO|DEBUG|NOTICE|PHP |error\b)",
)


def _php_source(content: bytes) -> Proof | None:
    """A PHP file served as text opens with `<?php`, which `_text` would take for markup."""
    source = content.lstrip()
    return _PHP_CONFIG(source.removeprefix(b"<?php")) if source.startswith(b"<?php") else None


def _web_config(content: bytes) -> Proof | None:
    found = re.search(rb"<configuration\b[^>]{0,200}>", content) and re.search(
        rb"<(?:connectionStrings|appSettings|system\.web)\b", content
    )
    return Proof("ASP.NET configuration") if found else None


PATHS: tuple[Sensitive, ...] = (
    Sensitive("git", "/.git/HEAD", _text("git HEAD", r"\A(?:ref: refs/[\w./-]+|[0-9a-f]{40})\s*\Z")),
    Sensitive("git", "/.git/config", _text("git config", r"^\[core\]\s*$")),
    Sensitive("metadata", "/.svn/wc.db", _magic("Subversion working copy", b"SQLite format 3\x00")),
    Sensitive("metadata", "/.hg/requires", _text("Mercurial repository", r"^(?:revlogv1|dotencode|share-safe|store)$")),
    Sensitive("metadata", "/.DS_Store", _magic("macOS folder index", b"\x00\x00\x00\x01Bud1")),
    Sensitive("metadata", "/.idea/workspace.xml", _page("JetBrains workspace", r"<project version=")),
    Sensitive("env", "/.env", _env),
    Sensitive("env", "/.env.local", _env),
    Sensitive("env", "/.env.production", _env),
    Sensitive("env", "/.env.bak", _env),
    Sensitive("config", "/wp-config.php.bak", _php_source),
    Sensitive("config", "/wp-config.php~", _php_source),
    Sensitive("config", "/wp-config.txt", _php_source),
    Sensitive("config", "/web.config", _web_config),
    Sensitive("config", "/appsettings.json", _json("ASP.NET settings", "ConnectionStrings", "Logging", "AllowedHosts")),
    Sensitive(
        "config", "/config.yml", _text("settings with a password", r"^[ \t]*(?:password|secret|api_key)[ \t]*:[ \t]*\S")
    ),
    Sensitive("config", "/.htpasswd", _text("password hashes", r"^[\w.@-]{1,64}:(?:\$(?:apr1|2[aby]|5|6)\$|\{SHA\})")),
    Sensitive("config", "/.aws/credentials", _text("AWS credentials", r"^aws_access_key_id\s*=")),
    Sensitive("backup", "/backup.zip", _ARCHIVE),
    Sensitive("backup", "/backup.tar.gz", _ARCHIVE),
    Sensitive("backup", "/backup.tar", _TAR),
    Sensitive("backup", "/www.zip", _ARCHIVE),
    Sensitive("backup", "/backup.sql", _SQL),
    Sensitive("backup", "/dump.sql", _SQL),
    Sensitive("backup", "/database.sql", _SQL),
    Sensitive("backup", "/dump.sql.gz", _ARCHIVE),
    Sensitive("private_key", "/server.key", _PRIVATE_KEY),
    Sensitive("private_key", "/privkey.pem", _PRIVATE_KEY),
    Sensitive("private_key", "/.ssh/id_rsa", _PRIVATE_KEY),
    Sensitive("log", "/error.log", _LOG),
    Sensitive("log", "/access.log", _LOG),
    Sensitive("log", "/debug.log", _LOG),
    Sensitive("log", "/storage/logs/laravel.log", _LOG),
    Sensitive("debug", "/actuator/env", _json("Spring Boot environment", "propertySources", "activeProfiles")),
    Sensitive("debug", "/debug/pprof/", _page("Go pprof", r"<title>/debug/pprof/</title>")),
    Sensitive(
        "debug", "/_profiler/", _page("Symfony profiler", r"<title>Symfony Profiler</title>|sf-profiler|sf-toolbar")
    ),
    Sensitive(
        "debug", "/console", _page("Werkzeug console", r"Interactive Console[^\0]{0,2000}werkzeug|__debugger__=yes")
    ),
    Sensitive("status", "/phpinfo.php", _page("phpinfo()", r"<title>[^<]{0,100}phpinfo\(\)</title>")),
    Sensitive("status", "/info.php", _page("phpinfo()", r"<title>[^<]{0,100}phpinfo\(\)</title>")),
    Sensitive("status", "/server-status", _page("Apache server status", r"<title>Apache Status</title>")),
    Sensitive("status", "/nginx_status", _text("nginx status", r"\AActive connections: \d+")),
    Sensitive("admin", "/phpmyadmin/", _page("phpMyAdmin", r"<title>phpMyAdmin</title>|name=\"pma_username\"")),
    Sensitive("admin", "/adminer.php", _page("Adminer", r"<title>[^<]{0,100}Adminer</title>")),
    Sensitive("admin", "/wp-login.php", _page("WordPress login", r"<form[^>]{0,100}\bid=\"loginform\"")),
    Sensitive("admin", "/manager/html", _page("Tomcat manager", r"<title>/manager</title>|conf/tomcat-users\.xml")),
    Sensitive("admin", "/admin/login/", _page("Django administration", r"<title>[^<]{0,100}Django site admin</title>")),
    Sensitive("api", "/swagger-ui.html", _page("Swagger UI", r"<title>Swagger UI</title>|swagger-ui-bundle\.js")),
    Sensitive("api", "/openapi.json", _json("OpenAPI document", "openapi", "swagger")),
    Sensitive("api", "/v2/api-docs", _json("OpenAPI document", "swagger")),
    Sensitive("manifest", "/package.json", _json("npm manifest", "dependencies", "devDependencies")),
    Sensitive("manifest", "/composer.lock", _json("Composer lock", "packages", "content-hash", "_readme")),
    Sensitive("manifest", "/Dockerfile", _text("Dockerfile", r"\A(?:#.*\n|[ \t]*\n)*(?:ARG .*\n)*FROM \S+")),
    Sensitive(
        "manifest",
        "/requirements.txt",
        _text("Python requirements", r"\A(?:#.*\n|[ \t]*\n)*[A-Za-z][\w.-]*(?:\[\w+\])?[=~>]=\S"),
    ),
)
