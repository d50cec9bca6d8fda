"""Log lines: one JSON object each, with the request in it and no secret."""

import io
import json
import logging as standard
from collections.abc import Iterator

import pytest
import structlog

from shared import logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    handlers, level, before = standard.getLogger().handlers[:], standard.getLogger().level, structlog.get_config()
    stream = io.StringIO()
    logging.configure(level="info", json=True, stream=stream)
    yield stream
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    standard.getLogger().handlers[:] = handlers
    standard.getLogger().setLevel(level)


def test_each_line_is_json_with_its_context(lines: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(service="toy", request_id="req_1")
    structlog.get_logger().info("something happened", count=3)
    standard.getLogger("library").warning("a library says %s", "so")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["event"], first["level"], first["count"]) == ("something happened", "info", 3)
    assert second["event"] == "a library says so"
    assert {(line["service"], line["request_id"]) for line in (first, second)} == {("toy", "req_1")}


def test_secrets_are_blanked_by_name_and_by_form(lines: io.StringIO) -> None:
    secrets = {
        "password": "hunter2",
        "Authorization": "Bearer abc",
        "note": "key cl_5Pqb5HUjedMBnnfDq9S5U9sieIs80K1N3WLm and whsec_abc123",
        "url": "amqp://guest:hunter2@host/vhost",
        "stripe": "sk_live_abc123",
        "jwt": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln",
    }
    structlog.get_logger().info("request", **secrets)
    try:
        raise ValueError("cannot open postgresql://owner:hunter2@host/db")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = lines.getvalue()
    for secret in ("hunter2", "Bearer abc", "cl_5Pqb", "abc123", "eyJ"):
        assert secret not in text
    assert "@host/vhost" in text


def test_less_than_the_level_is_not_written(lines: io.StringIO) -> None:
    structlog.get_logger().debug("too much")
    standard.getLogger("library").info("too much")
    assert lines.getvalue() == ""
