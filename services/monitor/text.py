"""Text that others wrote, made fit for one line."""


def one_line(text: str, limit: int) -> str:
    """Printable characters alone, at most `limit` of them: no line break, NUL, escape or direction mark is left."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:limit]
