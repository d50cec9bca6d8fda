"""Issued files on disk: whole or not there."""

import os
from pathlib import Path

import pytest

from services.reports.storage import DirectoryStorage, StorageUnavailable, open_storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "with a space" / "reports"


def test_what_is_put_is_got(folder: Path) -> None:
    storage = open_storage(folder.as_uri())
    storage.put("one.pdf", b"first")
    storage.put("one.pdf", b"second")
    assert storage.get("one.pdf") == b"second"
    assert [path.name for path in folder.iterdir()] == ["one.pdf"]


def test_the_folder_is_for_its_owner_alone(folder: Path) -> None:
    open_storage(folder.as_uri()).put("one.pdf", b"content")
    assert folder.stat().st_mode & 0o077 == 0


def test_a_failed_write_leaves_nothing(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "one.pdf").mkdir()  # a rename onto it fails
    with pytest.raises(StorageUnavailable, match=r"one\.pdf cannot be stored"):
        DirectoryStorage(folder).put("one.pdf", b"content")
    assert [path.name for path in folder.iterdir()] == ["one.pdf"]


def test_what_is_missing_is_said(folder: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"one\.pdf cannot be read"):
        open_storage(folder.as_uri()).get("one.pdf")


def test_delete_is_content_with_what_is_gone(folder: Path) -> None:
    storage = open_storage(folder.as_uri())
    storage.put("one.pdf", b"content")
    storage.delete("one.pdf")
    storage.delete("one.pdf")
    assert not list(folder.iterdir())


def test_only_older_files_are_named(folder: Path) -> None:
    storage = open_storage(folder.as_uri())
    assert list(storage.names_before(1e12)) == []
    for name, changed in (("old.pdf", 1000), ("new.pdf", 3000)):
        storage.put(name, b"content")
        os.utime(folder / name, (changed, changed))
    assert list(storage.names_before(2000)) == ["old.pdf"]
