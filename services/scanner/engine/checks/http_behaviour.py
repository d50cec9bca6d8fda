"""How the web servers behave: HTTPS and redirects, what pages load and submit, odd requests, security.txt."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from services.scanner.engine.check import Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.checks.csp import enforced
from services.scanner.engine.checks.web import curl, curl_header, on_pages, on_services, refusal
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import Http, Page, Response, SecurityTxtReply, Service
from services.scanner.engine.evidence.methods import Methods
from services.scanner.engine.parsers import security_txt
from services.scanner.engine.parsers.html import Kind

# Those that write: of HTTP, and of WebDAV (RFC 4918, 3253, 3744); PATCH is an API's usual way.
_DANGEROUS = frozenset((
    "PUT", "DELETE", "CONNECT", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "ACL", "CHECKIN", "CHECKOUT",
    "MKWORKSPACE",
))  # fmt: skip


@check("https_not_available")
def https_not_available(http: Http) -> Iterator[Verdict]:
    plain = {(service.host, service.address): service for service in http.services_of("http")}

    def verdicts() -> Iterator[Verdict]:
        for service in http.services_of("https"):
            beside = plain[service.host, service.address].chain
            if isinstance(service.chain, Unseen):
                yield not_tested(service.asset, service.chain)
            elif service.chain:
                yield passed(service.asset, status=service.chain[0].status)
            elif isinstance(beside, Unseen):
                yield not_tested(service.asset, beside)
            elif beside:
                yield failed(
                    service.asset,
                    "the host answers plain HTTP, and nothing on port 443",
                    reproduce=f"{curl(f'https://{service.host}/')}; {curl(f'http://{service.host}/')}",
                    address=service.address,
                )
            else:
                yield not_applicable(service.asset, "the host has no web service")
        if not http.services:
            yield not_applicable(http.domain, "it has no web service")

    return merged(verdicts())


@check("http_not_redirected_to_https")
def http_not_redirected_to_https(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        urls = [response.url for response in chain]
        if no_https := _without_https(http, service):
            yield no_https
        elif any(response.scheme == "https" for response in chain) or _leads_to_https(chain[-1]):
            yield passed(service.asset, urls=urls)
        elif service.broken:
            yield not_tested(service.asset, service.broken)
        elif refused := refusal(http, chain[-1]):
            yield not_tested(service.asset, refused)
        elif chain[-1].status >= 400:
            yield not_applicable(service.asset, f"it serves nothing at its root over plain HTTP ({chain[-1].status})")
        else:
            reason = "plain HTTP answers with content instead of a redirect to HTTPS"
            yield failed(service.asset, reason, reproduce=_follow(chain[0]), urls=urls, status=chain[-1].status)

    return on_services(http, judge, "http")


@check("redirect_chain_insecure_hop")
def redirect_chain_insecure_hop(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        urls = [response.url for response in chain]
        insecure = [response.url for response in chain[1:] if response.scheme == "http"]
        if insecure and any(response.scheme == "https" for response in chain):
            reason = f"its redirects pass through {insecure[0]}"
            yield failed(service.asset, reason, reproduce=_follow(chain[0]), urls=urls)
        elif unseen := service.broken or refusal(http, chain[-1]):
            yield not_tested(service.asset, unseen)
        else:
            yield passed(service.asset, urls=urls)

    return on_services(http, judge)


@check("redirect_to_other_host_before_https")
def redirect_to_other_host_before_https(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        location = chain[0].header("location")
        if no_https := _without_https(http, service):
            yield no_https
        elif len(chain) > 1 and chain[1].host != service.host:
            reason = f"plain HTTP leads to {chain[1].host} at once, so browsers never learn of the host's own HSTS"
            yield failed(service.asset, reason, reproduce=curl_header(chain[0], "location"), location=location)
        elif refused := refusal(http, chain[0]):
            yield not_tested(service.asset, refused)
        else:
            yield passed(service.asset, location=location)

    return on_services(http, judge, "http")


@check("mixed_content_active")
def mixed_content_active(http: Http) -> Iterator[Verdict]:
    return _mixed_content(http, "script", "style", "frame", "object")


@check("mixed_content_passive")
def mixed_content_passive(http: Http) -> Iterator[Verdict]:
    return _mixed_content(http, "image")


def _mixed_content(http: Http, *kinds: Kind) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        loaded = page.document.loads(*kinds) if page.document else ()
        insecure = sorted({resource.url for resource in loaded if urlsplit(resource.url).scheme == "http"})
        if page.response.scheme != "https":
            yield not_applicable(page.asset, "the page itself comes over plain HTTP")
        elif not insecure:
            yield passed(page.asset, loaded=len(loaded))
        elif _upgraded(page):
            yield passed(
                page.asset, "upgrade-insecure-requests makes browsers fetch them over HTTPS", urls=insecure[:20]
            )
        else:
            reason = f"the HTTPS page loads over plain HTTP: {len(insecure)} x {' or '.join(kinds)}"
            yield failed(page.asset, reason, reproduce=_grep(page, "http://"), urls=insecure[:20])

    return on_pages(http, judge, html=True)


def _upgraded(page: Page) -> bool:
    """Whether browsers fetch and submit over HTTPS what is written as http: (Upgrade Insecure Requests, section 3)."""
    return any(policy.sources("upgrade-insecure-requests") is not None for policy in enforced(page))


@check("login_form_over_http")
def login_form_over_http(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        forms = [form for form in page.document.forms if form.password] if page.document else []
        insecure = [form.action for form in forms if urlsplit(form.action).scheme == "http" and not _upgraded(page)]
        if page.response.scheme == "http" and forms:
            reason = "the page that asks for a password comes over plain HTTP"
            yield failed(page.asset, reason, reproduce=_grep(page, "password"), actions=[form.action for form in forms])
        elif insecure:
            reason = "a password is submitted over plain HTTP"
            yield failed(page.asset, reason, reproduce=_grep(page, "<form"), actions=insecure)
        elif forms:
            yield passed(page.asset, actions=[form.action for form in forms])
        else:
            yield not_applicable(page.asset, "the page asks for no password")

    return on_pages(http, judge, html=True)


@check("form_posts_to_http")
def form_posts_to_http(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        forms = page.document.forms if page.document else ()
        insecure = sorted({form.action for form in forms if urlsplit(form.action).scheme == "http"})
        foreign = sorted({form.action for form in forms if form.password and _foreign(http, form.action)})
        if page.response.scheme != "https":
            yield not_applicable(page.asset, "the page itself comes over plain HTTP")
        elif not forms:
            yield not_applicable(page.asset, "the page has no form")
        elif insecure and _upgraded(page):
            yield passed(
                page.asset, "upgrade-insecure-requests makes browsers submit over HTTPS", actions=insecure[:20]
            )
        elif insecure:
            reason = "a form of the HTTPS page is submitted over plain HTTP"
            yield failed(page.asset, reason, reproduce=_grep(page, "<form"), actions=insecure[:20])
        elif foreign:
            reason = f"a password is submitted to {urlsplit(foreign[0]).hostname}, which is another domain's"
            yield failed(
                page.asset, reason, reproduce=_grep(page, "<form"), confidence="inferred", actions=foreign[:20]
            )
        else:
            yield passed(page.asset, forms=len(forms))

    return on_pages(http, judge, html=True)


def _foreign(http: Http, action: str) -> bool:
    host = urlsplit(action).hostname
    return host is not None and not http.own(host)


@check("http_trace_enabled")
def http_trace_enabled(http: Http) -> Iterator[Verdict]:
    def judge(service: Service, chain: tuple[Response, ...]) -> Iterator[Verdict]:
        trace = service.trace or Unseen("the port closed before TRACE was asked", "target")
        if isinstance(trace, Unseen):
            yield not_tested(service.asset, trace)
        elif trace.status == 200 and service.trace_echoed:
            command = curl(trace.url, "-X", "TRACE", "-H", "X-Mark: hello")
            yield failed(service.asset, "TRACE sends the request's headers back", reproduce=command, status=200)
        elif trace.status in (429, 503) or (trace.status == chain[0].status and refusal(http, trace)):
            reason = f"the server turned TRACE away with status {trace.status}"
            yield not_tested(service.asset, Unseen(reason, "target"))
        else:
            yield passed(service.asset, status=trace.status)

    return on_services(http, judge)


@check("directory_listing_enabled")
def directory_listing_enabled(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        seen = [listing for listing in page.listings if not isinstance(listing, Unseen)]
        unseen = [listing for listing in page.listings if isinstance(listing, Unseen)]
        for listing in seen:
            if listing.listed:
                path = urlsplit(listing.url).path
                command = curl(listing.url)
                yield failed(
                    page.asset,
                    f"the server lists the files in {path}",
                    reproduce=command,
                    subject=path,
                    url=listing.url,
                )
        if unseen:
            yield not_tested(page.asset, unseen[0])
        else:
            yield passed(page.asset, urls=[listing.url for listing in seen])

    return on_pages(http, judge)


@check("verbose_error_page")
def verbose_error_page(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        seen = [reply for reply in page.errors if not isinstance(reply, Unseen)]
        unseen = [reply for reply in page.errors if isinstance(reply, Unseen)]
        telling = [reply for reply in seen if reply.details]
        if telling:
            reply = telling[0]
            yield failed(
                page.asset,
                f"its error page shows: {', '.join(reply.details)}",
                reproduce=curl(reply.url),
                url=reply.url,
                status=reply.status,
                details=list(reply.details),
            )
        elif unseen:
            yield not_tested(page.asset, unseen[0])
        elif page.turned_away and {reply.status for reply in seen} == {page.response.status} != {500}:
            yield not_tested(page.asset, Unseen(page.turned_away, "target"))
        else:
            yield passed(page.asset, statuses=[reply.status for reply in seen])

    return on_pages(http, judge, refused=True)


@check("default_page_exposed")
def default_page_exposed(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        if page.default_of:
            reason = f"it serves the untouched start page of {page.default_of}"
            title = page.document.title if page.document else ""
            yield failed(page.asset, reason, reproduce=_grep(page, "<title>"), product=page.default_of, title=title)
        elif page.turned_away:
            yield not_tested(page.asset, Unseen(page.turned_away, "target"))
        else:
            yield passed(page.asset, title=page.document.title if page.document else "")

    return on_pages(http, judge, refused=True)


@check("security_txt_missing")
def security_txt_missing(http: Http) -> Iterator[Verdict]:
    reply = http.security_txt
    if reply is None:
        yield not_applicable(http.domain, "it has no web service")
    elif isinstance(reply, Unseen):
        yield not_tested(http.domain, reply)
    elif security_txt.looks_like_one(reply.text):
        yield passed(http.domain, url=reply.response.url)
    elif withheld := _withheld(http, reply.response):
        yield not_tested(http.domain, withheld)
    else:
        yield failed(
            http.domain,
            f"/.well-known/security.txt is not there (status {reply.response.status})",
            reproduce=curl(reply.response.url),
            url=reply.response.url,
            status=reply.response.status,
        )


@check("security_txt_invalid")
def security_txt_invalid(http: Http) -> Iterator[Verdict]:
    reply = http.security_txt
    if reply is None:
        yield not_applicable(http.domain, "it has no web service")
    elif isinstance(reply, Unseen):
        yield not_tested(http.domain, reply)
    elif security_txt.looks_like_one(reply.text):
        yield _judged(http, reply)
    elif withheld := _withheld(http, reply.response):
        yield not_tested(http.domain, withheld)
    else:
        yield not_applicable(http.domain, "there is no security.txt")


def _withheld(http: Http, answer: Response) -> Unseen | None:
    """Whether the file may be there for others: the whole site turns the scan away, or the server is overburdened."""
    own = any(page.asset == answer.asset and page.response.status == answer.status for page in http.pages)
    unable = answer.status == 429 or answer.status >= 500
    if unable or (own and answer.status in (401, 403, 407)):
        return Unseen(f"the server turned the scan away with status {answer.status}", "target")
    return None


def _judged(http: Http, reply: SecurityTxtReply) -> Verdict:
    file = security_txt.parse(reply.text)
    problems = [*security_txt.problems(file, http.seen_at)]
    media_type = (reply.response.header("content-type") or "").partition(";")[0].strip().lower()
    if reply.response.scheme != "https":
        problems.append("it comes over plain HTTP")
    if reply.legacy:
        problems.append("it is at /security.txt alone, and not under /.well-known/")
    if media_type not in ("", "text/plain"):
        problems.append(f"its Content-Type is {media_type[:80]} instead of text/plain")
    if file.canonical and reply.response.url not in file.canonical:
        problems.append("its Canonical names other addresses than its own")
    evidence: dict[str, Any] = {
        "url": reply.response.url,
        "contacts": list(file.contacts),
        "expires": list(file.expires),
    }
    if problems:
        command = curl(reply.response.url)
        return failed(http.domain, f"security.txt: {'; '.join(problems)}", reproduce=command, **evidence)
    return passed(http.domain, **evidence, remarks=list(security_txt.remarks(file, http.seen_at)))


@check("http_dangerous_methods")
def http_dangerous_methods(methods: Methods) -> Iterator[Verdict]:
    """What Allow says (RFC 9110, section 10.2.1); none of these methods is tried, so it is no proof that they work."""

    def verdicts() -> Iterator[Verdict]:
        for reply in methods.replies:
            told = {token.strip().upper() for token in (reply.allow or "").split(",")}
            dangerous = sorted(told & _DANGEROUS)
            command = curl(reply.url, "-X", "OPTIONS", grep="^\\(allow\\|public\\|dav\\)", headers=True)
            if isinstance(reply.answer, Unseen):
                yield not_tested(reply.asset, reply.answer)
            elif reply.answer == 429 or (reply.answer >= 500 and reply.answer != 501):
                reason = f"the server turned OPTIONS away with status {reply.answer}"
                yield not_tested(reply.asset, Unseen(reason, "target"))
            elif reply.answer in (401, 403):
                yield passed(reply.asset, "it asks for credentials first", status=reply.answer)
            elif dangerous and reply.answer != 501:
                yield failed(
                    reply.asset,
                    f"it says that it takes {', '.join(dangerous)}, and asks for no credentials",
                    reproduce=command,
                    confidence="inferred",
                    allow=reply.allow,
                    dav=reply.dav,
                    status=reply.answer,
                )
            else:
                yield passed(reply.asset, allow=reply.allow, status=reply.answer)
        if not methods.replies:
            yield not_applicable(methods.domain, "it has no web service")

    return merged(verdicts())


def _without_https(http: Http, plain: Service) -> Verdict | None:
    """What a check says that needs HTTPS on the host of a plain service, where it was not seen."""
    chains = [service.chain for service in http.services_of("https") if service.host == plain.host]
    if any(chain and not isinstance(chain, Unseen) for chain in chains):
        return None
    unseen = next((chain for chain in chains if isinstance(chain, Unseen)), None)
    if unseen:
        return not_tested(plain.asset, unseen)
    return not_applicable(plain.asset, "the host has no HTTPS to redirect to")


def _leads_to_https(response: Response) -> bool:
    return (response.header("location") or "").lower().startswith("https://") and 300 <= response.status < 400


def _follow(response: Response) -> str:
    return curl(response.url, "-L", grep="^\\(http/\\|location\\)", headers=True)


def _grep(page: Page, text: str) -> str:
    return curl(page.response.url, grep=text)
