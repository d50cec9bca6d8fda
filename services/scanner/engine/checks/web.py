"""What the checks of web servers share: which verdicts there are where a page or service was not seen, one an asset."""

import shlex
from collections.abc import Callable, Iterable, Iterator

from services.scanner.engine.check import Verdict, merged, not_applicable, not_tested
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import Http, Page, Response, Service

_TURNED_AWAY = (403, 407, 429)  # of those that ask every visitor alike for a password (401), that is the answer


def curl(url: str, *options: str, grep: str = "", headers: bool = False) -> str:
    """A command that shows the answer again; quoted, since a target may choose the address."""
    command = shlex.join(["curl", "-sk", *(["-o", "/dev/null", "-D", "-"] if headers else []), *options, url])
    return f"{command} | grep -i {shlex.quote(grep)}" if grep else command


def curl_header(response: Response, pattern: str = "") -> str:
    """Shows the headers again, those that begin with `pattern`."""
    return curl(response.url, grep=f"^{pattern}" if pattern else "", headers=True)


def on_pages(
    http: Http, judge: Callable[[Page], Iterable[Verdict]], *, html: bool = False, refused: bool = False
) -> Iterator[Verdict]:
    """`judge` every page that visitors get; `html`: only HTML pages that are there; `refused`: refusals as well."""

    def verdicts() -> Iterator[Verdict]:
        for page in http.pages:
            if not refused and (reason := _turned_away(page)):
                yield not_tested(page.asset, Unseen(reason, "target"))
            elif html and page.response.status >= 300:
                yield not_applicable(page.asset, f"it serves no page at its root (status {page.response.status})")
            elif html and page.document is None:
                yield not_applicable(page.asset, "it serves no HTML page at its root")
            else:
                yield from judge(page)
        yield from _without_page(http)

    return merged(verdicts())


def on_services(
    http: Http, judge: Callable[[Service, tuple[Response, ...]], Iterable[Verdict]], scheme: str = ""
) -> Iterator[Verdict]:
    """`judge` every service that answers, with its chain of responses."""

    def verdicts() -> Iterator[Verdict]:
        services = [service for service in http.services if scheme in ("", service.scheme)]
        for service in services:
            if isinstance(service.chain, Unseen):
                yield not_tested(service.asset, service.chain)
            elif service.chain:
                yield from judge(service, service.chain)
        if not any(service.chain for service in services):
            yield not_applicable(http.domain, f"it has no {scheme.upper() or 'web'} service")

    return merged(verdicts())


def on_https_hosts(http: Http, judge: Callable[[Response], Iterable[Verdict]]) -> Iterator[Verdict]:
    """`judge` the first answer of every HTTPS service, and of the domain's other hosts that redirects lead to."""
    looked_at = {service.host for service in http.services}

    def verdicts() -> Iterator[Verdict]:
        yield from on_services(http, lambda service, chain: judge(chain[0]), "https")
        for service in http.services:
            elsewhere: dict[str, Response] = {}
            for response in () if isinstance(service.chain, Unseen) else service.chain:
                if response.scheme == "https" and http.own(response.host) and response.host not in looked_at:
                    elsewhere.setdefault(response.asset, response)
            for response in elsewhere.values():
                yield from judge(response)

    return merged(verdicts())


def refusal(http: Http, response: Response) -> Unseen | None:
    """Why this is an answer to the scan alone, so that what it lacks may be in the one that visitors get."""
    told = next((page.turned_away for page in http.pages if page.response == response), "")
    if response.status in _TURNED_AWAY or response.status >= 500:
        told = told or f"the server turned the scan away with status {response.status}"
    return Unseen(told, "target") if told and response.status != 401 else None


def _turned_away(page: Page) -> str:
    status = page.response.status
    refused = status in (*_TURNED_AWAY, 401) or status >= 500
    return page.turned_away or (f"the server turned the scan away with status {status}" if refused else "")


def _without_page(http: Http) -> Iterator[Verdict]:
    for service in http.services:
        if isinstance(service.chain, Unseen):
            yield not_tested(service.asset, service.chain)
        elif service.broken:
            yield not_tested(service.asset, service.broken)
        elif service.chain and not http.own(service.chain[-1].host):
            yield not_applicable(service.asset, f"it leads to {service.chain[-1].host}, which is another domain's")
    if not any(service.chain for service in http.services):
        yield not_applicable(http.domain, "it has no web service")
