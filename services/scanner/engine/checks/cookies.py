"""The attributes of the cookies that are set on the way to the page."""

from collections.abc import Callable, Iterator

from services.scanner.engine.check import Verdict, check, failed, not_applicable, not_tested, passed
from services.scanner.engine.checks.web import curl_header, on_services, refusal
from services.scanner.engine.evidence.http import Http, Response, Service
from services.scanner.engine.parsers import cookies
from services.scanner.engine.parsers.cookies import Cookie

SESSION_BY_NAME = "recognised as a session cookie by its name alone"


@check("cookie_missing_secure")
def cookie_missing_secure(http: Http) -> Iterator[Verdict]:
    return _on_cookies(http, lambda cookie, _: "" if cookie.secure else "it is set without Secure", scheme="https")


@check("cookie_missing_httponly")
def cookie_missing_httponly(http: Http) -> Iterator[Verdict]:
    def fault(cookie: Cookie, response: Response) -> str:
        return "" if cookie.http_only else f"scripts can read it ({SESSION_BY_NAME})"

    return _on_cookies(http, fault, session_only=True)


@check("cookie_missing_samesite")
def cookie_missing_samesite(http: Http) -> Iterator[Verdict]:
    return _on_cookies(http, lambda cookie, _: "" if cookie.same_site else "it has no SameSite that browsers know")


@check("cookie_samesite_none_without_secure")
def cookie_samesite_none_without_secure(http: Http) -> Iterator[Verdict]:
    def fault(cookie: Cookie, response: Response) -> str:
        return "it has SameSite=None without Secure" if cookie.same_site == "none" and not cookie.secure else ""

    return _on_cookies(http, fault)


@check("cookie_prefix_invalid")
def cookie_prefix_invalid(http: Http) -> Iterator[Verdict]:
    return _on_cookies(http, lambda cookie, response: cookie.prefix_violation(response.scheme))


@check("cookie_domain_too_broad")
def cookie_domain_too_broad(http: Http) -> Iterator[Verdict]:
    def fault(cookie: Cookie, response: Response) -> str:
        broad = cookie.domain == http.registrable
        return f"every host under {http.registrable} gets it ({SESSION_BY_NAME})" if broad else ""

    return _on_cookies(http, fault, session_only=True)


def _on_cookies(
    http: Http, fault: Callable[[Cookie, Response], str], *, scheme: str = "", session_only: bool = False
) -> Iterator[Verdict]:
    """`fault` says what is wrong with a cookie; "" where nothing. Cookies that are being deleted are passed over."""

    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        found = [
            (cookie, line, response)
            for response in chain
            if http.own(response.host) and scheme in ("", response.scheme)
            for line in response.values("set-cookie")
            if (cookie := cookies.parse(line, http.seen_at)) and not cookie.deleted
            if cookie.session_like or not session_only
            if not cookie.foreign_to(response.host, http.registrable)  # browsers drop it
        ]
        refusals = (refusal(http, response) for response in chain if response.asset == service.asset)
        if any(response.asset == service.asset for _, _, response in found):
            pass
        elif refused := next(filter(None, refusals), None):
            yield not_tested(service.asset, refused)
        else:
            yield not_applicable(service.asset, f"it sets no {'session-like ' if session_only else ''}cookie")
        for cookie, line, response in found:
            if fault(cookie, response):
                yield failed(
                    response.asset,
                    f"cookie {cookie.name}: {fault(cookie, response)}",
                    reproduce=curl_header(response, "set-cookie"),
                    subject=cookie.name,
                    confidence="inferred" if session_only else "confirmed",
                    set_cookie=line,
                    url=response.url,
                )
        for asset in dict.fromkeys(response.asset for _, _, response in found):
            names = {cookie.name for cookie, _, response in found if response.asset == asset}
            yield passed(asset, cookies=sorted(names))

    return on_services(http, judge, scheme)
