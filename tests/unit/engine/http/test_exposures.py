"""What proves a path's content, what only looks like it, and the keys that are examples."""

from collections import Counter

import pytest

from services.scanner.engine.parsers import pages, robots, secrets
from services.scanner.engine.parsers.exposures import MORE_PATHS, PATHS, Kind
from services.scanner.engine.probes.exposure import _sibling

ALL = {sensitive.path: sensitive for sensitive in (*PATHS, *MORE_PATHS)}


def proven(path: str, content: str | bytes) -> bool:
    return ALL[path].recognise(content.encode() if isinstance(content, str) else content) is not None


def test_the_paths_are_distinct_few_and_of_every_kind() -> None:
    every = (*PATHS, *MORE_PATHS)
    assert len(ALL) == len(every)
    assert len(PATHS) <= 54
    assert len(every) <= 350
    assert set(Counter(sensitive.kind for sensitive in PATHS)) == set(Kind.__args__)  # type: ignore[attr-defined]
    assert all(path.startswith("/") for path in ALL)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/.git/HEAD", "ref: refs/heads/feature/a+b@2\n"),
        ("/.git/HEAD", "a" * 40),
        ("/.git/HEAD", "a" * 64 + "\r\n"),
        ("/.git/config", '[core]\r\n\trepositoryformatversion = 0\n[remote "origin"]\n'),
        ("/.env", "# live\nAPP_NAME=shop\nexport DB_PASSWORD='x9!k'\nKEY=\"-----BEGIN\nabc\nEND\"\nA=1\nB=2\n"),
        ("/.htpasswd", "admin:$apr1$abc$def\n"),
        ("/appsettings.json", '{"Logging": {"LogLevel": {}}}'),
        ("/actuator/heapdump", b"JAVA PROFILE 1.0.2\0"),
        ("/graphql?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D", '{"data":{"__schema":{"queryType":{"name":"Q"}}}}'),
        ("/openapi.json", '{"swagger": "2.0"}'),
        ("/id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n"),
        ("/db.sqlite3", b"SQLite format 3\0" + bytes(84)),
        ("/backup.tar", bytes(257) + b"ustar\0" + b"00"),
        ("/config/database.yml", "production:\n  adapter: mysql2\n  password: hunter2\n"),
        ("/composer.json", '{"require": {"php": ">=8"}}'),
        ("/docker-compose.yml", "version: '3'\nservices:\n  web:\n"),
        ("/terraform.tfstate", '{"version": 4, "terraform_version": "1.9.0"}'),
        ("/metrics", "# HELP go_goroutines x\n# TYPE go_goroutines gauge\n"),
        ("/CVS/Root", ":pserver:anonymous@cvs.example.com:/cvsroot\n"),
        ("/.git-credentials", "https://user:token@github.com\n"),
    ],
)
def test_content_that_proves_itself(path: str, content: str | bytes) -> None:
    assert proven(path, content)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/.git/HEAD", "ref: refs/heads/main\n<html>"),
        ("/.git/HEAD", "not found"),
        ("/.git/config", "<pre>\n[core]\n</pre>"),
        ("/.env", "<!doctype html>\nDB_PASSWORD=x\n"),
        ("/.env", '{"error": "not found",\n"token=": "x"}'),
        ("/.env", "API_KEY=\nDB_PASSWORD=null\nTOKEN=<your token>\nSECRET=change_me\nAPP_NAME=shop\n"),  # a template
        ("/.env", "Dear visitor,\nthis page is gone.\ntoken = 5\nPlease go on\nelsewhere.\n"),
        ("/backup.zip", "PK is what archives begin with"),
        ("/backup.sql", "Not found: SELECT something else\n"),
        ("/server.key", "-----BEGIN PUBLIC KEY-----\n"),
        ("/server.key", "-----BEGIN CERTIFICATE-----\n"),
        ("/server-status", "<title>Service status</title>"),
        ("/openapi.json", '{"message": "not found"}'),
        ("/openapi.json", '["openapi"]'),
        ("/package.json", '{"name": "error", "status": 404}'),
        ("/graphql?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D", '{"errors": [{"message": "introspection is off"}]}'),
        ("/graphql?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D", '{"data": null}'),
        ("/config.yml", "password: ''\nsecret: ${SECRET}\napi_key: # none\n".replace("${SECRET}", "")),
        ("/actuator/env", "[" * 100_000),
        ("/wp-config.php.bak", "<html><?php define('DB_NAME'"),
        ("/requirements.txt", "<p>flask==1.0</p>"),
    ],
)
def test_content_that_proves_nothing(path: str, content: str | bytes) -> None:
    assert not proven(path, content)


