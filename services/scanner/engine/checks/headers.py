"""Response headers that protect visitors, and those that tell too much."""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.web import curl, curl_header, on_pages, on_services
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import Http, Page, Response, Service
from services.scanner.engine.parsers import csp, hsts

HALF_A_YEAR = 15_768_000  # seconds
_REFERRER_POLICIES = (
    "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
    "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url",
)  # fmt: skip
_VERSION_HEADERS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator")
_VERSION = re.compile(r"\d+\.\d+|/\d")
_ADDRESS = re.compile(r"(?<![\w./])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_INTERNAL_NAME = re.compile(
    r"\b[a-z0-9][a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63}){0,5}\.(?:internal|local|lan|corp|intranet)\b", re.I
)


@check("hsts_missing")
def hsts_missing(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        values = chain[0].values("strict-transport-security")
        policy = _hsts(chain[0])
        if policy and policy.max_age > 0:
            yield passed(service.asset, header=values[0])
            return
        reason = "the HTTPS answer has no Strict-Transport-Security"
        if values:
            reason = (
                "its Strict-Transport-Security turns HSTS off" if policy else "browsers ignore its malformed header"
            )
        yield failed(
            service.asset,
            reason,
            reproduce=curl_header(chain[0], "strict-transport-security"),
            header=values[0] if values else None,
        )

    return on_services(http, judge, "https")


@check("hsts_short_max_age")
def hsts_short_max_age(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        policy = _hsts(chain[0])
        if not policy or not policy.max_age:
            yield not_applicable(service.asset, "HSTS is not in force")
        elif policy.max_age < HALF_A_YEAR:
            yield failed(
                service.asset,
                f"max-age is {policy.max_age} s, under half a year",
                reproduce=curl_header(chain[0], "strict-transport-security"),
                max_age=policy.max_age,
            )
        else:
            yield passed(service.asset, max_age=policy.max_age)

    return on_services(http, judge, "https")


@check("hsts_no_subdomains")
def hsts_no_subdomains(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        policy = _hsts(chain[0])
        header = next(iter(chain[0].values("strict-transport-security")), "")
        if not policy or not policy.max_age:
            yield not_applicable(service.asset, "HSTS is not in force")
        elif policy.include_subdomains:
            yield passed(service.asset, header=header)
        else:
            yield failed(
                service.asset,
                "HSTS does not cover the subdomains",
                reproduce=curl_header(chain[0], "strict-transport-security"),
                header=header,
            )

    return on_services(http, judge, "https")


def _hsts(response: Response) -> hsts.Hsts | None:
    """Of several headers browsers take the first (RFC 6797, section 8.1)."""
    values = response.values("strict-transport-security")
    return hsts.parse(values[0]) if values else None


@check("x_content_type_options_missing")
def x_content_type_options_missing(http: Http) -> Iterator[Verdict]:
    """Only the first value counts (Fetch, "determine nosniff")."""

    def judge(page: Page) -> Iterator[Verdict]:
        value = page.response.header("x-content-type-options")
        if (value or "").split(",")[0].strip().lower() == "nosniff":
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
    values = {value.strip().lower() for value in (header or "").split(",")}
    if len(values) > 1:
        return not values.isdisjoint({"deny", "allowall", "sameorigin"})
    return bool(values & {"deny", "sameorigin"})


@check("referrer_policy_missing")
def referrer_policy_missing(http: Http) -> Iterator[Verdict]:
    """The last policy that a browser knows counts (Referrer Policy, section 8.1)."""

    def judge(page: Page) -> Iterator[Verdict]:
        header = page.response.header("referrer-policy")
        stated = header or (page.document.referrer if page.document else "")
        known = [token for part in stated.split(",") if (token := part.strip().lower()) in _REFERRER_POLICIES]
        if known and known[-1] != "unsafe-url":
            yield passed(page.asset, policy=known[-1])
        else:
            reason = (
                "unsafe-url sends the whole address everywhere" if known else "no Referrer-Policy that browsers know"
            )
            yield failed(page.asset, reason, reproduce=curl_header(page.response, "referrer-policy"), header=header)

    return on_pages(http, judge, html=True)


@check("permissions_policy_missing")
def permissions_policy_missing(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        header = page.response.header("permissions-policy")
        if header:
            yield passed(page.asset, header=header)
        else:
            yield failed(
                page.asset,
                "no Permissions-Policy",
                reproduce=curl_header(page.response, "permissions-policy"),
                header=None,
            )

    return on_pages(http, judge, html=True)


@check("cross_origin_isolation_missing")
def cross_origin_isolation_missing(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        names = ("cross-origin-opener-policy", "cross-origin-embedder-policy", "cross-origin-resource-policy")
        found = {name: page.response.header(name) for name in names}
        missing = [name for name, value in found.items() if not value]
        if missing:
            reason = f"no {', '.join(missing)}"
            yield failed(page.asset, reason, reproduce=curl_header(page.response, "cross-origin"), headers=found)
        else:
            yield passed(page.asset, headers=found)

    return on_pages(http, judge, html=True)


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
    def judge(page: Page, response: Response) -> Iterator[Verdict]:
        origin = response.header("access-control-allow-origin")
        credentials = response.header("access-control-allow-credentials")
        evidence: dict[str, Any] = {
            "sent_origin": http.foreign_origin,
            "allow_origin": origin,
            "allow_credentials": credentials,
        }
        if origin == http.foreign_origin and credentials == "true":
            reason = "it allows any origin to read answers made with the visitor's credentials"
            yield failed(page.asset, reason, reproduce=_curl_origin(http, response), **evidence)
        else:
            yield passed(page.asset, **evidence)

    return _on_cors(http, judge)


@check("cors_wildcard_origin")
def cors_wildcard_origin(http: Http) -> Iterator[Verdict]:
    def judge(page: Page, response: Response) -> Iterator[Verdict]:
        origin = response.header("access-control-allow-origin")
        if origin == "*":
            reason = "any origin may read its answers to requests without credentials"
            yield failed(page.asset, reason, reproduce=_curl_origin(http, response), allow_origin=origin)
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


def _curl_origin(http: Http, response: Response) -> str:
    return curl(response.url, "-H", f"Origin: {http.foreign_origin}", grep="^access-control", headers=True)
