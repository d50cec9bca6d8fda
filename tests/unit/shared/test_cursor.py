"""Places in a list, as clients hand them back."""

import base64
from datetime import UTC, datetime

import pytest

from shared import cursor
from shared.errors import InvalidField

MOMENT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def coined(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("identity", ["job_1", "9007199254740991"])
def test_a_cursor_leads_back_to_its_row(identity: str) -> None:
    word = cursor.encode(MOMENT, identity)
    assert cursor.decode(word) == (MOMENT, identity)
    assert word.replace("-", "").replace("_", "").isalnum(), "fit for a query string as it is"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "////",
        "aGVsbG8",
        "é",
        cursor.encode(MOMENT, "job_1") + "=",
        coined("2026-11-24T12:00:00 job_1"),  # no time zone
        coined("2026-11-24T12:00:00+01:00 job_1"),
        coined("0001-01-01T00:00:00+14:00 job_1"),  # before the calendar's beginning, in UTC
        coined("2026-11-24T12:00:00+00:00 job\0"),
        coined("2026-11-24T12:00:00+00:00 job 1"),
    ],
)
def test_any_other_cursor_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidField) as refused:
        cursor.decode(text)
    assert refused.value.errors[0].field == "cursor"
