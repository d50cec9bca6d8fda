"""The verification page in a real browser: its policy, and the field that takes a dropped file."""

from pathlib import Path

from playwright.async_api import Request, Route, async_playwright

from services.reports.document import Documents, static

ADDRESS = "https://reports.example.com/v1/verify"
DROP = """() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["%PDF-1.7 dropped"], "report.pdf", {type: "application/pdf"}));
    const drop = new DragEvent("drop", {dataTransfer: transfer, cancelable: true});
    document.querySelector("form.drop").dispatchEvent(drop);
}"""


async def test_a_dropped_file_is_sent_and_nothing_else_is_asked_for(chromium: Path) -> None:
    document = Documents().page(
        "verify.html", static("verify.css"), static("verify.js"), found=None, asked=None, file=False
    )
    asked: list[Request] = []
    said: list[str] = []

    async def answer(route: Route, request: Request) -> None:
        asked.append(request)
        await route.fulfill(body=document, content_type="text/html")

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium)
        page = await browser.new_page(viewport={"width": 360, "height": 640})
        page.on("console", lambda message: said.append(message.text))
        await page.route("**/*", answer)
        await page.goto(ADDRESS)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360  # nothing wider than a telephone
        async with page.expect_navigation():
            await page.evaluate(DROP)
        await browser.close()

    assert [(request.method, request.url) for request in asked] == [("GET", ADDRESS), ("POST", ADDRESS)]
    sent = asked[1].post_data_buffer or b""
    assert b'name="file"; filename="report.pdf"' in sent
    assert b"%PDF-1.7 dropped" in sent
    assert not said  # the policy blocked nothing
