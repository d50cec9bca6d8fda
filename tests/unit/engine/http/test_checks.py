"""What the web checks say where a page is elsewhere, hidden, or seen at two addresses."""

import shlex
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.scanner.engine.check import CheckFunction, Verdict
from services.scanner.engine.checks import cookies, csp, headers, http_behaviour
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import Http, Page, Response, Scheme, SecurityTxtReply, Service
from services.scanner.engine.parsers.html import Document

NOT_ASKED = Unseen("not asked", "ours")
SILENT = Unseen("no complete answer within 5 s", "target")


def response(url: str, *header: tuple[str, str], status: int = 200, address: str = "192.0.2.1") -> Response:
    return Response(url, address, status, header)


def service(
    chain: tuple[Response, ...] | Unseen,
    scheme: Scheme = "https",
    address: str = "192.0.2.1",
    broken: Unseen | None = None,
) -> Service:
    return Service("example.com", address, scheme, chain, broken)


def page(answer: Response, document: Document | None = None) -> Page:
    return Page(answer, document or Document(), cors=NOT_ASKED)


def seen(*services: Service, pages: tuple[Page, ...] = ()) -> Http:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return Http("example.com", "example.com", now, "https://foreign.example", services, pages, None)


def told(verdicts: Iterable[Verdict]) -> list[tuple[str, str]]:
    return [(verdict.status, verdict.asset) for verdict in verdicts]


def test_without_a_web_service_nothing_applies() -> None:
    assert told(headers.hsts_missing(seen())) == [("not_applicable", "example.com")]
    assert told(csp.csp_missing(seen())) == [("not_applicable", "example.com")]
    assert told(http_behaviour.https_not_available(seen())) == [("not_applicable", "example.com")]
    assert told(http_behaviour.security_txt_missing(seen())) == [("not_applicable", "example.com")]


def test_a_silent_service_is_not_tested_by_its_own_doing() -> None:
    http = seen(service(SILENT))
    for check in (headers.hsts_missing, csp.csp_missing, cookies.cookie_missing_secure):
        (verdict,) = check(http)
        assert (verdict.status, verdict.fault) == ("not_tested", "target")


def test_a_chain_that_breaks_hides_its_page() -> None:
    leads = response("https://example.com/", ("location", "https://www.example.com/"), status=301)
    assert told(csp.csp_missing(seen(service((leads,), broken=SILENT)))) == [("not_tested", "example.com:443")]


def test_a_page_of_another_domain_is_none_of_ours() -> None:
    chain = (response("https://example.com/", status=301), response("https://example.org/"))
    assert told(csp.csp_missing(seen(service(chain)))) == [("not_applicable", "example.com:443")]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_refusal_is_no_page(status: int) -> None:
    answer = response("https://example.com/", status=status)
    assert told(csp.csp_missing(seen(service((answer,)), pages=(page(answer),)))) == [("not_tested", "example.com:443")]


@pytest.mark.parametrize("status", [403, 429, 503])
def test_what_a_refusal_lacks_may_be_in_the_answer_that_visitors_get(status: int) -> None:
    answer = response("https://example.com/", status=status)
    http = seen(service((answer,)), service((), "http"), pages=(page(answer),))
    for check in (
        *(headers.hsts_missing, headers.hsts_short_max_age, headers.server_version_disclosed),
        *(headers.internal_ip_in_headers, cookies.cookie_missing_secure, http_behaviour.redirect_chain_insecure_hop),
    ):
        assert told(check(http)) == [("not_tested", "example.com:443")], check
    assert told(http_behaviour.https_not_available(http)) == [("pass", "example.com:443")]


def test_what_a_refusal_shows_is_there() -> None:
    answer = response("https://example.com/", ("server", "nginx/1.2.3"), ("set-cookie", "id=1"), status=403)
    http = seen(service((answer,)), pages=(page(answer),))
    assert told(headers.server_version_disclosed(http)) == [("fail", "example.com:443")]
    assert told(cookies.cookie_missing_secure(http)) == [("fail", "example.com:443")]


def test_a_password_is_asked_of_every_visitor_so_the_answer_is_the_site_s() -> None:
    answer = response("https://example.com/", status=401)
    http = seen(service((answer,)), pages=(page(answer),))
    assert told(headers.hsts_missing(http)) == [("fail", "example.com:443")]


def test_a_riddle_in_front_of_the_site_is_a_refusal_whatever_its_status() -> None:
    answer = response("https://example.com/", ("cf-mitigated", "challenge"))
    riddle = replace(page(answer), turned_away="a protection asks visitors to prove themselves")
    assert told(headers.hsts_missing(seen(service((answer,)), pages=(riddle,)))) == [("not_tested", "example.com:443")]


@pytest.mark.parametrize(
    ("status", "of_the_site", "said"),
    [
        (404, 200, "fail"),
        (403, 200, "fail"),
        (403, 403, "not_tested"),
        (429, 200, "not_tested"),
        (503, 200, "not_tested"),
    ],
)
def test_a_security_txt_that_is_withheld_is_not_missing(status: int, of_the_site: int, said: str) -> None:
    answer = response("https://example.com/", status=of_the_site)
    file = SecurityTxtReply(response("https://example.com/.well-known/security.txt", status=status), "")
    http = replace(seen(service((answer,)), pages=(page(answer),)), security_txt=file)
    assert told(http_behaviour.security_txt_missing(http)) == [(said, "example.com")]
    invalid = "not_tested" if said == "not_tested" else "not_applicable"
    assert told(http_behaviour.security_txt_invalid(http)) == [(invalid, "example.com")]


