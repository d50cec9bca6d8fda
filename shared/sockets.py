"""Listening sockets, bound before anything is built, and the URLs that lead to them."""

import resource
import socket
from pathlib import Path

from shared.settings import SettingError

_BACKLOG = 1024
_DESCRIPTORS = 65_536


def listen_tcp(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening TCP socket. SettingError names `setting` when the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise SettingError(
            f"{setting}: {host}:{port} is not to be had ({error.strerror}). Set it to a free port, or to 0 for any."
        ) from error
    sock.setblocking(False)
    return sock


def listen_unix(path: Path) -> socket.socket:
    """A listening unix socket that only this user may connect to: `path` is in a folder of the process's own."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(0o600)
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


def url(sock: socket.socket) -> str:
    """`http://host:port`, or `unix:///path`."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix://{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


def raise_descriptor_limit() -> None:
    """More descriptors, as far as the system lets this user have them: a scan opens hundreds, and 1,024 are usual."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
