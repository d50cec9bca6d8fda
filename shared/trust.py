"""Whom we trust when we are the client: the roots that certifi ships, and the operator's own."""

import ssl
from pathlib import Path

import certifi


def tls_context(extra_roots: Path | None = None) -> ssl.SSLContext:
    """A client context that verifies names and chains. `extra_roots`: a PEM file."""
    context = ssl.create_default_context(cafile=certifi.where())
    if extra_roots is not None:
        context.load_verify_locations(cafile=extra_roots)
    return context
