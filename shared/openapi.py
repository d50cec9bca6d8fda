"""The OpenAPI 3.1 document, made from the routes themselves."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from shared.contracts.problem import STATUS_OF, Problem
from shared.errors import PROBLEM_TYPE
from shared.idempotency import HEADER as IDEMPOTENCY_HEADER
from shared.routes import Route, Routes

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/{model}"
_RATE_HEADERS = {
    "X-RateLimit-Limit": "Requests that the window with the smallest share left allows.",
    "X-RateLimit-Remaining": "Requests left in it.",
    "X-RateLimit-Reset": "Unix time in seconds at which room is made in it.",
}
_TEXT_RATE_HEADERS = {
    "X-RateLimit-Plan": "The plan that sets the limits.",
    "RateLimit-Policy": "All windows (IETF draft-ietf-httpapi-ratelimit-headers).",
    "RateLimit": "What is left in all windows.",
}


def document(services: Mapping[str, Sequence[Routes]], *, title: str, version: str, description: str = "") -> Json:
    """All routes of `services` that are not hidden; the first service that has a path and method wins."""
    routes: dict[tuple[str, str], Route] = {}
    for topics in services.values():
        for route in (route for topic in topics for route in topic if not route.hidden):
            routes.setdefault((route.template, route.method.lower()), route)
    schemas, definitions = _schemas(list(routes.values()))
    paths: defaultdict[str, Json] = defaultdict(dict)
    names = _operation_names(routes)
    for (path, method), route in sorted(routes.items()):
        paths[path][method] = _operation(route, names[path, method], schemas, definitions)
    for route in routes.values():
        if route.query is not None:  # spread over parameters, so nothing refers to it
            definitions.pop(schemas[id(route), "query"].get("$ref", "").rpartition("/")[2], None)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes.values())],
        "paths": dict(paths),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`cl_...`) or a JWT."}
            },
            "headers": _headers(),
            "schemas": definitions,
        },
    }


def _schemas(routes: Sequence[Route]) -> tuple[dict[tuple[int, str], Json], Json]:
    """The schema of each route's body, query and answer, and what they share."""
    inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = [(("problem", ""), "serialization", TypeAdapter(Problem))]
    for route in routes:
        for part, model in (("body", route.body), ("query", route.query)):
            if model is not None:
                inputs.append(((id(route), part), "validation", TypeAdapter(model)))
        if route.answer is not None:
            inputs.append(((id(route), "answer"), "serialization", route.answer))
    found, shared = TypeAdapter.json_schemas(inputs, ref_template=_SCHEMAS)
    return {key: schema for (key, _), schema in found.items()}, shared.get("$defs", {})


def _operation_names(routes: Mapping[tuple[str, str], Route]) -> dict[tuple[str, str], str]:
    """The handlers' names; where two have the same, both are told apart by their tag."""
    by_name: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for key, route in routes.items():
        by_name[route.handler.__name__].append(key)
    names = {}
    for name, keys in by_name.items():
        for key in keys:
            tag = routes[key].tag.lower().replace(" ", "_")
            names[key] = name if len(keys) == 1 else f"{tag}_{name}_{key[1]}_{key[0].strip('/').replace('/', '_')}"
    return names


def _operation(route: Route, name: str, schemas: Mapping[tuple[int, str], Json], definitions: Json) -> Json:
    operation: Json = {
        "operationId": name,
        "summary": route.summary,
        "tags": [route.tag],
        "security": [{"bearer": []}] if route.identified else [],
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas, definitions)],
        "responses": {str(route.status): _success(route, schemas), **_failures(route)},
    }
    if (route.handler.__doc__ or "").strip():
        operation["description"] = (route.handler.__doc__ or "").strip()
    if route.scope is not None:
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{route.scope}`.".strip()
    if route.takes_idempotency_key:
        operation["parameters"].append(
            {
                "name": IDEMPOTENCY_HEADER,
                "in": "header",
                "description": "Repeat the request with the same key, and it has one effect and one answer (24 hours).",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            }
        )
    if route.body is not None:
        body = schemas[id(route), "body"]
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": body}}}
    elif route.raw_media_types:
        operation["requestBody"] = {"required": True, "content": {media: {} for media in route.raw_media_types}}
    return operation


def _path_parameters(route: Route) -> Iterator[Json]:
    for name, kind in route.path_parameters.items():
        schema: Json = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1} if kind is int else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route, schemas: Mapping[tuple[int, str], Json], definitions: Json) -> Iterator[Json]:
    if route.query is None:
        return
    model = schemas[id(route), "query"]
    if "$ref" in model:
        model = definitions[model["$ref"].rpartition("/")[2]]
    for name, schema in model.get("properties", {}).items():
        yield {
            "name": name,
            "in": "query",
            "required": name in model.get("required", ()),
            **({"description": schema["description"]} if "description" in schema else {}),
            "schema": _without_null(schema),
        }


def _without_null(schema: Json) -> Json:
    """A query string has no null: what may be null may be left out."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "description", "title")}
    if len(options) == 1:
        rest |= options[0]
    elif options:
        rest["anyOf"] = options
    return rest | ({"default": schema["default"]} if schema.get("default") is not None else {})


def _success(route: Route, schemas: Mapping[tuple[int, str], Json]) -> Json:
    response: Json = {"description": HTTPStatus(route.status).phrase, "headers": _header_refs(route)}
    media_types = route.media_types.get(route.status, ("application/json",) if route.answer is not None else ())
    answer = {"schema": schemas[id(route), "answer"]} if route.answer is not None else {}
    if media_types:
        response["content"] = {media: answer if media == "application/json" else {} for media in media_types}
    return response


def _failures(route: Route) -> Json:
    codes = [*route.errors, "internal_server_error", "service_unavailable", "rate_limit_exceeded"]
    if route.identified:
        codes += ["unauthorized", "invalid_api_key", "account_disabled"]
    if route.scope is not None:
        codes.append("forbidden_scope")
    if route.path_parameters:
        codes.append("not_found")
    if route.body is not None or route.query is not None or route.takes_idempotency_key:
        codes.append("invalid_request")
    if route.body is not None or route.raw_media_types:
        codes.append("payload_too_large")
    if route.takes_idempotency_key:
        codes.append("idempotency_conflict")
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys(codes):
        by_status[STATUS_OF[code]].append(code)
    return {str(status): _failure(status, by_status[status], route) for status in sorted(by_status)}


def _failure(status: int, codes: Sequence[str], route: Route) -> Json:
    headers = _header_refs(route) if status != 401 else {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    if status in (429, 503):
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    return {
        "description": " or ".join(f"`{code}`" for code in codes),
        "headers": headers,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": _SCHEMAS.format(model="Problem")}}},
    }


def _header_refs(route: Route) -> Json:
    names = ["X-Request-ID", *((*_RATE_HEADERS, *_TEXT_RATE_HEADERS) if route.identified else ())]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers() -> Json:
    text = {"X-Request-ID": "The id of this request, for questions to support.", **_TEXT_RATE_HEADERS}
    numbers = {"Retry-After": "Seconds to wait.", **_RATE_HEADERS}
    return {
        **{name: {"description": words, "schema": {"type": "string"}} for name, words in text.items()},
        **{name: {"description": words, "schema": {"type": "integer"}} for name, words in numbers.items()},
    }
