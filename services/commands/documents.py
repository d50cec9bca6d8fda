"""The documents that are made from the code: services/gateway/openapi.json and docs/events.md."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import orjson

from shared.asyncapi import meaning
from shared.contracts.events import BROADCAST, TOPOLOGY, Event
from shared.openapi import document
from shared.routes import Routes

ROOT = Path(__file__).parents[2]

_DESCRIPTION = """External security scans of domains: score, findings, compliance controls, signed reports, monitoring.

Errors are problem details (RFC 9457) with `error`, `message`, `detail`, `status` and `request_id`. A path answers the
same with a slash at its end. Times are ISO 8601 in UTC."""


def write(*, check: bool) -> int:
    """Write the documents, or with `check` only compare them. The exit code: 1 when one is out of date."""
    stale = [path for path, content in contents().items() if not path.exists() or path.read_bytes() != content]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date. Run: make documents")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(contents()[path])
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if check and stale else 0


def contents() -> Mapping[Path, bytes]:
    """Each document's path and what belongs there."""
    openapi = document(
        routes(), title="ComplianceLayer API", version=version("compliancelayer-server"), description=_DESCRIPTION
    )
    return {
        ROOT / "services/gateway/openapi.json": orjson.dumps(openapi, option=orjson.OPT_INDENT_2) + b"\n",
        ROOT / "docs/events.md": events_page().encode(),
    }


def routes() -> Mapping[str, Sequence[Routes]]:
    """Every service's routes, the gateway's own first. They are made without what they would work with."""
    from services.auth import routes as auth
    from services.billing import routes as billing
    from services.gateway import compositions, pages
    from services.monitor import routes as monitor
    from services.reports import routes as reports
    from services.scanner import routes as scanner

    nothing = cast(Any, None)
    return {
        "gateway": (*compositions.build(nothing, nothing), pages.build(nothing, nothing)),
        "scanner": (scanner.build(nothing),),
        "reports": reports.build(nothing),
        "monitor": (monitor.build_domains(nothing), monitor.build_webhooks(nothing)),
        "auth": (auth.build(nothing),),
        "billing": (billing.build(nothing),),
    }


def events_page() -> str:
    """docs/events.md."""
    parts = [
        "# Events\n\n"
        "Facts that services tell each other. This page is made from `shared/contracts/events.py` "
        "(`make documents`); `/asyncapi.json` holds the same for programs.\n\n"
        "Each goes through its service's outbox to the topic exchange `compliancelayer` with its name as the routing "
        "key, wrapped in an envelope (`id, name, key, occurred_at, correlation_id, traceparent, data`), and into the "
        "durable queue `<service>.<event>` of each consumer. It is delivered at least once and in no certain order: "
        "the envelope's `id` tells repetitions apart, and what updates a projection carries a growing `version`.\n\n"
        "| event | published by | consumed by |\n|---|---|---|\n"
    ]
    for event, (publisher, consumers) in TOPOLOGY.items():
        heard = [*consumers, *(["every gateway"] if event in BROADCAST else [])]
        parts.append(f"| [`{event.NAME}`](#{_anchor(event)}) | {publisher} | {', '.join(heard) or '-'} |\n")
    parts += [_event(event) for event in TOPOLOGY]
    return "".join(parts)


def _event(event: type[Event]) -> str:
    schema = event.model_json_schema(mode="serialization")
    rows = "".join(f"| `{name}` | {_type(field)} |\n" for name, field in schema["properties"].items())
    words = f"{meaning(event)}\n\n" if meaning(event) else ""
    return f"\n## `{event.NAME}`\n\n{words}| field | type |\n|---|---|\n{rows}"


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))


def _anchor(event: type[Event]) -> str:
    return event.NAME.replace(".", "")
