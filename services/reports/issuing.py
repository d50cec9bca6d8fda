"""A report is issued once: its first request prints, signs, stores and registers it; later ones get those bytes."""

import asyncio
import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.reports import repository
from services.reports.document import Documents, Paper
from services.reports.renderer import Renderer
from services.reports.repository import IssuedReport
from services.reports.signing import Identity, Imprint, sign
from services.reports.storage import DirectoryStorage, StorageUnavailable
from services.reports.view import Issuance
from shared.bus import Bus
from shared.clock import Clock, Ids
from shared.contracts.events import ReportIssued
from shared.contracts.report import Report, ReportDocument
from shared.database import Connection, Database


@dataclass(frozen=True)
class Issuer:
    database: Database
    bus: Bus
    storage: DirectoryStorage
    documents: Documents
    renderer: Renderer
    identity: Identity
    public_url: str
    clock: Clock
    ids: Ids

    async def issue(self, document: ReportDocument, paper: Paper) -> tuple[IssuedReport, bytes]:
        """The registered report of this job and paper, and its file.

        ValueError: the report is of no job. RendererUnavailable, StorageUnavailable: nothing was issued; try again.
        """
        job_id = document.report.job_id
        if job_id is None:
            raise ValueError("a report of no job cannot be issued")
        async with self.database.connection() as conn:
            issued = await repository.by_job(conn, job_id, paper)
        if issued is None:
            # The place comes before the connection: who waits for the browser holds none.
            async with self.renderer.place() as printed, self.database.transaction() as conn:
                await repository.lock_issue(conn, job_id, paper)
                issued = await repository.by_job(conn, job_id, paper)
                if issued is None:
                    issuance = self._issuance()
                    html = await asyncio.to_thread(self.documents.report, document.report, issuance, paper)
                    pdf = await asyncio.to_thread(self._sign, await printed(html), document.report, issuance)
                    return await self._register(conn, document, job_id, paper, issuance, pdf), pdf
        return issued, await self._stored(issued)

    def _issuance(self) -> Issuance:
        report_id = self.ids.text("cl_rpt_")
        return Issuance(
            report_id=report_id,
            verify_url=f"{self.public_url}/v1/verify/{report_id}",
            issued_at=self.clock.now(),
            issuer=urlsplit(self.public_url).netloc,
            fingerprint=self.identity.certificate.fingerprint,
        )

    def _sign(self, pdf: bytes, report: Report, issuance: Issuance) -> bytes:
        imprint = Imprint(
            title=f"Security report of {report.domain}, {report.scanned_at:%Y-%m-%d}",
            domain=report.domain,
            report_id=issuance.report_id,
            issuer=issuance.issuer,
            issued_at=issuance.issued_at,
        )
        return sign(pdf, imprint, self.identity)

    async def _register(
        self, conn: Connection, document: ReportDocument, job_id: str, paper: Paper, issuance: Issuance, pdf: bytes
    ) -> IssuedReport:
        report = document.report
        issued = IssuedReport(
            id=issuance.report_id,
            domain=report.domain,
            grade=report.grade,
            score=report.score,
            coverage=report.coverage,
            scanned_at=report.scanned_at,
            issued_at=issuance.issued_at,
            issuer=issuance.issuer,
            key_fingerprint=issuance.fingerprint,
            engine_version=report.engine_version,
            catalog_version=report.catalog_version,
            sha256=hashlib.sha256(pdf).hexdigest(),
            status="valid",
        )
        # Stored first: a crash in between leaves a file that retention removes, never a row without its file.
        await asyncio.to_thread(self.storage.put, file_name(issued.id), pdf)
        await repository.insert(conn, issued, job_id, paper, document.account_id)
        event = ReportIssued(
            report_id=issued.id,
            job_id=job_id,
            account_id=document.account_id,
            domain=issued.domain,
            sha256=issued.sha256,
            issued_at=issued.issued_at,
        )
        await self.bus.publish(conn, event)
        return issued

    async def _stored(self, issued: IssuedReport) -> bytes:
        pdf = await asyncio.to_thread(self.storage.get, file_name(issued.id))
        if hashlib.sha256(pdf).hexdigest() != issued.sha256:
            raise StorageUnavailable(f"{file_name(issued.id)} is not what was issued: restore it from a backup")
        return pdf


def file_name(report_id: str) -> str:
    return f"{report_id}.pdf"
