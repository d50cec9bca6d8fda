# ruff: noqa: E501  # a table, a path a line
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
    """One path to ask for, and how its content proves itself. Only the first `LIMIT` bytes are asked for and read.

    In the path, `{host}` stands for the host's name and `{name}` for the label before its public suffix.
    """

    kind: Kind
    path: str
    recognise: Recogniser
    grave: bool = False  # also asked for where a host answers like one that was looked at wholly


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


_ENV_LINE = re.compile(r"[ \t]*(?:#.*|(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_.]{0,79}[ \t]*=.*)?")


def _env(content: bytes) -> Proof | None:
    """It begins like a dotenv file, a quarter of it at least is one (values may span lines), and it holds a secret."""
    text = content.decode("latin-1")
    if text.lstrip()[:1] in ("<", "{", "[") or not (found := assignments(text)):
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    fitting = [_ENV_LINE.fullmatch(line) is not None for line in lines]
    return Proof("dotenv file with secrets", found) if fitting[0] and sum(fitting) * 4 > len(lines) else None


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


def _php(content: bytes) -> Proof | None:
    """Any PHP source: the server hands out the program that it should run."""
    return Proof("PHP source") if content.lstrip().startswith(b"<?php") else None


def _graphql(content: bytes) -> Proof | None:
    """The answer to an introspection query (GraphQL, section 4)."""
    try:
        document = json.loads(content)
        schema = document["data"]["__schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Proof("GraphQL introspection") if isinstance(schema, dict) and "queryType" in schema else None


def _json_list(what: str, *names: str) -> Recogniser:
    """Proof by a JSON list whose first object has all of `names`."""

    def recognise(content: bytes) -> Proof | None:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return None
        first = document[0] if isinstance(document, list) and document else None
        return Proof(what) if isinstance(first, dict) and first.keys() >= set(names) else None

    return recognise


def _web_config(content: bytes) -> Proof | None:
    found = re.search(rb"<configuration\b[^>]{0,200}>", content) and re.search(
        rb"<(?:connectionStrings|appSettings|system\.web)\b", content
    )
    return Proof("ASP.NET configuration") if found else None


_GIT_HEAD = _text("git HEAD", r"\A(?:ref: refs/[\w./@+-]+|[0-9a-f]{40}(?:[0-9a-f]{24})?)\s*\Z")
_GIT_CONFIG = _text("git config", r"^\[core\][ \t]*\r?$")
_GIT_LOG = _text("git log", r"\A[0-9a-f]{40} [0-9a-f]{40} [^\n]{1,300}> \d{9,11} [+-]\d{4}")
_SQLITE = _magic("SQLite database", b"SQLite format 3\x00")
_SWAP = _magic("Vim swap file", b"b0VIM ")
_PHPINFO = _page("phpinfo()", r"<title>[^<]{0,100}phpinfo\(\)</title>")
_HTPASSWD = _text("password hashes", r"^[\w.@-]{1,64}:(?:\$(?:apr1|2[aby]|5|6)\$|\{SHA\})")
_YAML_PASSWORD = _text(
    "settings with a password", r"^[ \t]*(?:\w{0,40}(?:password|secret|api_key))[ \t]*:[ \t]*['\"]?[^\s'\"#{<]"
)
_INI_PASSWORD = _text(
    "settings with a password", r"^[ \t]*\w{0,40}(?:password|passwd|secret|api_?key)[ \t]*=[ \t]*['\"]?[^\s'\"#{<]"
)
_SPRING = _text("Spring settings", r"^(?:spring\.[\w.-]{1,100}|server\.port|management\.[\w.-]{1,100})[ \t]*=")
_OPENAPI = _json("OpenAPI document", "openapi", "swagger")
_SWAGGER_UI = _page("Swagger UI", r"<title>Swagger UI</title>|swagger-ui-bundle\.js")
_INTROSPECTION = "?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D"
_ACTUATOR = _json("Spring Boot actuator", "_links")
_HEAP = _magic("Java heap dump", b"JAVA PROFILE 1.0", b"\x1f\x8b\x08")
_COMPOSE = _text("Compose file", r"^services:[ \t]*\r?$")
_ANSIBLE_OR_CI = _text("pipeline definition", r"^(?:stages|script|before_script|image|steps|pipelines|jobs|language):")


def _plain(kind: Kind, recognise: Recogniser, *paths: str, grave: bool = False) -> tuple[Sensitive, ...]:
    return tuple(Sensitive(kind, path, recognise, grave) for path in paths)


# At a standard scan. With what is asked to calibrate, no more than 60 requests.
PATHS: tuple[Sensitive, ...] = (
    Sensitive("git", "/.git/HEAD", _GIT_HEAD, grave=True),
    Sensitive("git", "/.git/config", _GIT_CONFIG),
    Sensitive("metadata", "/.svn/wc.db", _magic("Subversion working copy", b"SQLite format 3\x00")),
    Sensitive("metadata", "/.hg/requires", _text("Mercurial repository", r"^(?:revlogv1|dotencode|share-safe|store)$")),
    Sensitive("metadata", "/.DS_Store", _magic("macOS folder index", b"\x00\x00\x00\x01Bud1")),
    Sensitive("metadata", "/.idea/workspace.xml", _page("JetBrains workspace", r"<project version=")),
    Sensitive("env", "/.env", _env, grave=True),
    *_plain("env", _env, "/.env.local", "/.env.production"),
    *_plain("config", _php_source, "/wp-config.php.bak", "/wp-config.php~"),
    Sensitive("config", "/web.config", _web_config),
    Sensitive("config", "/appsettings.json", _json("ASP.NET settings", "ConnectionStrings", "Logging", "AllowedHosts")),
    Sensitive("config", "/config.yml", _YAML_PASSWORD),
    Sensitive("config", "/.htpasswd", _HTPASSWD),
    Sensitive("config", "/.aws/credentials", _text("AWS credentials", r"^aws_access_key_id\s*="), grave=True),
    Sensitive("backup", "/backup.zip", _ARCHIVE, grave=True),
    *_plain("backup", _ARCHIVE, "/backup.tar.gz", "/www.zip", "/{host}.zip", "/{name}.zip"),
    Sensitive("backup", "/backup.sql", _SQL, grave=True),
    *_plain("backup", _SQL, "/dump.sql", "/database.sql"),
    *_plain("private_key", _PRIVATE_KEY, "/server.key", "/.ssh/id_rsa", grave=True),
    Sensitive("private_key", "/privkey.pem", _PRIVATE_KEY),
    *_plain("log", _LOG, "/error.log", "/access.log", "/debug.log", "/storage/logs/laravel.log"),
    Sensitive(
        "debug", "/actuator/env", _json("Spring Boot environment", "propertySources", "activeProfiles"), grave=True
    ),
    Sensitive("debug", "/actuator/heapdump", _HEAP),
    Sensitive("debug", "/debug/pprof/", _page("Go pprof", r"<title>/debug/pprof/</title>")),
    Sensitive(
        "debug", "/_profiler/", _page("Symfony profiler", r"<title>Symfony Profiler</title>|sf-profiler|sf-toolbar")
    ),
    Sensitive(
        "debug", "/console", _page("Werkzeug console", r"Interactive Console[^\0]{0,2000}werkzeug|__debugger__=yes")
    ),
    Sensitive("status", "/phpinfo.php", _PHPINFO),
    Sensitive("status", "/server-status", _page("Apache server status", r"<title>Apache Status</title>"), grave=True),
    Sensitive("status", "/nginx_status", _text("nginx status", r"\AActive connections: \d+")),
    Sensitive("admin", "/phpmyadmin/", _page("phpMyAdmin", r"<title>phpMyAdmin</title>|name=\"pma_username\"")),
    Sensitive("admin", "/adminer.php", _page("Adminer", r"<title>[^<]{0,100}Adminer</title>")),
    Sensitive("admin", "/wp-login.php", _page("WordPress login", r"<form[^>]{0,100}\bid=\"loginform\"")),
    Sensitive("admin", "/manager/html", _page("Tomcat manager", r"<title>/manager</title>|conf/tomcat-users\.xml")),
    Sensitive("admin", "/admin/login/", _page("Django administration", r"<title>[^<]{0,100}Django site admin</title>")),
    Sensitive("api", "/swagger-ui.html", _SWAGGER_UI),
    *_plain("api", _OPENAPI, "/openapi.json", "/v2/api-docs", "/swagger.json"),
    Sensitive("api", f"/graphql{_INTROSPECTION}", _graphql),
    Sensitive("manifest", "/package.json", _json("npm manifest", "dependencies", "devDependencies")),
    Sensitive("manifest", "/composer.lock", _json("Composer lock", "packages", "content-hash", "_readme")),
    Sensitive("manifest", "/Dockerfile", _text("Dockerfile", r"\A(?:#.*\n|[ \t]*\n)*(?:ARG .*\n)*FROM \S+")),
    Sensitive(
        "manifest",
        "/requirements.txt",
        _text("Python requirements", r"\A(?:#.*\n|[ \t]*\n)*[A-Za-z][\w.-]*(?:\[\w+\])?[=~>]=\S"),
    ),
)

_NAMES = (
    "backup",
    "backups",
    "site",
    "www",
    "web",
    "html",
    "public_html",
    "htdocs",
    "wwwroot",
    "old",
    "{name}",
    "{host}",
)
_PHP_FILES = ("index", "config", "configuration", "settings", "wp-config", "database", "db", "connect", "functions")
# At a full scan, beside those above.
MORE_PATHS: tuple[Sensitive, ...] = (
    Sensitive("git", "/.git/logs/HEAD", _GIT_LOG),
    Sensitive("git", "/.git/index", _magic("git index", b"DIRC\x00\x00\x00")),
    Sensitive("git", "/.git/packed-refs", _text("git references", r"\A# pack-refs with:")),
    *_plain("git", _GIT_HEAD, *(f"/{folder}/.git/HEAD" for folder in ("wordpress", "blog", "app", "api", "admin", "wp-content"))),
    Sensitive("metadata", "/.svn/entries", _text("Subversion entries", r"\A(?:8|9|10|12)\r?\n")),
    Sensitive("metadata", "/.bzr/branch-format", _text("Bazaar branch", r"\ABazaar")),
    Sensitive("metadata", "/CVS/Root", _text("CVS root", r"\A:(?:pserver|ext|local):")),
    Sensitive("metadata", "/CVS/Entries", _text("CVS entries", r"\AD?/[^/\n]+/[^/\n]*/")),
    Sensitive("metadata", "/.vscode/settings.json", _json("VS Code settings", "editor.formatOnSave", "files.exclude")),
    *_plain("metadata", _page("JetBrains project", r"<project version="), "/.idea/modules.xml", "/.idea/vcs.xml",
            "/.idea/dataSources.xml", "/.idea/deployment.xml", "/.idea/webServers.xml"),
    *_plain("metadata", _SWAP, *(f"/.{name}.php.swp" for name in _PHP_FILES), "/.env.swp", "/.htaccess.swp"),
    Sensitive("metadata", "/.bash_history", _text("shell history", r"^(?:sudo |cd |ls\b|ssh |mysql |git )")),
    *_plain("env", _env, *(f"/.env.{suffix}" for suffix in (
        "development", "staging", "test", "prod", "old", "save", "backup", "docker",
    )), "/.env~", "/env", "/.environment", "/api/.env", "/app/.env", "/backend/.env", "/admin/.env", "/config/.env",
        "/public/.env", "/src/.env", "/web/.env", "/laravel/.env", "/core/.env", "/server/.env", "/docker/.env",
        "/.envrc"),
    *_plain("config", _php_source, *(
        f"/{name}.php{suffix}" for name in ("wp-config", "configuration", "config", "settings", "database", "config.inc")
        for suffix in (".bak", "~", ".old") if (name, suffix) not in
        (("wp-config", ".bak"), ("wp-config", "~"))
    ), "/sites/default/settings.php.bak", "/app/etc/local.xml.bak"),
    *_plain("config", _YAML_PASSWORD, "/config.yaml", "/config/database.yml", "/config/secrets.yml", "/config/config.yml",
            "/app/config/parameters.yml", "/parameters.yml", "/settings.yml", "/secrets.yml", "/values.yaml", "/application.yml",
            "/config/application.yml", "/docker-compose.override.yml"),
    *_plain("config", _INI_PASSWORD, "/config.ini", "/db.ini", "/settings.ini", "/app.ini", "/database.ini", "/my.cnf",
            "/.my.cnf", "/.pgpass", "/application.properties", "/config/database.ini", "/parameters.ini"),
    *_plain("config", _SPRING, "/config/application.properties", "/WEB-INF/classes/application.properties"),
    *_plain("config", _HTPASSWD, "/htpasswd", "/.htpasswd.bak", "/admin/.htpasswd", "/passwd"),
    *_plain("config", _json("ASP.NET settings", "ConnectionStrings", "Logging"), "/appsettings.Development.json",
            "/appsettings.Production.json", "/appsettings.Staging.json"),
    Sensitive("config", "/web.config.bak", _web_config),
    Sensitive("config", "/WEB-INF/web.xml", _page("Java deployment descriptor", r"<web-app\b")),
    Sensitive("config", "/.npmrc", _text("npm credentials", r"_authToken[ \t]*=")),
    Sensitive("config", "/.dockercfg", _json("Docker credentials", "https://index.docker.io/v1/")),
    Sensitive("config", "/.docker/config.json", _json("Docker credentials", "auths")),
    Sensitive("config", "/.netrc", _text("netrc credentials", r"^machine \S+")),
    Sensitive("config", "/.git-credentials", _text("git credentials", r"^https://[^/\s:@]+:[^/\s@]+@")),
    Sensitive("config", "/.vscode/sftp.json", _json("SFTP settings", "host", "password")),
    Sensitive("config", "/sftp-config.json", _text("SFTP settings", r"^\s*\"(?:host|password)\"\s*:")),
    Sensitive("config", "/.ftpconfig", _json("FTP settings", "host", "pass")),
    Sensitive("config", "/filezilla.xml", _page("FileZilla sites", r"<FileZilla3\b")),
    Sensitive("config", "/terraform.tfstate", _json("Terraform state", "terraform_version")),
    Sensitive("config", "/terraform.tfvars", _INI_PASSWORD),
    Sensitive("config", "/kubeconfig", _text("Kubernetes credentials", r"^kind:[ \t]*Config")),
    Sensitive("config", "/.kube/config", _text("Kubernetes credentials", r"^kind:[ \t]*Config")),
    Sensitive("config", "/firebase-adminsdk.json", _json("Google service account", "private_key_id")),
    Sensitive("config", "/service-account.json", _json("Google service account", "private_key_id")),
    Sensitive("config", "/credentials.json", _json("Google credentials", "private_key_id", "installed", "web")),
    Sensitive("config", "/.s3cfg", _text("S3 credentials", r"^secret_key\s*=")),
    Sensitive("config", "/.boto", _text("cloud credentials", r"^(?:aws_secret_access_key|gs_secret_access_key)\s*=")),
    *_plain("backup", _ARCHIVE, *(
        f"/{name}{suffix}" for name in _NAMES for suffix in (".zip", ".tar.gz")
        if f"/{name}{suffix}" not in ("/backup.zip", "/backup.tar.gz", "/www.zip", "/{host}.zip", "/{name}.zip")
    )),
    *_plain("backup", _SQL, *(f"/{name}.sql" for name in ("db", "data", "mysql", "{name}", "site", "users", "export", "old"))),
    *_plain("backup", _ARCHIVE, "/backup.sql.gz", "/dump.sql.gz", "/database.sql.gz", "/db.sql.gz", "/{name}.sql.gz", "/backup.sql.zip"),
    *_plain("backup", _SQLITE, "/db.sqlite3", "/db.sqlite", "/database.sqlite", "/data.db", "/app.db", "/database/database.sqlite"),
    *_plain("backup", _php, *(f"/{name}.php.bak" for name in ("index", "db", "connect", "functions")), "/index.php~"),
    *_plain("private_key", _PRIVATE_KEY, "/private.key", "/private.pem", "/key.pem", "/ssl.key", "/ssl/server.key",
            "/certs/server.key", "/{host}.key", "/{host}.pem", "/.ssh/id_ed25519", "/.ssh/id_ecdsa", "/id_rsa", "/id_ed25519",
            "/jwt.key", "/config/jwt/private.pem", "/localhost.key"),
    *_plain("log", _LOG, "/error_log", "/logs/error.log", "/logs/access.log", "/log/error.log", "/php_errors.log",
            "/wp-content/debug.log", "/app.log", "/log/production.log", "/logs/app.log", "/npm-debug.log",
            "/var/log/system.log", "/server.log"),
    *_plain("debug", _ACTUATOR, "/actuator", "/management"),
    Sensitive("backup", "/backup.tar", _TAR),
    Sensitive("debug", "/management/env", _json("Spring Boot environment", "propertySources", "activeProfiles", "systemProperties")),
    Sensitive("debug", "/heapdump", _HEAP),
    Sensitive("debug", "/actuator/mappings", _json("Spring Boot mappings", "contexts")),
    Sensitive("debug", "/actuator/configprops", _json("Spring Boot settings", "contexts")),
    Sensitive("debug", "/telescope/requests", _page("Laravel Telescope", r"<title>Telescope|window\.Telescope\b")),
    Sensitive("debug", "/_ignition/health-check", _json("Laravel Ignition", "can_execute_commands")),
    Sensitive("debug", "/horizon/dashboard", _page("Laravel Horizon", r"<title>Horizon|window\.Horizon\b")),
    Sensitive("debug", "/debugbar/open", _json_list("Laravel Debugbar", "utime", "uri")),
    Sensitive("debug", "/elmah.axd", _page("ELMAH", r"<title>Error log for|powered by <a[^>]{0,100}>ELMAH")),
    Sensitive("debug", "/trace.axd", _page("ASP.NET trace", r"<h1>Application Trace</h1>|Trace\.axd\?id=")),
    Sensitive("debug", "/rails/info/routes", _page("Rails routes", r"<h1>\s*Routes\s*</h1>|rails/info/properties")),
    Sensitive("debug", "/__debug__/", _page("Django debug toolbar", r"djDebug")),
    Sensitive("debug", "/debug/vars", _json("Go expvar", "memstats", "cmdline")),
    Sensitive("debug", "/metrics", _text("Prometheus metrics", r"^# (?:HELP|TYPE) \w+ ")),
    Sensitive("debug", "/jolokia/list", _json("Jolokia", "request", "value")),
    *_plain("status", _PHPINFO, "/info.php", "/php.php", "/test.php", "/i.php", "/pi.php", "/php_info.php", "/phpinfo", "/infophp.php"),
    Sensitive("status", "/server-info", _page("Apache server info", r"<title>Server Information</title>")),
    Sensitive("status", "/status?full", _text("PHP-FPM status", r"\Apool:\s+\S+")),
    Sensitive("status", "/stub_status", _text("nginx status", r"\AActive connections: \d+")),
    Sensitive("status", "/haproxy?stats", _page("HAProxy statistics", r"<title>Statistics Report for HAProxy")),
    *_plain("admin", _page("phpMyAdmin", r"<title>phpMyAdmin</title>|name=\"pma_username\""), "/pma/", "/phpMyAdmin/",
            "/dbadmin/", "/mysql/"),
    *_plain("admin", _page("Adminer", r"<title>[^<]{0,100}Adminer</title>"), "/adminer/", "/adminer-4.8.1.php", "/_adminer.php"),
    Sensitive("admin", "/administrator/", _page("Joomla administration", r"<form[^>]{0,200}\bid=\"form-login\"|com_login")),
    Sensitive("admin", "/user/login", _page("Drupal login", r"<form[^>]{0,300}\bid=\"user-login-form\"")),
    Sensitive("admin", "/typo3/", _page("TYPO3 administration", r"<title>[^<]{0,100}TYPO3 CMS Login|typo3-login")),
    Sensitive("admin", "/host-manager/html", _page("Tomcat host manager", r"conf/tomcat-users\.xml")),
    Sensitive("admin", "/solr/", _page("Solr administration", r"<title>Solr Admin</title>|ng-app=\"solrAdminApp\"")),
    Sensitive("admin", "/jenkins/login", _page("Jenkins", r"<title>[^<]{0,60}\[?Jenkins\]?</title>")),
    Sensitive("admin", "/grafana/login", _page("Grafana", r"<title>Grafana</title>")),
    Sensitive("admin", "/kibana/", _page("Kibana", r"<title>(?:Kibana|Elastic)</title>|kbn-injected-metadata")),
    Sensitive("admin", "/webmin/", _page("Webmin", r"<title>Login to Webmin</title>")),
    Sensitive("admin", "/rabbitmq/", _page("RabbitMQ management", r"<title>RabbitMQ Management</title>")),
    Sensitive("admin", "/pgadmin4/login", _page("pgAdmin", r"<title>pgAdmin 4</title>")),
    *_plain("api", _SWAGGER_UI, "/swagger/index.html", "/swagger/", "/swagger-ui/", "/swagger-ui/index.html", "/api/docs",
            "/docs", "/api-docs/"),
    *_plain("api", _OPENAPI, "/v3/api-docs", "/api/openapi.json", "/api/swagger.json", "/swagger/v1/swagger.json",
            "/api/v1/openapi.json", "/api-docs", "/api/v3/api-docs"),
    *_plain("api", _graphql, *(f"{path}{_INTROSPECTION}" for path in ("/api/graphql", "/graphql/v1", "/v1/graphql", "/query"))),
    Sensitive("api", "/openapi.yaml", _text("OpenAPI document", r"^(?:openapi|swagger):[ \t]*['\"]?[23]\.")),
    Sensitive("api", "/application.wadl", _page("WADL document", r"<application\b[^>]{0,200}wadl\.dev\.java\.net")),
    Sensitive("manifest", "/package-lock.json", _json("npm lock", "lockfileVersion")),
    Sensitive("manifest", "/composer.json", _json("Composer manifest", "require", "autoload")),
    Sensitive("manifest", "/yarn.lock", _text("Yarn lock", r"^# yarn lockfile v\d")),
    Sensitive("manifest", "/pnpm-lock.yaml", _text("pnpm lock", r"^lockfileVersion:")),
    Sensitive("manifest", "/Gemfile", _text("Gemfile", r"^gem ['\"]")),
    Sensitive("manifest", "/Gemfile.lock", _text("Gemfile lock", r"^GEM\r?\n  remote:")),
    Sensitive("manifest", "/Pipfile", _text("Pipfile", r"^\[packages\]")),
    Sensitive("manifest", "/poetry.lock", _text("Poetry lock", r"^\[\[package\]\]")),
    Sensitive("manifest", "/go.mod", _text("Go module", r"\Amodule \S+")),
    Sensitive("manifest", "/Cargo.toml", _text("Cargo manifest", r"^\[package\]")),
    Sensitive("manifest", "/pom.xml", _page("Maven project", r"<project\b[^>]{0,300}maven\.apache\.org/POM")),
    Sensitive("manifest", "/build.gradle", _text("Gradle build", r"^(?:plugins|dependencies|repositories) \{")),
    *_plain("manifest", _COMPOSE, "/docker-compose.yml", "/docker-compose.yaml", "/compose.yaml", "/docker-compose.prod.yml"),
    *_plain("manifest", _ANSIBLE_OR_CI, "/.gitlab-ci.yml", "/.travis.yml", "/.circleci/config.yml",
            "/bitbucket-pipelines.yml", "/azure-pipelines.yml"),
    Sensitive("manifest", "/Jenkinsfile", _text("Jenkinsfile", r"^pipeline \{")),
    Sensitive("manifest", "/Vagrantfile", _text("Vagrantfile", r"^Vagrant\.configure")),
    Sensitive("manifest", "/Procfile", _text("Procfile", r"\Aweb:[ \t]*\S")),
    Sensitive("manifest", "/webpack.config.js", _text("webpack settings", r"^module\.exports\s*=")),
    Sensitive("manifest", "/phpunit.xml", _page("PHPUnit settings", r"<phpunit\b")),
)  # fmt: skip
