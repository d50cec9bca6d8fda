"""Content Security Policy and subresource integrity. A weakness counts where every enforced policy has it."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from services.scanner.engine.check import Verdict, check, failed, not_applicable, passed
from services.scanner.engine.checks.web import curl, curl_header, on_pages
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import Http, Page
from services.scanner.engine.parsers import csp, thirdparties
from services.scanner.engine.parsers.html import Resource

_HEADER = "content-security-policy"


@check("csp_missing")
def csp_missing(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        if policies := enforced(page):
            remarks = sorted({remark for policy in policies for remark in policy.remarks()})
            yield passed(page.asset, policies=_texts(page), remarks=remarks)
        else:
            yield failed(
                page.asset, "no Content-Security-Policy is enforced", reproduce=curl_header(page.response, _HEADER)
            )

    return on_pages(http, judge, html=True)


@check("csp_report_only")
def csp_report_only(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        reporting = page.response.values(f"{_HEADER}-report-only")
        if enforced(page):
            yield passed(page.asset)
        elif csp.parse(reporting):
            reason = "its policy is report-only: nothing is blocked"
            yield failed(page.asset, reason, reproduce=curl_header(page.response, _HEADER), policies=list(reporting))
        else:
            yield not_applicable(page.asset, "there is no policy of either kind")

    return on_pages(http, judge, html=True)


@check("csp_unsafe_inline")
def csp_unsafe_inline(http: Http) -> Iterator[Verdict]:
    def weakness(policies: tuple[csp.Policy, ...], page: Page) -> str:
        if not all(policy.allows_inline() for policy in policies):
            return _guessable(policies, page)
        if any(policy.script_sources is not None for policy in policies):
            return "'unsafe-inline' lets injected scripts run"
        return "the policy does not restrict scripts: it has neither script-src nor default-src"

    return _on_policies(http, weakness)


def _guessable(policies: tuple[csp.Policy, ...], page: Page) -> str:
    """A nonce is one for each answer, and can be guessed otherwise (CSP3, section 8.2)."""
    again = () if isinstance(page.cors, Unseen) else csp.parse(page.cors.values(_HEADER))
    used = frozenset[str]().union(*(policy.nonces for policy in csp.parse(page.response.values(_HEADER))))
    same = used & frozenset[str]().union(*(policy.nonces for policy in again))
    weak = {nonce for policy in policies for nonce in policy.weak_nonces()}
    for policy in policies:
        if not policy.nonces or not policy.nonces <= same | weak:
            return ""  # this one still keeps injected scripts out
    return "the nonce is the same in every answer" if same else "the nonce is so short that it can be guessed"


@check("csp_unsafe_eval")
def csp_unsafe_eval(http: Http) -> Iterator[Verdict]:
    def weakness(policies: tuple[csp.Policy, ...], page: Page) -> str:
        return "scripts may turn text into code (eval)" if all(policy.allows_eval() for policy in policies) else ""

    return _on_policies(http, weakness)


@check("csp_broad_source")
def csp_broad_source(http: Http) -> Iterator[Verdict]:
    def weakness(policies: tuple[csp.Policy, ...], page: Page) -> str:
        told = []
        for source in csp.broad_script_sources(policies):
            known = "" if csp.is_broad(source) else csp.bypass_known(source)
            told.append(f"{source} (which serves {known})" if known else source)
        return f"scripts may come from {', '.join(told)}" if told else ""

    return _on_policies(http, weakness)


@check("csp_missing_base_object")
def csp_missing_base_object(http: Http) -> Iterator[Verdict]:
    def weakness(policies: tuple[csp.Policy, ...], page: Page) -> str:
        missing = []
        if not any(policy.restricts("base-uri") for policy in policies):
            missing.append("base-uri")
        if not any(policy.restricts("object-src", "default-src") for policy in policies):
            missing.append("object-src")
        return f"{' and '.join(missing)} not restricted" if missing else ""

    return _on_policies(http, weakness)


@check("sri_missing_third_party_script")
def sri_missing_third_party_script(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        foreign = _third_party(http, page)
        bare = sorted({resource.url for resource in foreign if not resource.pinned})
        if not foreign:
            yield not_applicable(page.asset, "it loads no script or style from other domains")
        elif bare:
            reason = f"{len(bare)} scripts or styles of other domains have no integrity attribute"
            yield failed(
                page.asset,
                reason,
                reproduce=curl(page.response.url, grep="<script\\|<link"),
                urls=bare[:20],
            )
        else:
            yield passed(page.asset, urls=sorted({resource.url for resource in foreign})[:20])

    return on_pages(http, judge, html=True)


@check("payment_page_scripts_uncontrolled")
def payment_page_scripts_uncontrolled(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        urls = [resource.url for resource in page.document.loads("script", "frame")] if page.document else []
        processors = sorted({name for url in urls if (name := thirdparties.payment_processor(url))})
        policies = enforced(page)
        controlled = bool(policies) and not csp.broad_script_sources(policies)
        bare = sorted(
            {r.url for r in _third_party(http, page) if not r.pinned and not thirdparties.payment_processor(r.url)}
        )
        if not processors:
            yield not_applicable(page.asset, "no payment form is recognised on the page")
        elif bare and not controlled:
            reason = f"a page with the payment form of {', '.join(processors)} loads scripts of others uncontrolled"
            yield failed(
                page.asset,
                reason,
                reproduce=curl(page.response.url, grep="<script"),
                processors=processors,
                urls=bare[:20],
            )
        else:
            yield passed(page.asset, processors=processors)

    return on_pages(http, judge, html=True)


@check("third_party_trackers_present")
def third_party_trackers_present(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        resources = page.document.resources if page.document else ()
        loaded = {name for resource in resources if (name := thirdparties.tracker(resource.url))}
        hosts = page.document.named_hosts if page.document else ()
        named = {name for host in hosts if (name := thirdparties.tracker(f"https://{host}/"))}
        found = sorted(loaded | named)
        if found:
            yield failed(
                page.asset,
                f"the page loads code of {', '.join(found)}",
                reproduce=curl(page.response.url, grep="src=\\|//"),
                confidence="confirmed" if loaded else "inferred",  # by a script in the page, which may ask first
                trackers=found,
            )
        else:
            yield passed(page.asset)

    return on_pages(http, judge, html=True)


def enforced(page: Page) -> tuple[csp.Policy, ...]:
    """Those of the header, and those in the page, which cannot say all that a header can."""
    inside = csp.parse_meta(page.document.policies) if page.document else ()
    return (*csp.parse(page.response.values(_HEADER)), *inside)


def _texts(page: Page) -> list[str]:
    return [*page.response.values(_HEADER), *(page.document.policies if page.document else ())]


def _on_policies(http: Http, weakness: Callable[[tuple[csp.Policy, ...], Page], str]) -> Iterator[Verdict]:
    """`weakness` says what is wrong with all policies together; "" where nothing."""

    def judge(page: Page) -> Iterator[Verdict]:
        if not (policies := enforced(page)):
            yield not_applicable(page.asset, "no Content-Security-Policy is enforced")
        elif reason := weakness(policies, page):
            yield failed(page.asset, reason, reproduce=curl_header(page.response, _HEADER), policies=_texts(page))
        else:
            yield passed(page.asset, policies=_texts(page))

    return on_pages(http, judge, html=True)


def _third_party(http: Http, page: Page) -> list[Resource]:
    loaded = page.document.loads("script", "style") if page.document else ()
    return [resource for resource in loaded if (host := urlsplit(resource.url).hostname) and not http.own(host)]
