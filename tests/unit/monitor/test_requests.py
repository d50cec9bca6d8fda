"""What clients may send about domains and endpoints."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.monitor.domains import DomainChange, NewDomain
from services.monitor.webhooks import EndpointChange, NewEndpoint


def test_a_domain_has_the_contracts_defaults() -> None:
    assert NewDomain.model_validate({"domain": "example.com", "id": 3, "surprise": 1}).model_dump() == {
        "domain": "example.com",
        "scan_frequency": "daily",
        "alert_threshold": 10,
        "alert_on_score_drop": True,
        "alert_on_critical": True,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"scan_frequency": "monthly"},
        {"alert_threshold": 0},
        {"alert_threshold": 100.5},
        {"alert_threshold": "10"},
        {"alert_threshold": True},
        {"alert_on_critical": "yes"},
        {"alert_on_critical": 1},
        {"is_paused": None},
        {"scan_frequency": None},
        {"alert_threshold": None},
    ],
)
def test_a_change_of_a_wrong_value_names_its_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        DomainChange.model_validate(wrong, strict=True)
    assert {error["loc"] for error in refused.value.errors()} == {(name,) for name in wrong}


@pytest.mark.parametrize("model", [DomainChange, EndpointChange])
def test_the_schema_of_a_change_knows_neither_null_nor_default(model: type[DomainChange | EndpointChange]) -> None:
    schema = model.model_json_schema()
    assert "required" not in schema and "null" not in str(schema["properties"])
    assert all("default" not in field and field.keys() & {"type", "enum"} for field in schema["properties"].values())
    assert model.model_validate({}).model_dump(exclude_unset=True) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"enabled_events": []},
        {"enabled_events": ["scan.started"]},
        {"enabled_events": "scan.completed"},
        {"url": ""},
        {"url": "https://" + "a" * 2048},
        {"description": "x" * 501},
        {"description": None},
    ],
)
def test_an_endpoint_of_a_wrong_value_names_its_field(wrong: dict[str, Any]) -> None:
    good = {"url": "https://hooks.example.com/", "enabled_events": ["scan.completed"]}
    assert NewEndpoint.model_validate(good).description == ""
    with pytest.raises(ValidationError) as refused:
        NewEndpoint.model_validate(good | wrong)
    assert {error["loc"][0] for error in refused.value.errors()} == set(wrong)