@pytest.mark.parametrize(
    ("root", "trace", "said"), [(403, 403, "not_tested"), (403, 405, "pass"), (200, 503, "not_tested")]
)
def test_trace_that_is_turned_away_as_all_else_is_not_off(root: int, trace: int, said: str) -> None:
    url = "https://example.com/"
    asked = replace(service((response(url, status=root),)), trace=response(url, status=trace))
    assert told(http_behaviour.http_trace_enabled(seen(asked))) == [(said, "example.com:443")]


def test_the_worse_of_two_addresses_counts() -> None:
    good = response("https://example.com/", ("strict-transport-security", "max-age=31536000; includeSubDomains"))
    bad = response("https://example.com/", address="2001:db8::1")
    verdicts = headers.hsts_missing(seen(service((good,)), service((bad,), address="2001:db8::1")))
    assert told(verdicts) == [("fail", "example.com:443")]


def test_a_host_whose_address_was_not_found_is_not_one_without_a_web_service() -> None:
    http = seen(service(SILENT, address=""), service(SILENT, "http", address=""))
    for check in (headers.hsts_missing, csp.csp_missing, http_behaviour.https_not_available):
        assert {verdict.status for verdict in check(http)} == {"not_tested"}


def test_https_is_not_missing_where_the_plain_service_was_not_seen_either() -> None:
    http = seen(service(()), service(SILENT, "http"))
    assert told(http_behaviour.https_not_available(http)) == [("not_tested", "example.com:443")]


@pytest.mark.parametrize("check", [http_behaviour.http_not_redirected_to_https, headers.hsts_missing])
def test_https_that_hangs_is_neither_there_nor_missing(check: CheckFunction) -> None:
    http = seen(service(SILENT), service((response("http://example.com/"),), "http"))
    assert [verdict.status for verdict in check(http)] == ["not_tested"]


def test_an_address_that_the_scanner_has_no_route_to_hides_nothing() -> None:
    good = response("https://example.com/", ("strict-transport-security", "max-age=31536000"))
    no_route = service(Unseen("no route from the scanner", "ours"), address="2001:db8::1")
    assert told(headers.hsts_missing(seen(service((good,)), no_route))) == [("pass", "example.com:443")]


def test_each_cookie_is_a_failure_of_its_own() -> None:
    answer = response(
        "https://example.com/", ("set-cookie", "a=..."), ("set-cookie", "b=..."), ("set-cookie", "c=...; Secure")
    )
    verdicts = list(cookies.cookie_missing_secure(seen(service((answer,)))))
    assert [(verdict.status, verdict.subject) for verdict in verdicts] == [("fail", "a"), ("fail", "b")]


def test_a_cookie_that_is_being_deleted_is_passed_over() -> None:
    answer = response("https://example.com/", ("set-cookie", "sid=...; Max-Age=0"))
    assert told(cookies.cookie_missing_secure(seen(service((answer,))))) == [("not_applicable", "example.com:443")]


@pytest.mark.parametrize(
    ("header", "protected"),
    [
        ("DENY", True),
        ("sameorigin", True),
        ("DENY, SAMEORIGIN", True),
        ("ALLOW-FROM https://a.example", False),
        ("", False),
    ],
)
def test_x_frame_options_as_browsers_read_it(header: str, protected: bool) -> None:
    answer = response("https://example.com/", ("x-frame-options", header))
    (verdict,) = headers.clickjacking_protection_missing(seen(service((answer,)), pages=(page(answer),)))
    assert (verdict.status == "pass") is protected


def test_a_policy_in_the_page_counts_but_for_framing() -> None:
    answer = response("https://example.com/")
    inside = page(answer, Document(policies=("default-src 'none'; frame-ancestors 'none'",)))
    http = seen(service((answer,)), pages=(inside,))
    assert told(csp.csp_missing(http)) == [("pass", "example.com:443")]
    assert told(headers.clickjacking_protection_missing(http)) == [("fail", "example.com:443")]


def test_one_strict_policy_holds_beside_a_lax_one() -> None:
    lax, strict = "script-src * 'unsafe-inline' 'unsafe-eval'", "script-src 'self'"
    answer = response("https://example.com/", *(("content-security-policy", policy) for policy in (lax, strict)))
    http = seen(service((answer,)), pages=(page(answer),))
    for check in (csp.csp_unsafe_inline, csp.csp_unsafe_eval, csp.csp_broad_source):
        assert told(check(http)) == [("pass", "example.com:443")]


def test_the_command_that_shows_a_finding_again_is_safe_to_paste() -> None:
    url = "https://example.com/';touch /tmp/owned;'"
    answer = response(url)
    (verdict,) = csp.csp_missing(seen(service((answer,)), pages=(page(answer),)))
    assert url in shlex.split(verdict.reproduce)


def test_private_addresses_are_told_from_versions_and_public_ones() -> None:
    def judged(value: str) -> Verdict:
        (verdict,) = headers.internal_ip_in_headers(
            seen(service((response("https://example.com/", ("x-backend", value)),)))
        )
        return verdict

    assert {judged(value).status for value in ("10.1.2.3", "web-1.prod.internal", "via 192.168.0.9:80")} == {"fail"}
    assert {judged(value).status for value in ("Tool/10.1.2.3", "8.8.8.8", "internal", "1.2.3.4.5")} == {"pass"}
