"""Google's CSP Evaluator, on the policy that the site serves."""

import json
from collections.abc import Iterator

from services.scanner.engine.checks.csp import enforced
from services.scanner.engine.evidence.http import Http
from tests.compare.peer import HOME, Ours, Peer, Statement, npm_tool
from tests.support.far_lab import FarLab

_PLACES = npm_tool("csp_evaluator", "csp_evaluator@1.1.8")
# Fetches the policy of the domain's page, as a browser would, and prints the findings.
_SCRIPT = """
const { CspParser } = require("csp_evaluator/dist/parser.js");
const { CspEvaluator } = require("csp_evaluator/dist/evaluator.js");
const https = require("https");
https.get({ host: process.argv[1], path: "/", rejectUnauthorized: false }, (answer) => {
  const policy = answer.headers["content-security-policy"] || "";
  const parsed = new CspParser(policy).csp;
  const found = policy ? new CspEvaluator(parsed).evaluate() : [];
  console.log(JSON.stringify({ policy, findings: found }));
  process.exit(0);
});
"""
_MISSING, _INLINE, _EVAL, _BROAD, _SHORT_NONCE, _NUMERIC = 300, 301, 302, (303, 304, 305), 307, 308
_DEPRECATED, _PLAIN = 309, 310
_CERTAIN = (10, 30)  # high and medium; the rest is "maybe"


def _reads(output: bytes, ours: Ours) -> Iterator[Statement]:
    """It sees one policy, once: whether a nonce stays the same in another answer is beyond it."""
    seen = json.loads(output)
    http = ours.seen(Http)
    pages = [page for page in http.pages if page.asset == f"{ours.domain}:443"] if http else []
    if not pages:
        return
    yield Statement("no policy", ours.fails("csp_missing"), not seen["policy"])
    policies = enforced(pages[0])
    if not seen["policy"] or len(policies) != 1:
        return
    (policy,) = policies
    found = {(one["type"], one["directive"]) for one in seen["findings"]}
    types, remarks = {kind for kind, _ in found}, " ".join(policy.remarks())
    scripts = "script-src" if policy.sources("script-src") is not None else "default-src"
    if policy.script_sources is not None:
        yield Statement("inline scripts", policy.allows_inline(), _INLINE in types)
        yield Statement("eval", policy.allows_eval(), _EVAL in types)
        broad = any(
            one["type"] in _BROAD and one["directive"] == scripts and one["severity"] in _CERTAIN
            for one in seen["findings"]
        )
        yield Statement("broad script sources", bool(policy.broad_script_sources()), broad)
    yield Statement("no script-src", policy.script_sources is None, (_MISSING, "script-src") in found)
    objects = policy.sources("object-src", "default-src")
    yield Statement("no object-src", objects is None, (_MISSING, "object-src") in found)
    if policy.nonces:  # else it does not ask
        yield Statement("no base-uri", policy.sources("base-uri") is None, (_MISSING, "base-uri") in found)
        yield Statement("short nonce", bool(policy.weak_nonces()), _SHORT_NONCE in types)
    yield Statement("deprecated directive", "deprecated" in remarks, _DEPRECATED in types)
    yield Statement("source of plain HTTP", "plain HTTP" in remarks, _PLAIN in types)
    yield Statement("source by IP address", "IP address" in remarks, _NUMERIC in types)


def _command(domain: str, lab: FarLab) -> tuple[str, ...]:
    return "env", f"NODE_PATH={HOME / 'csp_evaluator/node_modules'}", "node", "-e", _SCRIPT, domain


PEER = Peer("CSP Evaluator", _command, _reads, *_PLACES)
