"""Log lines: JSON in production, readable in development; request id and service in each, secrets in none."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import Processor

_SECRET_NAMES = re.compile(r"authorization|password|secret|token|cookie|api_?key|pepper", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"cl_[A-Za-z0-9]{24,}"  # an API key
    r"|whsec_\S+|(?:sk|rk)_(?:live|test)_\w+"  # webhook secrets, Stripe's keys
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]+"  # a JWT
    r"|(?<=://)[^\s:/@]*:[^\s@/]+(?=@)"  # user and password in a URL
)
_HIDDEN = "***"


def configure(*, level: str, json: bool, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records through the same processors, to `stream` (standard error)."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    render: list[Processor] = (
        [structlog.processors.format_exc_info, hide_secrets, structlog.processors.JSONRenderer(serializer=_to_json)]
        if json
        else [structlog.processors.format_exc_info, hide_secrets, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_drop_meta, *render])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries speak only when something is wrong
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # that the broker is away is the bus's to say, once


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank what is a secret by its name or by its form."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = _HIDDEN
        elif isinstance(value, str):
            event[name] = _SECRET_VALUES.sub(_HIDDEN, value)
    return event


def _drop_meta(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)


def _to_json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
