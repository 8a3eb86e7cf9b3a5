"""Takes a picture of each page of the console, light, dark and phone-sized: `make screenshots`.

It starts the whole service with the simulated WhatsApp and produces what a shop would: nothing on a picture is a real
number or text. All pictures go to `dist/screenshots`, and a few small ones to `docs/images`, for the documents.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from streams.client import SyncWhatsApp
from streams.contract.timestamps import format_rfc3339
from streams.testing.sandbox_stack import SandboxStack
from streams.whatsapp.install import executable

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "dist" / "screenshots"
IMAGES: Final = ROOT / "docs" / "images"
MAX_IMAGE_BYTES: Final = 60_000
PHONE: Final = "+60123456701"
UNKNOWN_PHONE: Final = "+60123456799"
BATCH: Final = "spring-2026"
_TIMEOUT_S: Final = 120.0
_READ_S: Final = 13.0  # senders repeat their state every 10 seconds

PAGES: Final = {
    "overview": "/",
    "accounts": "/accounts",
    "account": "/account?name=main",
    "queue": "/queue",
    "search": "/search?q=order-1",
    "message": f"/message?to=%2B{PHONE[1:]}&id=order-1",
    "conversation": f"/conversation?to=%2B{PHONE[1:]}",
    "batches": "/batches",
    "batch": f"/batch?id={BATCH}",
    "dead-letters": "/dead-letters",
    "templates": "/templates",
    "consents": "/consents",
    "forget": f"/forget?to=%2B{PHONE[1:]}",
    "send": "/send",
    "login": "/login",
}
FORMS: Final = {"light": (1120, "light"), "dark": (1120, "dark"), "phone": (390, "light")}
MISSING: Final = "/account?name=nobody"
# What the documents show: few, and small. Each is cut at this height, where a part of the page ends.
IN_DOCUMENTS: Final = {
    "overview-light": 738,
    "message-light": 600,
    "accounts-dark": 480,
    "dead-letters-phone": 760,
}


def main() -> int:
    """Take the pictures. Returns the exit code."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="wa-screenshots-") as folder:
        settings = {"WA_ACCOUNTS": "main,sales", "WA_QUIET_HOURS": "21:00-08:00"}
        with SandboxStack(Path(folder), settings) as stack:
            produce(stack)
            time.sleep(_READ_S)
            asyncio.run(take_pictures(stack.web))
    large = list(copy_into_documents())
    for name in large:
        print(f"{name} has more than {MAX_IMAGE_BYTES} bytes, and stays out of docs/images")
    print(f"{len(list(FOLDER.iterdir()))} pictures in {FOLDER.relative_to(ROOT)}")
    return 1 if large else 0


def produce(stack: SandboxStack) -> None:
    """What a shop sends in a day: orders, a campaign, a visit in the future, a number that is not on WhatsApp."""
    stack.sandbox.set_numbers({UNKNOWN_PHONE: {"on_whatsapp": False}})
    account = stack.sandbox.fetch_overview().accounts[0].phone
    with stack.connect() as whatsapp:
        _send_orders(whatsapp)
        tomorrow = format_rfc3339(time.time() + 86_400)
        whatsapp.send(PHONE, "See you tomorrow at nine", id="visit-1", send_at=tomorrow)
        members = [{"to": f"+6012345672{n}", "text": f"Tulips are back, {n}"} for n in range(8)]
        whatsapp.send_batch(members, batch_id=BATCH)
        whatsapp.send_immediate(UNKNOWN_PHONE, "Your invoice", id="invoice-7", timeout_s=_TIMEOUT_S)
    stack.sandbox.write_to_account(PHONE, account, "Thank you! When will it arrive?")
    stack.wait_for_messages("+60123456727", timeout_s=_TIMEOUT_S)


def _send_orders(whatsapp: SyncWhatsApp) -> None:
    for number in range(1, 8):
        text = f"Order {number} is on its way"
        to = f"+6012345670{number}"
        whatsapp.send_immediate(to, text, id=f"order-{number}", timeout_s=_TIMEOUT_S)


