"""Issued files in a directory: a file is there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PARTIAL = ".partial-"


class StorageUnavailable(Exception):
    """The directory cannot be written or read now: full, read-only, gone."""


class DirectoryStorage:
    """Files by name in one directory. Blocking: call it from a thread."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, content: bytes) -> None:
        """Write durably, then rename: no reader, and no crash, ever meets half a file."""
        partial = self._root / f"{_PARTIAL}{name}-{secrets.token_hex(4)}"
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._root / name)
            _sync(self._root)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StorageUnavailable(f"{name} cannot be stored: {error}") from error

    def get(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise StorageUnavailable(f"{name} cannot be read: {error}") from error

    def delete(self, name: str) -> None:
        """Remove the file if it is there."""
        try:
            (self._root / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"{name} cannot be removed: {error}") from error

    def names_before(self, moment: float) -> Iterator[str]:
        """Files, half-written ones too, last changed before `moment` (unix seconds)."""
        if not self._root.is_dir():
            return
        for path in self._root.iterdir():
            with suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < moment:
                    yield path.name


def open_storage(url: str) -> DirectoryStorage:
    """The storage behind a `file:` URL (RFC 8089)."""
    return DirectoryStorage(Path(unquote(urlsplit(url).path)))


def _sync(directory: Path) -> None:
    """Make a rename in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
