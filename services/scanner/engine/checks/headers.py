"""Response headers that protect visitors, and those that tell too much."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.web import curl, curl_header, on_https_hosts, on_pages, on_services, refusal
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import CorsTrick, Http, Page, Response, Service
from services.scanner.engine.parsers import caching, cookies, csp, hsts
from services.scanner.engine.parsers.field_values import NotStructured, Token, dictionary, get_decode_split, item

HALF_A_YEAR = 15_768_000  # seconds
_REFERRER_POLICIES = (
    "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
    "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url",
)  # fmt: skip
_LEGACY_REFERRERS = {  # HTML, section 4.2.5.1
    "never": "no-referrer",
    "default": "strict-origin-when-cross-origin",
    "always": "unsafe-url",
    "origin-when-crossorigin": "origin-when-cross-origin",
}
_LEAKING_REFERRERS = {
    "unsafe-url": "unsafe-url sends the whole address everywhere",
    "no-referrer-when-downgrade": "no-referrer-when-downgrade sends the whole address to every HTTPS site",
}
_ISOLATION: Mapping[str, tuple[str, ...]] = {
    "cross-origin-opener-policy": ("same-origin", "same-origin-allow-popups", "noopener-allow-popups"),
    "cross-origin-embedder-policy": ("require-corp", "credentialless"),
    "cross-origin-resource-policy": ("same-origin", "same-site", "cross-origin"),
}
_TRICKS: Mapping[CorsTrick, str] = {
    "null": "which any sandboxed frame has",
    "suffix": "which begins like the site's own",
    "prefix": "which ends like the site's own",
    "plain": "which anyone on the way can answer for",
}
_VERSION_HEADERS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator")
_VERSION = re.compile(r"\d+\.\d+|/\d")
_ADDRESS = re.compile(r"(?<![\w./])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_INTERNAL_NAME = re.compile(
    r"\b[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){0,5}\.(?:internal|local|lan|corp|intranet)\b", re.I
)


@check("hsts_missing")
def hsts_missing(http: Http) -> Iterator[Verdict]:
    def judge(response: Response) -> Iterator[Verdict]:
        values = response.values("strict-transport-security")
        policy = _hsts(response)
        if policy and policy.max_age > 0:
            yield passed(response.asset, header=values[0])
            return
        reason = "the HTTPS answer has no Strict-Transport-Security"
        if values:
            reason = (
                "its Strict-Transport-Security turns HSTS off" if policy else "browsers ignore its malformed header"
            )
        yield failed(
            response.asset,
            reason,
            reproduce=curl_header(response, "strict-transport-security"),
            header=values[0] if values else None,
        )

    return _on_hsts(http, judge)


@check("hsts_short_max_age")
def hsts_short_max_age(http: Http) -> Iterator[Verdict]:
    def judge(response: Response) -> Iterator[Verdict]:
        policy = _hsts(response)
        if not policy or not policy.max_age:
            yield not_applicable(response.asset, "HSTS is not in force")
        elif policy.max_age < HALF_A_YEAR:
            yield failed(
                response.asset,
                f"max-age is {policy.max_age} s, under half a year",
                reproduce=curl_header(response, "strict-transport-security"),
                max_age=policy.max_age,
            )
        else:
            yield passed(response.asset, max_age=policy.max_age)

    return _on_hsts(http, judge)


@check("hsts_no_subdomains")
def hsts_no_subdomains(http: Http) -> Iterator[Verdict]:
    def judge(response: Response) -> Iterator[Verdict]:
        policy = _hsts(response)
        header = next(iter(response.values("strict-transport-security")), "")
        if not policy or not policy.max_age:
            yield not_applicable(response.asset, "HSTS is not in force")
        elif policy.include_subdomains:
            yield passed(response.asset, header=header, preload_problems=list(hsts.preload_problems(policy)))
        else:
            yield failed(
                response.asset,
                "HSTS does not cover the subdomains",
                reproduce=curl_header(response, "strict-transport-security"),
                header=header,
            )

    return _on_hsts(http, judge)


def _on_hsts(http: Http, judge: Callable[[Response], Iterator[Verdict]]) -> Iterator[Verdict]:
    """Servers often leave the header out of refusals, though RFC 6797, section 7.1, exempts none."""

    def judge_what_visitors_get(response: Response) -> Iterator[Verdict]:
        refused = None if response.values("strict-transport-security") else refusal(http, response)
        yield from (not_tested(response.asset, refused),) if refused else judge(response)

    return on_https_hosts(http, judge_what_visitors_get)


def _hsts(response: Response) -> hsts.Hsts | None:
    """Of several headers browsers take the first (RFC 6797, section 8.1)."""
    values = response.values("strict-transport-security")
    return hsts.parse(values[0]) if values else None


@check("x_content_type_options_missing")
def x_content_type_options_missing(http: Http) -> Iterator[Verdict]:
    """Only the first value counts (Fetch, "determine nosniff")."""

    def judge(page: Page) -> Iterator[Verdict]:
        value = page.response.header("x-content-type-options")
        if (get_decode_split(value) or ("",))[0].lower() == "nosniff":
            yield passed(page.asset, header=value)
        else:
            reason = "X-Content-Type-Options does not begin with nosniff" if value else "no X-Content-Type-Options"
            yield failed(
                page.asset, reason, reproduce=curl_header(page.response, "x-content-type-options"), header=value
            )

    return on_pages(http, judge)


@check("clickjacking_protection_missing")
def clickjacking_protection_missing(http: Http) -> Iterator[Verdict]:
    """frame-ancestors, where there is one, makes browsers ignore X-Frame-Options (CSP3, section 6.4.2)."""

    def judge(page: Page) -> Iterator[Verdict]:
        policies = csp.parse(page.response.values("content-security-policy"))
        ancestors = [sources for policy in policies if (sources := policy.sources("frame-ancestors")) is not None]
        frame_options = page.response.header("x-frame-options")
        evidence: dict[str, Any] = {
            "frame_ancestors": [" ".join(sources) for sources in ancestors],
            "x_frame_options": frame_options,
        }
        if ancestors:
            protected = any(policy.restricts("frame-ancestors") for policy in policies)
            reason = "frame-ancestors lets every site frame the page"
        else:
            protected = _frame_options_hold(frame_options)
            reason = "browsers ignore its X-Frame-Options" if frame_options else "any site may frame the page"
        if protected:
            yield passed(page.asset, **evidence)
        else:
            command = curl_header(page.response, "\\(x-frame-options\\|content-security-policy\\)")
            yield failed(page.asset, reason, reproduce=command, **evidence)

    return on_pages(http, judge, html=True)


def _frame_options_hold(header: str | None) -> bool:
    """HTML, "check a navigation response's adherence to X-Frame-Options": contradicting values deny."""
    values = {value.lower() for value in get_decode_split(header) or ()}
    if len(values) > 1:
        return not values.isdisjoint({"deny", "allowall", "sameorigin"})
    return bool(values & {"deny", "sameorigin"})


@check("referrer_policy_missing")
def referrer_policy_missing(http: Http) -> Iterator[Verdict]:
    """The last policy that a browser knows counts (Referrer Policy, section 8.1); the page's own goes before."""

    def judge(page: Page) -> Iterator[Verdict]:
        header = page.response.header("referrer-policy")
        policy = _referrer_policy(page.document.referrer if page.document else "", legacy=True)
        policy = policy or _referrer_policy(header or "")
        if policy and policy not in _LEAKING_REFERRERS:
            yield passed(page.asset, policy=policy)
        else:
            reason = _LEAKING_REFERRERS.get(policy, "no Referrer-Policy that browsers know")
            yield failed(page.asset, reason, reproduce=curl_header(page.response, "referrer-policy"), header=header)

    return on_pages(http, judge, html=True)


