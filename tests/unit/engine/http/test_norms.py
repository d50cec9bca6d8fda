"""The web checks on header values whose meaning a norm lays down."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.scanner.engine.check import CheckFunction, Verdict
from services.scanner.engine.checks import cookies, csp, exposure, headers, http_behaviour
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.exposure import Exposure, PageScripts, PathReply, RobotsReply, Scripts, Surface
from services.scanner.engine.evidence.http import (
    CorsReply,
    CorsTrick,
    ErrorReply,
    Http,
    Page,
    Response,
    SecurityTxtReply,
    Service,
)
from services.scanner.engine.evidence.methods import Methods, OptionsReply
from services.scanner.engine.parsers.html import Document, Form, Resource

SITE = "https://www.example.com/"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
NOT_ASKED = Unseen("not asked", "ours")
Header = tuple[str, str]


def response(*header: Header, url: str = SITE, status: int = 200) -> Response:
    return Response(url, "192.0.2.1", status, header)


def of(*header: Header, status: int = 200, document: Document | None = None, **page: object) -> Http:
    """One HTTPS page with these headers."""
    answer = response(*header, status=status)
    made = Page(answer, document or Document(), cors=NOT_ASKED)
    made = replace(made, **page)  # type: ignore[arg-type]  # fields of Page
    service = Service("www.example.com", "192.0.2.1", "https", (answer,))
    return Http("example.com", "example.com", NOW, "https://foreign.example", (service,), (made,), None)


def status(verdicts: Iterable[Verdict]) -> str:
    (verdict,) = verdicts
    return verdict.status


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("nosniff",), "pass"),
        (("NOSNIFF",), "pass"),
        (("nosniff,,@#$#%%&^&^*()()11!",), "pass"),
        (("@#$#%%&^&^*()()11!,nosniff",), "fail"),
        (("nosniff", "no"), "pass"),
        (("no", "nosniff"), "fail"),
        (("", "nosniff"), "fail"),
        (("nosniff", ""), "pass"),
        (("nosniff,",), "pass"),
        ((",nosniff",), "fail"),
        (("'nosniff'",), "fail"),
        (('"nosniff"',), "fail"),
        (("nosniff\x0c",), "fail"),
        (("nosniff;",), "fail"),
        ((" \tnosniff\t ",), "pass"),
        ((), "fail"),
    ],
)
def test_nosniff(values: tuple[str, ...], said: str) -> None:
    http = of(*(("x-content-type-options", value) for value in values))
    assert status(headers.x_content_type_options_missing(http)) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("DENY",), "pass"),
        (("SAMEORIGIN", "SAMEORIGIN"), "pass"),
        (("INVALID, DENY",), "pass"),
        (("ALLOWALL, INVALID",), "pass"),  # contradicting values deny
        (("ALLOWALL", "ALLOWALL"), "fail"),
        (("INVALID", "NONSENSE"), "fail"),
        (('"DENY"',), "fail"),
        (("DENY;",), "fail"),
        (("ALLOW-FROM https://a.example",), "fail"),
    ],
)
def test_x_frame_options(values: tuple[str, ...], said: str) -> None:
    http = of(*(("x-frame-options", value) for value in values))
    assert status(headers.clickjacking_protection_missing(http)) == said


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (("frame-ancestors 'none'",), "pass"),
        (("frame-ancestors",), "pass"),
        (("frame-ancestors https:",), "fail"),
        (("frame-ancestors *", "frame-ancestors 'self'"), "pass"),
        (("frame-ancestors https://partner.example",), "pass"),
        (("default-src 'none'",), "fail"),  # frame-ancestors has no fall-back
    ],
)
def test_frame_ancestors(policies: tuple[str, ...], said: str) -> None:
    http = of(*(("content-security-policy", policy) for policy in policies))
    assert status(headers.clickjacking_protection_missing(http)) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("max-age=31536000; includeSubDomains; preload",), "pass"),
        (("max-age=31536000", "max-age=0"), "pass"),  # the first header alone counts
        (("max-age=0", "max-age=31536000"), "fail"),
        (("oops", "max-age=31536000"), "fail"),
        ((" ; max-age = 10 ; ",), "pass"),
        (('max-age="10"; x="a;b"',), "pass"),
        (("max-age='10'",), "fail"),
        (("max-age=10 includeSubDomains",), "fail"),
        (("max-age=10, max-age=20",), "fail"),
        (("max-age=10; includeSubDomains=1",), "fail"),
        (("max-age=10; includeSubDomains; includesubdomains",), "fail"),
        (("max-age=10.5",), "fail"),
        (("max-age",), "fail"),
        (("max-age=",), "fail"),
    ],
)
def test_hsts(values: tuple[str, ...], said: str) -> None:
    http = of(*(("strict-transport-security", value) for value in values))
    assert status(headers.hsts_missing(http)) == said


@pytest.mark.parametrize(
    ("header", "meta", "said"),
    [
        ("no-referrer", "", "pass"),
        ("No-Referrer", "", "pass"),
        ("unsafe-url, strict-origin", "", "pass"),
        ("strict-origin, unsafe-url", "", "fail"),
        ("strict-origin, something-new", "", "pass"),
        ("no-referrer-when-downgrade", "", "fail"),
        ("never", "", "fail"),  # an old name that only <meta> knows
        ("", "never", "pass"),
        ("", "always", "fail"),
        ("no-referrer", "unsafe-url", "fail"),  # the page's own word comes last
        ("no-referrer", "nonsense", "pass"),
        ("", "", "fail"),
    ],
)
def test_referrer_policy(header: str, meta: str, said: str) -> None:
    given = (("referrer-policy", header),) if header else ()
    assert status(headers.referrer_policy_missing(of(*given, document=Document(referrer=meta)))) == said


@pytest.mark.parametrize(
    ("opener", "embedder", "resource", "said"),
    [
        ("same-origin", "require-corp", "same-site", "pass"),
        ('same-origin; report-to="x"', "credentialless", "cross-origin", "pass"),
        ("unsafe-none", "require-corp", "same-site", "fail"),
        ('"same-origin"', "require-corp", "same-site", "fail"),
        ("same-origin, same-origin", "require-corp", "same-site", "fail"),
        ("same-origin", "require-corp", "Same-Site", "fail"),
        ("same-origin", "none", "same-site", "fail"),
    ],
)
def test_cross_origin_headers(opener: str, embedder: str, resource: str, said: str) -> None:
    http = of(
        ("cross-origin-opener-policy", opener),
        ("cross-origin-embedder-policy", embedder),
        ("cross-origin-resource-policy", resource),
    )
    assert status(headers.cross_origin_isolation_missing(http)) == said


ALLOWED = "access-control-allow-origin", "access-control-allow-credentials"


def cors(allow: str | None, credentials: str | None, *tricks: CorsReply | Unseen, hsts: bool = False) -> Http:
    answered = [(name, value) for name, value in zip(ALLOWED, (allow, credentials), strict=True) if value]
    if hsts:
        answered.append(("strict-transport-security", "max-age=31536000"))
    return of(cors=response(*answered), cors_tricks=tricks)


@pytest.mark.parametrize(
    ("allow", "credentials", "arbitrary", "wildcard"),
    [
        ("https://foreign.example", "true", "fail", "pass"),
        ("https://foreign.example", "True", "pass", "fail"),  # Fetch wants these very letters
        ("https://foreign.example", None, "pass", "fail"),
        ("*", "true", "pass", "fail"),  # never with credentials
        ("https://www.example.com", "true", "pass", "pass"),
        (None, "true", "pass", "pass"),
    ],
)
def test_cors(allow: str | None, credentials: str | None, arbitrary: str, wildcard: str) -> None:
    http = cors(allow, credentials)
    assert status(headers.cors_arbitrary_origin_with_credentials(http)) == arbitrary
    assert status(headers.cors_wildcard_origin(http)) == wildcard


@pytest.mark.parametrize("trick", ["null", "suffix", "prefix", "plain"])
def test_origins_that_only_look_like_the_own_one(trick: CorsTrick) -> None:
    def judged(origin: str | None, credentials: str | None, hsts: bool = False) -> str:
        reply = CorsReply(trick, "https://evil", origin, credentials)
        return status(headers.cors_arbitrary_origin_with_credentials(cors(None, None, reply, hsts=hsts)))

    assert judged("https://evil", "true") == "fail"
    assert judged("https://evil", None) == "pass"
    assert judged("https://other", "true") == "pass"
    assert judged("https://evil", "true", hsts=True) == ("pass" if trick == "plain" else "fail")


def test_cors_that_was_not_seen_wholly_is_not_tested() -> None:
    hidden = cors(None, None, Unseen("no answer", "target"))
    assert status(headers.cors_arbitrary_origin_with_credentials(hidden)) == "not_tested"


SIGN_IN = Document(forms=(Form(SITE, password=True),))


@pytest.mark.parametrize(
    ("given", "document", "said"),
    [
        ((), SIGN_IN, "fail"),
        ((("cache-control", "no-store"),), SIGN_IN, "pass"),
        ((), Document(), "not_applicable"),
        ((("set-cookie", "sid=..."),), Document(), "fail"),
        ((("set-cookie", "theme=..."),), Document(), "not_applicable"),
        ((("set-cookie", "sid=...; Max-Age=0"),), Document(), "not_applicable"),
    ],
)
def test_caching_of_what_belongs_to_one_visitor(given: tuple[Header, ...], document: Document, said: str) -> None:
    assert status(headers.sensitive_response_cacheable(of(*given, document=document))) == said


def nonced(first: str, second: str, *more: str) -> Http:
    lines = [("content-security-policy", f"script-src 'nonce-{first}'")]
    again = [("content-security-policy", f"script-src 'nonce-{second}'")]
    extra = [("content-security-policy", policy) for policy in more]
    return of(*lines, *extra, cors=response(*again, *extra))


STRONG, OTHER = "dGhpcyBpcyBsb25nIGVub3VnaA", "YW5vdGhlciBvbmUgdGhhdCBpcyBsb25n"


@pytest.mark.parametrize(
    ("http", "said"),
    [
        (nonced(STRONG, OTHER), "pass"),
        (nonced(STRONG, STRONG), "fail"),
        (nonced("abc", "def"), "fail"),
        (nonced(STRONG, STRONG, "script-src 'self'"), "pass"),  # the other policy holds
    ],
)
def test_a_nonce_is_one_for_each_answer(http: Http, said: str) -> None:
    assert status(csp.csp_unsafe_inline(http)) == said


@pytest.mark.parametrize(
    ("line", "check", "said"),
    [
        ("__HOST-a=...; Secure; Path=/; Domain=example.com", cookies.cookie_prefix_invalid, "fail"),
        ("__secure-a=...; Path=/", cookies.cookie_prefix_invalid, "fail"),
        ("__Host-a=...; Secure; Path=/; Domain=", cookies.cookie_prefix_invalid, "pass"),
        ("sid=...; Domain=example.com", cookies.cookie_domain_too_broad, "fail"),
        ("sid=...; Domain=.Example.COM", cookies.cookie_domain_too_broad, "fail"),
        ("sid=...; Domain=www.example.com", cookies.cookie_domain_too_broad, "pass"),
        ("sid=...; Domain=com", cookies.cookie_domain_too_broad, "not_applicable"),  # a public suffix: dropped
        ("sid=...; Domain=other.example", cookies.cookie_missing_secure, "not_applicable"),
        ("sid=...; Secure\x01", cookies.cookie_missing_secure, "not_applicable"),
        ("sid=...; SameSite=Lax; SameSite=Sometimes", cookies.cookie_missing_samesite, "fail"),
        ("sid=...; Expires=Wed, 21 Oct 2015 07:28:00 GMT", cookies.cookie_missing_secure, "not_applicable"),
        ("sid=...; Expires=Wed, 21-Oct-2099 07:28:00 GMT", cookies.cookie_missing_secure, "fail"),
        ("sid=...; Expires=1 Jan 1970", cookies.cookie_missing_secure, "fail"),  # no time of day: no date
        ("sid=...; Max-Age=+0", cookies.cookie_missing_secure, "fail"),  # no number: passed over
    ],
)
def test_cookies(line: str, check: CheckFunction, said: str) -> None:
    assert status(check(of(("set-cookie", line)))) == said


def test_cookies_of_another_host_on_the_way_are_that_hosts() -> None:
    first = response(("location", "https://app.example.com/"), url="https://example.com/", status=302)
    last = response(("set-cookie", "sid=..."), url="https://app.example.com/")
    service = Service("example.com", "192.0.2.1", "https", (first, last))
    http = Http("example.com", "example.com", NOW, "", (service,), (), None)
    said = {verdict.asset: verdict.status for verdict in cookies.cookie_missing_secure(http)}
    assert said == {"example.com:443": "not_applicable", "app.example.com:443": "fail"}


def test_hsts_of_a_host_that_only_redirects_lead_to() -> None:
    strict = ("strict-transport-security", "max-age=31536000")
    first = response(("location", "https://app.example.com/"), strict, url="https://example.com/", status=302)
    last = response(url="https://app.example.com/")
    foreign = response(url="https://elsewhere.example/")
    service = Service("example.com", "192.0.2.1", "https", (first, last, foreign))
    http = Http("example.com", "example.com", NOW, "", (service,), (), None)
    said = {verdict.asset: verdict.status for verdict in headers.hsts_missing(http)}
    assert said == {"example.com:443": "pass", "app.example.com:443": "fail"}


HTML_CHECKS = (
    csp.csp_missing, headers.clickjacking_protection_missing, headers.referrer_policy_missing,
    http_behaviour.mixed_content_active, csp.sri_missing_third_party_script,
)  # fmt: skip


@pytest.mark.parametrize("check", HTML_CHECKS)
@pytest.mark.parametrize(("code", "said"), [(404, "not_applicable"), (304, "not_applicable"), (401, "not_tested")])
def test_where_there_is_no_page_its_headers_are_not_missed(check: CheckFunction, code: int, said: str) -> None:
    assert status(check(of(status=code))) == said


@pytest.mark.parametrize("check", HTML_CHECKS)
def test_json_is_no_page(check: CheckFunction) -> None:
    answer = response(("content-type", "application/json"))
    http = of()
    http = replace(http, pages=(Page(answer, None, cors=NOT_ASKED),))
    assert status(check(http)) == "not_applicable"


def test_a_stack_trace_on_an_error_of_the_root_is_told() -> None:
    shown = of(status=500, errors=(ErrorReply(SITE, 500, ("Python traceback",)),))
    assert status(http_behaviour.verbose_error_page(shown)) == "fail"


@pytest.mark.parametrize(
    ("integrity", "said"),
    [
        ("sha384-abc", "pass"),
        ("md5-abc sha512-abc?opt", "pass"),
        ("md5-abc", "fail"),
        ("sha384", "fail"),
        ("", "fail"),
    ],
)
def test_integrity_that_browsers_check(integrity: str, said: str) -> None:
    loaded = Document(resources=(Resource("script", "https://cdn.example/x.js", integrity),))
    assert status(csp.sri_missing_third_party_script(of(document=loaded))) == said


def signed(text: str) -> str:
    return (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        f"{text}-----BEGIN PGP SIGNATURE-----\nContact: nobody\n-----END PGP SIGNATURE-----\n"
    )


GOOD = "Contact: mailto:a@example.com\nExpires: 2027-01-01T00:00:00Z\n"
TXT = "https://example.com/.well-known/security.txt"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD, "pass"),
        (GOOD.replace("\n", "\r\n"), "pass"),
        (signed(GOOD), "pass"),
        (GOOD.replace("00Z", "00.5+02:00"), "pass"),
        (GOOD.replace("00:00:00Z", "00:00:00"), "fail"),  # no offset
        (GOOD.replace("2027-01-01T00:00:00Z", "2027-01-01"), "fail"),
        (GOOD.replace("2027-01-01T00:00:00Z", "2027-W01-1T00:00:00Z"), "fail"),
        (GOOD.replace("2027-01-01T00:00:00Z", "Fri, 01 Jan 2027 00:00:00 GMT"), "fail"),
        (GOOD + "Contact: tel:+1-201-555-0123\n", "pass"),
        (GOOD + "Policy: http://example.com/policy\n", "fail"),
        (GOOD + "Preferred-Languages: en\nPreferred-Languages: de\n", "fail"),
        (GOOD + f"Canonical: {TXT}\n", "pass"),
        (GOOD + "Canonical: https://elsewhere.example/security.txt\n", "fail"),
    ],
)
def test_security_txt(text: str, said: str) -> None:
    reply = SecurityTxtReply(response(url=TXT), text)
    assert status(http_behaviour.security_txt_invalid(replace(of(), security_txt=reply))) == said


def test_security_txt_has_its_place_and_its_type() -> None:
    legacy = SecurityTxtReply(response(url="https://example.com/security.txt"), GOOD, legacy=True)
    assert status(http_behaviour.security_txt_missing(replace(of(), security_txt=legacy))) == "pass"
    assert status(http_behaviour.security_txt_invalid(replace(of(), security_txt=legacy))) == "fail"
    typed = SecurityTxtReply(response(("content-type", "text/html"), url=TXT), GOOD)
    assert status(http_behaviour.security_txt_invalid(replace(of(), security_txt=typed))) == "fail"


@pytest.mark.parametrize(
    ("answer", "allow", "said"),
    [
        (200, "GET, POST, OPTIONS", "pass"),
        (204, "get, put", "fail"),
        (200, "GET, PROPFIND, MKCOL", "fail"),
        (401, "PUT", "pass"),
        (405, "GET, HEAD, DELETE", "fail"),
        (500, "PUT", "not_tested"),
        (429, None, "not_tested"),
        (501, "PUT", "pass"),
        (200, None, "pass"),
        (Unseen("no answer", "target"), None, "not_tested"),
    ],
)
def test_methods_that_write(answer: int | Unseen, allow: str | None, said: str) -> None:
    methods = Methods("example.com", (OptionsReply("example.com:443", SITE, answer, allow),))
    assert status(http_behaviour.http_dangerous_methods(methods)) == said


def surface(*paths: PathReply, sparse: str = "", robots: RobotsReply | None = None) -> Exposure:
    return Exposure("example.com", (Surface("https://example.com", "example.com:443", paths, robots, sparse),), ())


def test_what_was_not_asked_for_is_not_passed() -> None:
    assert status(exposure.exposed_env_file(surface(sparse="it redirects every path"))) == "not_applicable"
    assert status(exposure.exposed_env_file(surface(PathReply("env", "/.env", 301), sparse="it redirects"))) == "pass"
    blocked = PathReply("env", "/.env", Unseen("the server turned the request away with status 429", "target"))
    assert status(exposure.exposed_env_file(surface(blocked, PathReply("env", "/.env.local", 404)))) == "not_tested"


def test_a_page_without_scripts_of_its_own_has_none_to_judge() -> None:
    scripts = Scripts((PageScripts("www.example.com:443", ()),))
    assert status(exposure.exposed_secret_in_javascript(of(), scripts)) == "not_applicable"
