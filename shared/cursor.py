"""A place in a list that is ordered by time, newest first, as an opaque word: `next_cursor` on the wire."""

import base64
from datetime import datetime, timedelta

from shared.errors import InvalidField


def encode(moment: datetime, identity: str) -> str:
    """The place of the row of `moment` (aware) whose id is `identity`."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {identity}".encode()).decode().rstrip("=")


def decode(text: str) -> tuple[datetime, str]:
    """InvalidField for anything that `encode` did not make."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        written, identity = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        moment = datetime.fromisoformat(written)
        if encode(moment, identity) != text or moment.utcoffset() != timedelta() or not identity.isprintable():
            raise ValueError("not of ours")
    except ValueError:
        raise InvalidField("cursor", "not a cursor of ours: use next_cursor of the page before") from None
    return moment, identity