async def _follow(page: Page, selector: str) -> None:
    """Click what leads to another page."""
    async with page.expect_navigation():
        await page.click(selector)


async def _open_template(page: Page) -> None:
    await page.goto("/templates")
    await _follow(page, "tbody a")


async def _open_dead_letter(page: Page) -> None:
    await page.goto("/dead-letters")
    await _follow(page, "tbody a")


async def _plan_replay(page: Page) -> None:
    await page.goto("/dead-letters")
    await _follow(page, "button[value=matching]")


async def _plan_purge(page: Page) -> None:
    await page.goto("/dead-letters")
    await page.click("summary:has-text('Delete')")
    await _follow(page, "button:has-text('How many')")


async def _make_report(page: Page) -> None:
    await page.goto("/report")
    await _follow(page, "main button")
    await page.locator("svg.chart").first.wait_for(timeout=_TIMEOUT_S * 1000)


# The pages that have no address of their own, or whose address is not known before: how a person gets there.
WAYS: Final[dict[str, Callable[[Page], Awaitable[None]]]] = {
    "report": _make_report,
    "template": _open_template,
    "dead-letter": _open_dead_letter,
    "replay": _plan_replay,
    "purge": _plan_purge,
}


async def _store_template(page: Page) -> None:
    """The page's own example."""
    await page.goto("/templates")
    await _follow(page, "button:has-text('Store')")


async def take_pictures(url: str) -> None:
    """Each page in each form."""
    program = executable.find_chromium(None)
    if program is None:
        raise RuntimeError("there is no Chromium; run wa-streams setup")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program.path))
        try:
            await _prepare(browser, url, _store_template)
            for form in FORMS:
                await _take_form(browser, url, form)
        finally:
            await browser.close()


async def _prepare(browser: Browser, url: str, prepare: Callable[[Page], Awaitable[None]]) -> None:
    async with await browser.new_context(base_url=url) as context:
        await prepare(await context.new_page())


async def _open_context(browser: Browser, url: str, form: str) -> BrowserContext:
    width, scheme = FORMS[form]
    dark = "dark" if scheme == "dark" else "light"
    viewport = {"width": width, "height": 600}
    return await browser.new_context(base_url=url, viewport=viewport, color_scheme=dark)


async def _take_form(browser: Browser, url: str, form: str) -> None:
    async with await _open_context(browser, url, form) as context:
        for name, path in PAGES.items():
            await _take(context, f"{name}-{form}", path)
        await _take(context, f"missing-{form}", MISSING, status=404)
        for name, go in WAYS.items():
            page = await context.new_page()
            await go(page)
            await _save(page, f"{name}-{form}")


async def _take(context: BrowserContext, name: str, path: str, status: int = 200) -> None:
    page = await context.new_page()
    response = await page.goto(path)
    if response is None or response.status != status:
        raise RuntimeError(f"{path} was not shown: {response and response.status}")
    await _save(page, name)


async def _save(page: Page, name: str) -> None:
    """The whole page, but for those that the documents show."""
    if name in IN_DOCUMENTS and page.viewport_size:
        await page.set_viewport_size({**page.viewport_size, "height": IN_DOCUMENTS[name]})
    await page.screenshot(path=FOLDER / f"{name}.png", full_page=name not in IN_DOCUMENTS)
    await page.close()


def copy_into_documents() -> Iterator[str]:
    """Copy the chosen pictures; yields the names of those that are too large."""
    IMAGES.mkdir(exist_ok=True)
    for name in IN_DOCUMENTS:
        picture = FOLDER / f"{name}.png"
        if picture.stat().st_size > MAX_IMAGE_BYTES:
            yield name
        else:
            shutil.copyfile(picture, IMAGES / f"console-{name}.png")


if __name__ == "__main__":
    sys.exit(main())
