"""Attacks that have a name, by the weakness of TLS that each needs."""

from collections.abc import Sequence
from typing import Any

from services.scanner.engine.evidence.tls import Service, Version

INFERRED = "inferred from configuration"  # what it needs was accepted; the attack itself was not made
CONFIRMED = "confirmed by behaviour"
_CVES = {
    "BEAST": "CVE-2011-3389",
    "CRIME": "CVE-2012-4929",
    "DROWN": "CVE-2016-0800",
    "FREAK": "CVE-2015-0204",
    "LUCKY13": "CVE-2013-0169",
    "Logjam": "CVE-2015-4000",
    "POODLE": "CVE-2014-3566",
    "RC4 biases": "CVE-2015-2808",
    "SWEET32": "CVE-2016-2183",
    "renegotiation": "CVE-2009-3555",
}


def named(*names: str, basis: str = INFERRED) -> list[dict[str, str]]:
    """As evidence."""
    return [{"name": name, "cve": _CVES[name], "basis": basis} for name in names]


def of_versions(service: Service, versions: Sequence[Version]) -> list[dict[str, str]]:
    """Those that an old version lays open as it was accepted."""
    found = []
    for version in versions:
        suites = service.suites_of(version)
        if version == "SSLv2" and suites:
            found.append("DROWN")
        if version == "SSLv3" and any("_CBC_" in suite for suite in suites):
            found.append("POODLE")
        if version == "TLSv1.0" and any("_CBC_" in suite for suite in suites):
            found.append("BEAST")
    return named(*found)


def of_suites(suites: Sequence[str]) -> list[dict[str, str]]:
    found = {
        "FREAK": any(suite.startswith(("TLS_RSA_EXPORT", "SSL_RSA_EXPORT")) for suite in suites),
        "Logjam": any("_DHE_" in suite and "_EXPORT" in suite for suite in suites),
        "RC4 biases": any("_RC4_" in suite for suite in suites),
        "SWEET32": any("_3DES_" in suite or "_IDEA_" in suite or "_DES_CBC" in suite for suite in suites),
    }
    return named(*(name for name, there in found.items() if there))


def unprotected(suite: str) -> bool:
    """Encrypts nothing, or names nobody."""
    return "_NULL_" in suite or "_anon_" in suite or suite in ("TLS_SHA256_SHA256", "TLS_SHA384_SHA384")


def breakable(suite: str) -> bool:
    """Export strength, RC4, RC2 or DES, where it is not unprotected anyway."""
    marks = ("_EXPORT", "_RC4_", "_RC2_", "_DES_CBC_", "_DES40_")
    return any(mark in suite for mark in marks) and not unprotected(suite)


def of_small_blocks(suite: str) -> bool:
    """A 64-bit block, where it is neither of the others."""
    marks = ("_3DES_", "_IDEA_", "_28147_", "_MAGMA_")
    return any(mark in suite for mark in marks) and not unprotected(suite) and not breakable(suite)


def accepted(service: Service) -> dict[str, Any]:
    """Every suite that is known to be accepted, by version, and of which versions there are no others."""
    return {
        "suites": {each.version: list(each.names) for each in service.suites},
        "complete": [each.version for each in service.suites if each.complete],
    }