def _referrer_policy(value: str, *, legacy: bool = False) -> str:
    """Of a header, the last known token; of `<meta name=referrer>`, the one value, which may be an old name."""
    if legacy:
        token = value.strip().lower()
        token = _LEGACY_REFERRERS.get(token, token)
        return token if token in _REFERRER_POLICIES else ""
    known = [token for part in value.split(",") if (token := part.strip(" \t").lower()) in _REFERRER_POLICIES]
    return known[-1] if known else ""


@check("permissions_policy_missing")
def permissions_policy_missing(http: Http) -> Iterator[Verdict]:
    """A structured dictionary (RFC 9651): browsers ignore one that does not parse."""

    def judge(page: Page) -> Iterator[Verdict]:
        header = page.response.header("permissions-policy")
        try:
            features = dictionary(header) if header else {}
            reason = "its Permissions-Policy is empty" if header is not None else "no Permissions-Policy"
        except NotStructured:
            features, reason = {}, "browsers ignore its malformed Permissions-Policy"
        if features:
            yield passed(page.asset, header=header)
        else:
            command = curl_header(page.response, "permissions-policy")
            yield failed(page.asset, reason, reproduce=command, header=header)

    return on_pages(http, judge, html=True)


@check("cross_origin_isolation_missing")
def cross_origin_isolation_missing(http: Http) -> Iterator[Verdict]:
    """COOP and COEP are structured items (HTML, sections 7.1.3, 7.1.4), CORP one exact value (Fetch, section 3.7)."""

    def judge(page: Page) -> Iterator[Verdict]:
        found = {name: page.response.header(name) for name in _ISOLATION}
        missing = [name for name, value in found.items() if _isolating(name, value) not in _ISOLATION[name]]
        if missing:
            reason = f"no effective {', '.join(missing)}"
            yield failed(page.asset, reason, reproduce=curl_header(page.response, "cross-origin"), headers=found)
        else:
            yield passed(page.asset, headers=found)

    return on_pages(http, judge, html=True)


