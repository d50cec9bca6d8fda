"""HTML to PDF by a Chromium that is kept warm, cut off from everything, and replaced when it fails."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, Playwright, Route, async_playwright
from playwright.async_api import Error as PlaywrightError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND"  # below the page: a frame connects before its request is aborted
START_SECONDS = 30.0
END_SECONDS = 3.0


class RendererUnavailable(Exception):
    """No PDF can be made now; the message says why and what to do."""


@dataclass
class _Session:
    """One browser with its driver, and how much it was used."""

    playwright: Playwright
    browser: Browser
    renders: int = 0
    active: int = 0
    retired: bool = False

    async def close(self) -> None:
        with contextlib.suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self.browser.close()
        # The driver kills what is left of its browser when it goes.
        with contextlib.suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self.playwright.stop()


class Renderer:
    """Prints HTML to PDF. The browser starts with the first job; `close` ends it.

    executable: a Chromium; None looks for Playwright's own, then for one on the machine.
    concurrency: pages printed at once. waiting: jobs that may wait for a place; more are refused.
    renders: jobs after which a browser is replaced. time_limit: seconds to print one.
    """

    def __init__(
        self,
        executable: Path | None = None,
        *,
        concurrency: int = 2,
        waiting: int = 32,
        renders: int = 200,
        time_limit: float = 30.0,
    ) -> None:
        self._executable = executable
        self._places = asyncio.Semaphore(concurrency)
        self._admitted, self._most_admitted = 0, concurrency + waiting
        self._renders = renders
        self._time_limit = time_limit
        self._starting = asyncio.Lock()
        self._current: _Session | None = None

    async def pdf(self, html: str) -> bytes:
        """`html` printed on the paper that its `@page` names. RendererUnavailable: no browser, too slow, too busy."""
        async with self.place() as printed:
            return await printed(html)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[Callable[[str], Awaitable[bytes]]]:
        """A place among those that print at once, for as long as the block lasts; it gives what prints."""
        if self._admitted >= self._most_admitted:
            raise RendererUnavailable("Too many reports are being printed at the moment; try again in a few seconds.")
        self._admitted += 1
        try:
            async with self._places:
                yield self._print_or_retry
        finally:
            self._admitted -= 1

    async def close(self) -> None:
        """End the browser, if one runs."""
        session, self._current = self._current, None
        if session:
            await session.close()

    async def _print_or_retry(self, html: str) -> bytes:
        try:
            return await self._print(html)
        except PlaywrightError:  # the browser died under the job, which may be its own doing: once more, in a new one
            try:
                return await self._print(html)
            except PlaywrightError as error:
                raise RendererUnavailable("The report could not be printed: the browser failed twice.") from error

    async def _print(self, html: str) -> bytes:
        try:
            async with self._session() as session, asyncio.timeout(self._time_limit), _page(session.browser) as page:
                await page.set_content(html, wait_until="load", timeout=0)
                return await page.pdf(tagged=True, outline=True, print_background=True, prefer_css_page_size=True)
        except TimeoutError as error:
            raise RendererUnavailable(f"The report was not printed within {self._time_limit:g} seconds.") from error

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[_Session]:
        async with self._starting:
            if self._current is None or self._current.retired or not self._current.browser.is_connected():
                self._current = await self._launch()
            session = self._current
            session.renders += 1
            session.retired = session.renders >= self._renders
            session.active += 1
        try:
            yield session
        except BaseException:
            session.retired = True
            raise
        finally:
            session.active -= 1
            if session.retired and session.active == 0:
                if self._current is session:
                    self._current = None
                await asyncio.shield(session.close())

    async def _launch(self) -> _Session:
        playwright = await async_playwright().start()
        try:
            browser = await playwright.chromium.launch(
                executable_path=find_chromium(self._executable, Path(playwright.chromium.executable_path)),
                chromium_sandbox=os.geteuid() != 0,  # Chromium has none for root
                args=["--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", NOWHERE],
                env={name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")},
                timeout=START_SECONDS * 1000,
            )
        except PlaywrightError as error:
            await playwright.stop()
            raise RendererUnavailable(f"Chromium does not start: {error.message.splitlines()[0]}") from error
        except BaseException:
            await playwright.stop()
            raise
        return _Session(playwright, browser)


@contextlib.asynccontextmanager
async def _page(browser: Browser) -> AsyncIterator[Page]:
    """A page that runs no script and reaches nothing: a report holds strings that strangers chose."""
    context = await browser.new_context(offline=True, java_script_enabled=False, service_workers="block")
    try:
        await context.route("**/*", _abort)
        yield await context.new_page()
    finally:
        with contextlib.suppress(PlaywrightError):
            await context.close()


async def _abort(route: Route) -> None:
    await route.abort()


def find_chromium(setting: Path | None, bundled: Path) -> Path:
    """The setting, else Playwright's own, else a browser on the machine. RendererUnavailable: there is none."""
    if setting is not None:
        if not setting.is_file():
            raise RendererUnavailable(f"CL_CHROMIUM_PATH names no file: {setting}. Unset it or name a Chromium.")
        return setting
    if bundled.is_file():
        return bundled
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RendererUnavailable(
            "PDF reports need a Chromium and none was found: install one (Debian: apt-get install chromium; elsewhere: "
            "playwright install chromium) or set CL_CHROMIUM_PATH. Everything else works without it."
        )
    return Path(found)


async def locate(setting: Path | None) -> Path:
    """The Chromium that would print. RendererUnavailable: there is none."""
    async with async_playwright() as playwright:
        return find_chromium(setting, Path(playwright.chromium.executable_path))


def main() -> None:
    """Print the path of the Chromium that would print; exit code 1 where there is none."""
    setting = os.environ.get("CL_CHROMIUM_PATH")
    try:
        sys.stdout.write(f"{asyncio.run(locate(Path(setting) if setting else None))}\n")
    except RendererUnavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
