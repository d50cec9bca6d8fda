"""A PDF of 20 findings from the warm renderer, beside what the browser itself needs for the same page."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from services.reports.document import Documents
from services.reports.renderer import Renderer, RendererUnavailable, find_chromium
from tests.bench.figure import Figure
from tests.support.reports import make_report

FINDINGS = 20
ROUNDS = 9


async def figures() -> AsyncIterator[Figure]:
    html = Documents().report(make_report(FINDINGS))
    renderer = Renderer()
    try:
        async with async_playwright() as playwright:
            try:
                program = find_chromium(None, Path(playwright.chromium.executable_path))
            except RendererUnavailable as missing:
                print(f"  not measured: {missing}")
                return
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            await _bare(browser, html)
            await _ours(renderer, html)
            rounds = [(await _bare(browser, html), await _ours(renderer, html)) for _ in range(ROUNDS)]
            await browser.close()
    finally:
        await renderer.close()
    yield Figure(f"page.pdf() of {FINDINGS} findings in a bare page", [bare for bare, _ in rounds], "s")
    yield Figure(f"PDF of {FINDINGS} findings by the renderer, warm", [ours for _, ours in rounds], "s")
    yield Figure("the renderer to the bare page", [ours / bare for bare, ours in rounds], "times")


async def _bare(browser: Browser, html: str) -> float:
    """Seconds for a new page that prints the same as the renderer prints, with nothing around it."""
    started = time.monotonic()
    page = await browser.new_page()
    await page.set_content(html, wait_until="load")
    await page.pdf(tagged=True, outline=True, print_background=True, prefer_css_page_size=True)
    await page.close()
    return time.monotonic() - started


async def _ours(renderer: Renderer, html: str) -> float:
    started = time.monotonic()
    await renderer.pdf(html)
    return time.monotonic() - started
