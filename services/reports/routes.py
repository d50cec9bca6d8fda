"""`/v1/verify`, `/v1/badge`, the certificate, and the printing of reports for the gateway's compositions."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Literal

from aiohttp import BodyPartReader, web
from pydantic import ValidationError

from services.reports import badge, repository
from services.reports.badge import Badge, Style
from services.reports.document import Documents, Paper, static
from services.reports.issuing import Issuer
from services.reports.registry import Answer, answer, unknown_file
from services.reports.renderer import RendererUnavailable
from services.reports.storage import StorageUnavailable
from services.reports.verification import MAX_BYTES
from shared.contracts.base import Contract
from shared.contracts.principal import Principal, Scope
from shared.contracts.report import ReportDocument
from shared.crypto import SIGNATURE_HEADER, Untrusted, verify_document
from shared.database import Database
from shared.errors import PROBLEM_TYPE, ApiError, InvalidField, NotFound, problem
from shared.keys import Keys
from shared.web import Routes

DOCUMENT_BYTES = 32 * 1024 * 1024  # of a report as data
FORM_BYTES = 64 * 1024  # what a form adds to the file in it
CHUNK_BYTES = 64 * 1024
BADGE_SECONDS = 3600


@dataclass(frozen=True)
class Reports:
    """What the routes work with."""

    database: Database
    keys: Keys
    issuer: Issuer
    documents: Documents
    certificates: bytes  # PEM


class PaperQuery(Contract):
    paper: Paper = "a4"


class PageQuery(Contract):
    report_id: str | None = None


class BadgeQuery(Contract):
    style: Style = "flat"


def build(reports: Reports) -> tuple[Routes, ...]:
    return _printing(reports), _verification(reports), _badges(reports)


def _printing(reports: Reports) -> Routes:
    routes = Routes(tag="Reports")

    @routes.post(
        "/internal/reports/pdf",
        summary="The signed PDF of a report that the scanner signed",
        scope=Scope.REPORTS_READ,
        idempotent=False,
        hidden=True,
        raw_body=DOCUMENT_BYTES,
        responses={200: "application/pdf"},
    )
    async def pdf(request: web.Request, principal: Principal, query: PaperQuery) -> web.Response:
        if not principal.limits.pdf:
            raise ApiError(
                "plan_upgrade_required", "PDF reports come with the plan Professional and above: upgrade to get them."
            )
        document = await _document(reports.keys, request)
        if document.account_id != principal.account_id:
            raise NotFound()
        try:
            issued, content = await reports.issuer.issue(document, query.paper)
        except (RendererUnavailable, StorageUnavailable) as error:
            raise ApiError("service_unavailable", str(error), headers={"Retry-After": "10"}) from error
        name = f"{issued.domain}-{issued.scanned_at:%Y-%m-%d}.pdf"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Report-Id": issued.id}
        return web.Response(body=content, content_type="application/pdf", headers=headers)

    @routes.post(
        "/internal/reports/html",
        summary="A report that the scanner signed, for reading",
        scope=Scope.SCAN_READ,
        idempotent=False,
        hidden=True,
        raw_body=DOCUMENT_BYTES,
        responses={200: "text/html"},
    )
    async def html(request: web.Request, principal: Principal) -> web.Response:
        document = await _document(reports.keys, request)
        if document.account_id != principal.account_id:
            raise NotFound()
        return _page(await asyncio.to_thread(reports.documents.report, document.report))

    return routes


def _verification(reports: Reports) -> Routes:
    routes = Routes(tag="Verification")

    async def look_up(request: web.Request, report_id: str) -> Answer | web.Response:
        async with reports.database.connection() as conn:
            issued = await repository.by_id(conn, report_id)
        if _wants_html(request):
            found = answer(issued) if issued else None
            return _verify_page(reports.documents, found, asked=report_id, status=200 if issued else 404)
        if issued is None:
            body = problem(NotFound(), request).model_dump(mode="json", exclude_none=True) | {"valid": False}
            return web.json_response(body, status=404, content_type=PROBLEM_TYPE)
        return answer(issued)

    @routes.get(
        "/v1/verify",
        summary="The page that checks reports",
        public=True,
        errors=("not_found",),
        responses={200: ("application/json", "text/html")},
    )
    async def verification_page(request: web.Request, query: PageQuery) -> Answer | web.Response:
        if query.report_id:
            return await look_up(request, query.report_id.strip())
        return _verify_page(reports.documents)

    @routes.get(
        "/v1/verify/{report_id}",
        summary="Whether a report was issued here, and what its cover says",
        public=True,
        errors=("not_found",),
        responses={200: ("application/json", "text/html")},
    )
    async def verify_id(request: web.Request, report_id: str) -> Answer | web.Response:
        return await look_up(request, report_id)

    @routes.post(
        "/v1/verify",
        summary="Whether a PDF is, byte for byte, a report issued here",
        public=True,
        errors=("invalid_request", "payload_too_large", "rate_limit_exceeded"),
        raw_body=MAX_BYTES + FORM_BYTES,
        responses={200: ("application/json", "text/html")},
    )
    async def verify_file(request: web.Request) -> Answer | web.Response:
        content = await _uploaded(request)
        if not content:
            raise InvalidField("file", "send the PDF as the body, or as the form file `file`")
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
        async with reports.database.connection() as conn:
            issued = await repository.by_hash(conn, digest)
        found = answer(issued) if issued else unknown_file(digest)
        return _verify_page(reports.documents, found, file=True) if _wants_html(request) else found

    @routes.get(
        "/.well-known/compliancelayer-ca.pem",
        summary="The certificate that reports are signed with",
        public=True,
        responses={200: "application/x-pem-file"},
    )
    async def certificate() -> web.Response:
        return web.Response(body=reports.certificates, content_type="application/x-pem-file")

    return routes


def _badges(reports: Reports) -> Routes:
    routes = Routes(tag="Badges")

    async def shown(domain: str) -> Badge:
        async with reports.database.connection() as conn:
            score = await repository.badge_score(conn, domain.lower())
        return badge.badge(domain, score.grade, score.score, score.scanned_at) if score else badge.badge(domain)

    @routes.get(
        "/v1/badge/{domain}.svg", summary="The badge of a domain", public=True, responses={200: "image/svg+xml"}
    )
    async def svg(domain: str, query: BadgeQuery) -> web.Response:
        text = badge.svg(await shown(domain), query.style)
        return web.Response(text=text, content_type="image/svg+xml", headers=_cached("default-src 'none'"))

    @routes.get(
        "/v1/badge/{domain}.json",
        summary="The badge of a domain as data",
        public=True,
        responses={200: "application/json"},
    )
    async def data(domain: str) -> web.Response:
        text = (await shown(domain)).model_dump_json()
        return web.Response(text=text, content_type="application/json", headers=_cached("default-src 'none'"))

    return routes


async def _document(keys: Keys, request: web.Request) -> ReportDocument:
    """The body, once the scanner's signature over it holds."""
    body = await request.read()
    try:
        verify_document(keys, body, request.headers.get(SIGNATURE_HEADER))
        return await asyncio.to_thread(ReportDocument.model_validate_json, body)
    except Untrusted as error:
        raise ApiError("unauthorized", f"This is no report of the scanner: {error}.") from error
    except ValidationError as error:
        raise ApiError("invalid_request", "The report cannot be read; its form is another version's.") from error


