"""Every field of every route wrong in every way: the error form, the field named, and never a 500."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Account, Stage

pytestmark = pytest.mark.xdist_group("e2e")

Json = dict[str, Any]

JSON = {"Content-Type": "application/json"}
UNSTORABLE = ("a\0b", "\ud800", "a\udfffb")
NOT_TEXT: tuple[Any, ...] = (None, True, 7, 1.5, [], {}, ["a"], {"a": 1})
HUGE: tuple[Any, ...] = (2**53 + 1, -(2**63), 10**400, 1e308, -1)


@pytest.fixture(scope="module")
def document(stage: Stage) -> Json:
    found: Json = httpx.get(f"{stage.fleet.url}/v1/openapi.json").json()
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path and description of each."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str, identity: str = "9007199254740991") -> str:
    """The path with ids that belong to nothing."""
    return re.sub(r"{\w+}", identity, path)


def resolved(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def body_schema(document: Json, operation: Json) -> Json | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return resolved(document, content["schema"]) if content else None


def example(document: Json, schema: Json, name: str) -> Any:
    """A value that the field takes."""
    schema = resolved(document, schema)
    if "anyOf" in schema:
        return example(document, schema["anyOf"][0], name)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "array":
            # Two, for what compares.
            items = [example(document, schema["items"], name)]
            return ["example.com", "example.org"] if name == "domains" else items
        case "integer" | "number":
            return max(schema.get("minimum", 0), 1)
        case "boolean":
            return True
    known = {
        "domain": "example.com",
        "domains": "example.com",
        "email": "ann@example.com",
        "url": "https://example.com/",
    }
    if schema.get("format") == "date-time":
        return "2040-01-01T00:00:00Z"
    return known.get(name, "correct horse")


def wrong(document: Json, schema: Json, name: str) -> Iterator[Any]:
    """Values that the schema itself says the field does not take, and some that no schema can say."""
    schema = resolved(document, schema)
    options = [resolved(document, option) for option in schema.get("anyOf", [schema])]
    types = {kind for option in options for kind in ([option["type"]] if "type" in option else [])}
    for value in (*NOT_TEXT, "text", *HUGE):
        if not _has_type(value, types):
            yield value
    for option in options:
        match option.get("type"):
            case "string":
                yield from UNSTORABLE
                if "maxLength" in option:
                    yield "x" * (option["maxLength"] + 1)
                if option.get("minLength", 0) > 0:
                    yield "x" * (option["minLength"] - 1)
                if "enum" in option or "const" in option or "format" in option:
                    yield from ("", "no such thing", "FULL")
            case "integer" | "number":
                yield from (10**400, 1e308)
                if "minimum" in option:
                    yield option["minimum"] - 1
                if "maximum" in option:
                    yield option["maximum"] + 1
            case "array":
                yield [None]
                yield [{}]
                if "maxItems" in option:
                    yield [example(document, option["items"], name)] * (option["maxItems"] + 1)
                if option.get("minItems", 0) > 0:
                    yield []


def _has_type(value: Any, types: set[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    if value is None:
        return "null" in types
    kinds = {str: {"string"}, int: {"integer", "number"}, float: {"number"}, list: {"array"}, dict: {"object"}}
    return not types or bool(kinds[type(value)] & types)


def refused(answer: httpx.Response, field: str | None = None, *, codes: tuple[str, ...] = ("invalid_request",)) -> None:
    """The answer is a refusal in the error form, for `field`."""
    told = f"{answer.request.method} {answer.request.url} {answer.request.content[:300]!r}: {answer.text[:500]}"
    assert answer.status_code == 400, told
    assert answer.headers["Content-Type"].startswith("application/problem+json"), told
    body = answer.json()
    assert body["error"] in codes, told
    assert isinstance(body["detail"], str) and body["detail"] == body["message"], told
    assert body["request_id"] == answer.headers["X-Request-ID"], told
    if field is not None:
        named = [error["field"].replace("[", ".").split(".")[0] for error in body["errors"]]
        assert named == [field] * len(named) and named, told


def test_every_field_of_every_body(tireless: Account, document: Json) -> None:
    tried = 0
    for method, path, operation in operations(document):
        schema = body_schema(document, operation)
        if schema is None or not operation["security"]:
            continue
        for name, field in schema["properties"].items():
            good = {
                other: example(document, schema["properties"][other], other) for other in schema.get("required", ())
            }
            for value in wrong(document, field, name):
                content = json.dumps(good | {name: value})
                answer = tireless.api.request(method, filled(path), content=content, headers=JSON)
                refused(answer, name, codes=("invalid_request", "invalid_domain"))
                tried += 1
    assert tried > 300


def test_every_required_field_is_required(tireless: Account, document: Json) -> None:
    for method, path, operation in operations(document):
        schema = body_schema(document, operation)
        if schema is None or not operation["security"]:
            continue
        required = schema.get("required", [])
        for missing in required:
            good = {name: example(document, schema["properties"][name], name) for name in required if name != missing}
            refused(tireless.api.request(method, filled(path), json=good), missing)


def test_every_body_that_is_no_object(tireless: Account, document: Json) -> None:
    bodies = (
        b"", b"{", b"[]", b"null", b"7", b'"text"', b"{]", b"{'a': 1}", b'{"a": }', b"\xff\xfe", b"\x00",
        b'{"domain": "\xff"}', b'{"domain": "\\ud800"}', b"[" * 20_000, b'{"a":' * 10_000, b'{"domain": NaN}',
        b"domain=example.com",
    )  # fmt: skip
    for method, path, operation in operations(document):
        schema = body_schema(document, operation)
        if schema is None or not operation["security"] or not schema.get("required"):
            continue
        for content in bodies:
            refused(tireless.api.request(method, filled(path), content=content, headers=JSON))


def test_every_query_parameter(tireless: Account, document: Json) -> None:
    tried = 0
    for method, path, operation in operations(document):
        for parameter in operation["parameters"]:
            if parameter["in"] != "query" or not operation["security"]:
                continue
            schema = resolved(document, parameter["schema"])
            values = ["%00"]
            if schema.get("type") in ("integer", "boolean") or "enum" in schema or "format" in schema:
                values += ["", "x", "1e999", "9" * 400, "-1", "%ff"]
            if "maxLength" in schema:
                values.append("x" * (schema["maxLength"] + 1))
            for value in values:
                answer = tireless.api.request(method, f"{filled(path)}?{parameter['name']}={value}")
                if answer.status_code != 404:  # of an unknown id, which may come first
                    refused(answer, parameter["name"], codes=("invalid_request", "invalid_domain"))
                tried += 1
    assert tried > 50


@pytest.mark.parametrize(
    "identity", ["0", "-1", "x", "9" * 50, "%00", "%F0%9F%92%A9", "a%2Fb", "%2E%2E", "'%20or%201=1--", "x" * 3000, "%"]
)
def test_every_id(tireless: Account, document: Json, identity: str) -> None:
    for method, path, operation in operations(document):
        if "{" not in path or not operation["security"]:
            continue
        asked = filled(path, identity)
        schema = body_schema(document, operation)
        body: Json = {} if schema is None else {"json": {}}
        answer = tireless.api.request(method, asked, **body)
        assert answer.status_code == 404, (method, asked, answer.text)
        assert answer.json()["error"] == "not_found"
        assert identity not in answer.text or len(identity) < 3


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_every_wrong_method(tireless: Account, document: Json, method: str) -> None:
    for path, methods in document["paths"].items():
        taken = {known.upper() for known in methods}
        if method in taken:
            continue
        answer = tireless.api.request(method, filled(path))
        assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed"), (method, path)
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == taken, (method, path)


@pytest.mark.parametrize(
    "domain",
    [
        "",
        " ",
        "localhost",
        "example",
        "192.0.2.1",
        "[2001:db8::1]",
        "2001:db8::1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "a..example.com",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "exa mple.com",
        "example.\ncom",
        "example.com\0",
        "xn--.com",
        "xn--a-ecp.ru",
        "💩",
        "a" * 64 + ".example.com",
        ".".join(["a" * 60] * 5) + ".com",
        "co.uk",
        "printer.local",
        "x.onion",
        "1.0.0.127.in-addr.arpa",
        "file:///etc/passwd",
        "example.com:99999999",
        "http://",
        "//",
        "a" * 2048,
        "a" * 2049,
    ],
)
def test_what_is_no_public_domain(tireless: Account, domain: str) -> None:
    for path, body in (
        ("/v1/scan", {"domain": domain}),
        ("/v1/domains", {"domain": domain}),
        ("/v1/batch/scan", {"domains": ["example.com", domain]}),
        ("/v1/batch/compare", {"domains": [domain, "example.com"]}),
    ):
        refused(tireless.api.post(path, json=body), next(iter(body)), codes=("invalid_domain", "invalid_request"))


def test_what_is_one_however_it_is_written(tireless: Account) -> None:
    spellings: Mapping[str, str] = {
        "https://Example.COM/path?q#f": "example.com",
        "EXAMPLE.com.": "example.com",
        "user:secret@example.com:8443": "example.com",
        "bücher.example": "xn--bcher-kva.example",
        "XN--BCHER-KVA.example": "xn--bcher-kva.example",
        "例え。テスト.com": "xn--r8jz45g.xn--zckzah.com",
        "  example.com\t": "example.com",
    }
    for written, meant in spellings.items():
        job = tireless.post("/v1/scan", domain=written, modules=["dns"])
        assert job["domain"] == meant


def test_public_bodies_are_refused_alike(stage: Stage, document: Json) -> None:
    """Each from an address of its own: few attempts are allowed from one."""
    number = 0
    for method, path, operation in operations(document):
        schema = body_schema(document, operation)
        if schema is None or operation["security"]:
            continue
        for name, field in schema["properties"].items():
            good = {other: example(document, schema["properties"][other], other) for other in schema["required"]}
            for value in wrong(document, field, name):
                number += 1
                headers = JSON | {"X-Forwarded-For": f"10.66.{number >> 8}.{number & 255}"}
                content = json.dumps(good | {name: value})
                answer = httpx.request(method, stage.fleet.url + path, content=content, headers=headers, timeout=30)
                refused(answer, name, codes=("invalid_request", "invalid_domain"))
    assert number > 50


@pytest.mark.parametrize("key", ["", "x" * 256, "\x7f", "ä", "a\tb"])
def test_an_idempotency_key_that_is_none(tireless: Account, key: str) -> None:
    answer = tireless.api.post(
        "/v1/domains", json={"domain": "example.com"}, headers=[(b"Idempotency-Key", key.encode())]
    )
    refused(answer)
