"""What gives products away (technologies.toml), as look-up tables that cost nothing to ask."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Kind = Literal[
    "analytics", "application", "application firewall", "application server", "bot protection", "build server",
    "camera", "chat", "community", "consent", "container platform", "content management", "control panel",
    "cryptography", "database", "delivery network", "edge device", "file transfer", "framework", "ftp server",
    "hosting", "identity", "language", "library", "load balancer", "mail gateway", "mail server",
    "media server", "message broker", "monitoring", "name server", "office", "payment", "plugin",
    "print server", "proxy", "remote access", "shop", "site builder", "site generator", "ssh server",
    "storage", "telephony", "version control", "web server", "web server module", "webmail",
]  # fmt: skip
PLUGIN = "wordpress-plugin:"  # and its slug: a product that needs no entry of its own


@dataclass(frozen=True, slots=True)
class Product:
    id: str  # "apache:http_server", vendor and product as in a CPE name
    name: str
    kind: Kind
    whole: bool = False  # what its version leaves out is 0
    gateway: bool = False  # it lets people into a network from outside
    protects: bool = False  # it stands before a site and filters requests


@dataclass(frozen=True, slots=True)
class Marks:
    """Product ids by what gives them away; all keys in lower case, but those of `text`."""

    tokens: Mapping[str, str]
    headers: Mapping[str, str]
    version_headers: Mapping[str, str]
    cookies: Mapping[str, str]
    cookie_starts: tuple[tuple[str, str], ...]
    generators: tuple[tuple[str, str], ...]  # longest first
    scripts: Mapping[str, str]
    urls: tuple[tuple[str, str], ...]
    text: tuple[tuple[str, str], ...]
    patterns: Mapping[str, tuple[str, ...]]  # of a product that `text` found: where its version stands
    banners: tuple[tuple[str, str, tuple[str, ...]], ...]  # with the protocols that it counts in; () for all
    dns: tuple[tuple[str, str], ...]
    credits: Mapping[str, str]  # names of libraries, as their files' first comment gives them


def product(key: str) -> Product:
    """KeyError for one that is in no table."""
    if key.startswith(PLUGIN):
        return Product(key, f"WordPress plugin {key.removeprefix(PLUGIN)}", "plugin")
    return _read()[0][key]


def products() -> Mapping[str, Product]:
    return _read()[0]


def marks() -> Marks:
    return _read()[1]


@cache
def _read() -> tuple[Mapping[str, Product], Marks]:
    rows: Mapping[str, Mapping[str, Any]] = tomllib.loads(
        files(__package__).joinpath("technologies.toml").read_text("utf-8")
    )
    known = {
        key: Product(
            key,
            row["name"],
            row["kind"],
            row.get("whole", False),
            row.get("gateway", False),
            row.get("protects", False),
        )
        for key, row in rows.items()
    }
    cookies = _by(rows, "cookies")
    return known, Marks(
        tokens=dict(_by(rows, "tokens")),
        headers=dict(_by(rows, "headers")),
        version_headers=dict(_by(rows, "version_headers")),
        cookies={name: key for name, key in cookies if not name.endswith("*")},
        cookie_starts=tuple((name[:-1], key) for name, key in cookies if name.endswith("*")),
        generators=tuple(sorted(_by(rows, "generator"), key=lambda mark: -len(mark[0]))),
        scripts=dict(_by(rows, "scripts")),
        urls=_by(rows, "urls"),
        text=_by(rows, "text"),
        patterns={key: tuple(row["patterns"]) for key, row in rows.items() if "patterns" in row},
        banners=tuple(
            (mark, key, tuple(row.get("protocols", ()))) for key, row in rows.items() for mark in row.get("banners", ())
        ),
        dns=_by(rows, "dns"),
        credits={
            name: key
            for key, row in rows.items()
            if row["kind"] == "library"
            for name in (row["name"].lower(), f"{row['name'].lower()}.js", *row.get("scripts", ()))
        },
    )


def _by(rows: Mapping[str, Mapping[str, Any]], mark: str) -> tuple[tuple[str, str], ...]:
    return tuple((value, key) for key, row in rows.items() for value in row.get(mark, ()))
