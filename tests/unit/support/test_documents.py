"""Generated parts of documents."""

from pathlib import Path

import pytest

from tests.support.documents import replace_section


def document(folder: Path, text: str) -> Path:
    path = folder / "document.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_stands_between_the_marks_is_made_anew(tmp_path: Path) -> None:
    path = document(tmp_path, "before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")

    replace_section(path, "table", "new")

    assert path.read_text(encoding="utf-8") == "before\n<!-- table -->\n\nnew\n\n<!-- /table -->\nafter\n"


def test_twice_is_as_once(tmp_path: Path) -> None:
    path = document(tmp_path, "<!-- table -->\n<!-- /table -->\n")
    replace_section(path, "table", "new")
    once = path.read_text(encoding="utf-8")

    replace_section(path, "table", "new")

    assert path.read_text(encoding="utf-8") == once


def test_other_sections_stay(tmp_path: Path) -> None:
    path = document(tmp_path, "<!-- one -->\n1\n<!-- /one -->\n<!-- two -->\n2\n<!-- /two -->\n")

    replace_section(path, "two", "new")

    assert "<!-- one -->\n1\n<!-- /one -->\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "<!-- table -->\n", "<!-- /table -->\n"])
def test_a_document_without_the_marks_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = document(tmp_path, text)

    with pytest.raises(ValueError, match="has no section table"):
        replace_section(path, "table", "new")

    assert path.read_text(encoding="utf-8") == text
