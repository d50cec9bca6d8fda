"""The OpenAPI and AsyncAPI documents, made from the code."""

from typing import Any, cast

import pytest
from openapi_spec_validator import validate

from services.commands import documents
from shared import asyncapi
from shared.contracts.events import TOPOLOGY
from shared.contracts.principal import Scope
from shared.openapi import document
from shared.routes import Routes
from tests.support import toy


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document({"toy": (toy.routes(cast(Any, None)),)}, title="Toy", version="1")


def test_the_document_is_valid(api: dict[str, Any]) -> None:
    validate(api)


def test_a_route_says_all_that_it_takes_and_answers(api: dict[str, Any]) -> None:
    operation = api["paths"]["/v1/notes"]["post"]
    assert operation["security"] == [{"bearer": []}]
    assert set(operation["responses"]) == {"201", "400", "401", "403", "409", "413", "429", "500", "503"}
    assert operation["responses"]["403"]["description"] == "`account_disabled` or `forbidden_scope`"
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/NewNote")
    assert operation["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/Note")
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
    assert "X-RateLimit-Limit" in operation["responses"]["201"]["headers"]
    assert f"`{Scope.SCAN_WRITE}`" in operation["description"]


def test_parameters_have_no_null(api: dict[str, Any]) -> None:
    parameters = {p["name"]: p for p in api["paths"]["/v1/notes"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert parameters["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}


def test_public_and_internal_routes(api: dict[str, Any]) -> None:
    assert api["paths"]["/v1/names/{name}"]["get"]["security"] == []
    assert "/internal/reset" not in api["paths"]
    assert list(api["paths"]["/v1/files"]["post"]["requestBody"]["content"]) == ["application/octet-stream"]
    assert list(api["paths"]["/v1/stream"]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]


def test_a_route_must_fit_its_handler_and_use_known_codes() -> None:
    routes = Routes("Broken")
    with pytest.raises(ValueError, match="'no_such_code'"):
        routes.get("/x", summary="X", errors=("no_such_code",))
    with pytest.raises(TypeError, match="'job_id' is not in the path"):

        @routes.get("/x", summary="X")
        async def handler(job_id: str) -> None: ...


def test_committed_documents_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert documents.write(check=True) == 0, capsys.readouterr().out


def test_the_whole_api_is_valid_and_its_operations_are_told_apart() -> None:
    whole = document(documents.routes(), title="All", version="1")
    validate(whole)
    names = [operation["operationId"] for path in whole["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_asyncapi_has_every_event_with_its_parties() -> None:
    events = asyncapi.document()
    assert set(events["channels"]) == {event.NAME for event in TOPOLOGY}
    for event, (publisher, consumers) in TOPOLOGY.items():
        assert events["operations"][f"{publisher}.send.{event.NAME}"]["action"] == "send"
        for consumer in consumers:
            assert events["operations"][f"{consumer}.receive.{event.NAME}"]["action"] == "receive"
    assert _dangling(events, events) == []


def _dangling(node: Any, root: dict[str, Any]) -> list[str]:
    """References that lead nowhere."""
    if isinstance(node, list):
        return [found for part in node for found in _dangling(part, root)]
    if not isinstance(node, dict):
        return []
    found = [] if "$ref" not in node or _leads(node["$ref"], root) else [node["$ref"]]
    return found + [inner for part in node.values() for inner in _dangling(part, root)]


def _leads(reference: str, root: Any) -> bool:
    for part in reference.removeprefix("#/").split("/"):
        if part not in root:
            return False
        root = root[part]
    return True
