"""A web server in a few settings: hardened unless told otherwise, and able to misbehave as no real server would."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Literal, Self

Behaviour = Literal["answers", "hangs", "resets", "garbage", "endless", "drips"]

HEADERS = (
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self' https://cdn.example; style-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Server", "lab"),
)
COOKIES = ("__Host-session=2f1c; Path=/; Secure; HttpOnly; SameSite=Lax",)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A tidy shop</title>
<link rel="stylesheet" href="/assets/style.css">
<script src="/assets/app.js"></script>
<script src="https://cdn.example/lib.js" integrity="sha384-lab" crossorigin="anonymous"></script>
</head><body><h1>A tidy shop</h1><img src="/assets/logo.png" alt="">
<form action="/login" method="post"><input name="user"><input type="password" name="password"></form>
</body></html>
"""
SECURITY_TXT = "Contact: mailto:security@hardened.test\nExpires: 2099-01-01T00:00:00Z\n"
NOT_FOUND = "<!doctype html><title>Not found</title><h1>Not found</h1>"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a path answers."""

    content: bytes
    media_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


FILES: Mapping[str, Reply] = MappingProxyType(
    {
        "/assets/style.css": Reply(b"body { margin: 2em }", "text/css"),
        "/assets/app.js": Reply(b"document.title += '!'", "text/javascript"),
    }
)


@dataclass(frozen=True, slots=True)
class WebSpec:
    headers: tuple[tuple[str, str], ...] = HEADERS  # on every answer; Strict-Transport-Security over HTTPS alone
    cookies: tuple[str, ...] = COOKIES  # the page's Set-Cookie lines
    page: str = PAGE  # at "/"; "" for a root that answers as a missing path does
    files: Mapping[str, Reply] = field(default_factory=lambda: FILES)
    redirect: str | None = "https://{host}{path}"  # where plain HTTP leads; None: it serves what HTTPS does
    secure_redirect: str | None = None  # where the root leads over HTTPS
    security_txt: str | None = SECURITY_TXT
    missing: Reply = field(default_factory=lambda: Reply(NOT_FOUND.encode(), status=404))
    trace: bool = False
    cors: Literal["", "reflect", "any", "suffix"] = ""  # "suffix": any origin that begins as the host's own does
    allow: str = "GET, HEAD, OPTIONS"  # what OPTIONS is answered with
    refuses: tuple[str, ...] = ()  # paths that are answered with 429
    behaviour: Behaviour = "answers"

    def set(self, name: str, *values: str) -> Self:
        """With these values in the place of all of that header; without values, without it."""
        kept = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return replace(self, headers=(*kept, *((name, value) for value in values)))

    def serve(self, path: str, content: str | bytes, media_type: str = "text/plain", **headers: str) -> Self:
        """With one more file. `headers`: X_Name="value"."""
        body = content.encode() if isinstance(content, str) else content
        extra = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return replace(self, files={**self.files, path: Reply(body, media_type, headers=extra)})


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    head: bytes

    @property
    def host(self) -> str:
        return self.headers.get("host", "").partition(":")[0]


async def handle(
    spec: WebSpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, scheme: Literal["http", "https"]
) -> None:
    """Answers requests on one connection until the client ends it."""
    with suppress(ConnectionError):
        while (request := await _read(reader)) is not None:
            if spec.behaviour != "answers":
                await _misbehave(spec, reader, writer)
                return
            writer.write(_answer(spec, request, scheme))
            await writer.drain()
            if request.headers.get("connection", "").lower() == "close":
                return


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return _Request(words[0], words[1], headers, head)


def _answer(spec: WebSpec, request: _Request, scheme: str) -> bytes:
    if request.method == "TRACE":
        if spec.trace:
            return _bytes(request, Reply(request.head, "message/http"))
        return _bytes(request, Reply(b"", status=405, headers=(("Allow", "GET, HEAD"),)))
    if request.method == "OPTIONS":
        return _bytes(request, Reply(b"", status=204, headers=(("Allow", spec.allow), *_common(spec, request, scheme))))
    if request.path in spec.refuses:
        return _bytes(request, Reply(b"Too many requests", status=429))
    location = spec.redirect if scheme == "http" else spec.secure_redirect if request.path == "/" else None
    if location is not None:
        target = location.format(host=request.host, path=request.path)
        reply = Reply(b"", status=301, headers=(("Location", target), *_common(spec, request, scheme)))
    else:
        found = _find(spec, request.path.partition("?")[0])
        reply = replace(found, headers=(*_common(spec, request, scheme), *found.headers))
    return _bytes(request, reply)


def _find(spec: WebSpec, path: str) -> Reply:
    if path in spec.files:
        return spec.files[path]
    if path == "/" and spec.page:
        return Reply(spec.page.encode(), headers=tuple(("Set-Cookie", line) for line in spec.cookies))
    if path == "/.well-known/security.txt" and spec.security_txt is not None:
        return Reply(spec.security_txt.encode(), "text/plain; charset=utf-8")
    return spec.missing


def _common(spec: WebSpec, request: _Request, scheme: str) -> tuple[tuple[str, str], ...]:
    headers = [
        (name, value) for name, value in spec.headers if scheme == "https" or name.lower() != HEADERS[0][0].lower()
    ]
    origin = request.headers.get("origin")
    if spec.cors == "any":
        headers.append(("Access-Control-Allow-Origin", "*"))
    elif origin and (
        spec.cors == "reflect" or (spec.cors == "suffix" and origin.startswith(f"https://{request.host}"))
    ):
        headers += [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
    return tuple(headers)


def _bytes(request: _Request, reply: Reply) -> bytes:
    content, status = reply.content, reply.status
    wanted = re.fullmatch(r"bytes=0-(\d+)", request.headers.get("range", ""))
    extra: tuple[tuple[str, str], ...] = ()
    if wanted and status == 200 and len(content) > int(wanted[1]) + 1:
        extra = (("Content-Range", f"bytes 0-{wanted[1]}/{len(content)}"),)
        content, status = content[: int(wanted[1]) + 1], 206
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (("Content-Type", reply.media_type), *extra, *reply.headers)]
    return "\r\n".join((*lines, "", "")).encode() + (b"" if request.method == "HEAD" else content)


async def _misbehave(spec: WebSpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match spec.behaviour:
        case "hangs":
            await reader.read()
        case "resets":
            writer.transport.abort()
        case "garbage":
            writer.write(bytes(range(256)) * 4)
            await writer.drain()
        case "endless":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
            while True:
                writer.write(b"<p>" * 20_000)
                await writer.drain()
        case "drips":
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0.5)


def neglected() -> WebSpec:
    """A server that nobody looked after for years."""
    page = (
        "<html><head><title>Shop</title><script src='http://cdn.example/old.js'></script></head><body>"
        "<script src='/app.js'></script><script src='https://cdn.example/lib.js'></script>"
        "<img src='http://images.example/logo.png'><form action='http://{host}/login'><input type=password></form>"
    )
    spec = WebSpec(
        headers=(
            ("Server", "Apache/2.2.15 (CentOS) PHP/5.3.3"),
            ("X-Powered-By", "PHP/5.3.3"),
            ("X-Backend-Server", "10.0.3.17"),
        ),
        cookies=("PHPSESSID=0f3d; path=/", "prefs=wide; path=/; SameSite=None"),
        page=page.replace("{host}", "neglected.test"),
        files={},
        redirect=None,
        security_txt="Contact: mailto:webmaster@neglected.test\nExpires: 2020-01-01T00:00:00Z\n",
        missing=Reply(b"<b>Warning</b>: include(x.php) failed in /var/www/index.php on line <b>12</b>", status=404),
        trace=True,
        cors="reflect",
    )
    return (
        spec.serve("/.git/HEAD", "ref: refs/heads/master\n")
        .serve("/.env", "APP_ENV=production\nDB_PASSWORD=hunter2-lab\n")
        .serve("/backup.sql", "-- MySQL dump 10.13\nCREATE TABLE `users` (`id` int);\n")
        .serve("/server-status", "<html><head><title>Apache Status</title></head></html>", "text/html")
        .serve("/phpmyadmin/", "<html><title>phpMyAdmin</title></html>", "text/html")
        .serve("/app.js", f"var key = 'sk_live_{'lab0' * 6}'", "text/javascript")
    )
