"""The page at `/` and the documentation, in a real browser."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import Stage
from tests.support.lab import hardened
from tests.support.lab.web import WebSpec

pytestmark = pytest.mark.xdist_group("e2e")

SCAN_MS = 60_000
PHONE = {"width": 360, "height": 740}
MODULES = 15
FREE = MODULES - 2  # none that tries ports beyond those of web and mail
HOSTILE = "<img src=x onerror=window.owned=1><script>window.owned=1</script>/1.2.3"

WATCH = """() => {
    window.seen = {};
    new MutationObserver(() => {
        for (const item of document.querySelectorAll("#modules li")) {
            (window.seen[item.dataset.module] ||= new Set()).add(item.dataset.state);
        }
    }).observe(document.getElementById("modules"), { childList: true });
}"""
SEEN = "() => Object.fromEntries(Object.entries(window.seen).map(([name, states]) => [name, [...states]]))"


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Nothing here needs the sandbox, which root cannot have.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Complaints:
    """What the browser objected to, and where it went beside our own server."""

    def __init__(self, page: Page, url: str) -> None:
        self.found: list[str] = []
        page.on("console", lambda message: self.found.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.found.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((url, "data:")) else self._went(request.url))

    def _went(self, url: str) -> None:
        self.found.append(f"a request to {url}")


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """A visitor from an address of its own. The test fails where the browser had a complaint that it did not allow."""
    address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
    context = browser.new_context(extra_http_headers={"X-Forwarded-For": address})
    page = context.new_page()
    complaints = Complaints(page, stage.fleet.url)
    page.goto(stage.fleet.url)
    yield page
    context.close()
    # A refusal that the page shows to its reader is in the console too.
    assert [found for found in complaints.found if "responded with a status of 4" not in found] == []


def signed_up(page: Page) -> str:
    email = f"{secrets.token_hex(8)}@customer.test"
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text(f"Signed in as {email}.")).to_be_visible()
    return email


def scanned(page: Page, domain: str) -> None:
    page.get_by_role("textbox", name="Domain").fill(domain)
    page.get_by_role("button", name="Scan").click()
    expect(page.get_by_role("heading", name=domain, exact=True)).to_be_visible(timeout=SCAN_MS)


def overflow(page: Page) -> int:
    """How many pixels of the page are to the right of the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


def test_a_visitor_scans_a_domain_by_keyboard_alone(page: Page) -> None:
    page.evaluate(WATCH)
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "domain":
        page.keyboard.press("Tab")
    page.keyboard.type("https://Neglected.test/shop")
    page.keyboard.press("Enter")

    result = page.locator("#result")
    expect(result).to_be_focused(timeout=SCAN_MS)
    expect(page.get_by_label("Grade F")).to_have_text("F")
    assert 0 <= int(page.locator("#score").inner_text()) < 35
    expect(page.locator("#risk")).to_have_text("Risk: critical")
    expect(page.locator("#scores li")).to_have_count(FREE)
    expect(page.locator("#findings .severity").first).to_have_text("critical")
    expect(page.locator("#more")).to_contain_text("Sign up to read")
    seen = page.evaluate(SEEN)
    assert len(seen) == FREE
    assert any("running" in states for states in seen.values())

    page.keyboard.press("Tab")
    finding = page.locator("#findings details").first
    expect(finding.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(finding).to_have_attribute("open", "")
    expect(finding.locator("pre").first).to_be_visible()


def test_what_is_no_domain_is_explained(page: Page) -> None:
    page.get_by_role("textbox", name="Domain").fill("<b>192.0.2.1</b>")
    page.get_by_role("button", name="Scan").click()
    expect(page.get_by_role("alert")).to_contain_text("domain")
    expect(page.locator("#progress")).to_be_hidden()
    page.get_by_role("textbox", name="Domain").fill("nowhere.test")
    page.get_by_role("button", name="Scan").click()
    expect(page.get_by_role("alert")).to_contain_text("No result", timeout=SCAN_MS)


def test_with_an_account_all_modules_are_scanned_and_a_key_is_made(page: Page, stage: Stage) -> None:
    email = signed_up(page)
    page.evaluate(WATCH)
    scanned(page, "neglected.test")
    expect(page.locator("#scores li")).to_have_count(MODULES)
    expect(page.locator("#scores")).to_contain_text("Open ports")
    assert len(page.evaluate(SEEN)) == MODULES
    with httpx.Client(base_url=stage.fleet.url) as api:
        token = page.evaluate("sessionStorage.getItem('token')")
        scan = api.get("/v1/scan/recent", headers={"Authorization": f"Bearer {token}"}).json()["scans"][0]
        assert page.locator("#score").inner_text() == str(scan["score"])
        assert page.locator("#counts").inner_text().startswith(f"{scan['total_issues']} issues: ")

        page.get_by_role("button", name="Create an API key").click()
        expect(page.locator("#key")).to_contain_text("cl_")
        key = page.locator("#key").inner_text()
        assert key in page.locator("#curl").inner_text()
        assert api.get("/v1/auth/me", headers={"Authorization": f"Bearer {key}"}).json()["email"] == email

        page.reload()
        expect(page.get_by_text(f"Signed in as {email}.")).to_be_visible()
        assert key not in page.content()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign up")).to_be_visible()
        assert api.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_wrong_password_is_told(page: Page) -> None:
    page.get_by_label("E-mail").fill("nobody@customer.test")
    page.get_by_label("Password").fill("wrong horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("password is wrong")


def test_on_a_telephone_nothing_is_out_of_reach(page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert overflow(page) == 0
    signed_up(page)
    scanned(page, "neglected.test")
    page.get_by_role("button", name="Create an API key").click()
    expect(page.locator("#key-box")).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    assert overflow(page) == 0
    small = page.evaluate(
        "[...document.querySelectorAll('button, input, summary')].filter((one) => one.checkVisibility()"
        " && one.getBoundingClientRect().height < 40).map((one) => one.outerHTML)"
    )
    assert small == []


def test_what_a_target_says_is_shown_as_text(page: Page, stage: Stage) -> None:
    site = replace(hardened("hostile.test"), web=WebSpec().set("Server", HOSTILE))
    stage.run(stage.lab.serve(site))
    signed_up(page)
    scanned(page, "hostile.test")
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    expect(page.locator("#findings")).to_contain_text("<img src=x onerror=window.owned=1>")
    assert page.locator("#result img, #result script").count() == 0
    assert page.evaluate("window.owned") is None


def test_the_documentation_needs_nothing_from_elsewhere(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.fleet.url}/docs")
    documented = httpx.get(f"{stage.fleet.url}/v1/openapi.json").json()["paths"]
    expect(page.locator(".opblock")).to_have_count(sum(len(methods) for methods in documented.values()))
    page.locator(".opblock", has_text="Queue a scan of a domain").locator(".opblock-summary-control").click()
    expect(page.get_by_text("example.com").first).to_be_visible()