def _isolating(name: str, value: str | None) -> str:
    if value is None or name == "cross-origin-resource-policy":
        return value or ""
    try:
        parsed = item(value)
    except NotStructured:
        return ""
    return parsed.text if isinstance(parsed, Token) else ""


@check("sensitive_response_cacheable")
def sensitive_response_cacheable(http: Http) -> Iterator[Verdict]:
    """RFC 9111, section 3: what shared caches may keep; without a word on it, heuristics decide (section 4.2.2)."""

    def judge(page: Page) -> Iterator[Verdict]:
        form = page.document is not None and any(form.password for form in page.document.forms)
        lines = page.response.values("set-cookie")
        session = any(cookie.session_like and not cookie.deleted for line in lines if (cookie := cookies.parse(line)))
        control = page.response.header("cache-control")
        reason = caching.shared_cache_may_reuse(page.response, http.seen_at)
        if page.response.status != 200 or not (form or session):
            yield not_applicable(page.asset, "it neither asks for a password nor sets a session-like cookie")
        elif reason:
            what = "asks for a password" if form else "sets a session-like cookie"
            command = curl_header(page.response, "\\(cache-control\\|expires\\|pragma\\|set-cookie\\)")
            yield failed(
                page.asset,
                f"the page {what}, and shared caches may keep it: {reason}",
                reproduce=command,
                confidence="confirmed" if form else "inferred",
                cache_control=control,
            )
        else:
            yield passed(page.asset, cache_control=control)

    return on_pages(http, judge)


