"""The AsyncAPI 3.0 document of the events, made from their contracts and the topology."""

from typing import Any

from pydantic.json_schema import models_json_schema

from shared.contracts.events import TOPOLOGY, Envelope, Event

Json = dict[str, Any]

VERSION = "1.0.0"  # of the set of events: grows with each event or field that is added
EXCHANGE = "compliancelayer"

_SCHEMAS = "#/components/schemas/{model}"


def document() -> Json:
    """Who sends and who receives what, and in which form it is on the wire."""
    models: list[type[Event] | type[Envelope]] = [Envelope, *TOPOLOGY]
    _, shared = models_json_schema([(model, "serialization") for model in models], ref_template=_SCHEMAS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ComplianceLayer events",
            "version": VERSION,
            "description": f"Facts on the topic exchange `{EXCHANGE}`; the routing key is the event's name. "
            "Delivered at least once, in no certain order: the envelope's `id` tells repetitions apart.",
        },
        "defaultContentType": "application/json",
        "channels": {event.NAME: _channel(event) for event in TOPOLOGY},
        "operations": {
            f"{service}.{action}.{event.NAME}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{event.NAME}"},
                "messages": [{"$ref": f"#/channels/{event.NAME}/messages/{event.__name__}"}],
            }
            for event, (publisher, consumers) in TOPOLOGY.items()
            for action, services in (("send", (publisher,)), ("receive", consumers))
            for service in services
        },
        "components": {"messages": {event.__name__: _message(event) for event in TOPOLOGY}, "schemas": shared["$defs"]},
    }


def meaning(event: type[Event]) -> str:
    """What the event says, from its docstring; the base class's own does not count."""
    return event.__doc__.strip() if event.__doc__ and event.__doc__ != Event.__doc__ else ""


def _channel(event: type[Event]) -> Json:
    return {
        "address": event.NAME,
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": EXCHANGE, "type": "topic", "durable": True}}},
    }


def _message(event: type[Event]) -> Json:
    return {
        "name": event.NAME,
        "summary": meaning(event) or event.__name__,
        "contentType": "application/json",
        "payload": {
            "allOf": [
                {"$ref": _SCHEMAS.format(model="Envelope")},
                {
                    "type": "object",
                    "properties": {
                        "name": {"const": event.NAME},
                        "data": {"$ref": _SCHEMAS.format(model=event.__name__)},
                    },
                },
            ]
        },
    }
