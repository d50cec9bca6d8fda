"""Generated parts of documents that people write: what stands between two marks is made anew."""

from pathlib import Path


def replace_section(document: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- name -->` and `<!-- /name -->`. ValueError where the marks are missing."""
    before, opened, rest = document.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, closed, after = rest.partition(f"<!-- /{name} -->\n")
    if not (opened and closed):
        raise ValueError(f"{document} has no section {name}")
    document.write_text(f"{before}{opened}\n{text}\n\n{closed}{after}", encoding="utf-8")
