"""The browser that prints: what comes out, what it cannot reach, and how it comes back."""

import asyncio
import os
import re
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
import zxingcpp

from services.reports.document import Documents, Paper
from services.reports.renderer import Renderer, RendererUnavailable, find_chromium
from services.reports.view import Issuance
from tests.support.reports import make_report

REPORT_ID = "cl_rpt_" + "b" * 26
ISSUANCE = Issuance(
    report_id=REPORT_ID,
    verify_url=f"https://reports.example.com/v1/verify/{REPORT_ID}",
    issued_at=datetime(2026, 11, 24, 10, tzinfo=UTC),
    issuer="reports.example.com",
    fingerprint="cd" * 32,
)
SMALL = "<!doctype html><title>small</title><p>small</p>"


def chromium_processes() -> frozenset[int]:
    """Ids of the Chromium processes below this one."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            match = re.fullmatch(r"(\d+) \((.*)\) (\S) (\d+) .*", path.read_text().strip(), re.DOTALL)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if match and match[3] != "Z":
            parents[int(match[1])], names[int(match[1])] = int(match[4]), match[2]

    def below(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and below(parents[pid]))

    return frozenset(pid for pid, name in names.items() if name.startswith("chrom") and below(pid))


class Browsers:
    """The browsers of one test: other tests of the same process may keep theirs."""

    def __init__(self) -> None:
        self._others = chromium_processes()

    def now(self) -> frozenset[int]:
        return chromium_processes() - self._others

    async def gone(self) -> None:
        async with asyncio.timeout(20):
            while self.now():
                await asyncio.sleep(0.05)


@pytest.fixture
def browsers() -> Browsers:
    return Browsers()


def kill(pids: frozenset[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # a child goes with its parent
            os.kill(pid, signal.SIGKILL)


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


@pytest.mark.parametrize(("paper", "width", "height"), [("a4", 595, 842), ("letter", 612, 792)])
async def test_a_report_is_printed_on_its_paper(renderer: Renderer, paper: Paper, width: int, height: int) -> None:
    pdf = await renderer.pdf(Documents().report(make_report(5), ISSUANCE, paper))
    with pikepdf.open(BytesIO(pdf)) as document:
        for page in document.pages:
            assert (round(page.mediabox[2]), round(page.mediabox[3])) == (width, height)
        assert document.Root.MarkInfo.Marked
        assert str(document.Root.Lang) == "en"
        with document.open_outline() as outline:
            headings = [item.title for item in outline.root] + [
                sub.title for item in outline.root for sub in item.children
            ]
        assert "Executive summary" in headings
        last = len(document.pages)
    assert f"{last} / {last}" in text_of(pdf)


async def test_the_code_on_the_cover_leads_to_the_verification_page(renderer: Renderer) -> None:
    pdf = await renderer.pdf(Documents().report(make_report(5), ISSUANCE))
    document = pypdfium2.PdfDocument(pdf)
    picture = document[0].render(scale=2).to_pil()
    document.close()
    assert [code.text for code in zxingcpp.read_barcodes(picture)] == [ISSUANCE.verify_url]


async def test_every_finding_is_on_paper_and_nothing_is_cut_off(renderer: Renderer) -> None:
    report = make_report(60, hostile="x" * 300)
    text = "".join(text_of(await renderer.pdf(Documents().report(report, ISSUANCE))).split())
    for issue in report.issues:
        assert "".join(issue.remediation.split()) in text
    assert text.count("x" * 300) >= len(report.issues)


async def test_what_a_target_says_is_printed_and_does_nothing(renderer: Renderer) -> None:
    asked = asyncio.Event()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        hostile = f'<img src="{address}/i"><script src="{address}/s"></script><iframe src="{address}/f"></iframe>'
        raw = f'<!doctype html><link rel=stylesheet href="{address}/c">{hostile}<p>raw</p>'
        escaped = await renderer.pdf(Documents().report(make_report(3, hostile=hostile), ISSUANCE))
        await renderer.pdf(raw)  # even markup that got through reaches nothing
    assert not asked.is_set()
    assert "".join(hostile.split()) in "".join(text_of(escaped).split())
    with pikepdf.open(BytesIO(escaped)) as document:
        listing = " ".join(repr(item) for item in document.objects)
    assert not re.search(r"/(JS|JavaScript|OpenAction|Launch|EmbeddedFile|URI)\b", listing)


async def test_the_browser_starts_with_the_first_job_and_ends_with_close(
    renderer: Renderer, browsers: Browsers
) -> None:
    assert not browsers.now()
    assert (await renderer.pdf(SMALL)).startswith(b"%PDF")
    assert browsers.now()
    await renderer.close()
    await browsers.gone()


async def test_a_browser_that_died_is_replaced(renderer: Renderer, browsers: Browsers) -> None:
    await renderer.pdf(SMALL)
    before = browsers.now()
    kill(before)
    assert (await renderer.pdf(SMALL)).startswith(b"%PDF")
    assert not before & browsers.now()


async def test_a_browser_that_dies_under_a_job_is_replaced(renderer: Renderer, browsers: Browsers) -> None:
    await renderer.pdf(SMALL)
    before = browsers.now()
    job = asyncio.create_task(renderer.pdf(Documents().report(make_report(60), ISSUANCE)))
    await asyncio.sleep(0)  # the job has its place; the death comes at whatever point it has reached
    kill(before)
    assert (await job).startswith(b"%PDF")


async def test_a_used_up_browser_is_replaced(chromium: Path, browsers: Browsers) -> None:
    renderer = Renderer(chromium, renders=1)
    await asyncio.gather(renderer.pdf(SMALL), renderer.pdf(SMALL))
    await browsers.gone()


@pytest.mark.slow
async def test_a_browser_that_hangs_is_given_up_in_time(chromium: Path, browsers: Browsers) -> None:
    renderer = Renderer(chromium, time_limit=6.0)
    await renderer.pdf(SMALL)
    for pid in browsers.now():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(RendererUnavailable, match="not printed within 6 seconds"):
        await renderer.pdf(SMALL)
    assert time.monotonic() - started < 25
    assert (await renderer.pdf(SMALL)).startswith(b"%PDF")
    await renderer.close()
    await browsers.gone()


async def test_too_many_jobs_are_refused(chromium: Path) -> None:
    renderer = Renderer(chromium, concurrency=1, waiting=0)
    async with renderer.place():
        with pytest.raises(RendererUnavailable, match="try again"):
            await renderer.pdf(SMALL)
    assert (await renderer.pdf(SMALL)).startswith(b"%PDF")
    await renderer.close()


def test_a_browser_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, installed = tmp_path / "bundled", tmp_path / "chromium"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RendererUnavailable, match="apt-get install chromium"):
        find_chromium(None, bundled)
    installed.touch(mode=0o755)
    assert find_chromium(None, bundled) == installed
    bundled.touch()
    assert find_chromium(None, bundled) == bundled
    assert find_chromium(installed, bundled) == installed
    with pytest.raises(RendererUnavailable, match="CL_CHROMIUM_PATH"):
        find_chromium(tmp_path / "absent", bundled)


async def test_a_browser_that_does_not_start_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(RendererUnavailable, match="Chromium does not start"):
        await Renderer(broken).pdf(SMALL)