@pytest.mark.parametrize(
    ("path", "sibling"),
    [
        ("/.env", "/.xyz"),
        ("/.env.local", "/.xyz.local"),
        ("/.git/HEAD", "/.git/xyz"),
        ("/backup.tar.gz", "/xyz.gz"),
        ("/phpmyadmin/", "/xyz/"),
        ("/graphql?query=x", "/xyz?query=x"),
        ("/admin/login/", "/admin/xyz/"),
    ],
)
def test_the_path_that_cannot_exist_beside_one(path: str, sibling: str) -> None:
    assert _sibling(path, "xyz") == sibling


@pytest.mark.parametrize(
    "text",
    [
        "aws = 'AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
        f"ghp_{'x' * 36}",
        f"sk_live_{'0' * 24}",
        "sk_live_your-key-goes-here-please",
        "key-of-the-map, key-1234, npm_config_registry, hf_something",
        "pk_live_abcdefghijklmnopqrstuvwx",
    ],
)
def test_examples_of_keys_are_none(text: str) -> None:
    assert secrets.keys(text) == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"glpat-{'aB3dE6gH9jK2mN5pQ8sT'}", "GitLab token"),
        ("xoxb-" + "207184935561-abcDEF173ghiJKL456mnoPQR", "Slack token"),
        ("SG." + "aB3dE6gH9jK2mN5pQ8sTuv" + "." + "aB3dE6gH9jK2mN5pQ8sTuvWx4yZ7bC0eF3hI6kL9nO2", "SendGrid key"),
        ("shpat_" + "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "Shopify token"),
        (
            "AKIA" + "QWERTYUIOPASDFGH" + "', secret: '" + "k3J9x/Qm+7Ls2Vb8Nw5Rt0Yp4Hg6Df1Zc8Xa3Se+" + "'",
            "AWS access key with its secret",
        ),
    ],
)
def test_keys_by_their_issuers_format(text: str, name: str) -> None:
    assert [secret.name for secret in secrets.keys(f"var x = '{text}';")] == [name]


def test_robots_txt() -> None:
    text = (
        "\N{ZERO WIDTH NO-BREAK SPACE}User-Agent: *\r\nDisallow: /wp-admin/\r\nDisallow:/private/ # ours\r\n"
        "disallow : /intranet\r\nAllow: /admin-panel\r\nDisallow: /blog/\r\nDisallow: /private/\r\nDisallow:\r\n"
    )
    assert robots.looks_like_one(text)
    assert robots.telling_paths(text) == ("/private/", "/intranet", "/admin-panel")
    assert not robots.looks_like_one("<p>User-agent: none</p>")
    assert not robots.looks_like_one("nothing here")


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"caf\xe9", "text/html; charset=ISO-8859-1", "caf\xe9"),
        (b"caf\xc3\xa9", "text/html", "caf\xe9"),
        (b"\xff\xfec\0", "text/html", "c"),
        (b"caf\xe9\0", "text/html; charset=punycode", "caf\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b"x", "text/html; charset=windows-9999", "x"),
    ],
)
def test_pages_are_decoded_whatever_they_say_of_themselves(body: bytes, content_type: str, text: str) -> None:
    assert pages.decoded(body, content_type).lstrip("\N{ZERO WIDTH NO-BREAK SPACE}") == text
