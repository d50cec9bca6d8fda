"""Which algorithms and digests there are, which may be used, and which we can compute."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

SUPPORTED_ALGORITHMS = frozenset({5, 7, 8, 10, 13, 14, 15, 16})
SUPPORTED_DIGESTS = {1: "sha1", 2: "sha256", 4: "sha384"}


def name_of(algorithm: int) -> str:
    """`ECDSAP256SHA256`, or `algorithm 200` where the registry has none."""
    return _entry("algorithms", algorithm)[0] or f"algorithm {algorithm}"


def digest_name_of(digest_type: int) -> str:
    return _entry("digests", digest_type)[0] or f"digest type {digest_type}"


def forbidden(algorithm: int) -> bool:
    """Whether zones must not be signed with it (IANA's registry, RFC 9904 section 2, RFC 9905, RFC 9906)."""
    return _entry("algorithms", algorithm)[1] == "MUST NOT"


def digest_forbidden(digest_type: int) -> bool:
    return _entry("digests", digest_type)[1] == "MUST NOT"


def _entry(registry: str, number: int) -> tuple[str, str]:
    found = _tables()[registry].get(str(number), ("", ""))
    return str(found[0]), str(found[1])


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((files(__package__) / "algorithms.toml").read_text("utf-8"))
