"""MDN's HTTP Observatory: the headers of a site's page."""

import json
from collections.abc import Iterator
from typing import Any

from tests.compare.peer import HOME, Ours, Peer, Statement, npm_tool
from tests.support.far_lab import FarLab

_PACKAGE = "@mdn/mdn-http-observatory"
_IS_THERE, _INSTALL = npm_tool("observatory", f"{_PACKAGE}@1.4.8")
_FOLDER = HOME / "observatory/node_modules" / _PACKAGE


def _install() -> None:
    """With an empty list of preloaded hosts in the place of the browsers', which holds nobody of the lab either."""
    _INSTALL()
    if _FOLDER.exists():
        (_FOLDER / "conf/hsts-preload.json").write_text("{}")


def _reads(output: bytes, ours: Ours) -> Iterator[Statement]:
    tests = json.loads(output).get("tests")
    if tests is None:
        return  # it could not connect

    def result(name: str) -> str:
        return str(tests[name]["result"])

    yield Statement("no policy", ours.fails("csp_missing"), result("content-security-policy") == "csp-not-implemented")
    policy = tests["content-security-policy"]["policy"] or {}
    if policy:
        yield Statement("unsafe-eval", ours.fails("csp_unsafe_eval"), policy["unsafeEval"])
        unsafe = policy["insecureBaseUri"] or policy["unsafeObjects"]
        yield Statement("base-uri or object-src", ours.fails("csp_missing_base_object"), unsafe)
    hsts = tests["strict-transport-security"]
    if hsts["result"] != "hsts-invalid-cert":  # it then does not look
        yield Statement("no HSTS", ours.fails("hsts_missing"), hsts["data"] is None)
        if hsts["maxAge"] is not None:
            yield Statement("HSTS for hosts below", not ours.fails("hsts_no_subdomains"), hsts["includeSubDomains"])
    options = result("x-content-type-options")
    yield Statement("no nosniff", ours.fails("x_content_type_options_missing"), not options.endswith("-nosniff"))
    framing = not tests["x-frame-options"]["pass"]
    yield Statement("may be framed", ours.fails("clickjacking_protection_missing"), framing)
    yield Statement("no referrer policy", ours.fails("referrer_policy_missing"), _referrer(tests["referrer-policy"]))
    if result("redirection") != "redirection-invalid-cert":
        yield Statement("plain HTTP", ours.fails("http_not_redirected_to_https"), not tests["redirection"]["pass"])
    yield from _cookies(tests["cookies"], ours)
    bare = result("subresource-integrity").startswith("sri-not-implemented-but-external") or (
        result("subresource-integrity") == "sri-not-implemented-and-external-scripts-not-loaded-securely"
    )
    yield Statement("foreign scripts without integrity", ours.fails("sri_missing_third_party_script"), bare)


def _referrer(test: dict[str, Any]) -> bool:
    return str(test["result"]) != "referrer-policy-private"


def _cookies(test: dict[str, Any], ours: Ours) -> Iterator[Statement]:
    found = list((test["data"] or {}).values())
    if found:
        insecure, cross_site = (any(not cookie.get(name) for cookie in found) for name in ("secure", "samesite"))
        yield Statement("cookie without Secure", ours.fails("cookie_missing_secure"), insecure)
        yield Statement("cookie without SameSite", ours.fails("cookie_missing_samesite"), cross_site)


def _command(domain: str, lab: FarLab) -> tuple[str, ...]:
    return "env", f"NODE_EXTRA_CA_CERTS={lab.roots}", "node", str(_FOLDER / "src/scan.js"), domain


PEER = Peer("MDN HTTP Observatory", _command, _reads, _IS_THERE, _install)