@check("server_version_disclosed")
def server_version_disclosed(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        found = {
            name: value
            for name in _VERSION_HEADERS
            for value in chain[0].values(name)
            if _VERSION.search(value) or name.startswith("x-aspnet")
        }
        if found:
            reason = f"{', '.join(found)} name software versions"
            yield failed(service.asset, reason, reproduce=curl_header(chain[0], "\\(server\\|x-\\)"), headers=found)
        elif refused := refusal(http, chain[0]):
            yield not_tested(service.asset, refused)
        else:
            yield passed(service.asset, server=chain[0].header("server"))

    return on_services(http, judge)


@check("internal_ip_in_headers")
def internal_ip_in_headers(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        found = {name: value for name, value in chain[0].headers if _internal(value)}
        if found:
            reason = f"{', '.join(found)} name hosts of the inside"
            yield failed(service.asset, reason, reproduce=curl_header(chain[0]), confidence="inferred", headers=found)
        elif refused := refusal(http, chain[0]):
            yield not_tested(service.asset, refused)
        else:
            yield passed(service.asset)

    return on_services(http, judge)


def _internal(value: str) -> bool:
    return _INTERNAL_NAME.search(value) is not None or any(_private(text) for text in _ADDRESS.findall(value))


def _private(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback and not address.is_unspecified


@check("cors_arbitrary_origin_with_credentials")
def cors_arbitrary_origin_with_credentials(http: Http) -> Iterator[Verdict]:
    """Fetch, "CORS check": credentials need the very origin, and `true` in these letters. `*` never goes with them."""

    def judge(page: Page, response: Response) -> Iterator[Verdict]:
        origin = response.header("access-control-allow-origin")
        credentials = response.header("access-control-allow-credentials")
        evidence: dict[str, Any] = {
            "sent_origin": http.foreign_origin,
            "allow_origin": origin,
            "allow_credentials": credentials,
        }
        replies = [reply for reply in page.cors_tricks if not isinstance(reply, Unseen)]
        tricked = [
            reply for reply in replies if reply.allow_origin == reply.origin and reply.allow_credentials == "true"
        ]
        if _in_force(response):  # nobody can then take the place of the plain origin
            tricked = [reply for reply in tricked if reply.trick != "plain"]
        hidden = [reply for reply in page.cors_tricks if isinstance(reply, Unseen)]
        if origin == http.foreign_origin and credentials == "true":
            reason = "it allows any origin to read answers made with the visitor's credentials"
            yield failed(page.asset, reason, reproduce=_curl_origin(response, http.foreign_origin), **evidence)
        elif tricked:
            reply = tricked[0]
            yield failed(
                page.asset,
                f"it lets {reply.origin}, {_TRICKS[reply.trick]}, read answers made with the visitor's credentials",
                reproduce=_curl_origin(response, reply.origin),
                sent_origin=reply.origin,
                allow_origin=reply.allow_origin,
                allow_credentials=reply.allow_credentials,
            )
        elif hidden:
            yield not_tested(page.asset, hidden[0])
        else:
            yield passed(page.asset, **evidence)

    return _on_cors(http, judge)


def _in_force(response: Response) -> bool:
    policy = _hsts(response) if response.scheme == "https" else None
    return policy is not None and policy.max_age > 0


@check("cors_wildcard_origin")
def cors_wildcard_origin(http: Http) -> Iterator[Verdict]:
    def judge(page: Page, response: Response) -> Iterator[Verdict]:
        origin = response.header("access-control-allow-origin")
        credentials = response.header("access-control-allow-credentials")
        if origin == "*" or (origin == http.foreign_origin and credentials != "true"):
            reason = "any origin may read its answers to requests without credentials"
            yield failed(page.asset, reason, reproduce=_curl_origin(response, http.foreign_origin), allow_origin=origin)
        else:
            yield passed(page.asset, allow_origin=origin)

    return _on_cors(http, judge)


def _on_cors(http: Http, judge: Callable[[Page, Response], Iterator[Verdict]]) -> Iterator[Verdict]:
    def judge_page(page: Page) -> Iterator[Verdict]:
        if isinstance(page.cors, Unseen):
            yield not_tested(page.asset, page.cors)
        else:
            yield from judge(page, page.cors)

    return on_pages(http, judge_page)


def _curl_origin(response: Response, origin: str) -> str:
    return curl(response.url, "-H", f"Origin: {origin}", grep="^access-control", headers=True)