async def _uploaded(request: web.Request) -> bytes:
    """The raw body, or the form file `file`; at most MAX_BYTES of it."""
    if request.content_type != "multipart/form-data":
        content = await request.read()
    else:
        content = await _form_file(request)
    if len(content) > MAX_BYTES:
        raise ApiError("payload_too_large", f"The file may be {MAX_BYTES} bytes long.")
    return content


async def _form_file(request: web.Request) -> bytes:
    content = bytearray()
    try:
        form = await request.multipart()
        while (part := await form.next()) is not None:
            if not isinstance(part, BodyPartReader) or part.name != "file":
                continue
            while len(content) <= MAX_BYTES and (chunk := await part.read_chunk(CHUNK_BYTES)):
                content += chunk
            break
    except ValueError as error:
        raise ApiError(
            "invalid_request", "The form cannot be read: send multipart/form-data with a file `file`."
        ) from error
    return bytes(content)


def _wants_html(request: web.Request) -> bool:
    """Whether `text/html` is the first type that the client names: a browser."""
    return request.headers.get("Accept", "").lstrip().lower().startswith("text/html")


def _verify_page(
    documents: Documents,
    found: Answer | None = None,
    *,
    asked: str | None = None,
    file: bool = False,
    status: Literal[200, 404] = 200,
) -> web.Response:
    text = documents.page("verify.html", static("verify.css"), static("verify.js"), found=found, asked=asked, file=file)
    return _page(text, status)


def _page(text: str, status: Literal[200, 404] = 200) -> web.Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "frame-ancestors 'none'; form-action 'self'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _cached(policy: str) -> dict[str, str]:
    return {
        "Cache-Control": f"public, max-age={BADGE_SECONDS}",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
    }
