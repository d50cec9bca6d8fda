"""Whether a fetched table may take the shipped one's place: its form, its date and its size."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.scanner.engine.facts.tables import BadTable, Grade, Name, Table, load, parse

_Cve = Annotated[str, Field(pattern=r"^CVE-\d{4}-\d{4,}$")]
_Id = Annotated[str, Field(pattern=r"^(CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3})$")]
_Product = Annotated[str, Field(pattern=r"^[\w.\-]+:[\w.\-+]+$", max_length=120)]
_Bounds = Annotated[str, Field(pattern=r"^(<|<=|>|>=|=)\d[\w.+-]*( (<|<=|>|>=|=)\d[\w.+-]*)?$", max_length=120)]
_Score = Annotated[float, Field(ge=0, le=10)] | Grade
_Ranges = Annotated[list[_Bounds], Field(min_length=1)]
_Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class _Library(BaseModel):
    model_config = ConfigDict(extra="forbid")

    flaws: list[tuple[Annotated[list[_Id], Field(min_length=1)], Grade, _Ranges]]
    unsupported: list[_Bounds]


_FORMS: dict[Name, TypeAdapter[Any]] = {
    "end_of_life": TypeAdapter(dict[_Product, list[tuple[str, bool | _Day, str]]]),
    "exploited": TypeAdapter(dict[_Cve, tuple[_Day, _Day]]),
    "vulnerabilities": TypeAdapter(
        dict[_Product, list[tuple[_Cve, _Score, _Ranges] | tuple[_Cve, _Score, _Ranges, str]]]
    ),
    "javascript": TypeAdapter(dict[_Product, _Library]),
}


def accepted(name: Name, data: bytes, today: date) -> Table:
    """The table, checked in every row. BadTable says what speaks against it.

    It may be no older than the one in use and not of the future; and it has to hold at least half as much, so that one
    cut short does not blind the scans.
    """
    table = parse(name, data, fetched=True)
    used = load(name)
    if table.date > today:
        raise BadTable(f"it is dated {table.date}, which is to come")
    if table.date < used.date:
        raise BadTable(f"it is of {table.date}, and older than the one in use, of {used.date}")
    if len(table.rows) * 2 < len(used.rows):
        raise BadTable(f"it has {len(table.rows)} rows, and the one in use has {len(used.rows)}")
    _check_rows(name, table)
    return table


def _check_rows(name: Name, table: Table) -> None:
    try:
        _FORMS[name].validate_python(table.rows)
        if name == "end_of_life":
            for cycles in table.rows.values():
                for _, ends, _ in cycles:
                    if isinstance(ends, str):
                        date.fromisoformat(ends)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadTable(f"at {' / '.join(map(str, first['loc'][:3]))}: {first['msg']}") from None
    except ValueError as error:
        raise BadTable(str(error)) from None
